"""Messages in the wrong place: move one to other talk of the same customer, or split talk in two.

A moved message takes the next number of where it goes; its revisions, files, deliveries and
mentions follow. The source's counter stays, so that no number is ever given twice.
"""

from dataclasses import dataclass
from datetime import datetime

from hub.model.conversation import Cause, ConversationState, SystemLine, sources_of
from hub.model.errors import Conflict, NotFound
from hub.model.events import EventKind, Fact, NewEvent, new_event
from hub.model.ids import ConversationId, CustomerId, ItemId, MessageId, new_id
from hub.model.router_commands import Cancel, CustomerWrote
from hub.model.visibility import Viewer
from hub.services.deps import Deps
from hub.services.rehead import ensure_work, open_case, rehead, require_movable, same_customer
from hub.store.queries import cases, conversations, items, messages, moving, outcomes
from hub.store.queries.audits import add_audit
from hub.store.queries.rows import Row
from hub.store.tx import Tx

MAX_SPLIT = 500


@dataclass(frozen=True, slots=True)
class Moved:
    """Where things are now.

    Attributes:
        conversation_id: the target.
        number: of the first message moved, there.
        source_version: of the conversation they came from.
    """

    conversation_id: str
    number: int
    source_version: int


@dataclass(slots=True)
class _After:
    """What the router is told once the rows are written."""

    cancel: str | None = None
    wake: str | None = None


async def move_message(
    deps: Deps, viewer: Viewer, message_id: str, to_id: str | None, if_version: int
) -> Moved:
    """Move a message to another conversation of the customer, or to a new one (`to_id` None).

    A conversation left without messages closes; its cases go along.

    Args:
        if_version: of the conversation the message is in.

    Raises:
        NotFound, NotAllowed, VersionMismatch: as the viewer's sight and roles say.
        Conflict: `not_movable` (a remark of the hub), `same_conversation`, `other_customer`,
            `conversation_closed` (a message that waits for an answer).
    """
    now, fresh = deps.clock.now(), new_id()

    def unit(tx: Tx) -> tuple[Moved, _After]:
        message = messages.message(tx, message_id)
        if message is None:
            raise NotFound
        source = require_movable(tx, viewer, message["conversation_id"], now, if_version)
        if message["direction"] == "system":
            raise Conflict("not_movable")
        target, made = _target(tx, viewer, source, to_id, fresh, now)
        waits = _waits_since(source, [message])
        if waits is not None and target["state"] == ConversationState.CLOSED.value:
            raise Conflict("conversation_closed")
        number = moving.move_message(tx, message, target["id"], target["case_id"])
        after = _settle_source(tx, viewer, source, target["id"], now)
        _settle_target(tx, deps, target, after, made=made, waits=waits, now=now)
        _lines(tx, viewer, source["id"], target["id"], message_id, now)
        tx.append([_moved_event(viewer, message_id, source["id"], target, now)])
        _audit(tx, viewer, "message.moved", source["id"], target["id"], now)
        return Moved(target["id"], number, moving.version_of(tx, source["id"])), after

    moved, after = await deps.db.run(unit, name="message.move")
    await _tell_router(deps, viewer, after)
    return moved


async def split_conversation(
    deps: Deps, viewer: Viewer, conversation_id: str, from_message_id: str, if_version: int
) -> Moved:
    """Move a message and all after it into a new conversation with a case of its own.

    Raises:
        NotFound, NotAllowed, VersionMismatch: as the viewer's sight and roles say.
        Conflict: `nothing_left` (it is the first message), `too_many` (param `limit`).
    """
    now, fresh = deps.clock.now(), new_id()

    def unit(tx: Tx) -> tuple[Moved, _After]:
        source = require_movable(tx, viewer, conversation_id, now, if_version)
        first = messages.message(tx, from_message_id)
        if first is None or first["conversation_id"] != conversation_id:
            raise NotFound
        rows = moving.messages_from(tx, conversation_id, first["number"], MAX_SPLIT + 1)
        if len(rows) > MAX_SPLIT:
            raise Conflict("too_many", limit=MAX_SPLIT)
        if not rows or moving.talk_before(tx, conversation_id, first["number"]) == 0:
            raise Conflict("nothing_left")
        target = _start(tx, viewer, source, fresh, now)
        case = open_case(tx, fresh, source["customer_id"], now)
        moving.set_case(tx, fresh, case.id)
        numbers = [moving.move_message(tx, row, fresh, case.id) for row in rows]
        waits = _waits_since(source, rows)
        after = _settle_source(tx, viewer, source, fresh, now)
        _settle_target(tx, deps, target, after, made=True, waits=waits, now=now)
        tx.append([_moved_event(viewer, row["id"], conversation_id, target, now) for row in rows])
        _say_split(tx, viewer, source, fresh, now)
        _audit(tx, viewer, "conversation.split", conversation_id, fresh, now)
        return Moved(fresh, numbers[0], moving.version_of(tx, conversation_id)), after

    moved, after = await deps.db.run(unit, name="conversation.split")
    await _tell_router(deps, viewer, after)
    return moved


def _target(
    tx: Tx, viewer: Viewer, source: Row, to_id: str | None, fresh: str, now: datetime
) -> tuple[Row, bool]:
    """Return the conversation a message goes to and whether it was made for it."""
    if to_id is None:
        return _start(tx, viewer, source, fresh, now), True
    target = require_movable(tx, viewer, moving.root_of(tx, to_id), now)
    if target["id"] == source["id"]:
        raise Conflict("same_conversation")
    if not same_customer(tx, source, target):
        raise Conflict("other_customer")
    return target, False


def _start(tx: Tx, viewer: Viewer, source: Row, fresh: str, now: datetime) -> Row:
    conversations.add_conversation(
        tx, fresh, source["customer_id"], now, previous_id=source["id"],
        queue_id=source["queue_id"], language=source["language"], subject=source["subject"],
        sender_confirmed=bool(source["sender_confirmed"]), spam=bool(source["spam"]),
    )  # fmt: skip
    tx.append(
        [
            new_event(
                EventKind.CONVERSATION_CREATED, now, actor=viewer.agent_id,
                conversation=ConversationId(fresh), customer=CustomerId(source["customer_id"]),
                data={"previous": source["id"], "by": viewer.agent_id},
            )
        ]
    )  # fmt: skip
    row = conversations.conversation(tx, fresh)
    assert row is not None  # inserted above
    return row


def _waits_since(source: Row, rows: list[Row]) -> int | None:
    """Return the instant of the earliest of these messages that nobody answered yet, or None."""
    since = source["waiting_since"]
    if source["state"] != ConversationState.OPEN.value or since is None:
        return None
    open_ones = [
        int(row["recorded_at"])
        for row in rows
        if row["direction"] == "in" and row["recorded_at"] >= since
    ]
    return min(open_ones, default=None)


def _settle_source(tx: Tx, viewer: Viewer, source: Row, target_id: str, now: datetime) -> _After:
    """Bring the source's head up to date; close it when nothing is left to say there."""
    after = _After()
    if rehead(tx, source["id"]) is None:
        for case in cases.briefs_of(tx, source["id"]):
            tx.execute(cases.MOVE_CONVERSATION, {"case_id": case.id, "to_conversation": target_id})
            tx.append([_case_event(viewer, case.id, target_id, source, now)])
        after.cancel = items.live_contact(tx, source["id"])
        tx.execute(
            conversations.MOVE,
            {
                "conversation_id": source["id"],
                "sources": [state.value for state in sources_of(Cause.DISCARDED)],
                "new_state": ConversationState.CLOSED.value,
                "new_snoozed_until": None,
                "new_resolved_at": None,
            },
        )
        tx.append([_event(viewer, EventKind.CONVERSATION_CLOSED, source, now, {})])
    tx.append(
        [_event(viewer, EventKind.CONVERSATION_CHANGED, source, now, {"fields": ["messages"]})]
    )
    return after


def _settle_target(  # noqa: PLR0913 - what the target's state depends on
    tx: Tx, deps: Deps, target: Row, after: _After, *, made: bool, waits: int | None, now: datetime
) -> None:
    """Bring the target's head up to date; what waits for an answer makes it open work."""
    rehead(tx, target["id"])
    if waits is not None:
        live = items.live_contact(tx, target["id"])
        if target["state"] != ConversationState.OPEN.value:
            after.wake = live
        known = target["waiting_since"]
        since = waits if known is None else min(known, waits)
        moving.set_state(tx, target["id"], "open", waiting_since=since)
        ensure_work(tx, deps, target["id"], now)
    elif made:
        moving.set_state(tx, target["id"], "waiting", waiting_since=None)
        if not cases.briefs_of(tx, target["id"]):
            case = open_case(tx, target["id"], target["customer_id"], now)
            moving.set_case(tx, target["id"], case.id)


def _lines(
    tx: Tx, viewer: Viewer, source_id: str, target_id: str, message_id: str, now: datetime
) -> None:
    facts = {"message": message_id, "agent": viewer.agent_id}
    out = {**facts, "to": target_id}
    outcomes.add_line(tx, source_id, SystemLine.MOVED_OUT.value, dict(out), now)
    outcomes.add_line(tx, target_id, SystemLine.MOVED_IN.value, {**facts, "from": source_id}, now)


def _say_split(tx: Tx, viewer: Viewer, source: Row, fresh: str, now: datetime) -> None:
    params: dict[str, object] = {"into": fresh, "agent": viewer.agent_id}
    line = outcomes.add_line(tx, source["id"], SystemLine.SPLIT.value, params, now)
    started: dict[str, object] = {"rule": "split", "previous": source["id"]}
    outcomes.add_line(tx, fresh, SystemLine.STARTED.value, started, now)
    tx.append([_event(viewer, EventKind.CONVERSATION_SPLIT, source, now, {"into": fresh}, line)])


def _moved_event(
    viewer: Viewer, message_id: str, source_id: str, target: Row, now: datetime
) -> NewEvent:
    facts: dict[str, Fact] = {"from": source_id, "to": target["id"]}
    return _event(viewer, EventKind.MESSAGE_MOVED, target, now, facts, MessageId(message_id))


def _case_event(
    viewer: Viewer, case_id: str, target_id: str, source: Row, now: datetime
) -> NewEvent:
    facts: dict[str, Fact] = {
        "case": case_id, "fields": ["conversation"], "by": viewer.agent_id
    }  # fmt: skip
    row = {**source, "id": target_id}
    return _event(viewer, EventKind.CASE_CHANGED, row, now, facts)


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


def _audit(
    tx: Tx, viewer: Viewer, action: str, source_id: str, target_id: str, now: datetime
) -> None:
    add_audit(
        tx, now, actor=viewer.agent_id, action=action, target=f"conversation:{source_id}",
        facts={"to": target_id},
    )  # fmt: skip


async def _tell_router(deps: Deps, viewer: Viewer, after: _After) -> None:
    if after.cancel is not None:
        await deps.router.submit(Cancel(ItemId(after.cancel), "moved", by=viewer.agent_id))
    if after.wake is not None:
        await deps.router.submit(CustomerWrote(ItemId(after.wake)))
