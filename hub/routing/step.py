"""The router's one function: `step(state, command, now)`.

It changes the state it is given and returns exactly what is to be written (`StepResult`). The same
rows, commands, instants, rules and ids lead to the same result. When the result cannot be written,
throw the state away and make it anew from rows (`RouterState.from_rows`).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from hub.model import router_commands as commands
from hub.model.router_commands import Command, Outcome
from hub.routing import attending, due, handing, offering, planning, tending
from hub.routing.changes import StepResult
from hub.routing.matching import run_matching
from hub.routing.recorder import Step
from hub.routing.state import RouterState

_HANDLERS: Mapping[type, Callable[[Step, Any], Outcome]] = {
    commands.ItemArrived: planning.arrive,
    commands.RulesPublished: planning.publish_rules,
    commands.Accept: offering.accept,
    commands.Decline: offering.decline,
    commands.TimerDue: due.timer_due,
    commands.Presence: attending.attend,
    commands.ConfigChanged: attending.change_config,
    commands.Take: handing.take,
    commands.Assign: handing.assign,
    commands.TransferToQueue: handing.transfer_to_queue,
    commands.TransferToAgent: handing.transfer_to_agent,
    commands.Escalate: handing.escalate,
    commands.AgentReplied: tending.replied,
    commands.CustomerWrote: tending.customer_wrote,
    commands.Opened: tending.opened,
    commands.Snooze: tending.snooze,
    commands.Complete: tending.complete,
    commands.WrapUpDone: tending.wrapup_done,
    commands.Cancel: tending.cancel,
    commands.CustomerLeft: tending.customer_left,
    commands.CustomerReturned: tending.come_back,
    commands.CaseChanged: tending.case_changed,
    commands.SetOwner: tending.owner_set,
}


def step(state: RouterState, command: Command, now: datetime) -> StepResult:
    """Carry out one command at `now` (aware UTC), then match until nothing more fits.

    A command that is refused changes no item; its outcome says why (409).
    """
    current = Step(state, now)
    outcome = _HANDLERS[type(command)](current, command)
    run_matching(current)
    return current.result(_refreshed(state, outcome))


def _refreshed(state: RouterState, outcome: Outcome) -> Outcome:
    """Give the outcome the version matching left behind."""
    item = state.items.get(outcome.item_id) if outcome.item_id else None
    if item is None or not outcome.ok or item.version == outcome.version:
        return outcome
    return Outcome(outcome.code, item.id, item.version, item.handler_agent_id or outcome.holder,
                   outcome.offer_id)  # fmt: skip


def due_timers(state: RouterState, now: datetime) -> list[commands.TimerDue]:
    """Return the timers due at `now`, earliest first."""
    found = sorted(
        (timer for timer in state.timers.values() if timer.due_at <= now),
        key=lambda timer: (timer.due_at, timer.kind, timer.subject_id),
    )
    return [commands.TimerDue(timer.kind, timer.subject_id, timer.epoch) for timer in found]


def next_due(state: RouterState) -> datetime | None:
    """Return when the next timer is due. O(timers)."""
    return min((timer.due_at for timer in state.timers.values()), default=None)
