"""Unsent answers and notes, kept on the server for their one author, in every tab the same."""

from collections.abc import Mapping
from typing import Any

from hub.model.clock import to_micros
from hub.model.errors import VersionMismatch
from hub.model.events import EventKind, new_event
from hub.model.ids import AgentId, ConversationId
from hub.model.visibility import Viewer
from hub.services.deps import Deps
from hub.services.inbox import require_visible
from hub.services.marks import require_writable
from hub.services.views import View, at
from hub.store.queries import drafts
from hub.store.queries.rows import Row, dump, load_map
from hub.store.queries.visibility import visible_ids
from hub.store.tx import Tx


class DraftView(View):
    """A draft; `version` is what If-Match takes."""

    conversation_id: str
    kind: str
    body: dict[str, Any]
    updated_at: str
    version: int


def _view(row: Row) -> DraftView:
    return DraftView(
        conversation_id=row["conversation_id"],
        kind=row["kind"],
        body=load_map(row["body"]),
        updated_at=at(row["updated_at"]),
        version=row["version"],
    )


async def list_drafts(
    deps: Deps, viewer: Viewer, conversation_id: str | None = None
) -> tuple[DraftView, ...]:
    """Return the viewer's drafts in one conversation, or everywhere they still see.

    Raises:
        NotFound: no such conversation, or not to be seen.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> tuple[DraftView, ...]:
        if conversation_id is not None:
            require_visible(tx, viewer, conversation_id, now)
            return tuple(
                _view(row) for row in drafts.drafts_of(tx, viewer.agent_id, conversation_id)
            )
        rows = drafts.drafts_by(tx, viewer.agent_id)
        seen = visible_ids(tx, [row["conversation_id"] for row in rows], viewer, now)
        return tuple(_view(row) for row in rows if row["conversation_id"] in seen)

    return await deps.db.read(unit)


async def save_draft(
    deps: Deps,
    viewer: Viewer,
    conversation_id: str,
    kind: str,
    body: Mapping[str, Any],
    if_version: int,
) -> DraftView:  # noqa: PLR0913 - what a draft is
    """Keep a draft over the version its author last saw; 0 begins one.

    Raises:
        NotFound, NotAllowed: as the viewer's sight and roles say.
        VersionMismatch: another tab was faster.
    """
    now = deps.clock.now()
    text = dump(dict(body))

    def unit(tx: Tx) -> DraftView:
        require_writable(tx, viewer, deps, conversation_id)
        me = viewer.agent_id
        saved = drafts.save_draft(tx, me, conversation_id, kind, text, to_micros(now), if_version)
        row = drafts.draft(tx, me, conversation_id, kind)
        if not saved or row is None:
            raise VersionMismatch(version=row["version"] if row else 0)
        _tell(tx, deps, viewer, conversation_id)
        return _view(row)

    return await deps.db.run(unit, name="draft.save")


async def drop_draft(deps: Deps, viewer: Viewer, conversation_id: str, kind: str) -> None:
    """Remove one's draft, also from a conversation one no longer sees; harmless without one."""

    def unit(tx: Tx) -> None:
        if drafts.drop_draft(tx, viewer.agent_id, conversation_id, kind):
            _tell(tx, deps, viewer, conversation_id)

    await deps.db.run(unit, name="draft.drop")


def _tell(tx: Tx, deps: Deps, viewer: Viewer, conversation_id: str) -> None:
    """Tell the author's other tabs; nobody else is shown the event."""
    tx.append(
        [
            new_event(
                EventKind.DRAFT_CHANGED,
                deps.clock.now(),
                actor=viewer.agent_id,
                conversation=ConversationId(conversation_id),
                agent=AgentId(viewer.agent_id),
            )
        ]
    )
