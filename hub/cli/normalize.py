"""``hub normalize KIND``: a raw payload to canonical JSON, without a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.adapters.email.mime import ParsedMail, parse_mail
from hub.unify.content.html import clean_html, html_to_text
from hub.unify.content.quoted import visible_html, visible_text


def mail(raw: bytes) -> dict[str, Any]:
    """Normalise one raw mail into the fields named in ``surface.md``.

    ``text`` is the plain part, or the HTML as text; ``html`` is as received; ``safe_html`` may be
    shown; ``visible_text`` is the message without the quoted earlier ones.
    """
    parsed = parse_mail(raw)
    return {
        "subject": parsed.subject,
        "from_email": parsed.from_email,
        "from_name": parsed.from_name,
        "to": _people(parsed.to),
        "cc": _people(parsed.cc),
        "text": _text(parsed),
        "html": parsed.html,
        "safe_html": clean_html(parsed.html) if parsed.html is not None else None,
        "visible_text": _visible(parsed),
        "attachments": [
            {"filename": one.filename, "content_type": one.content_type, "size": one.size}
            for one in parsed.attachments
        ],
        "message_id": parsed.message_id,
        "in_reply_to": parsed.in_reply_to[0] if parsed.in_reply_to else None,
        "references": list(parsed.references),
        "auto_submitted": parsed.auto_submitted,
    }


def _people(addresses: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "email": email} for name, email in addresses]


def _text(parsed: ParsedMail) -> str:
    if parsed.text is not None:
        return parsed.text
    return html_to_text(parsed.html) if parsed.html is not None else ""


def _visible(parsed: ParsedMail) -> str:
    if parsed.text is not None:
        return visible_text(parsed.text)
    return visible_html(parsed.html) if parsed.html is not None else ""


KINDS: dict[str, Callable[[bytes], dict[str, Any]]] = {"email": mail}
