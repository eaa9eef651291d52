"""What the log means for the router: events into commands.

Acting on an event twice changes nothing: arrivals of known items, words for items that are active
and answers noted before lead to no new state.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hub.model.events import EventKind, LoggedEvent, case_of, new_event
from hub.model.ids import AgentId, CustomerId, ItemId
from hub.model.router_commands import (
    AgentReplied,
    CaseChanged,
    Command,
    CustomerWrote,
    Fact,
    ItemArrived,
    Outcome,
    OutcomeCode,
    RulesPublished,
    SetOwner,
)
from hub.model.work import ItemState, WorkItem
from hub.routing.changes import OwnerChange, StepResult
from hub.routing.state import RouterState
from hub.routing.step import step
from hub.services.dispatch import Decision
from hub.services.routing_config import Loaded, Orphan

_CONFIG = frozenset({EventKind.CONFIG_CHANGED, EventKind.QUEUE_CHANGED, EventKind.ACCESS_CHANGED})
RELEVANT = _CONFIG | {
    EventKind.ITEM_CREATED,
    EventKind.MESSAGE_RECEIVED,
    EventKind.MESSAGE_SENT,
    EventKind.CASE_CHANGED,
    EventKind.CUSTOMER_CHANGED,
    EventKind.AGENT_CHANGED,
}
"""Kinds the router looks at; others need not wake it."""


@dataclass(slots=True)
class Known:
    """What was read for a page of the log and the orders behind it.

    Attributes:
        arrivals: new items by id.
        ended: items whose row has ended.
        levels: customers' levels.
        ordered: arrivals an order speaks of before the log does.
        loaded: the configuration, when an event says that it changed.
        replan: facts of waiting items, when rules are to be applied to them.
    """

    arrivals: Mapping[ItemId, ItemArrived] = field(default_factory=dict)
    ended: Mapping[ItemId, WorkItem] = field(default_factory=dict)
    levels: Mapping[CustomerId, str] = field(default_factory=dict)
    ordered: Sequence[ItemArrived] = ()
    loaded: Loaded | None = None
    replan: Mapping[ItemId, Mapping[str, Fact]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an event asks of the router: commands, or ended items whose talk goes on."""

    commands: Sequence[Command] = ()
    revived: Sequence[WorkItem] = ()


_NOTHING = Asked()


def needs_config(event: LoggedEvent) -> bool:
    """Tell whether the configuration may have changed. Presence (`agent.changed`) is our own."""
    if event.kind is EventKind.AGENT_CHANGED:
        return "fields" in event.data
    return event.kind in _CONFIG


def wanted_items(
    state: RouterState, events: Iterable[LoggedEvent], commands: Iterable[Command]
) -> tuple[list[str], list[ItemId]]:
    """Return the ids of items memory does not hold: all of them, and those orders speak of."""
    kinds = (EventKind.ITEM_CREATED, EventKind.MESSAGE_RECEIVED)
    spoken = [event.item for event in events if event.kind in kinds]
    asked = [getattr(command, "item_id", None) for command in commands]
    ordered = [one for one in dict.fromkeys(asked) if one and one not in state.items]
    both = [one for one in spoken if one is not None and one not in state.items]
    return list(dict.fromkeys([*both, *ordered])), ordered


def command_of(state: RouterState, event: LoggedEvent, known: Known) -> Asked:
    """Return what an event asks of the router, as the state is now."""
    match event.kind:
        case EventKind.ITEM_CREATED:
            return _arrived(state, event, known)
        case EventKind.MESSAGE_RECEIVED:
            return _received(state, event, known)
        case EventKind.MESSAGE_SENT:
            return _sent(state, event)
        case EventKind.CASE_CHANGED:
            return _case(state, event)
        case EventKind.CUSTOMER_CHANGED:
            return _customer(state, event, known)
        case EventKind.CONFIG_CHANGED if str(event.data.get("what")).startswith("rules"):
            replan = known.replan if event.data.get("what") == "rules_replan" else {}
            return Asked([RulesPublished(state.config.rules.version, replan)])
    return _NOTHING


def _arrived(state: RouterState, event: LoggedEvent, known: Known) -> Asked:
    arrival = known.arrivals.get(event.item) if event.item else None
    if arrival is None or arrival.item_id in state.items:
        return _NOTHING
    return Asked([arrival])


def _received(state: RouterState, event: LoggedEvent, known: Known) -> Asked:
    """A customer's word: the item wakes, or, when it was just being ended, begins anew."""
    item_id = event.item
    if item_id is None or event.data.get("auto_reply") or event.data.get("new_item"):
        return _NOTHING
    item = state.items.get(item_id)
    if item is not None:
        return Asked([CustomerWrote(item_id)]) if item.state is not ItemState.NEW else _NOTHING
    ended = known.ended.get(item_id)
    if ended is None or ended.state is ItemState.CANCELLED:
        return _NOTHING
    return Asked(revived=[ended])


def _sent(state: RouterState, event: LoggedEvent) -> Asked:
    by, item_id = event.data.get("by"), event.item
    agent_id = event.agent or AgentId(event.actor)
    known = item_id in state.items and agent_id in state.config.agents
    if item_id is None or not known or by not in ("human", "bot"):
        return _NOTHING
    return Asked([AgentReplied(item_id, agent_id, by_bot=by == "bot")])


def _case(state: RouterState, event: LoggedEvent) -> Asked:
    case_id, severity = case_of(event), event.data.get("severity")
    if case_id is None or not isinstance(severity, int) or event.data.get("by") == "rule":
        return _NOTHING
    return Asked([CaseChanged(case_id, severity=severity)]) if _live(state, case_id) else _NOTHING


def _live(state: RouterState, case_id: str) -> bool:
    return bool(state.case_items.get(case_id))  # type: ignore[call-overload]


def _customer(state: RouterState, event: LoggedEvent, known: Known) -> Asked:
    """A customer's level changed: their waiting work is ordered by it."""
    fields = event.data.get("fields")
    level = known.levels.get(event.customer) if event.customer else None
    if level is None or not (isinstance(fields, list) and "level" in fields):
        return _NOTHING
    cases = {i.case_id for i in state.items.values() if i.customer_id == event.customer}
    return Asked(
        [CaseChanged(case, customer_level=level) for case in sorted(c for c in cases if c)]
    )


def orphan_decisions(
    state: RouterState, orphans: Iterable[Orphan], now: datetime
) -> list[Decision]:
    """Give the cases of deactivated owners to their supervisors, with or without live work."""
    found = []
    for orphan in orphans:
        if orphan.supervisor is None:
            continue
        if _live(state, orphan.case_id):
            command = SetOwner(orphan.case_id, orphan.supervisor, "admin")
            found.append(Decision(step(state, command, now), now, command))
        else:
            found.append(Decision(_new_owner(orphan, orphan.supervisor, now), now))
    return found


def _new_owner(orphan: Orphan, supervisor: AgentId, now: datetime) -> StepResult:
    event = new_event(
        EventKind.OWNER_CHANGED,
        now,
        conversation=orphan.conversation_id,
        agent=supervisor,
        data={"case": orphan.case_id, "from": orphan.owner, "to": supervisor, "reason": "admin"},
    )
    owner = OwnerChange(orphan.case_id, supervisor, "admin", now)
    return StepResult(Outcome(OutcomeCode.OK), owners=(owner,), events=(event,))
