"""The SDK's Web API client over the hub's HTTP port (docs/adr/0010-slack-client-over-the-port.md).

`AsyncWebClient` has no pluggable transport, but everything it does ends in one method, `_request`.
That is overridden here: URLs, headers, tokens and the reading of errors stay the SDK's; time-outs,
guard and size caps are the port's; nothing is ever repeated.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from typing_extensions import override

from hub.model.channel import FormFile, HttpFailure, HttpPort
from hub.model.errors import SendError

_Answer = TypeVar("_Answer", bound=BaseModel)

NEEDS_AUTH = frozenset({
    "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive",
    "missing_scope", "not_allowed_token_type", "org_login_required", "ekm_access_denied",
    "app_uninstalled", "invalid_token",
})  # fmt: skip
_RATE_LIMITED = frozenset({"ratelimited", "rate_limited"})
# Slack says of these that a part of the work may have been done.
_PERHAPS_DONE = frozenset({"internal_error", "fatal_error"})
_TRY_AGAIN = frozenset({"service_unavailable", "request_timeout", "team_added_to_org"})
_NAMES = {
    "channel_not_found": "recipient_unknown",
    "not_in_channel": "recipient_unknown",
    "is_archived": "recipient_unknown",
    "user_not_found": "recipient_unknown",
    "users_not_found": "recipient_unknown",
    "user_disabled": "recipient_unknown",
    "msg_too_long": "too_long",
    "no_text": "empty_message",
}
_DEFAULT_WAIT_S = 30.0


class PortWebClient(AsyncWebClient):
    """`AsyncWebClient` whose only way out is the port.

    Raises what the SDK raises (`SlackApiError`), and `HttpFailure` when no answer came.
    """

    def __init__(
        self, http: HttpPort, *, base_url: str, token: str | None, timeout_s: float = 20.0
    ) -> None:
        super().__init__(token=token, base_url=base_url, retry_handlers=[])
        self._http = http
        self._timeout_s = timeout_s

    @override
    async def _request(
        self, *, http_verb: str, api_url: str, req_args: dict[str, Any]
    ) -> dict[str, Any]:
        headers = {k: v for k, v in (req_args.get("headers") or {}).items() if v is not None}
        body: bytes | None = None
        form: list[tuple[str, str | FormFile]] | None = None
        if req_args.get("json") is not None:
            body = json.dumps(req_args["json"]).encode()
        elif req_args.get("data") is not None:
            form = [(name, _text(value)) for name, value in req_args["data"].items()]
            # The port writes the form, so it also names its type.
            headers = {k: v for k, v in headers.items() if k.lower() != "content-type"}
        params = {k: _text(v) for k, v in (req_args.get("params") or {}).items()}
        answer = await self._http.request(
            http_verb,
            api_url,
            headers=headers,
            params=params or None,
            body=body,
            form=form,
            trusted=True,
            timeout_s=self._timeout_s,
        )
        return {
            "data": _object(answer.body),
            "headers": dict(answer.headers),
            "status_code": answer.status,
        }


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Nothing(_Loose):
    """An answer of which only `ok` matters."""


async def call(
    client: PortWebClient,
    method: str,
    fields: Mapping[str, str],
    answer: type[_Answer],
    *,
    visible: bool,
    auth: tuple[str, str] | None = None,
) -> _Answer:
    """Make one Web API call and return its answer as `answer`.

    Args:
        client: made with the token to use.
        method: e.g. `chat.postMessage`.
        fields: the arguments, sent as a form (every method takes forms, few take JSON).
        answer: model of what is read from the answer.
        visible: the customer can notice the call, so an unclear end means *maybe sent*.
        auth: client id and secret for OAuth calls.

    Raises:
        SendError: mapped from Slack's error, the status or the failure of the call.
    """
    # Not the SDK's `auth=`: it goes through a class aiohttp is about to drop.
    basic = base64.b64encode(":".join(auth).encode()).decode() if auth else ""
    headers = {"Authorization": f"Basic {basic}"} if basic else None
    try:
        response = await client.api_call(method, data=dict(fields), headers=headers)
    except HttpFailure as failure:
        raise no_answer(failure, visible=visible) from failure
    except SlackApiError as error:
        raise slack_error(error, visible=visible) from None
    try:
        return answer.model_validate(response.data)
    except ValidationError as error:
        # Slack said ok, so it is done; only what it said about it cannot be read.
        raise SendError("provider_answer_invalid", maybe_sent=visible) from error


def no_answer(failure: HttpFailure, *, visible: bool) -> SendError:
    """Map a call that brought no answer. What nobody can see may always be tried again."""
    refused = failure.code == "target_refused"
    maybe_sent = visible and failure.maybe_sent
    return SendError(failure.code, retryable=not maybe_sent and not refused, maybe_sent=maybe_sent)


def refused(status: int, code: str, headers: Mapping[str, str], *, visible: bool) -> SendError:
    """Map an answer that is not ok: HTTP status, Slack's `error` (may be empty) and headers."""
    said = code or f"http_{status}"
    if status == 429 or code in _RATE_LIMITED:
        wait = _seconds(headers.get("retry-after", ""))
        return SendError("rate_limited", retryable=True, retry_after_s=wait, provider_code=said)
    if code in NEEDS_AUTH or (status in {401, 403} and not code):
        return SendError("auth_refused", provider_code=said, needs_auth=True)
    if code in _TRY_AGAIN or status == 503:
        return SendError("provider_unavailable", retryable=True, provider_code=said)
    if code in _PERHAPS_DONE or status >= 500 or (status == 200 and not code):
        return SendError(
            "provider_failed", retryable=not visible, maybe_sent=visible, provider_code=said
        )
    return SendError(_NAMES.get(code, "refused_by_provider"), provider_code=said)


def slack_error(error: SlackApiError, *, visible: bool) -> SendError:
    """Map what the SDK raised for an answer that is not ok."""
    response = error.response
    data = response.data if isinstance(response.data, dict) else {}
    said = data.get("error")
    code = said[:100] if isinstance(said, str) else ""
    return refused(response.status_code, code, response.headers, visible=visible)


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 3_600.0)
    except ValueError:
        return _DEFAULT_WAIT_S


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else str(value)
