"""Header fields of mails: splitting, parameters, addresses, ids, dates. Lenient and linear."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from hub.adapters.email.charset import decode_text
from hub.adapters.email.words import decode_words, tidy_line

MAX_HEADERS = 1_000
MAX_HEADER_BYTES = 512 * 1_024
MAX_REFERENCES = 200
_MAX_ID_CHARS = 998
_MAX_PARAMETERS = 100

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_KNOWN_FIELD = re.compile(
    rb"(?:from|to|cc|subject|date|message-id|received|return-path|delivered-to|reply-to|sender"
    rb"|references|in-reply-to|mime-version|content-[a-z-]{2,30}|x-[a-z0-9-]{2,60})[ \t]*:",
    re.IGNORECASE,
)
_ANGLE_ID = re.compile(rb"<([^<>]{1,998})>")
_PARAMETER = re.compile(
    rb';\s*([^\s=;"]{1,100})\s*=\s*(?:"((?:[^"\\]|\\.)*)("|\Z)|([^;]*))', re.DOTALL
)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?\Z")


class Headers:
    """The fields of one entity, names in lower case, raw unfolded values in order."""

    __slots__ = ("_fields", "order")

    def __init__(self) -> None:
        """Start empty."""
        self._fields: dict[str, list[bytes]] = {}
        self.order: list[str] = []

    def add(self, name: str, value: bytes) -> None:
        """Append one field."""
        self._fields.setdefault(name, []).append(value)
        self.order.append(name)

    def first(self, name: str) -> bytes:
        """Return the first value of a field, ``b""`` when there is none."""
        values = self._fields.get(name)
        return values[0] if values else b""

    def all(self, name: str) -> list[bytes]:
        """Return every value of a field, topmost first."""
        return self._fields.get(name, [])

    def has(self, name: str) -> bool:
        """Say whether the field exists, also with an empty value."""
        return name in self._fields


def split_headers(data: bytes) -> tuple[Headers, int, list[str]]:
    """Read the header fields at the start of an entity.

    Returns:
        The fields, the offset of the body and codes of what was broken.
    """
    headers = Headers()
    problems: list[str] = []
    name: str | None = None
    value: list[bytes] = []
    position = 0
    while position < len(data):
        end = data.find(b"\n", position)
        after = len(data) if end < 0 else end + 1
        line = data[position:after].rstrip(b"\r\n")
        if not line:
            position = after
            break
        if len(headers.order) >= MAX_HEADERS or position > MAX_HEADER_BYTES:
            problems.append("too_many_headers")
            position = _body_offset(data, position)
            break
        field = _FIELD.match(line)
        if line[:1] in b" \t" and name is not None:
            value.append(line)
        elif field:
            _keep(headers, name, value)
            name, value = field.group(1).decode("ascii").lower(), [line[field.end() :]]
        elif position == 0 and line.startswith((b"From ", b">From ")):
            pass  # the envelope line of mbox files
        elif line[:1] in b" \t" or _field_follows(data, after):
            # A folded line that lost its indentation on the way still belongs to its field.
            problems.append("header_malformed")
            value.append(line)
        else:
            problems.append("header_without_end")
            break
        position = after
    _keep(headers, name, value)
    return headers, position, problems


def _keep(headers: Headers, name: str | None, value: list[bytes]) -> None:
    if name is not None:
        headers.add(name, b" ".join(part.strip() for part in value).strip())


def _field_follows(data: bytes, position: int) -> bool:
    """Say whether the header goes on, so that the line before only lost its indentation.

    Looks at most 20 lines ahead, up to the empty line, for a field that mail programs write.
    """
    for _ in range(20):
        end = data.find(b"\n", position)
        line = data[position : len(data) if end < 0 else end][:1_000].rstrip(b"\r")
        if not line:
            return False
        if _KNOWN_FIELD.match(line):
            return True
        if end < 0:
            return False
        position = end + 1
    return False


def _body_offset(data: bytes, position: int) -> int:
    found = [data.find(mark, position) for mark in (b"\n\n", b"\n\r\n")]
    ends = [where + size for where, size in zip(found, (2, 3), strict=True) if where >= 0]
    return min(ends, default=len(data))


@dataclass(frozen=True, slots=True)
class ContentValue:
    """A Content-Type or Content-Disposition: the word in lower case and decoded parameters."""

    value: str
    parameters: dict[str, str]


def parse_content_value(raw: bytes, hint: str | None = None) -> ContentValue:
    """Parse ``type/subtype; name=value`` with RFC 2231 parameters, RFC 2047 ones and raw bytes."""
    raw = raw[:65_536]
    head, _, _ = raw.partition(b";")
    word = head.split(b"(", 1)[0].strip().strip(b"\"'").decode("latin-1").lower()[:200]
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, bytes]]] = {}
    start = len(head)
    for count, match in enumerate(_PARAMETER.finditer(raw, start)):
        if count >= _MAX_PARAMETERS:
            break
        key = match.group(1).decode("latin-1").lower()
        if match.group(2) is not None:
            value = _QUOTED_PAIR.sub(rb"\1", match.group(2))
        else:
            value = match.group(4).strip()
        section = _SECTION.match(key)
        if section and (section.group(2) or section.group(3)):
            index = int(section.group(2) or 0)
            piece = (bool(section.group(3)), value)
            pieces.setdefault(section.group(1), {}).setdefault(index, piece)
        elif key not in plain:
            plain[key] = decode_words(value, hint)
    for key, parts in pieces.items():
        plain[key] = _join_sections(parts, hint)
    return ContentValue(value=word, parameters=plain)


def _join_sections(parts: dict[int, tuple[bool, bytes]], hint: str | None) -> str:
    """Join RFC 2231 continuations; the charset stands in the first extended one."""
    label = hint or ""
    data = b""
    for index in sorted(parts):
        extended, value = parts[index]
        if not extended:
            data += value
            continue
        if index == 0 and value.count(b"'") >= 2:
            charset, _, value = value.split(b"'", 2)
            label = charset.decode("ascii", "replace")
        data += unquote_to_bytes(value)
    if b"=?" in data:
        return decode_words(data, label)
    return tidy_line(decode_text(data, label)[0])


def parse_message_ids(raw: bytes) -> tuple[str, ...]:
    """Return the ids of References or In-Reply-To without brackets: the first and the last 199."""
    if b"=?" in raw:
        # Python's mail writer encodes ids longer than its lines, as if they were words.
        raw = decode_words(raw).encode("utf-8")
    ids = [match.decode("latin-1") for match in _ANGLE_ID.findall(raw[:MAX_HEADER_BYTES])]
    if not ids:
        ids = [word.decode("latin-1") for word in raw[:_MAX_ID_CHARS].split() if b"@" in word]
    cleaned = ["".join(one.split()) for one in ids]
    cleaned = [one for one in cleaned if one]
    if len(cleaned) > MAX_REFERENCES:
        cleaned = cleaned[:1] + cleaned[1 - MAX_REFERENCES :]
    return tuple(cleaned)


def parse_message_id(raw: bytes) -> str | None:
    """Return one Message-ID without brackets; white space inside (broken senders) is removed."""
    found = parse_message_ids(raw[:4_096])
    if found:
        return found[0]
    bare = "".join(raw[:_MAX_ID_CHARS].decode("latin-1").split()).strip("<>")
    return bare or None


def parse_date(raw: bytes) -> datetime | None:
    """Return the Date as an aware UTC time, ``None`` when it cannot be read."""
    text = raw[:200].decode("latin-1").strip()
    if not text:
        return None
    try:
        when = parsedate_to_datetime(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
