"""How many SMS a text is: GSM-7 when every character is in its tables, else UCS-2 (3GPP TS 23.038).

A text that fits one message may use all of it (160 or 70 units); longer ones lose the header that
joins them (153 or 67 each). What takes two units (the extension table, characters beyond the
basic plane) is never divided between two messages, so a message may end one unit early.
"""

from typing import NamedTuple

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
GSM7_SINGLE, GSM7_JOINED = 160, 153
UCS2_SINGLE, UCS2_JOINED = 70, 67


class SmsSize(NamedTuple):
    """What a text costs: `encoding` is gsm7 or ucs2, `units` septets or 16-bit units."""

    encoding: str
    units: int
    segments: int


def sms_segments(text: str) -> SmsSize:
    """Return the encoding, units and segments of a text; no text is no segment."""
    if all(char in _BASIC or char in _EXTENSION for char in text):
        widths = [2 if char in _EXTENSION else 1 for char in text]
        return SmsSize("gsm7", sum(widths), _segments(widths, GSM7_SINGLE, GSM7_JOINED))
    widths = [2 if ord(char) > 0xFFFF else 1 for char in text]
    return SmsSize("ucs2", sum(widths), _segments(widths, UCS2_SINGLE, UCS2_JOINED))


def _segments(widths: list[int], single: int, joined: int) -> int:
    units = sum(widths)
    if units <= single:
        return 1 if units else 0
    segments, used = 1, 0
    for width in widths:
        if used + width > joined:
            segments, used = segments + 1, 0
        used += width
    return segments
