"""One part of a message to one call of the Bot API."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message, ReplyParameters

from hub.adapters.telegram.client import Client
from hub.adapters.telegram.config import CALLBACK_BYTES, CAPTION_CHARS, PHOTO_BYTES
from hub.adapters.telegram.parse import external_id
from hub.model.channel import OutgoingMedia, OutgoingPart, Receipt
from hub.model.content import Choice, Content
from hub.model.errors import SendError
from hub.model.filename import clean_filename

_PHOTO_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
_AUDIO_TYPES = frozenset({"audio/mpeg", "audio/mp3", "audio/mp4", "audio/x-m4a"})
_VOICE_TYPES = frozenset({"audio/ogg", "application/ogg", "audio/opus"})


@dataclass(frozen=True, slots=True)
class _Target:
    """Where in Telegram the part goes."""

    chat_id: int
    topic: int | None
    reply: ReplyParameters | None
    keyboard: InlineKeyboardMarkup | None


async def send_part(client: Client, part: OutgoingPart) -> Receipt:
    """Hand one part over, in one call that the customer sees.

    Raises:
        SendError: see `client.send_error`; also for a part that cannot be one message.
    """
    target = _target(part)
    if part.media:
        message = await _send_file(client, target, part)
    elif part.content.location is not None and not part.content.text:
        message = await _send_place(client, target, part.content)
    else:
        message = await _send_text(client, target, part.content)
    return Receipt(external_id=external_id(message.chat_id, message.message_id))


async def _send_text(client: Client, target: _Target, content: Content) -> Message:
    text = content.text
    if content.location is not None:
        place = content.location
        lines = (text, place.label, f"{place.latitude:.6f}, {place.longitude:.6f}")
        text = "\n".join(line for line in lines if line)
    if not text.strip():
        raise SendError("nothing_to_send")
    return await client.call(
        client.bot.send_message(
            target.chat_id,
            text,
            message_thread_id=target.topic,
            reply_parameters=target.reply,
            reply_markup=target.keyboard,
        )
    )


async def _send_place(client: Client, target: _Target, content: Content) -> Message:
    place = content.location
    if place is None:
        raise SendError("nothing_to_send")
    if place.label:
        sending = client.bot.send_venue(
            target.chat_id,
            latitude=place.latitude,
            longitude=place.longitude,
            title=place.label,
            address=place.label,
            message_thread_id=target.topic,
            reply_parameters=target.reply,
            reply_markup=target.keyboard,
        )
    else:
        sending = client.bot.send_location(
            target.chat_id,
            latitude=place.latitude,
            longitude=place.longitude,
            message_thread_id=target.topic,
            reply_parameters=target.reply,
            reply_markup=target.keyboard,
        )
    return await client.call(sending)


async def _send_file(client: Client, target: _Target, part: OutgoingPart) -> Message:
    if len(part.media) != 1:
        raise SendError("too_many_files")
    if len(part.content.text) > CAPTION_CHARS:
        raise SendError("text_too_long")
    media = part.media[0]
    data = await media.read()
    how = _way(media)
    if how == "photo" and part.attempt > 1:
        # The first try may have failed over the picture's shape (photo_unfit); a file always goes.
        how = "document"
    return await _upload(client, target, part.content.text, media, data, how)


def _way(media: OutgoingMedia) -> str:
    """Choose the method by what Telegram shows as such; everything else is a document."""
    declared = media.content_type.split(";")[0].strip().lower()
    if declared in _PHOTO_TYPES and media.kind == "image" and media.size_bytes <= PHOTO_BYTES:
        return "photo"
    if declared in _VOICE_TYPES and media.kind == "voice":
        return "voice"
    if declared in _AUDIO_TYPES and media.kind in ("audio", "voice"):
        return "audio"
    if declared == "video/mp4" and media.kind == "video":
        return "video"
    return "document"


async def _upload(  # noqa: PLR0913 - one file, all that goes with it
    client: Client, target: _Target, text: str, media: OutgoingMedia, data: bytes, how: str
) -> Message:
    methods: dict[str, Callable[..., Awaitable[Message]]] = {
        "photo": client.bot.send_photo,
        "voice": client.bot.send_voice,
        "audio": client.bot.send_audio,
        "video": client.bot.send_video,
    }
    # All of them take a chat, the file's bytes and these names.
    send = methods.get(how, client.bot.send_document)
    return await client.call(
        send(
            target.chat_id,
            data,
            caption=text or None,
            filename=clean_filename(media.filename),
            message_thread_id=target.topic,
            reply_parameters=target.reply,
            reply_markup=target.keyboard,
        )
    )


def _target(part: OutgoingPart) -> _Target:
    reply_to = _number(part.display.get("reply_to", ""))
    chat_id = _number(part.display.get("chat_id", "") or part.to.value)
    if chat_id is None:
        raise SendError("recipient_unknown")
    return _Target(
        chat_id=chat_id,
        topic=_number(part.display.get("topic", "")),
        # The answer goes out also when the customer has deleted what it answers.
        reply=(
            ReplyParameters(reply_to, allow_sending_without_reply=True)
            if reply_to is not None
            else None
        ),
        keyboard=_keyboard(part.content.choices),
    )


def _keyboard(choices: tuple[Choice, ...]) -> InlineKeyboardMarkup | None:
    """One button per row: labels of any length stay readable on a telephone."""
    if not choices:
        return None
    if any(not 0 < len(choice.value.encode()) <= CALLBACK_BYTES for choice in choices):
        raise SendError("choice_too_long")
    rows = [[InlineKeyboardButton(one.label, callback_data=one.value)] for one in choices]
    return InlineKeyboardMarkup(rows)


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
