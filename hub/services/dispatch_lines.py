"""Which remarks a step leaves in the timeline: codes and ids, told from the step's own events."""

from typing import Any

from hub.model.conversation import SystemLine
from hub.model.events import EventKind, NewEvent
from hub.model.router_commands import Command
from hub.routing.changes import StepResult

Line = tuple[SystemLine, dict[str, Any]]


def lines_of(result: StepResult, command: Command | None) -> dict[int, Line]:
    """Return the lines of a result by the place of the event they belong to.

    The event then names the line as its message, so that open screens fetch it.
    """
    actor: Any = getattr(command, "actor", None)
    direct = {e.item for e in result.events if _is_direct(e)}
    found: dict[int, Line] = {}
    for place, event in enumerate(result.events):
        line = _line(event, actor, direct=event.item in direct, events=result.events)
        if line is not None:
            found[place] = line
    return found


def _is_direct(event: NewEvent) -> bool:
    return event.kind is EventKind.OFFER_ACCEPTED and event.data.get("mode") == "direct"


def _line(
    event: NewEvent, actor: str | None, *, direct: bool, events: tuple[NewEvent, ...]
) -> Line | None:
    data = event.data
    match event.kind:
        case EventKind.ITEM_CONNECTED if direct:
            before = _left(event, events)
            return SystemLine.TRANSFERRED, {"from": before, "to_agent": event.agent}
        case EventKind.ITEM_CONNECTED:
            by = _ordered_by(event, events)
            return SystemLine.TAKEN, {"agent": event.agent, "by": by, "from": _left(event, events)}
        case EventKind.ITEM_TRANSFERRED:
            who = event.agent or actor
            queues = {"from": data.get("from"), "to_queue": data.get("to_queue")}
            return SystemLine.TRANSFERRED, {**queues, "agent": who}
        case EventKind.ITEM_ESCALATED:
            tiers = {"from": data.get("from"), "to": data.get("to")}
            return SystemLine.ESCALATED, {**tiers, "agent": actor}
        case EventKind.OWNER_CHANGED if data.get("from") is not None:
            owners = {"from": data.get("from"), "to": data.get("to")}
            return SystemLine.OWNER_CHANGED, {"case": data.get("case"), **owners}
        case EventKind.ITEM_SNOOZED:
            until = data.get("until")
            return SystemLine.SNOOZED, {"until": until, "agent": event.agent or actor}
        case EventKind.ITEM_CHANGED if data.get("reason") == "woken":
            return SystemLine.WOKEN, {}
        case EventKind.ITEM_COMPLETED:
            who = actor or event.agent
            return SystemLine.RESOLVED, {"disposition": data.get("disposition"), "agent": who}
    return None


def _left(event: NewEvent, events: tuple[NewEvent, ...]) -> str | None:
    """Return who held the item before it was given to somebody else in this step."""
    for other in events:
        handler = other.data.get("fields") == "handler" and other.data.get("from")
        if other.item == event.item and other.kind is EventKind.ITEM_CHANGED and handler:
            return str(handler)
    return None


def _ordered_by(event: NewEvent, events: tuple[NewEvent, ...]) -> str | None:
    """Return who gave the item to the agent, when that was not the agent."""
    for other in events:
        by = other.data.get("by")
        if other.item == event.item and other.kind is EventKind.ITEM_CHANGED and by:
            return None if by == event.agent else str(by)
    return None
