"""Raw mail bytes to one frozen value. Pure; never raises; linear in the size of the mail.

Broken mails are read as well as they can be and say in ``problems`` what was wrong: a customer's
mail is never dropped because its sender's program is old.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from hub.adapters.email.addresses import parse_addresses
from hub.adapters.email.automatic import Bounce, is_automatic, read_bounce
from hub.adapters.email.charset import decode_text
from hub.adapters.email.flowed import unflow
from hub.adapters.email.headers import (
    Headers,
    parse_date,
    parse_message_id,
    parse_message_ids,
)
from hub.adapters.email.parts import MAX_PARTS, Budget, Leaf, take_uuencoded, walk
from hub.adapters.email.words import decode_words
from hub.model.filename import clean_filename

Address = tuple[str, str]

_KEPT_HEADERS = (
    "x-mailer", "user-agent", "x-priority", "importance", "sensitivity", "list-unsubscribe",
    "precedence", "auto-submitted", "return-path", "sender", "x-original-to", "envelope-to",
    "content-language", "thread-topic", "x-spam-flag", "disposition-notification-to",
)  # fmt: skip
_MAX_SUBJECT_CHARS = 2_000
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,5}=\s{0,5}[\"']?([-\w:]{2,40})", re.I)
_CID_SPACE = re.compile(r"[<>\s]+")


@dataclass(frozen=True, slots=True)
class MailAttachment:
    """One file of a mail.

    Attributes:
        filename: Cleaned by :func:`hub.model.filename.clean_filename`.
        content_type: As the mail says, lower case; not to be trusted.
        size: Bytes.
        content: The decoded bytes.
        content_id: Without brackets; what ``cid:`` in the HTML refers to.
        inline: Shown inside the text rather than listed as a file.
    """

    filename: str
    content_type: str
    size: int
    content: bytes = field(repr=False)
    content_id: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """A mail as it was read.

    Addresses are ``(name, email)`` with the case as received. ``text`` is the plain part and
    ``html`` the HTML part as received, decoded; either is ``None`` when there is none. ``date`` is
    aware UTC. ``problems`` are codes such as ``boundary_missing`` or ``charset_wrong``.
    """

    subject: str
    from_email: str
    from_name: str
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    delivered_to: tuple[str, ...] = ()
    text: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
    attachments: tuple[MailAttachment, ...] = ()
    message_id: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    date: datetime | None = None
    auto_submitted: bool = False
    bounce: Bounce | None = None
    list_id: str | None = None
    authentication_results: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def is_bounce(self) -> bool:
        """Whether this is a delivery report, not a person's mail."""
        return self.bounce is not None


@dataclass(slots=True)
class _Reading:
    """What has been collected so far from the leaves."""

    hint: str | None
    budget: Budget
    texts: list[str] = field(default_factory=list)
    htmls: list[str] = field(default_factory=list)
    text_group: int | None = None
    html_group: int | None = None
    attachments: list[MailAttachment] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    returned: list[bytes] = field(default_factory=list)


def parse_mail(raw: bytes) -> ParsedMail:
    """Read one mail; any bytes give a value."""
    budget = Budget()
    headers, leaves = walk(raw, budget)
    found = list(leaves)
    reading = _Reading(hint=_charset_hint(headers, found), budget=budget)
    for leaf in found:
        _take(leaf, reading)
    return _assemble(headers, reading)


def _charset_hint(headers: Headers, leaves: list[Leaf]) -> str | None:
    """Name the charset raw eight-bit headers are probably in: that of the first text."""
    for leaf in leaves:
        label = leaf.kind.parameters.get("charset")
        if label and leaf.kind.value.startswith("text/"):
            return label
    return None


def _assemble(headers: Headers, reading: _Reading) -> ParsedMail:
    hint = reading.hint

    def addresses(name: str) -> tuple[Address, ...]:
        return parse_addresses(b", ".join(headers.all(name)), hint)

    from_name, from_email = _sender(headers, hint, reading.budget)
    text = "\n\n".join(one for one in reading.texts if one.strip()) or None
    html = "\n".join(one for one in reading.htmls if one.strip()) or None
    bounce = read_bounce(headers, from_email, text, reading.reports, reading.returned)
    return ParsedMail(
        subject=decode_words(headers.first("subject"), hint)[:_MAX_SUBJECT_CHARS],
        from_email=from_email,
        from_name=from_name,
        to=addresses("to"),
        cc=addresses("cc"),
        bcc=addresses("bcc"),
        reply_to=addresses("reply-to"),
        delivered_to=_delivered_to(headers, hint),
        text=text,
        html=html,
        attachments=tuple(reading.attachments),
        message_id=parse_message_id(headers.first("message-id")),
        in_reply_to=parse_message_ids(headers.first("in-reply-to")),
        references=parse_message_ids(headers.first("references")),
        date=parse_date(headers.first("date")),
        auto_submitted=bounce is not None or is_automatic(headers),
        bounce=bounce,
        list_id=decode_words(headers.first("list-id"), hint)[:500] or None,
        authentication_results=tuple(
            value[:10_000].decode("ascii", "replace")
            for value in headers.all("authentication-results")[:20]
        ),
        headers=_kept(headers, hint),
        problems=tuple(reading.budget.problems),
    )


def _sender(headers: Headers, hint: str | None, budget: Budget) -> Address:
    """Return who the mail says it is from, with what is odd about it noted."""
    senders = parse_addresses(headers.first("from"), hint)
    if not headers.has("from"):
        budget.note("from_missing")
    if len(headers.all("from")) > 1 or sum(1 for one in senders if one[1]) > 1:
        # Two senders: programs differ in whom they believe. Never counts as confirmed.
        budget.note("from_repeated")
    senders = senders or parse_addresses(headers.first("sender"), hint)
    named = (senders[0][0], "") if senders else ("", "")
    return next((one for one in senders if one[1]), named)


def _delivered_to(headers: Headers, hint: str | None) -> tuple[str, ...]:
    values = [
        value
        for name in ("delivered-to", "x-original-to", "envelope-to")
        for value in headers.all(name)
    ]
    found = parse_addresses(b", ".join(values), hint)
    return tuple(dict.fromkeys(email for _, email in found if email))[:50]


def _kept(headers: Headers, hint: str | None) -> dict[str, str]:
    return {
        name: decode_words(headers.first(name), hint)[:1_000]
        for name in _KEPT_HEADERS
        if headers.has(name)
    }


def _take(leaf: Leaf, reading: _Reading) -> None:
    """Decide whether a leaf is text to read or a file, and keep it."""
    kind = leaf.kind.value
    if kind == "message/delivery-status":
        reading.reports.append(leaf.content)
    elif kind in ("message/rfc822", "text/rfc822-headers"):
        reading.returned.append(leaf.content)
    name = _filename(leaf, reading.hint)
    is_file = leaf.disposition.value == "attachment" or bool(name)
    if kind not in ("text/plain", "text/html") or is_file:
        _attach(leaf, name, reading)
        return
    if kind == "text/html":
        _take_html(leaf, reading)
    else:
        _take_text(leaf, reading)


def _take_text(leaf: Leaf, reading: _Reading) -> None:
    group = _alternative(leaf)
    if group is not None and group == reading.text_group:
        return  # a second plain form of the same alternative
    body = leaf.content
    files: list[tuple[bytes, bytes]] = []
    if b"\nbegin " in body or body.startswith(b"begin "):
        body, files = take_uuencoded(body, MAX_PARTS - len(reading.attachments))
    text = _decoded(body, leaf.kind.parameters.get("charset"), reading)
    if leaf.kind.parameters.get("format", "").lower() == "flowed":
        text = unflow(text, delsp=leaf.kind.parameters.get("delsp", "").lower() == "yes")
    if text.strip():
        reading.texts.append(text)
        reading.text_group = group
    for raw_name, content in files:
        name = clean_filename(decode_words(raw_name, reading.hint))
        reading.attachments.append(
            MailAttachment(name, "application/octet-stream", len(content), content)
        )


def _take_html(leaf: Leaf, reading: _Reading) -> None:
    group = _alternative(leaf)
    if group is not None and group == reading.html_group:
        return
    label = leaf.kind.parameters.get("charset")
    if label is None:
        meta = _META_CHARSET.search(leaf.content[:4_096])
        label = meta.group(1).decode("ascii", "replace") if meta else None
    text = _decoded(leaf.content, label, reading)
    if text.strip():
        reading.htmls.append(text)
        reading.html_group = group


def _alternative(leaf: Leaf) -> int | None:
    return leaf.path[-1] if leaf.path and leaf.parent == "multipart/alternative" else None


def _decoded(body: bytes, label: str | None, reading: _Reading) -> str:
    text, sure = decode_text(body, label)
    if not sure:
        reading.budget.note("charset_wrong")
    if "\0" in text:
        reading.budget.note("nul_bytes")
        text = text.replace("\0", "")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8", "replace").decode("utf-8")


def _filename(leaf: Leaf, hint: str | None) -> str:
    for parameters in (leaf.disposition.parameters, leaf.kind.parameters):
        for key in ("filename", "name"):
            if parameters.get(key, "").strip():
                return decode_words(parameters[key].encode("utf-8", "replace"), "utf-8")
    return ""


def _attach(leaf: Leaf, name: str, reading: _Reading) -> None:
    kind = leaf.kind.value
    if not name:
        described = decode_words(leaf.headers.first("content-description"), reading.hint)
        name = _invented_name(kind, described)
    raw_id = decode_words(leaf.headers.first("content-id"))
    content_id = _CID_SPACE.sub("", raw_id)[:500] or None
    inline = leaf.disposition.value == "inline" or (
        content_id is not None and leaf.disposition.value != "attachment"
    )
    reading.attachments.append(
        MailAttachment(
            filename=clean_filename(name, default=_invented_name(kind, "")),
            content_type=kind[:100],
            size=len(leaf.content),
            content=leaf.content,
            content_id=content_id,
            inline=inline,
        )
    )


_EXTENSIONS = {
    "message/rfc822": "eml", "message/delivery-status": "txt", "text/rfc822-headers": "txt",
    "text/calendar": "ics", "application/pdf": "pdf", "image/jpeg": "jpg", "image/jpg": "jpg",
    "image/pjpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp",
    "text/html": "html", "text/plain": "txt", "application/pgp-signature": "asc",
    "application/zip": "zip", "audio/mpeg": "mp3", "video/mp4": "mp4", "text/csv": "csv",
}  # fmt: skip


def _invented_name(kind: str, described: str) -> str:
    """Name a file that came without a name, after its description or its type."""
    extension = _EXTENSIONS.get(kind, "")
    stem = described[:80].strip()
    if not stem:
        main = kind.split("/", 1)[0]
        stem = main if main in ("image", "audio", "video", "message") else "file"
    if not extension or stem.lower().endswith("." + extension):
        return stem
    return f"{stem}.{extension}"
