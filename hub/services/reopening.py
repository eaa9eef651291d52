"""After the end: a conversation opened again by a person, and closed when its window is over."""

from dataclasses import replace
from datetime import datetime, timedelta

from hub.model.clock import to_micros
from hub.model.conversation import Cause, ConversationState, SystemLine, sources_of
from hub.model.errors import Conflict
from hub.model.events import EventKind, new_event
from hub.model.ids import CaseId, ConversationId, CustomerId, ItemId, new_id
from hub.model.work import ItemKind, ItemState, WorkClass, WorkItem
from hub.services.deps import Deps
from hub.services.dispatch_copies import reopen_case, reopen_in
from hub.store.queries import conversations, items, outcomes
from hub.store.queries.rows import Row, dicts, one_dict
from hub.store.tx import Tx


def reopen_in_unit(tx: Tx, deps: Deps, row: Row, by: str, now: datetime) -> str:
    """Open a resolved conversation inside a unit; return the id of its new work item.

    Raises:
        Conflict: `not_resolved`: somebody was first.
    """
    params = {
        "conversation_id": row["id"],
        "sources": [source.value for source in sources_of(Cause.REOPENED)],
        "new_state": ConversationState.OPEN.value,
        "new_snoozed_until": None,
        "new_resolved_at": None,
    }
    if tx.execute(conversations.MOVE, params) != 1:
        raise Conflict("not_resolved")
    old = _last_item(tx, deps, row, now)
    reopened = old.case_id is not None and reopen_case(tx, old.case_id)
    facts: dict[str, object] = {"case": old.case_id if reopened else None, "agent": by}
    line = outcomes.add_line(tx, row["id"], SystemLine.REOPENED.value, facts, now)
    told = new_event(
        EventKind.CONVERSATION_REOPENED,
        now,
        actor=by,
        conversation=ConversationId(row["id"]),
        customer=CustomerId(row["customer_id"]),
        data={"by": by, "case": old.case_id},
    )
    created = reopen_in(tx, row, old, now)
    if not created:
        raise Conflict("not_resolved")
    tx.append([replace(told, message=line), *created])
    return str(created[0].item)


def _last_item(tx: Tx, deps: Deps, row: Row, now: datetime) -> WorkItem:
    """Return the conversation's last customer-facing item, or what one of its channel would be."""
    for found in dicts(tx, items.OF_CONVERSATION, {"id": row["id"]}):
        if found["kind"] == ItemKind.CONTACT.value:
            return items.item_of(found["body"])
    channel = one_dict(tx, conversations.CHANNEL_HEAD, {"id": row["last_channel_id"]})
    work_class = deps.kinds[channel["kind"]].work_class if channel else WorkClass.MESSAGING.value
    return WorkItem(
        id=ItemId(new_id()),
        kind=ItemKind.CONTACT,
        work_class=WorkClass(work_class),
        state=ItemState.DONE,
        created_at=now,
        case_id=CaseId(row["case_id"]) if row["case_id"] else None,
        conversation_id=ConversationId(row["id"]),
        customer_id=CustomerId(row["customer_id"]),
    )


async def close_expired(deps: Deps) -> int:
    """Close the conversations whose reopen window is over, with their solved cases; how many."""
    now = deps.clock.now()
    before = to_micros(now - timedelta(seconds=deps.reopen_s))

    def unit(tx: Tx) -> int:
        rows = tx.run(conversations.EXPIRED_WINDOWS, {"before": before})
        return sum(_close(tx, str(row[0]), now) for row in rows)

    closed = 0
    while True:
        found = await deps.db.run(unit, name="conversation.close_expired")
        closed += found
        if found == 0:
            return closed


def _close(tx: Tx, conversation_id: str, now: datetime) -> bool:
    row = conversations.conversation(tx, conversation_id)
    if row is None:
        return False
    params = {
        "conversation_id": conversation_id,
        "sources": [source.value for source in sources_of(Cause.WINDOW_ENDED)],
        "new_state": ConversationState.CLOSED.value,
        "new_snoozed_until": None,
        "new_resolved_at": row["resolved_at"],
    }
    if tx.execute(conversations.MOVE, params) != 1:
        return False
    for case_id in outcomes.solved_cases(tx, conversation_id):
        outcomes.close_case(tx, case_id)
    closed = new_event(
        EventKind.CONVERSATION_CLOSED,
        now,
        conversation=ConversationId(conversation_id),
        customer=CustomerId(row["customer_id"]),
        data={"by": "system"},
    )
    tx.append([closed])
    return True
