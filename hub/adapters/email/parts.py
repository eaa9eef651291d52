"""The body of a mail cut into its leaves. Linear in the size, whatever is nested in what.

The parser of the standard library keeps one object and one generator per level and part: a million
boundary lines or a thousand levels cost it seconds or the stack. This one works on offsets with a
common budget for the whole mail.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hub.adapters.email.headers import ContentValue, Headers, parse_content_value, split_headers
from hub.adapters.email.words import lenient_base64

MAX_PARTS = 1_000
MAX_DEPTH = 50
_MAX_BOUNDARY_HITS = 20_000
_QP_SOFT_SPACES = re.compile(rb"=[ \t]{1,200}(?=\r?\n)")
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,200})\r?\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One part that is not a multipart, transfer encoding removed.

    Attributes:
        headers: Its own fields.
        kind: Content type and its parameters.
        disposition: Content-Disposition (value ``""`` when absent).
        content: The decoded bytes.
        parent: Content type of the multipart around it, ``""`` at the top.
        path: Ids of the multiparts around it, outermost first.
    """

    headers: Headers
    kind: ContentValue
    disposition: ContentValue
    content: bytes
    parent: str
    path: tuple[int, ...]


@dataclass(slots=True)
class Budget:
    """What one mail may still cost, and what was found broken in it."""

    parts: int = MAX_PARTS
    hits: int = _MAX_BOUNDARY_HITS
    groups: int = 0
    problems: list[str] = field(default_factory=list)

    def note(self, code: str) -> None:
        """Remember a problem once."""
        if code not in self.problems:
            self.problems.append(code)


def walk(data: bytes, budget: Budget) -> tuple[Headers, Iterator[Leaf]]:
    """Return the top headers and the leaves in the order of the mail."""
    headers, offset, problems = split_headers(data)
    for code in problems:
        budget.note(code)
    return headers, _entity(headers, data[offset:], "", (), budget)


def _entity(
    headers: Headers, body: bytes, parent: str, path: tuple[int, ...], budget: Budget
) -> Iterator[Leaf]:
    """Yield the leaves of one entity; its depth is bounded, so the recursion is too."""
    if budget.parts <= 0:
        budget.note("too_many_parts")
        return
    default = b"message/rfc822" if parent == "multipart/digest" else b"text/plain"
    kind = parse_content_value(headers.first("content-type") or default)
    if "/" not in kind.value:
        kind = ContentValue("text/plain", kind.parameters)
    boundary = kind.parameters.get("boundary", "")
    if kind.value.startswith("multipart/"):
        if len(path) >= MAX_DEPTH:
            budget.note("too_deep")
        else:
            pieces = _split(body, boundary.encode("utf-8")[:200], budget)
            if pieces:
                budget.groups += 1
                inner = (*path, budget.groups)
                for piece in pieces:
                    own, offset, problems = split_headers(piece)
                    for code in problems:
                        budget.note(code)
                    yield from _entity(own, piece[offset:], kind.value, inner, budget)
                return
            budget.note("boundary_missing")
        # Without its boundary a multipart is one text: better odd than lost.
        kind = ContentValue("text/plain", {})
    budget.parts -= 1
    disposition = parse_content_value(headers.first("content-disposition"))
    encoding = headers.first("content-transfer-encoding")
    content = _decode_transfer(body, encoding, budget)
    yield Leaf(headers, kind, disposition, content, parent, path)


def _split(body: bytes, boundary: bytes, budget: Budget) -> list[bytes]:
    """Cut a multipart body at its boundary lines; preamble and epilogue are dropped."""
    if not boundary.strip():
        return []
    mark = b"--" + boundary.rstrip()
    pieces: list[bytes] = []
    start = -1
    position = body.find(mark)
    while position >= 0:
        budget.hits -= 1
        if budget.hits < 0 or len(pieces) >= MAX_PARTS:
            budget.note("too_many_parts")
            break
        after = position + len(mark)
        line_end = _line_end(body, after)
        tail = body[after:line_end].strip()
        at_start = position == 0 or body[position - 1 : position] in (b"\n", b"\r")
        if at_start and tail in (b"", b"--"):
            if start >= 0:
                pieces.append(body[start : _before_line(body, position)])
            start = -1 if tail else min(line_end + 1, len(body))
            if tail:
                break
            after = line_end
        # Searching for the line feed too skips the mark in the middle of lines cheaply.
        position = body.find(b"\n" + mark, max(after - 1, 0))
        position = position + 1 if position >= 0 else -1
    else:
        if pieces or start >= 0:
            budget.note("boundary_unclosed")
    if start >= 0 and len(pieces) < MAX_PARTS:
        pieces.append(body[start:])
    return pieces


def _line_end(body: bytes, position: int) -> int:
    end = body.find(b"\n", position)
    return len(body) if end < 0 else end


def _before_line(body: bytes, position: int) -> int:
    """Return where the line break before a boundary begins: it belongs to the boundary."""
    if body[max(position - 2, 0) : position] == b"\r\n":
        return position - 2
    return max(position - 1, 0)


def _decode_transfer(body: bytes, raw_encoding: bytes, budget: Budget) -> bytes:
    encoding = raw_encoding[:100].split(b";", 1)[0].split(b"(", 1)[0].strip().lower()
    if encoding == b"base64":
        return lenient_base64(body)
    if encoding == b"quoted-printable":
        return binascii.a2b_qp(_QP_SOFT_SPACES.sub(b"=", body))
    if encoding in (b"x-uuencode", b"uuencode", b"x-uue", b"uue"):
        found = _UU_BEGIN.search(body)
        return decode_uu(body[found.end() :]) if found else body
    if encoding not in (b"", b"7bit", b"8bit", b"binary"):
        budget.note("encoding_unknown")
    return body


def decode_uu(body: bytes) -> bytes:
    """Decode uuencoded lines up to ``end``; broken lines are passed over."""
    out: list[bytes] = []
    for line in body.splitlines():
        if line.strip() == b"end":
            break
        if not line.strip():
            continue
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders get the length of the last group wrong.
            wanted = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                out.append(binascii.a2b_uu(line[:wanted]))
            except binascii.Error:
                continue
    return b"".join(out)


def take_uuencoded(body: bytes, limit: int) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Take uuencoded files out of a plain body.

    Returns:
        The body without them and ``(raw name, content)`` of at most ``limit`` files.
    """
    files: list[tuple[bytes, bytes]] = []
    kept: list[bytes] = []
    position = 0
    while len(files) < limit:
        found = _UU_BEGIN.search(body, position)
        if not found:
            break
        end = body.find(b"\nend", found.end() - 1)
        if end < 0:
            break
        content = decode_uu(body[found.end() : end])
        if content:
            kept.append(body[position : found.start()])
            files.append((found.group(1).strip(), content))
        else:
            kept.append(body[position : end + 4])
        position = end + 4
    kept.append(body[position:])
    return b"".join(kept), files
