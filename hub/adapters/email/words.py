"""Header bytes to text: encoded words (RFC 2047), broken ones, raw eight-bit bytes.

Works on the raw bytes, because a parser that first guesses a charset for the whole header loses
what it could not guess.
"""

from __future__ import annotations

import base64
import binascii
import re

from hub.adapters.email.charset import codec_for, decode_text

MAX_VALUE_BYTES = 65_536

_WORD = re.compile(rb"=\?([^?\s=]{1,60})\?([bBqQ])\?([^?\r\n]*)\?=")
_BASE64_JUNK = bytes(
    byte
    for byte in range(256)
    if byte not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)
_FOLD = re.compile(r"[ \t]*[\r\n]+[ \t]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def lenient_base64(data: bytes) -> bytes:
    """Decode base64 with whatever stands between, also cut in the middle; never raises."""
    clean = data.translate(None, _BASE64_JUNK)
    rest = len(clean) % 4
    if rest == 1:
        clean = clean[:-1]
    elif rest:
        clean += b"=" * (4 - rest)
    try:
        return base64.b64decode(clean)
    except (binascii.Error, ValueError):  # pragma: no cover - the padding above prevents it
        return b""


def decode_words(raw: bytes, hint: str | None = None) -> str:
    """Decode one header value (unstructured, or a display name or file name out of one).

    Neighbouring encoded words of one charset are joined as bytes first: senders split multi-byte
    characters between words although RFC 2047 forbids it.

    Args:
        raw: The value, still folded or not; only the first 64 KB are read.
        hint: The charset of the body, for raw eight-bit bytes.
    """
    raw = raw[:MAX_VALUE_BYTES]
    out: list[str] = []
    pending: list[bytes] = []
    pending_label = ""
    position = 0
    for match in _WORD.finditer(raw):
        label = match.group(1).decode("ascii", "replace").lower().split("*", 1)[0]
        between = raw[position : match.start()]
        # White space between two encoded words belongs to the folding, not to the text.
        if not pending or between.strip():
            _flush(out, pending, pending_label)
            out.append(_plain(between, hint))
        elif label != pending_label:
            _flush(out, pending, pending_label)
        pending.append(_payload(match.group(2), match.group(3)))
        pending_label, position = label, match.end()
    _flush(out, pending, pending_label)
    out.append(_plain(raw[position:], hint))
    return tidy_line("".join(out))


def tidy_line(text: str) -> str:
    """Unfold, drop control characters and lone surrogates, trim."""
    text = _FOLD.sub(" ", text).replace("\t", " ")
    return _CONTROL.sub("", text).encode("utf-8", "ignore").decode("utf-8").strip()


def _flush(out: list[str], pending: list[bytes], label: str) -> None:
    if pending:
        out.append(decode_text(b"".join(pending), label)[0])
        pending.clear()


def _payload(kind: bytes, data: bytes) -> bytes:
    if kind in b"bB":
        return lenient_base64(data)
    return binascii.a2b_qp(data.replace(b"_", b" "), header=False)


def _plain(data: bytes, hint: str | None) -> str:
    if not data:
        return ""
    if data.isascii():
        return data.decode("ascii")
    return decode_text(data, hint if codec_for(hint) else None)[0]
