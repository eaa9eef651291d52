"""Everything the hub holds of one customer, as a ZIP that is made while it is sent.

customer.json                 the customer, addresses, merges, suggestions
conversations/ID.json         head, cases, messages with what they said before
files/ID-NAME                 what was sent and received, mails as they arrived
"""

import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from typing_extensions import override

from hub.model.errors import NotAllowed, NotFound
from hub.model.filename import clean_filename
from hub.model.visibility import Role, Viewer
from hub.services.customer_views import customer_view
from hub.services.customers import require_family
from hub.services.deps import Deps
from hub.services.inbox import message_views
from hub.services.views import case_view, conversation_view
from hub.store.queries import cases, history, lists, messages
from hub.store.queries.audits import add_audit
from hub.store.queries.lists import Key
from hub.store.queries.rows import Row, dicts, load_map
from hub.store.tx import Tx

PAGE = 200
_OLDEST = (1980, 1, 1, 0, 0, 0)


class _Sink(io.RawIOBase):
    """What zipfile writes into: takes bytes, gives them out once, cannot be sought in."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Any, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        out = b"".join(self._parts)
        self._parts.clear()
        return out


@dataclass(frozen=True, slots=True)
class _Scope:
    """Whose export, for whom, and the conversations in it."""

    customer: bytes
    conversations: list[str]


def may_export(viewer: Viewer) -> bool:
    """Tell whether `viewer` may export customers they see: supervisors and auditors."""
    return viewer.active and bool(viewer.roles & {Role.SUPERVISOR, Role.AUDITOR})


async def begin_export(deps: Deps, viewer: Viewer, customer_id: str) -> AsyncIterator[bytes]:
    """Check, note it in the audit table and return the ZIP's bytes as an iterator.

    Conversations the viewer may not see (restricted queues) are left out.

    Raises:
        NotFound: none, or not to be seen.
        NotAllowed: neither supervisor nor auditor.
    """
    if not may_export(viewer):
        raise NotAllowed
    now = deps.clock.now()

    def unit(tx: Tx) -> _Scope:
        family = require_family(tx, viewer, customer_id, now)
        add_audit(
            tx, now, actor=viewer.agent_id, action="customer.exported",
            target=f"customer:{family.id}",
        )  # fmt: skip
        view = customer_view(tx, viewer, family.root, family.ids, now)
        return _Scope(_json(view.model_dump()), _talks(tx, viewer, family.ids, now))

    scope = await deps.db.run(unit, name="customer.export")
    return _zip(deps, scope)


def _talks(tx: Tx, viewer: Viewer, family: list[str], now: datetime) -> list[str]:
    found: list[str] = []
    after: Key | None = None
    while keys := history.page(tx, viewer, family, now, after, PAGE):
        found += [key.id for key in keys]
        after = keys[-1]
    return found


async def _zip(deps: Deps, scope: _Scope) -> AsyncIterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("customer.json"), scope.customer)
        yield sink.taken()
        for conversation_id in scope.conversations:
            body, files = await _conversation(deps, conversation_id)
            archive.writestr(_entry(f"conversations/{conversation_id}.json"), body)
            yield sink.taken()
            for file in files:
                name = clean_filename(file["filename"]) or "file"
                with archive.open(_entry(f"files/{file['id']}-{name}"), "w") as entry:
                    try:
                        async for chunk in deps.files.open(file["storage_key"]):
                            entry.write(chunk)
                            yield sink.taken()
                    except NotFound:
                        continue  # swept or erased meanwhile: its row's facts are in the JSON
    yield sink.taken()


async def _conversation(deps: Deps, conversation_id: str) -> tuple[bytes, list[Row]]:
    """Return a conversation as JSON and its stored files, read in pages of messages."""

    def head(tx: Tx) -> dict[str, Any]:
        row = lists.heads(tx, [conversation_id]).get(conversation_id)
        if row is None:
            return {}
        tags = lists.tags_of(tx, [conversation_id]).get(conversation_id, [])
        found = dicts(tx, cases.OF_CONVERSATION, {"id": conversation_id})
        return {
            "conversation": conversation_view(row, tags).model_dump(),
            "cases": [case_view(case).model_dump() for case in found],
        }

    out = await deps.db.read(head)
    shown: list[dict[str, Any]] = []
    files: list[Row] = []
    after = 0
    while True:
        page, more, after = await deps.db.read(
            lambda tx, after=after: _messages(tx, conversation_id, after)  # type: ignore[misc]
        )
        shown += page
        files += more
        if not page:
            break
    return _json({**out, "messages": shown}), files


def _messages(
    tx: Tx, conversation_id: str, after: int
) -> tuple[list[dict[str, Any]], list[Row], int]:
    params = {"conversation_id": conversation_id, "after": after, "limit": PAGE}
    rows = dicts(tx, messages.AFTER, params)
    views = message_views(tx, rows, show_deleted=True)
    shown = []
    for row, view in zip(rows, views, strict=True):
        before = dicts(tx, messages.REVISIONS, {"message_id": row["id"]})
        earlier = [{"kind": one["kind"], "content": load_map(one["content"])} for one in before]
        html = load_map(row["content"]).get("html")
        shown.append({**view.model_dump(), "html": html, "revisions": earlier})
    attached = messages.attachments_of(tx, [row["id"] for row in rows]) if rows else {}
    stored = [file for some in attached.values() for file in some if file["storage_key"]]
    return shown, stored, rows[-1]["number"] if rows else after


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_OLDEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)
