"""Reads the case tables of `tests/adapters/<kind>/cases` and compares what came out.

A case says only what matters: an expectation is a *subset* of what must be there (objects by key,
lists element by element), so a new field breaks no case.
"""

import base64
import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel

from hub.adapters import KINDS, module_name
from hub.model.address import Address, IdentityKind
from hub.model.channel import (
    Channel,
    ChannelConfig,
    ChannelContext,
    HttpPort,
    Manifest,
    OutgoingMedia,
    OutgoingPart,
    RawRequest,
)
from hub.model.clock import iso
from hub.model.content import Content
from hub.model.ids import ChannelId, ConversationId, DeliveryId, MessageId

PUBLIC_BASE = "https://hub.example"
CHANNEL_ID = ChannelId("CH")
WEBHOOK_URL = f"{PUBLIC_BASE}/in/{CHANNEL_ID}"
DELIVERY_ID = DeliveryId("0192f0c0-0000-7000-8000-00000000d001")
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
INTERNAL_METHODS = frozenset({"PULL", "SMTP", "SOCKET"})  # made by our own workers, not signed


@dataclasses.dataclass(frozen=True)
class Case:
    """One file: its kind, its name and what it says."""

    kind: str
    name: str
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        return f"{self.kind}/{self.name}"


def harness_of(kind: str) -> ModuleType:
    """Return the kind's harness; `cases` lies beside it.

    Ours is `tests.adapters.<kind>.harness`. A third party ships `<its module>.conformance.harness`
    and runs this suite from a checkout of the hub with its package installed.
    """
    own = kind in KINDS
    return import_module(
        f"tests.adapters.{kind}.harness" if own else f"{module_name(kind)}.conformance.harness"
    )


def read_cases(kind: str, direction: str) -> list[Case]:
    """Return the cases of one kind; `direction` is in or out."""
    folder = Path(str(harness_of(kind).__file__)).parent / "cases" / direction
    return [
        Case(kind, path.stem, json.loads(path.read_text("utf-8")))
        for path in sorted(folder.glob("*.json"))
    ]


def raw_config(harness: ModuleType, case: Case) -> dict[str, Any]:
    """Return the harness's configuration with the case's overrides, as plain values."""
    return {**harness.CONFIG, **case.data.get("config", {})}


def build_channel(manifest: Manifest, config: Mapping[str, Any], http: HttpPort) -> Channel:
    """Build a channel the way the hub does."""
    return manifest.build(read_config(manifest, config), new_context(http))


def read_config(manifest: Manifest, config: Mapping[str, Any]) -> ChannelConfig:
    return manifest.config.model_validate(dict(config))


def new_context(http: HttpPort) -> ChannelContext:
    return ChannelContext(
        channel_id=CHANNEL_ID, webhook_url=WEBHOOK_URL, http=http, mac_key=b"k" * 32
    )


# --- the way in -------------------------------------------------------------------------------
def request_of(case: Case) -> RawRequest:
    """Return the case's request, unsigned, as it would arrive at the public URL."""
    told = case.data["request"]
    path = told.get("path", f"/in/{CHANNEL_ID}")
    query = told.get("query", "")
    body, content_type = _body(told)
    headers = {"content-type": content_type} if content_type else {}
    headers |= {name.lower(): value for name, value in told.get("headers", {}).items()}
    tail = path.removeprefix(f"/in/{CHANNEL_ID}").strip("/")
    received = told.get("received_at")
    return RawRequest(
        method=told.get("method", "POST"),
        url=PUBLIC_BASE + path + (f"?{query}" if query else ""),
        path=path,
        query=query,
        headers=headers,
        body=body,
        received_at=datetime.fromisoformat(received) if received else NOW,
        action=told.get("action", tail),
    )


def _body(told: Mapping[str, Any]) -> tuple[bytes, str]:
    if "form" in told:
        pairs = [(str(key), str(value)) for key, value in told["form"]]
        return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
    if "json" in told:
        return json.dumps(told["json"], ensure_ascii=False).encode(), "application/json"
    if "body_b64" in told:
        return base64.b64decode(told["body_b64"]), ""
    return str(told.get("body", "")).encode(), ""


# --- the way out ------------------------------------------------------------------------------
def part_of(case: Case) -> OutgoingPart:
    """Return the case's part; what it does not say has plain defaults."""
    told = case.data["part"]
    return OutgoingPart(
        delivery_id=DeliveryId(told.get("delivery_id", DELIVERY_ID)),
        message_id=MessageId("0192f0c0-0000-7000-8000-00000000c001"),
        conversation_id=ConversationId("0192f0c0-0000-7000-8000-00000000b001"),
        part_no=told.get("part_no", 1),
        to=_address(told["to"]),
        content=Content.model_validate(told.get("content", {})),
        media=tuple(_media(item) for item in told.get("media", [])),
        display=told.get("display", {}),
        status_url=told.get("status_url", f"{WEBHOOK_URL}/status?delivery={DELIVERY_ID}"),
        provider_thread=told.get("provider_thread", ""),
        cc=tuple(_address(item) for item in told.get("cc", [])),
        references=tuple(told.get("references", [])),
        sender_name=told.get("sender_name", ""),
        attempt=told.get("attempt", 1),
    )


def _address(told: Mapping[str, str]) -> Address:
    return Address(IdentityKind(told["kind"]), told["value"], told.get("scope", ""))


def _media(told: Mapping[str, Any]) -> OutgoingMedia:
    data = base64.b64decode(told.get("data_b64", ""))

    async def read() -> bytes:
        return data

    return OutgoingMedia(
        kind=told["kind"],
        filename=told["filename"],
        content_type=told["content_type"],
        size_bytes=told.get("size_bytes", len(data)),
        url=told.get("url", f"{PUBLIC_BASE}/media/token"),
        read=read,
    )


# --- comparing --------------------------------------------------------------------------------
def plain(value: Any) -> Any:
    """Turn a value into what JSON can hold; dataclasses get their class name as `type`."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        data = getattr(value, "data", None)
        if isinstance(data, bytes):
            fields["data_b64"] = base64.b64encode(data).decode()
        return {"type": type(value).__name__} | fields
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def differences(expected: Any, actual: Any, at: str = "") -> list[str]:
    """Return where `actual` lacks what `expected` asks for; empty when all of it is there."""
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping):
            return [f"{at}: expected an object, got {actual!r}"]
        return [
            line
            for key, item in expected.items()
            for line in (
                differences(item, actual[key], f"{at}.{key}")
                if key in actual
                else [f"{at}.{key}: missing"]
            )
        ]
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return [f"{at}: expected {len(expected)} elements, got {actual!r}"]
        return [
            line
            for index, item in enumerate(expected)
            for line in differences(item, actual[index], f"{at}[{index}]")
        ]
    if expected == actual or _same_instant(expected, actual):
        return []
    return [f"{at}: expected {expected!r}, got {actual!r}"]


def _same_instant(expected: Any, actual: Any) -> bool:
    try:
        return datetime.fromisoformat(expected) == datetime.fromisoformat(actual)
    except (TypeError, ValueError):
        return False
