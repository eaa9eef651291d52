"""Two conversations are one: a pointer, undone by clearing it.

The merged timeline is the union by `recorded_at, id`. Cases follow into the conversation that
stands for both; the event names them, so that an undo brings them back.
"""

from datetime import datetime

from hub.model.conversation import ConversationState, SystemLine
from hub.model.errors import Conflict
from hub.model.events import EventKind, Fact, NewEvent, new_event
from hub.model.ids import ConversationId, CustomerId, ItemId, MessageId
from hub.model.router_commands import Cancel, CustomerWrote
from hub.model.visibility import Viewer
from hub.services.deps import Deps
from hub.services.rehead import ensure_work, rehead, require_movable, same_customer
from hub.store.queries import cases, items, moving, outcomes
from hub.store.queries.audits import add_audit
from hub.store.queries.rows import Row
from hub.store.tx import Tx


async def merge_conversations(
    deps: Deps, viewer: Viewer, conversation_id: str, into_id: str, if_version: int
) -> str:
    """Merge a conversation into another of the same customer; return the one that stands for both.

    Its live item is taken out through the router; what waits for an answer makes the other open.

    Args:
        if_version: of the conversation that goes into the other.

    Raises:
        NotFound, NotAllowed, VersionMismatch: as the viewer's sight and roles say.
        Conflict: `already_merged`, `other_customer`, `conversation_closed` (something waits for
            an answer and the other is closed: merge the other way round).
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> tuple[str, str | None, str | None]:
        gone = require_movable(tx, viewer, conversation_id, now, if_version)
        root = require_movable(tx, viewer, moving.root_of(tx, into_id), now)
        _check(tx, gone, root)
        cancel = items.live_contact(tx, gone["id"])
        if not moving.point(tx, gone["id"], root["id"]):
            raise Conflict("already_merged", conversation=root["id"])
        moving.copy_ways(tx, gone["id"], root["id"])
        moved = _cases_follow(tx, viewer, gone, root, now)
        wake = _take_over(tx, deps, gone, root, now)
        facts: dict[str, Fact] = {"into": root["id"], "undone": False, "cases": list(moved)}
        params: dict[str, object] = {"from": gone["id"], "agent": viewer.agent_id}
        line = outcomes.add_line(tx, root["id"], SystemLine.MERGED.value, params, now)
        changed: dict[str, Fact] = {"fields": ["merged"], "by": viewer.agent_id}
        tx.append(
            [
                _event(viewer, EventKind.CONVERSATION_MERGED, gone, now, facts),
                _event(viewer, EventKind.CONVERSATION_CHANGED, root, now, changed, line),
            ]
        )
        _audit(tx, viewer, "conversation.merged", gone["id"], root["id"], now)
        return str(root["id"]), cancel, wake

    root_id, cancel, wake = await deps.db.run(unit, name="conversation.merge")
    if cancel is not None:
        await deps.router.submit(Cancel(ItemId(cancel), "merged", by=viewer.agent_id))
    if wake is not None:
        await deps.router.submit(CustomerWrote(ItemId(wake)))
    return root_id


def _check(tx: Tx, gone: Row, root: Row) -> None:
    if gone["merged_into"] is not None or gone["id"] == root["id"]:
        raise Conflict("already_merged", conversation=moving.root_of(tx, gone["id"]))
    if not same_customer(tx, gone, root):
        raise Conflict("other_customer")
    waits = gone["state"] == ConversationState.OPEN.value
    if waits and root["state"] == ConversationState.CLOSED.value:
        raise Conflict("conversation_closed")


def _take_over(tx: Tx, deps: Deps, gone: Row, root: Row, now: datetime) -> str | None:
    """Bring the root's head up to date; return the item whose idle agent is to be told."""
    rehead(tx, root["id"])
    if gone["state"] != ConversationState.OPEN.value:
        return None
    instants = [row["waiting_since"] for row in (gone, root) if row["waiting_since"] is not None]
    moving.set_state(tx, root["id"], "open", waiting_since=min(instants, default=None))
    live = items.live_contact(tx, root["id"])
    ensure_work(tx, deps, root["id"], now)
    return live if root["state"] != ConversationState.OPEN.value else None


def _cases_follow(tx: Tx, viewer: Viewer, gone: Row, to: Row, now: datetime) -> list[str]:
    moved = [str(case.id) for case in cases.briefs_of(tx, gone["id"])]
    for case_id in moved:
        _move_case(tx, viewer, case_id, to, now)
    return moved


def _move_case(tx: Tx, viewer: Viewer, case_id: str, to: Row, now: datetime) -> None:
    tx.execute(cases.MOVE_CONVERSATION, {"case_id": case_id, "to_conversation": to["id"]})
    facts: dict[str, Fact] = {"case": case_id, "fields": ["conversation"], "by": viewer.agent_id}
    tx.append([_event(viewer, EventKind.CASE_CHANGED, to, now, facts)])


async def undo_conversation_merge(
    deps: Deps, viewer: Viewer, conversation_id: str, if_version: int
) -> str:
    """Clear the pointer of a merge; the cases that followed come back. Returns the conversation.

    What was said meanwhile stays with the conversation it went into.

    Raises:
        NotFound, NotAllowed, VersionMismatch: as the viewer's sight and roles say.
        Conflict: `not_merged`; `merged_since` when what it went into was merged later
            (param `conversation`): undo that one first.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> str:
        gone = require_movable(tx, viewer, conversation_id, now, if_version)
        if gone["merged_into"] is None:
            raise Conflict("not_merged")
        root = require_movable(tx, viewer, gone["merged_into"], now)
        if root["merged_into"] is not None:
            raise Conflict("merged_since", conversation=root["id"])
        moving.unpoint(tx, gone["id"], root["id"])
        for case_id in moving.merged_cases(tx, gone["id"]):
            case = cases.case(tx, case_id)
            if case is not None and case["conversation_id"] == root["id"]:
                _move_case(tx, viewer, case_id, gone, now)
        for one in (gone, root):
            rehead(tx, one["id"])
        ensure_work(tx, deps, gone["id"], now)
        facts: dict[str, Fact] = {"into": root["id"], "undone": True}
        params: dict[str, object] = {"from": gone["id"], "agent": viewer.agent_id}
        line = outcomes.add_line(tx, root["id"], SystemLine.MERGE_UNDONE.value, params, now)
        changed: dict[str, Fact] = {"fields": ["merged"], "by": viewer.agent_id}
        tx.append(
            [
                _event(viewer, EventKind.CONVERSATION_MERGED, gone, now, facts),
                _event(viewer, EventKind.CONVERSATION_CHANGED, root, now, changed, line),
            ]
        )
        _audit(tx, viewer, "conversation.unmerged", gone["id"], root["id"], now)
        return str(gone["id"])

    return await deps.db.run(unit, name="conversation.unmerge")


def _event(  # noqa: PLR0913 - the columns of the log
    viewer: Viewer,
    kind: EventKind,
    row: Row,
    now: datetime,
    facts: dict[str, Fact],
    message: MessageId | None = None,
) -> NewEvent:
    return new_event(
        kind, now, actor=viewer.agent_id, conversation=ConversationId(row["id"]),
        customer=CustomerId(row["customer_id"]), message=message, data=facts,
    )  # fmt: skip


def _audit(tx: Tx, viewer: Viewer, action: str, gone: str, into: str, now: datetime) -> None:
    add_audit(
        tx, now, actor=viewer.agent_id, action=action, target=f"conversation:{gone}",
        facts={"into": into},
    )  # fmt: skip
