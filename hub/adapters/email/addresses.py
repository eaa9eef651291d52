"""Address lists of mails: names, comments, groups, quotes, and what is none of these. Linear."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hub.adapters.email.charset import decode_text
from hub.adapters.email.words import decode_words, tidy_line

MAX_ADDRESSES = 500
MAX_LIST_BYTES = 128 * 1_024


def parse_addresses(raw: bytes, hint: str | None = None) -> tuple[tuple[str, str], ...]:
    """Parse an address list.

    Returns:
        ``(name, email)`` pairs, at most 500. Text without any address gives ``(text, "")``.
    """
    pairs: list[tuple[str, str]] = []
    for count, piece in enumerate(_split_addresses(raw[:MAX_LIST_BYTES])):
        if len(pairs) >= MAX_ADDRESSES or count >= 10 * MAX_ADDRESSES:
            break
        pair = _parse_address(piece, hint)
        if pair != ("", ""):
            pairs.append(pair)
    return tuple(pairs)


@dataclass(slots=True)
class _Piece:
    """One address as it is being read: phrase, angle part, comments."""

    phrase: bytearray
    angle: bytearray
    comment: bytearray
    closed: bool = False


def _split_addresses(raw: bytes) -> Iterator[_Piece]:
    """Walk the list once; quotes, comments, angle brackets and groups are minded."""
    piece = _Piece(bytearray(), bytearray(), bytearray())
    state, depth, skip = "phrase", 0, False
    # A quote that never closes must not swallow the rest of the list.
    last_quote, last_angle = raw.rfind(b'"'), raw.rfind(b">")
    for index, byte in enumerate(raw):
        char = bytes((byte,))
        if skip:
            skip = False
            _target(piece, state).extend(char)
        elif char == b"\\" and state in ("quote", "comment"):
            skip = True
        elif state == "comment":
            depth += (char == b"(") - (char == b")")
            if depth <= 0:
                state = "phrase"
            else:
                piece.comment.extend(char)
        elif state == "phrase" and char in b",;":
            yield piece
            piece = _Piece(bytearray(), bytearray(), bytearray())
        elif state == "phrase" and char == b"(" and b")" in raw[index : index + 1_000]:
            state, depth = "comment", 1
        else:
            may_open = index < (last_quote if char == b'"' else last_angle)
            state = _phrase_or_angle(piece, state, char, may_open=may_open)
    yield piece


def _phrase_or_angle(piece: _Piece, state: str, char: bytes, *, may_open: bool) -> str:
    """Take one character outside comments; returns the next state."""
    if state == "angle":
        if char == b">":
            piece.closed = True
            return "phrase"
        piece.angle.extend(char)
        return state
    if state == "phrase" and char == b"<" and may_open:
        piece.angle.clear()
        return "angle"
    piece.phrase.extend(char)
    if char != b'"':
        return state
    if state == "quote":
        return "phrase"
    return "quote" if may_open else state


def _target(piece: _Piece, state: str) -> bytearray:
    return piece.comment if state == "comment" else piece.phrase


_BARE = re.compile(rb'(?:"[^"@]{1,200}"|[^\s<>,;:"()\[\]]{1,200})@[^\s<>,;"()]{1,255}')


def _parse_address(piece: _Piece, hint: str | None) -> tuple[str, str]:
    phrase, angle, comment = (
        bytes(part[:4_096]) for part in (piece.phrase, piece.angle, piece.comment)
    )
    if piece.closed or angle:
        if not phrase.strip() and comment:
            phrase = comment
        return _name(phrase, hint), _email(angle, hint)
    bare = _BARE.search(phrase)
    if bare:
        rest = phrase[: bare.start()] + b" " + phrase[bare.end() :]
        name = _name(comment or rest.replace(b"<", b"").replace(b">", b""), hint)
        return name, _email(bare.group(), hint)
    in_comment = _BARE.search(comment)
    if in_comment:
        return _name(phrase, hint), _email(in_comment.group(), hint)
    word = phrase.strip()
    if comment and word and b" " not in word:
        return _name(comment, hint), _email(word, hint)
    name = _name(phrase, hint)
    # Some senders encode name and address together in one encoded word.
    hidden = _BARE.search(name.encode()) if "@" in name else None
    if hidden is None:
        return name, ""
    address = hidden.group().decode("utf-8", "ignore")
    return name.replace(address, "").strip(" <>()"), address


def _email(raw: bytes, hint: str | None) -> str:
    # Encoded words are not allowed in addresses: other programs would read another sender.
    text = tidy_line(decode_text(raw[:1_000], hint)[0])
    text = text.removeprefix("mailto:").strip(" <>'")
    if not text.startswith('"'):
        text = "".join(text.split())
    # Source routes (<@a,@b:user@host>) are history; only the mailbox counts.
    if text.startswith("@") and ":" in text:
        text = text.rsplit(":", 1)[1]
    return text[:320]


def _name(raw: bytes, hint: str | None) -> str:
    name = decode_words(raw.strip(), hint)
    # Group names end in a colon ("Undisclosed recipients:").
    name = " ".join(name.replace('"', "").split()).strip(" :'")
    return name[:500]
