"""What every SMS provider shares: keywords, opt-out, addresses, what a text message can carry.

A second provider is one more folder that reads its own payload and uses this for the rest.

Length, as data for `unify.shape` (3GPP TS 23.038 and 23.040): 160 characters of the GSM-7 alphabet
in a single segment, 153 in each of several; 70 and 67 UTF-16 units as soon as one character is
outside GSM-7; `^{}\\[~]|€` count twice. Networks glue ten segments together at most.
"""

import re
import unicodedata
from datetime import datetime
from enum import StrEnum

from hub.model.address import Address, IdentityKind
from hub.model.channel import Capabilities, ContactSignal, SignalKind
from hub.model.content import MediaKind

MAX_SEGMENTS = 10
MAX_TEXT_CHARS = 1600
"""Longest text providers take in one call, whatever its alphabet."""


class Keyword(StrEnum):
    """A whole message that is a command to the network rather than to a person."""

    STOP = "stop"
    START = "start"
    HELP = "help"


_WORDS: dict[str, Keyword] = {
    # CTIA's words and those North American networks act on by themselves
    **dict.fromkeys(
        ("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke",
         "optout", "opt out", "opt-out"),
        Keyword.STOP,
    ),
    **dict.fromkeys(("start", "unstop", "yes", "opt in", "opt-in", "optin"), Keyword.START),
    **dict.fromkeys(("help", "info"), Keyword.HELP),
    # 退订 and TD, which commercial SMS in China names. Not T alone, though usual there too: on a
    # line where people also chat, one letter is too little to silence somebody.
    **dict.fromkeys(("td", "退订", "退訂", "取消订阅", "取消訂閱"), Keyword.STOP),
    **dict.fromkeys(("恢复订阅", "恢復訂閱", "重新订阅", "订阅", "訂閱"), Keyword.START),
    **dict.fromkeys(("帮助", "幫助"), Keyword.HELP),
    **dict.fromkeys(("arret", "arrêt"), Keyword.STOP),  # must be understood in Canada
}  # fmt: skip
_LONGEST = max(map(len, _WORDS))
_EDGES = " \t\r\n.!?,;:'\"()[]<>。！？，；：「」“”‘’【】（）"
_E164 = re.compile(r"\A\+[1-9]\d{4,14}\Z")
_SHORT_CODE = re.compile(r"\A\d{3,8}\Z")
_SENDER_ID = re.compile(r"\A(?=.*[A-Za-z])[A-Za-z0-9 &+_.-]{1,20}\Z")


def keyword_of(text: str) -> Keyword | None:
    """Return the keyword a message consists of; None when it says anything else besides.

    Case, width and surrounding punctuation do not count: `STOP`, `stop.`, `【退订】`.
    """
    if len(text) > _LONGEST + 20:
        return None
    word = " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGES)
    return _WORDS.get(word)


def opt_signal(keyword: Keyword | None, sender: Address, at: datetime) -> ContactSignal | None:
    """Return what a keyword changes about the contact: opted out, opted in, or nothing."""
    match keyword:
        case Keyword.STOP:
            return ContactSignal(SignalKind.OPTED_OUT, sender, at)
        case Keyword.START:
            return ContactSignal(SignalKind.OPTED_IN, sender, at)
        case _:
            return None


def is_silent(keyword: Keyword | None) -> bool:
    """Tell whether the network answers this message itself, so that nobody else should.

    HELP is not among them: somebody who asks for help may well want a person.
    """
    return keyword in (Keyword.STOP, Keyword.START)


def sms_address(value: str, country: str = "") -> Address | None:
    """Return who an SMS is from or to; None when `value` is no number, short code or sender id.

    Args:
        value: as networks write it: +E.164, 3 to 8 digits, or a name of up to 20 letters.
        country: ISO code where a short code is valid; empty when unknown.
    """
    value = value.strip()
    if _E164.match(value):
        return Address(IdentityKind.PHONE, value)
    if _SHORT_CODE.match(value) or _SENDER_ID.match(value):
        return Address(IdentityKind.SHORT_CODE, value, country.upper()[:2])
    return None


def media_kind(content_type: str) -> MediaKind:
    """Return the kind of an MMS file by its declared type."""
    match content_type.partition("/")[0].strip().lower():
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "file"


def sms_capabilities(
    *, rate_per_s: float, max_media: int = 0, max_media_bytes: int = 0,
    media_types: tuple[str, ...] = (), max_text_chars: int = MAX_TEXT_CHARS,
) -> Capabilities:  # fmt: skip
    """Return what an SMS channel can do; MMS by the media arguments."""
    return Capabilities(
        max_text_chars=max_text_chars,
        sms_segments=True,
        max_segments=MAX_SEGMENTS,
        max_media=max_media,
        max_media_bytes=max_media_bytes,
        media_types=media_types,
        text_with_media=True,
        delivered=True,
        can_start=True,
        rate_per_s=rate_per_s,
    )
