"""The parts of a Telegram Update the hub reads, as pydantic models.

Reference: https://core.telegram.org/bots/api#update (Bot API 10.1, read 2026-11). Types are strict:
a number where a text is expected is refused, not converted. Unknown fields are let through unread.

    {"update_id": 10000,
     "message": {"message_id": 1365, "date": 1441645532,
                 "chat": {"id": 1111111, "type": "private", "first_name": "Test"},
                 "from": {"id": 1111111, "is_bot": false, "first_name": "Test"},
                 "text": "hello"}}
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[int, Field(ge=-(2**62), le=2**62)]
Seconds = Annotated[int, Field(ge=0, le=253_402_300_799)]
Size = Annotated[int, Field(ge=0, le=2**53)]
Short = Annotated[str, Field(max_length=512)]
Text = Annotated[str, Field(max_length=100_000)]
FileId = Annotated[str, Field(min_length=1, max_length=512)]


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class _Named(_Payload):
    """Keeps the names of fields it does not know: an event of tomorrow is reported by its name."""

    model_config = ConfigDict(extra="allow")

    def unread(self) -> tuple[str, ...]:
        """Return the names of the fields nobody reads, in the payload's order."""
        return tuple(self.model_extra or ())


class User(_Payload):
    """Who wrote."""

    id: Id
    is_bot: bool = False
    first_name: Short = ""
    last_name: Short = ""
    username: Short = ""
    language_code: Short = ""


class Chat(_Payload):
    """Where it was written; of a private chat the id is the user's."""

    id: Id
    type: Short


class PhotoSize(_Payload):
    """One size of a photo."""

    file_id: FileId
    width: Size = 0
    height: Size = 0
    file_size: Size | None = None


class File(_Payload):
    """Document, audio, video, animation, voice, video note: what they have in common."""

    file_id: FileId
    file_name: Text | None = None
    mime_type: Short | None = None
    file_size: Size | None = None


class Sticker(_Payload):
    """A sticker: webp, tgs (gzipped Lottie) or webm."""

    file_id: FileId
    emoji: Short = ""
    is_animated: bool = False
    is_video: bool = False
    file_size: Size | None = None


class Place(_Payload):
    """A location, also a live one at this moment."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Venue(_Payload):
    """A location with a name."""

    location: Place
    title: Short = ""
    address: Short = ""


class Contact(_Payload):
    """A shared address book entry: not necessarily the sender's own."""

    phone_number: Short
    first_name: Short = ""
    last_name: Short = ""
    vcard: Text | None = None


class Dice(_Payload):
    """An animated emoji with a random value."""

    emoji: Short = ""


class Button(_Payload):
    """One inline button."""

    text: Text = ""
    callback_data: Short | None = None


class Keyboard(_Payload):
    """The buttons under a message of ours."""

    inline_keyboard: tuple[tuple[Button, ...], ...] = ()


class Message(_Named):
    """A message; exactly one of the content fields is set, a caption goes with a file."""

    message_id: Id
    date: Seconds
    chat: Chat
    sender: User | None = Field(default=None, alias="from")
    sender_chat: Chat | None = None
    edit_date: Seconds | None = None
    message_thread_id: Id | None = None
    text: Text | None = None
    caption: Text | None = None
    photo: tuple[PhotoSize, ...] = ()
    document: File | None = None
    audio: File | None = None
    animation: File | None = None
    video: File | None = None
    video_note: File | None = None
    voice: File | None = None
    sticker: Sticker | None = None
    location: Place | None = None
    venue: Venue | None = None
    contact: Contact | None = None
    dice: Dice | None = None


class ButtonMessage(_Payload):
    """The message whose button was pressed; only chat, id and date once it is inaccessible."""

    message_id: Id
    chat: Chat
    reply_markup: Keyboard | None = None


class CallbackQuery(_Payload):
    """A pressed button."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    sender: User = Field(alias="from")
    message: ButtonMessage | None = None
    data: Annotated[str, Field(max_length=200)] | None = None


class Member(_Payload):
    """What somebody is in a chat."""

    status: Short


class ChatMemberUpdated(_Payload):
    """The bot's own standing changed; in a private chat: blocked (kicked) or unblocked (member)."""

    chat: Chat
    sender: User = Field(alias="from")
    date: Seconds
    old_chat_member: Member
    new_chat_member: Member


class Update(_Named):
    """One update; at most one of the optional fields is set."""

    update_id: Annotated[int, Field(ge=0, le=2**62)]
    message: Message | None = None
    edited_message: Message | None = None
    callback_query: CallbackQuery | None = None
    my_chat_member: ChatMemberUpdated | None = None
