"""An HTTP port that answers from a script and remembers what it was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from hub.model.channel import FormFile, HttpAnswer, HttpFailure

CERTAIN_FAILURES = frozenset({"connect_failed", "target_refused"})


@dataclass(frozen=True)
class Call:
    """One call as the adapter made it."""

    method: str
    url: str
    headers: Mapping[str, str]
    params: Mapping[str, str]
    body: bytes | None
    form: list[tuple[str, str | FormFile]] | None
    trusted: bool

    def form_fields(self) -> dict[str, Any]:
        """Return the form; of a repeated name a list, of a file what describes it."""
        pairs: list[tuple[str, Any]] = []
        if self.form is not None:
            pairs = [(name, _described(value)) for name, value in self.form]
        elif self.body and not self.body.lstrip().startswith((b"{", b"[")):
            pairs = list(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        fields: dict[str, Any] = {}
        for name, value in pairs:
            if name in fields:
                before = fields[name]
                fields[name] = [*(before if isinstance(before, list) else [before]), value]
            else:
                fields[name] = value
        return fields

    def json(self) -> Any:
        """Return the JSON body, None when it is none."""
        try:
            return json.loads(self.body or b"")
        except ValueError:
            return None


def _described(value: str | FormFile) -> Any:
    if isinstance(value, str):
        return value
    return {
        "filename": value.filename,
        "content_type": value.content_type,
        "size": len(value.data),
    }


@dataclass
class ScriptedHttp:
    """Answers the calls in order; an unexpected call is a failed test."""

    script: list[Mapping[str, Any]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        form: list[tuple[str, str | FormFile]] | None = None,
        trusted: bool = False,
        timeout_s: float = 20.0,
        max_bytes: int = 2_000_000,
        follow_redirects: int = 0,
    ) -> HttpAnswer:
        """Record the call and give the next answer of the script."""
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        call = Call(method.upper(), url, lowered, params or {}, body, form, trusted)
        self.calls.append(call)
        if len(self.calls) > len(self.script):
            raise AssertionError(f"call {len(self.calls)} is one too many: {method} {url}")
        told = self.script[len(self.calls) - 1]
        if "fail" in told:
            code = told["fail"]
            raise HttpFailure(code, maybe_sent=told.get("maybe_sent", code not in CERTAIN_FAILURES))
        return HttpAnswer(
            status=told.get("status", 200),
            headers={name.lower(): value for name, value in told.get("headers", {}).items()},
            body=json.dumps(told["json"]).encode()
            if "json" in told
            else told.get("body", "").encode(),
        )
