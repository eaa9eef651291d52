"""A raw payload of any channel kind as canonical JSON: the adapter's own `parse`, nothing else.

The channel is built with placeholders where its kind wants secrets: `parse` is pure and needs none
of them. Nothing is verified, stored or sent.
"""

import base64
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from pydantic import BaseModel, SecretStr

from hub.model.channel import Channel, ChannelConfig, ChannelContext, Manifest, RawRequest
from hub.model.clock import iso, utc_now
from hub.model.errors import BadInput
from hub.model.http_port import HttpAnswer, HttpFailure
from hub.model.ids import ChannelId

CHANNEL = ChannelId("00000000-0000-7000-8000-000000000000")
"""Stands for the channel a real payload would have come to."""
_BASE = "https://hub.example"
_PLACEHOLDER = "only-for-reading-a-payload-0123456789"
_FORM = "application/x-www-form-urlencoded"


class _NoNetwork:
    """Refuses every call: reading a payload makes none."""

    async def request(self, method: str, url: str, **_more: Any) -> HttpAnswer:
        """Refuse the call."""
        raise HttpFailure("target_refused", maybe_sent=False)


def read_payload(  # noqa: PLR0913 - a request in its parts
    manifest: Manifest,
    raw: bytes,
    *,
    action: str = "",
    query: str = "",
    content_type: str = "",
    received_at: datetime | None = None,
) -> dict[str, Any]:
    """Return `{"items": […]}` of one payload, with `ignored` when something in it was passed over.

    Args:
        manifest: of the kind.
        raw: the body as the provider sends it (a widget's frame for webchat).
        action: last part of the webhook's path (`status` for Twilio's status callbacks).
        query: of the webhook's URL (Twilio's status callbacks name the delivery there).
        content_type: guessed from the body when empty.
        received_at: when the request came; now when None.

    Raises:
        BadInput: `kind_not_readable`: its configuration has a required field of an unusual type.
        PayloadInvalid: the adapter cannot read it.
    """
    channel = _channel(manifest)
    path = f"/in/{CHANNEL}" + (f"/{action}" if action else "")
    request = RawRequest(
        # A chat's frames come over the hub's own socket; all others are posted.
        method="SOCKET" if manifest.work_class == "webchat" else "POST",
        url=_BASE + path + (f"?{query}" if query else ""),
        path=path,
        query=query,
        headers={"content-type": content_type or _guess(raw)},
        body=raw,
        received_at=received_at or utc_now(),
        action=action,
    )
    intake = channel.parse(request)
    found: dict[str, Any] = {"items": [plain(item) for item in intake.items]}
    if intake.ignored:
        found["ignored"] = list(intake.ignored)
    return found


def plain(value: Any) -> Any:
    """Return a value as JSON holds it; an item or part says its class as `type`.

    Bytes become base64, instants RFC 3339 in UTC.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json"))
    if is_dataclass(value) and not isinstance(value, type):
        own = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        return {"type": type(value).__name__, **own}
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [plain(each) for each in value]
    return value


def _channel(manifest: Manifest) -> Channel:
    """Build a channel that can read, and nothing else."""
    context = ChannelContext(
        channel_id=CHANNEL,
        webhook_url=f"{_BASE}/in/{CHANNEL}",
        http=_NoNetwork(),
        mac_key=bytes(32),
    )
    return manifest.build(_placeholders(manifest), context)


def _placeholders(manifest: Manifest) -> ChannelConfig:
    """Return a configuration whose required fields are made up; it is not validated."""
    values: dict[str, Any] = {}
    for name, field in manifest.config.model_fields.items():
        if not field.is_required():
            continue
        if field.annotation is SecretStr:
            values[name] = SecretStr(_PLACEHOLDER)
        elif field.annotation is str:
            values[name] = _PLACEHOLDER
        else:
            raise BadInput("kind_not_readable", kind=manifest.kind, field=name)
    return manifest.config.model_construct(None, **values)


def _guess(raw: bytes) -> str:
    return "application/json" if raw.lstrip()[:1] in (b"{", b"[") else _FORM
