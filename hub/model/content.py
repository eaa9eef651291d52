"""What a message says, the same for every channel: text, mail parts, files, places, choices."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MediaKind = Literal["image", "audio", "video", "file", "voice", "sticker", "original"]
"""`original`: a mail as it arrived, kept beside what was read of it; not listed."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Location(_Frozen):
    """A place. Degrees (WGS 84)."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    label: str = Field(default="", max_length=400)


class Choice(_Frozen):
    """One button or menu entry; `value` comes back when it is picked."""

    label: str = Field(max_length=200)
    value: str = Field(max_length=200)


class Content(_Frozen):
    """One message in canonical form. Files hang on the message as attachments, not in here.

    Attributes:
        text: what a person reads, at most 1,000,000 characters; for mail the plain text
            (or the HTML as text), whole, with quotes.
        visible: for mail, the part of `text` that is new (quotes and footers folded);
            None when that is all of `text`.
        html: mail only, as received and decoded; shown only cleaned by `unify.content.html`.
        subject: mail only.
        choices: buttons offered with the text.
        chosen: the `value` of the choice a customer picked.
        unsupported: the network's name of something the hub cannot show (poll, dice …).
    """

    text: str = Field(default="", max_length=1_000_000)
    visible: str | None = Field(default=None, max_length=1_000_000)
    html: str | None = Field(default=None, max_length=5_000_000)
    subject: str | None = Field(default=None, max_length=1_000)
    location: Location | None = None
    choices: tuple[Choice, ...] = ()
    chosen: str | None = Field(default=None, max_length=200)
    unsupported: str | None = Field(default=None, max_length=100)

    def preview(self, limit: int = 140) -> str:
        """Return one line of at most `limit` characters for lists."""
        line = " ".join((self.visible if self.visible is not None else self.text)[:2000].split())
        if not line:
            line = self.subject or ""
        return line if len(line) <= limit else line[: limit - 1] + "…"
