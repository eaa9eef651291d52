"""What routing leaves on the desk: copies on conversations and cases, and lines in the timeline.

Handler, queue, item and due time of a conversation are copies of its live customer-facing item.
Its state moves with the item: put aside, woken, resolved. All of it in the unit of the decision.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from hub.model.case import CaseCause, CaseState, case_sources_of
from hub.model.clock import to_micros
from hub.model.conversation import (
    LIVE_STATES,
    Cause,
    ConversationState,
    SystemLine,
    next_state,
    sources_of,
)
from hub.model.events import EventKind, NewEvent, new_event
from hub.model.ids import CaseId, ConversationId, CustomerId, ItemId, new_id
from hub.model.router_commands import Command, Complete
from hub.model.work import HELD_STATES, ItemKind, ItemState, Pause, WorkItem
from hub.routing.changes import StepResult
from hub.services.acknowledge import acknowledge
from hub.services.deps import Deps
from hub.services.dispatch_lines import lines_of
from hub.store.queries import cases, conversations, items, outcomes
from hub.store.queries.rows import Row
from hub.store.tx import Tx

FACING = frozenset({ItemKind.CONTACT, ItemKind.CALL, ItemKind.CALLBACK})
"""Kinds whose item speaks for its conversation."""

# Whoever moved the talk elsewhere has already said what becomes of the conversation.
_MOVED_AWAY = frozenset({"merged", "moved", "split", "duplicate"})
_HANDED_ON = frozenset({EventKind.ITEM_TRANSFERRED, EventKind.ITEM_ESCALATED})


def copy_to_desk(
    tx: Tx, deps: Deps, result: StepResult, command: Command | None, at: datetime
) -> list[NewEvent]:
    """Write copies and lines of one result; return all events to be appended, in order."""
    events = list(result.events)
    facing = [c.item for c in result.items if c.item.kind in FACING and c.item.conversation_id]
    by_item = {item.id: item for item in facing}
    for place, (code, params) in lines_of(result, command).items():
        event = events[place]
        if event.item in by_item and event.conversation is not None:
            line_id = outcomes.add_line(tx, event.conversation, code.value, params, at)
            events[place] = replace(event, message=line_id)
    for item in facing:
        events += _copy_item(tx, deps, result, item, command, at)
    for owner in result.owners:
        tx.execute(
            cases.OWNER,
            {"case_id": owner.case_id, "new_owner": owner.agent_id, "at": to_micros(owner.since)},
        )
    events += _severities(tx, result, at)
    return events


def _copy_item(  # noqa: PLR0913 - one item and what led to it
    tx: Tx,
    deps: Deps,
    result: StepResult,
    item: WorkItem,
    command: Command | None,
    at: datetime,
) -> list[NewEvent]:
    row = conversations.conversation(tx, str(item.conversation_id))
    if row is None or row["item_id"] not in (None, item.id):
        return []
    _hold(tx, row, item)
    kinds = {event.kind for event in result.events if event.item == item.id}
    events = _move(tx, row, item, result, kinds, at)
    if isinstance(command, Complete) and command.item_id == item.id and command.solve_case:
        events += _solve(tx, item, command, at)
    if EventKind.ITEM_PLANNED in kinds and item.live and item.transfers == 0:
        acknowledge(tx, deps, row["id"], item, at)
    return events


def _hold(tx: Tx, row: Row, item: WorkItem) -> None:
    """Bring handler, queue, item and due time up to date; nothing is written when they are."""
    handler = item.handler_agent_id if item.state in HELD_STATES else None
    answered = item.first_reply_at is not None or not item.live or item.due_at is None
    due = None if answered or item.due_at is None else to_micros(item.due_at)
    wanted: dict[str, Any] = {
        "handler_agent_id": handler,
        "queue_id": item.queue_id or row["queue_id"],
        "item_id": item.id if item.live else None,
        "due_at": due,
    }
    if all(row[name] == value for name, value in wanted.items()):
        return
    tx.execute(
        conversations.HOLD,
        {
            "conversation_id": row["id"],
            "new_handler": wanted["handler_agent_id"],
            "new_queue": wanted["queue_id"],
            "new_item": wanted["item_id"],
            "new_due": due,
        },
    )


def _move(  # noqa: PLR0913 - what a move depends on
    tx: Tx,
    row: Row,
    item: WorkItem,
    result: StepResult,
    kinds: set[EventKind],
    at: datetime,
) -> list[NewEvent]:
    """Move the conversation's state along with its item."""
    state = ConversationState(row["state"])
    if EventKind.ITEM_COMPLETED in kinds:
        done = next(e for e in result.events if e.kind is EventKind.ITEM_COMPLETED)
        facts: dict[str, Any] = {"disposition": item.disposition, "by": done.agent}
        return _to(tx, row, item, Cause.RESOLVED, at, EventKind.CONVERSATION_RESOLVED, facts)
    if item.state is ItemState.ABANDONED:
        facts = {"disposition": "abandoned", "by": "customer"}
        return _to(tx, row, item, Cause.RESOLVED, at, EventKind.CONVERSATION_RESOLVED, facts)
    if item.state is ItemState.CANCELLED:
        reasons = {e.data.get("reason") for e in result.events if e.item == item.id}
        if reasons & _MOVED_AWAY:
            return []
        return _to(tx, row, item, Cause.DISCARDED, at, EventKind.CONVERSATION_CLOSED, {})
    if not item.live:
        # The wrap-up is over. What the customer wrote meanwhile has nobody yet.
        return reopen_in(tx, row, item, at) if state in LIVE_STATES else []
    changed = EventKind.CONVERSATION_CHANGED
    if EventKind.ITEM_SNOOZED in kinds and item.pause is Pause.SNOOZED:
        facts = {"state": "snoozed", "fields": ["state"]}
        return _to(tx, row, item, Cause.SNOOZED, at, changed, facts)
    facts = {"state": "open", "fields": ["state"]}
    if kinds & _HANDED_ON and state is not ConversationState.OPEN:
        return _to(tx, row, item, Cause.HANDED_ON, at, changed, facts)
    if state is ConversationState.SNOOZED and item.pause is not Pause.SNOOZED:
        return _to(tx, row, item, Cause.WOKE, at, changed, facts)
    return []


def _to(  # noqa: PLR0913 - a move and its event
    tx: Tx,
    row: Row,
    item: WorkItem,
    cause: Cause,
    at: datetime,
    kind: EventKind,
    facts: Mapping[str, Any],
) -> list[NewEvent]:
    target = next_state(ConversationState(row["state"]), cause)
    if target is None:
        return []
    until = item.snoozed_until if target is ConversationState.SNOOZED else None
    resolved = to_micros(at) if target is ConversationState.RESOLVED else row["resolved_at"]
    moved = tx.execute(
        conversations.MOVE,
        {
            "conversation_id": row["id"],
            "sources": [source.value for source in sources_of(cause)],
            "new_state": target.value,
            "new_snoozed_until": to_micros(until) if until else None,
            "new_resolved_at": resolved if target is not ConversationState.OPEN else None,
        },
    )
    if not moved:
        return []
    return [
        new_event(
            kind,
            at,
            conversation=ConversationId(row["id"]),
            customer=CustomerId(row["customer_id"]),
            item=item.id,
            data={name: value for name, value in facts.items() if value is not None},
        )
    ]


def _solve(tx: Tx, item: WorkItem, command: Complete, at: datetime) -> list[NewEvent]:
    if item.case_id is None:
        return []
    moved = tx.execute(
        cases.MOVE,
        {
            "case_id": item.case_id,
            "sources": [state.value for state in case_sources_of(CaseCause.SOLVED)],
            "new_state": CaseState.SOLVED.value,
            "new_solved_at": to_micros(at),
            "reopened": 0,
        },
    )
    if not moved:
        return []
    by = command.by or command.actor
    line = outcomes.add_line(
        tx, str(item.conversation_id), SystemLine.CASE_SOLVED.value, {"case": item.case_id}, at
    )
    return [
        replace(
            new_event(
                EventKind.CASE_SOLVED,
                at,
                actor=by or "system",
                conversation=item.conversation_id,
                customer=item.customer_id,
                data={"case": item.case_id, "by": by},
            ),
            message=line,
        )
    ]


def reopen_in(tx: Tx, row: Row, old: WorkItem, at: datetime) -> list[NewEvent]:
    """Give an open conversation without work a new item in state `new`, of the old one's kind."""
    if items.live_contact(tx, row["id"]) is not None:
        return []
    case = cases.case(tx, old.case_id) if old.case_id else None
    fresh = WorkItem(
        id=ItemId(new_id()),
        kind=ItemKind.CONTACT,
        work_class=old.work_class,
        state=ItemState.NEW,
        created_at=at,
        case_id=old.case_id,
        conversation_id=ConversationId(row["id"]),
        customer_id=CustomerId(row["customer_id"]),
        owner_agent_id=case["owner_agent_id"] if case else old.owner_agent_id,
        reopens=old.reopens + 1,
    )
    items.add_item(tx, fresh)
    tx.execute(
        conversations.HOLD,
        {
            "conversation_id": row["id"],
            "new_handler": None,
            "new_queue": row["queue_id"],
            "new_item": fresh.id,
            "new_due": None,
        },
    )
    return [
        new_event(
            EventKind.ITEM_CREATED,
            at,
            conversation=fresh.conversation_id,
            customer=fresh.customer_id,
            item=fresh.id,
            data={"kind": "contact", "class": fresh.work_class.value, "case": fresh.case_id},
        )
    ]


def revive(tx: Tx, old: WorkItem, at: datetime) -> list[NewEvent]:
    """Open a conversation again whose customer wrote while its work was being ended.

    Nothing when it has work again already, or was closed for good (spam, merged).
    """
    row = conversations.conversation(tx, str(old.conversation_id))
    if row is None or row["merged_into"] is not None:
        return []
    events: list[NewEvent] = []
    if row["state"] == ConversationState.RESOLVED.value:
        facts = {"by": "customer", "case": old.case_id}
        kind = EventKind.CONVERSATION_REOPENED
        events = _to(tx, row, old, Cause.REOPENED, at, kind, facts)
    elif ConversationState(row["state"]) not in LIVE_STATES:
        return []
    if old.case_id is not None:
        reopen_case(tx, old.case_id)
    return [*events, *reopen_in(tx, row, old, at)]


def reopen_case(tx: Tx, case_id: str) -> bool:
    """Open a solved case again, number and owner kept; False when it was not solved."""
    params = {
        "case_id": case_id,
        "sources": [state.value for state in case_sources_of(CaseCause.REOPENED)],
        "new_state": CaseState.OPEN.value,
        "new_solved_at": None,
        "reopened": 1,
    }
    return tx.execute(cases.MOVE, params) == 1


def _severities(tx: Tx, result: StepResult, at: datetime) -> list[NewEvent]:
    """Write what rules propose; a person's choice is never overwritten."""
    events = []
    found = {change.item.id: change.item for change in result.items}
    for effect in result.effects:
        item = found.get(effect.item_id) if effect.item_id else None
        severity = effect.data.get("severity")
        if effect.kind != "propose_severity" or item is None or item.case_id is None:
            continue
        params = {"case_id": item.case_id, "new_severity": severity}
        if isinstance(severity, int) and tx.execute(outcomes.PROPOSE_SEVERITY, params):
            events.append(_case_changed(item, item.case_id, severity, at))
    return events


def _case_changed(item: WorkItem, case_id: CaseId, severity: int, at: datetime) -> NewEvent:
    return new_event(
        EventKind.CASE_CHANGED,
        at,
        conversation=item.conversation_id,
        customer=item.customer_id,
        data={"case": case_id, "fields": ["severity"], "severity": severity, "by": "rule"},
    )
