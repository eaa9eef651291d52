"""The files of a Telegram message, as the hub names them. `ref` is Telegram's file_id."""

import re

from hub.adapters.telegram.payload import Contact, File, Message, PhotoSize, Sticker
from hub.model.channel import InboundMedia
from hub.model.content import MediaKind
from hub.model.filename import clean_filename

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}\Z")
_SHOWN_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


def media_of(message: Message) -> tuple[InboundMedia, ...]:
    """Return the message's file, if it has one. Albums come as one message per file."""
    if message.photo:
        return (_photo(message.photo),)
    if message.animation is not None:
        # An animation also stands in `document`, for old bots: one file, not two.
        return (_file(message.animation, "video", "video/mp4"),)
    if message.document is not None:
        return (_document(message.document),)
    if message.audio is not None:
        return (_file(message.audio, "audio", "audio/mpeg"),)
    if message.video is not None:
        return (_file(message.video, "video", "video/mp4"),)
    if message.video_note is not None:
        return (_file(message.video_note, "video", "video/mp4"),)
    if message.voice is not None:
        return (_file(message.voice, "voice", "audio/ogg"),)
    if message.sticker is not None:
        return (_sticker(message.sticker),)
    if message.contact is not None and message.contact.vcard:
        return (_vcard(message.contact),)
    return ()


def _photo(sizes: tuple[PhotoSize, ...]) -> InboundMedia:
    largest = max(sizes, key=lambda size: (size.width * size.height, size.file_size or 0))
    return InboundMedia(
        kind="image",
        ref=largest.file_id,
        content_type="image/jpeg",
        size_bytes=largest.file_size,
    )


def _document(file: File) -> InboundMedia:
    plain = _file(file, "file", "application/octet-stream")
    if plain.content_type in _SHOWN_IMAGES:
        return _file(file, "image", plain.content_type)
    return plain


def _file(file: File, kind: MediaKind, otherwise: str) -> InboundMedia:
    declared = (file.mime_type or "").lower()
    return InboundMedia(
        kind=kind,
        ref=file.file_id,
        filename=clean_filename(file.file_name, default=""),
        content_type=declared if _TYPE.match(declared) else otherwise,
        size_bytes=file.file_size,
    )


def _sticker(sticker: Sticker) -> InboundMedia:
    content_type = "image/webp"
    if sticker.is_animated:
        content_type = "application/x-tgsticker"
    elif sticker.is_video:
        content_type = "video/webm"
    return InboundMedia(
        kind="sticker",
        ref=sticker.file_id,
        content_type=content_type,
        size_bytes=sticker.file_size,
    )


def _vcard(contact: Contact) -> InboundMedia:
    data = (contact.vcard or "").encode()
    return InboundMedia(
        kind="file",
        filename="contact.vcf",
        content_type="text/vcard",
        size_bytes=len(data),
        data=data,
    )
