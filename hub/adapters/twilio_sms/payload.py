"""Twilio's webhook forms as models: what the documentation names, nothing beyond.

An incoming MMS, as documented (docs/messaging/guides/webhook-request, read 2026-11):

    ToCountry=US&MessageSid=MM…&SmsSid=MM…&AccountSid=AC…&From=%2B15005550001&To=%2B15005550006
    &Body=Here+it+is&NumMedia=1&NumSegments=1&SmsStatus=received&ApiVersion=2010-04-01
    &MediaContentType0=image%2Fjpeg&MediaUrl0=https%3A%2F%2Fapi.twilio.com%2F2010-04-01%2F…

A status callback (docs/messaging/guides/track-outbound-message-status):

    SmsSid=SM…&SmsStatus=delivered&MessageStatus=delivered&MessageSid=SM…&AccountSid=AC…
    &To=%2B15005550001&From=%2B15005550006&ApiVersion=2010-04-01[&ErrorCode=30003]
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, TypeAlias
from urllib.parse import parse_qsl

from multidict import MultiDict
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from hub.adapters.kit.text import clean_text
from hub.model.channel import RawRequest
from hub.model.errors import PayloadInvalid

MAX_MEDIA = 10
_MAX_FIELDS = 300

Form: TypeAlias = MultiDict[str]


def _storable(text: str) -> str:
    if clean_text(text) != text:
        raise ValueError("has characters no identifier has")
    return text


Sid: TypeAlias = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_storable)]
ShortText: TypeAlias = Annotated[str, Field(max_length=200), AfterValidator(clean_text)]


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class IncomingMessage(_Payload):
    """An SMS or MMS from a customer."""

    message_sid: Sid = Field(alias="MessageSid")
    sender: ShortText = Field(alias="From")
    body: str = Field(default="", alias="Body")
    country: ShortText = Field(default="", alias="FromCountry")
    opt_out_type: ShortText = Field(default="", alias="OptOutType")


class MediaItem(_Payload):
    """One file of an MMS; `url` needs the account's credentials."""

    url: str = Field(max_length=2000, pattern=r"^https?://[^\s\x00-\x20]+$")
    content_type: ShortText = "application/octet-stream"


class StatusCallback(_Payload):
    """How a message of ours is doing."""

    message_sid: Sid = Field(alias="MessageSid")
    status: ShortText = Field(alias="MessageStatus")
    to: ShortText = Field(default="", alias="To")
    error_code: ShortText = Field(default="", alias="ErrorCode")


def read_form(request: RawRequest) -> Form:
    """Return the form with repeated keys kept, as the signature covers them.

    Raises:
        PayloadInvalid: more fields than any webhook of Twilio's.
    """
    try:
        return MultiDict(_pairs(request.body))
    except ValueError as error:
        raise PayloadInvalid(reason="too_many_fields") from error


@lru_cache(maxsize=8)
def _pairs(body: bytes) -> tuple[tuple[str, str], ...]:
    """Read a form's fields; kept for a moment, as `verify` and `parse` both read the same body."""
    pairs = parse_qsl(
        body.decode("utf-8", "replace"),
        keep_blank_values=True,
        errors="replace",
        max_num_fields=_MAX_FIELDS,
    )
    return tuple(pairs)


def first_values(form: Form) -> dict[str, str]:
    """Return every field once; of a repeated one the first value."""
    return {name: form.getone(name) for name in form}


def read_message(fields: Mapping[str, str]) -> IncomingMessage:
    """Read an incoming message. Raises PayloadInvalid."""
    try:
        return IncomingMessage.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error) from None


def read_status(fields: Mapping[str, str]) -> StatusCallback:
    """Read a status callback. Raises PayloadInvalid."""
    try:
        return StatusCallback.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error) from None


def read_media(fields: Mapping[str, str]) -> tuple[MediaItem, ...]:
    """Read the files that are really named; NumMedia is not believed. Raises PayloadInvalid."""
    items: list[MediaItem] = []
    for index in range(MAX_MEDIA):
        url = fields.get(f"MediaUrl{index}")
        if not url:
            break
        content_type = fields.get(f"MediaContentType{index}") or "application/octet-stream"
        try:
            items.append(MediaItem(url=url, content_type=content_type))
        except ValidationError as error:
            raise _invalid(error) from None
    return tuple(items)


def _invalid(error: ValidationError) -> PayloadInvalid:
    # Field and reason only: the error itself repeats the value, which may be a customer's words.
    first = error.errors(include_input=False, include_url=False)[0]
    return PayloadInvalid(field=".".join(map(str, first["loc"])), reason=first["type"])
