"""Reading single things: one message, what it said before, its HTML; and who an author is."""

import base64
import secrets
from dataclasses import dataclass

from hub.model.content import Content
from hub.model.errors import NotFound
from hub.model.visibility import Role, Viewer, may_supervise
from hub.services.deps import Deps
from hub.services.inbox import message_views, require_visible
from hub.services.marks import require_writable
from hub.services.reply import Author
from hub.services.views import MessageView, View, at
from hub.store.queries import bulk, messages
from hub.store.queries.rows import Row, dicts
from hub.store.tx import Tx
from hub.unify.content.html import clean_html

INLINE_BYTES = 5_000_000
"""Embedded images of one mail are shown up to so many bytes in all."""
INLINE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What may be shown in the page: nothing that can carry a script."""


class RevisionView(View):
    """What a message said before it was edited or deleted."""

    id: str
    kind: str
    text: str
    subject: str | None
    at: str


async def author_of(deps: Deps, viewer: Viewer) -> Author:
    """Return the viewer as the author of what they write."""

    def unit(tx: Tx) -> Row | None:
        return bulk.by_id(tx, bulk.AGENTS, [viewer.agent_id]).get(viewer.agent_id)

    row = await deps.db.read(unit)
    name = str(row["display_name"] or row["name"]) if row else ""
    if viewer.roles == {Role.INTEGRATION}:
        return Author("integration", viewer.agent_id, name)
    kind = "bot" if row and row["kind"] == "bot" else "agent"
    signature = str(row["signature"]) if row else ""
    return Author(kind, viewer.agent_id, name, signature)


async def message_detail(deps: Deps, viewer: Viewer, message_id: str) -> MessageView:
    """Return one message.

    Raises:
        NotFound: there is none, or its conversation is not to be seen.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> MessageView:
        row = messages.message(tx, message_id)
        if row is None:
            raise NotFound
        head = require_visible(tx, viewer, row["conversation_id"], now)
        show = may_supervise(viewer, head["queue_id"])
        return message_views(tx, [row], show_deleted=show)[0]

    return await deps.db.read(unit)


async def revisions(deps: Deps, viewer: Viewer, message_id: str) -> tuple[RevisionView, ...]:
    """Return what a message said before, oldest first; for supervisors of its queue.

    Raises:
        NotFound: there is none, or it is not to be seen, or not supervised.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> tuple[RevisionView, ...]:
        row = messages.message(tx, message_id)
        if row is None:
            raise NotFound
        head = require_visible(tx, viewer, row["conversation_id"], now)
        if not may_supervise(viewer, head["queue_id"]):
            raise NotFound
        found = dicts(tx, messages.REVISIONS, {"message_id": message_id})
        return tuple(_revision(one) for one in found)

    return await deps.db.read(unit)


def _revision(row: Row) -> RevisionView:
    content = Content.model_validate_json(row["content"])
    return RevisionView(
        id=row["id"], kind=row["kind"], text=content.text, subject=content.subject, at=at(row["at"])
    )


async def require_note_right(deps: Deps, viewer: Viewer, conversation_id: str) -> None:
    """Refuse who may not write in a conversation.

    Raises:
        NotFound: no such conversation, or not to be seen.
        NotAllowed: may only read.
    """

    def unit(tx: Tx) -> None:
        require_writable(tx, viewer, deps, conversation_id)

    await deps.db.read(unit)


@dataclass(frozen=True, slots=True)
class _Mail:
    html: str
    images: tuple[Row, ...]


async def message_html(deps: Deps, viewer: Viewer, message_id: str) -> str:
    """Return a mail's HTML, cleaned, as a whole page with its embedded images in it.

    A sandboxed frame sends no cookie, so embedded images stand in the page itself; images from
    elsewhere are blocked.

    Raises:
        NotFound: no such message, not to be seen, deleted by its sender, or without HTML.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> _Mail:
        row = messages.message(tx, message_id)
        if row is None:
            raise NotFound
        head = require_visible(tx, viewer, row["conversation_id"], now)
        if row["direction"] == "system":
            raise NotFound("no_html")
        if row["deleted_at"] is not None and not may_supervise(viewer, head["queue_id"]):
            raise NotFound("no_html")
        html = Content.model_validate_json(row["content"]).html
        if html is None:
            raise NotFound("no_html")
        files = messages.attachments_of(tx, [message_id]).get(message_id, [])
        return _Mail(html, tuple(file for file in files if _embeddable(file)))

    mail = await deps.db.read(unit)
    marks = {row["content_id"].strip("<>"): f"image-{secrets.token_hex(16)}" for row in mail.images}
    cleaned = clean_html(mail.html, cid_urls=marks)
    left = INLINE_BYTES
    for row in mail.images:
        mark = marks[row["content_id"].strip("<>")]
        if mark in cleaned and (row["size_bytes"] or 0) <= left:
            data = await deps.files.get(row["storage_key"])
            left -= len(data)
            inline = f"data:{row['content_type']};base64,{base64.b64encode(data).decode()}"
            cleaned = cleaned.replace(mark, inline)
    return _PAGE.format(body=cleaned)


_PAGE = (
    '<!doctype html><html><head><meta charset="utf-8"><base target="_blank"><style>'
    "body{{margin:8px;font:14px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}}"
    "img{{max-width:100%}}</style></head><body>{body}</body></html>"
)


def _embeddable(row: Row) -> bool:
    return (
        bool(row["content_id"]) and row["state"] == "stored" and row["content_type"] in INLINE_TYPES
    )
