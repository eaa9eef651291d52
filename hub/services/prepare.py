"""What `receive` makes of a message before its unit: ids, normal forms, readable text, files.

Everything slow or not repeatable happens here, outside the transaction; the unit that follows may
run twice with the same result.
"""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.model.address import Address
from hub.model.channel import InboundMedia, InboundMessage
from hub.model.content import Content
from hub.model.ids import new_id
from hub.services.deps import ChannelInfo, Deps
from hub.store.files import new_key
from hub.unify.address import canonical
from hub.unify.content.html import html_to_text
from hub.unify.content.quoted import visible_html, visible_text
from hub.unify.language import known_language, language_of
from hub.unify.threading import subject_key

THREAD_OVER_CHARS = 64_000
"""Longer texts are read in a thread, so that the loop keeps answering."""
MEDIA_FIRST_TRY = timedelta(0)


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file of a message: stored already (`storage_key`), or to be fetched (`ref`)."""

    id: str
    media: InboundMedia
    storage_key: str = ""
    sha256: str = ""
    size_bytes: int | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A message with everything its unit needs; the ids are used only where a row is made."""

    message: InboundMessage
    sender: Address
    content: Content
    content_json: str
    preview: str
    language: str
    subject_key: str
    is_mail: bool
    files: tuple[PreparedFile, ...]
    message_id: str
    customer_id: str
    identity_id: str
    conversation_id: str
    case_id: str
    item_id: str
    now: datetime


async def prepare_message(
    deps: Deps, channel: ChannelInfo, message: InboundMessage, now: datetime
) -> PreparedMessage:
    """Read a message and store the files it brought along. File first, row second."""
    content = message.content
    if len(content.text) + len(content.html or "") > THREAD_OVER_CHARS:
        content = await asyncio.to_thread(_readable, content, channel.kind)
    else:
        content = _readable(content, channel.kind)
    region = channel.region or deps.organisation.region
    is_mail = channel.kind == "email"
    return PreparedMessage(
        message=message,
        sender=canonical(message.sender, region=region),
        content=content,
        content_json=content.model_dump_json(exclude_defaults=True),
        preview=content.preview(),
        language=language_of(content.visible or content.text)
        or known_language(message.language)
        or "",
        subject_key=subject_key(content.subject) if is_mail else "",
        is_mail=is_mail,
        files=tuple([await _prepare_file(deps, media) for media in message.media]),
        message_id=new_id(),
        customer_id=new_id(),
        identity_id=new_id(),
        conversation_id=new_id(),
        case_id=new_id(),
        item_id=new_id(),
        now=now,
    )


def _readable(content: Content, kind: str) -> Content:
    """Give a mail its plain text and the part of it that is new; other channels are as they are."""
    if kind != "email":
        return content
    text = content.text or (html_to_text(content.html) if content.html else "")
    if content.text or not content.html:
        visible = visible_text(text)
    else:
        visible = html_to_text(visible_html(content.html))
    folded = visible if visible.strip() and visible.strip() != text.strip() else None
    return content.model_copy(update={"text": text[:1_000_000], "visible": folded})


async def _prepare_file(deps: Deps, media: InboundMedia) -> PreparedFile:
    file = PreparedFile(new_id(), media, size_bytes=media.size_bytes)
    if media.data is None:
        return file
    if len(media.data) > deps.max_upload_bytes and media.kind != "original":
        return replace(file, media=replace(media, data=None), refused="too_large")
    key = new_key()
    await deps.files.put(key, media.data)
    return replace(
        file,
        media=replace(media, data=None),
        storage_key=key,
        sha256=hashlib.sha256(media.data).hexdigest(),
        size_bytes=len(media.data),
    )
