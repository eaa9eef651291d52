"""What happens to an item while somebody works on it, and how it ends.

An answer lets the conversation wait for its customer and, after a while, shrinks what it holds of
the agent. A customer's word takes the units up again, also when they no longer fit: the item stays
its handler's and is marked `overcommitted`.
"""

from dataclasses import replace

from hub.model.clock import iso
from hub.model.events import EventKind
from hub.model.ids import ItemId
from hub.model.router_commands import (
    AgentReplied,
    Cancel,
    CaseChanged,
    Complete,
    CustomerLeft,
    CustomerReturned,
    CustomerWrote,
    Opened,
    Outcome,
    OutcomeCode,
    SetOwner,
    Snooze,
    WrapUpDone,
)
from hub.model.staff import AgentKind, Duty, Link
from hub.model.work import HELD_STATES, Assignment, ItemState, Pause, TimerKind, WorkClass, WorkItem
from hub.routing.exclusion import with_exclusion
from hub.routing.handing import refusal
from hub.routing.offering import charge_miss, claim_ownership, holder_of
from hub.routing.queueing import enter_queue, leave, return_to_queue
from hub.routing.recorder import ITEM_TIMERS, SLA_TIMERS, Step
from hub.routing.releasing import off_when_drained, rescind_offers

_VOICE = frozenset({WorkClass.VOICE, WorkClass.CALLBACK})


def _now(step: Step, item_id: ItemId, code: OutcomeCode = OutcomeCode.OK) -> Outcome:
    item = step.state.items.get(item_id)
    if item is None:
        return Outcome(code, item_id)
    return Outcome(code, item_id, item.version, holder_of(item))


def replied(step: Step, command: AgentReplied) -> Outcome:
    """Note an answer: clocks stop, ownership is claimed, the item waits for its customer."""
    item = step.state.items.get(command.item_id)
    if item is None:
        return Outcome(OutcomeCode.ITEM_GONE, command.item_id)
    bot = command.by_bot or _is_bot(step, command)
    if not bot:
        if item.first_reply_at is None:
            step.cancel_timers(SLA_TIMERS, item.id)
        claim_ownership(step, item, command.agent_id, "replied")
        item = step.state.items[item.id]
    mine = holder_of(item) == command.agent_id
    item = step.put_item(
        item,
        first_reply_at=item.first_reply_at or (None if bot else step.now),
        last_sent_at=step.now,
        pause=Pause.WAITING if mine else item.pause,
        opened_at=item.opened_at or (step.now if mine else None),
        snoozed_until=None if mine else item.snoozed_until,
    )
    if not mine:
        return _now(step, item.id)
    step.cancel_timer(TimerKind.SNOOZE_WAKE, item.id)
    step.cancel_timer(TimerKind.LOOK_WITHIN, item.id)
    idle_after_s = step.state.config.capacity[item.work_class].idle_after_s
    if idle_after_s is not None and not _assignment(step, item).idle:
        step.set_timer(TimerKind.IDLE_SHRINK, item.id, step.after(idle_after_s))
    step.put_presence(off_when_drained(step, step.state.presence_of(command.agent_id)))
    return _now(step, item.id)


def _is_bot(step: Step, command: AgentReplied) -> bool:
    agent = step.state.config.agents.get(command.agent_id)
    return agent is None or agent.kind is AgentKind.BOT


def _assignment(step: Step, item: WorkItem) -> Assignment:
    found = step.state.handler_assignment(item.id)
    assert found is not None, "an item with a handler has an assignment"
    return found


def shrink(step: Step, item_id: ItemId) -> Outcome:
    """Let an item whose customer is silent hold only its idle units."""
    item = step.state.items.get(item_id)
    if item is None or item.pause is Pause.NONE or item.state is not ItemState.ACTIVE:
        return Outcome(OutcomeCode.NO_CHANGE, item_id)
    _go_idle(step, item)
    return _now(step, item_id)


def _go_idle(step: Step, item: WorkItem) -> None:
    assignment = _assignment(step, item)
    if assignment.idle:
        return
    idle_units = min(assignment.units, step.state.config.capacity[item.work_class].idle_units)
    step.put_assignment(replace(assignment, idle=True, units=idle_units))
    step.dirty_agents[assignment.agent_id] = None


def customer_wrote(step: Step, command: CustomerWrote) -> Outcome:
    """Open an item again that waited for its customer; same handler if they are there."""
    item = step.state.items.get(command.item_id)
    if item is None:
        return Outcome(OutcomeCode.ITEM_GONE, command.item_id)
    if item.state is ItemState.ABANDONED_GRACE:
        return come_back(step, CustomerReturned(item.id))
    if item.state is not ItemState.ACTIVE:
        return _now(step, item.id, OutcomeCode.NO_CHANGE)
    step.cancel_timer(TimerKind.SNOOZE_WAKE, item.id)
    step.cancel_timer(TimerKind.IDLE_SHRINK, item.id)
    waited = item.pause is not Pause.NONE
    handler = item.handler_agent_id
    presence = step.state.presence_of(handler) if handler else None
    if waited and (presence is None or presence.duty is Duty.OFF or presence.link is Link.LOST):
        # Nobody is there to read it: a new wait begins, ahead of newcomers.
        item = step.put_item(item, vstart=step.now, plan_started_at=step.now, step_no=-1)
        return_to_queue(step, item, "handler_away", priority_return=True)
        return _now(step, item.id)
    item = step.put_item(item, pause=Pause.NONE, snoozed_until=None)
    if _assignment(step, item).idle:
        _take_up_again(step, item)
    return _now(step, item.id)


def _take_up_again(step: Step, item: WorkItem) -> None:
    assignment = _assignment(step, item)
    units = step.state.units_of(item)
    state, agent_id = step.state, assignment.agent_id
    agent, book = state.config.agents[agent_id], state.books[agent_id]
    counts_now = int(assignment.units > 0)
    cap = state.cap_of(agent, item.work_class)
    fits = (
        book.standing_against(item.work_class) - assignment.units + units <= book.capacity
        and book.counts.get(item.work_class, 0) - counts_now < cap
    )
    step.put_assignment(replace(assignment, idle=False, units=units))
    if not fits:
        step.put_item(step.state.items[item.id], overcommitted=True)
        step.touch(agent_id)
        step.event(EventKind.ITEM_OVERCOMMITTED, item=item, agent_id=agent_id)


def opened(step: Step, command: Opened) -> Outcome:
    """Note that the handler looked at an automatically accepted item."""
    item = step.state.items.get(command.item_id)
    if item is None or holder_of(item) != command.agent_id or item.opened_at is not None:
        return Outcome(OutcomeCode.NO_CHANGE, command.item_id)
    step.cancel_timer(TimerKind.LOOK_WITHIN, item.id)
    step.put_item(item, opened_at=step.now)
    step.put_presence(replace(step.state.presence_of(command.agent_id), misses=0))
    step.event(EventKind.ITEM_CHANGED, item=item, agent_id=command.agent_id, fields="opened_at")
    return _now(step, item.id)


def not_opened(step: Step, item_id: ItemId) -> Outcome:
    """Take an automatically accepted item back that nobody looked at: a miss, place kept."""
    item = step.state.items.get(item_id)
    if item is None or item.state is not ItemState.ACTIVE or item.opened_at is not None:
        return Outcome(OutcomeCode.NO_CHANGE, item_id)
    agent_id = item.handler_agent_id
    if agent_id is not None:
        charge_miss(step, agent_id, item)
        item = step.state.items[item_id]
        item = step.put_item(item, excluded=with_exclusion(item, agent_id, "not_opened", step))
    return_to_queue(step, item, "not_opened")
    return _now(step, item_id)


def snooze(step: Step, command: Snooze) -> Outcome:
    """Put an item aside until an instant or the customer's next word."""
    refused = refusal(step, command.item_id, command.version)
    if refused is not None:
        return refused
    item = step.state.items[command.item_id]
    if item.state is not ItemState.ACTIVE:
        return _now(step, item.id, OutcomeCode.WRONG_STATE)
    if command.by is not None and command.by != holder_of(item):
        return _now(step, item.id, OutcomeCode.NOT_HANDLER)
    step.cancel_timer(TimerKind.IDLE_SHRINK, item.id)
    step.cancel_timer(TimerKind.LOOK_WITHIN, item.id)
    item = step.put_item(
        item, pause=Pause.SNOOZED, snoozed_until=command.until, opened_at=item.opened_at or step.now
    )
    step.set_timer(TimerKind.SNOOZE_WAKE, item.id, command.until, item.version)
    step.event(EventKind.ITEM_SNOOZED, item=item, agent_id=command.by, until=iso(command.until))
    _go_idle(step, item)
    if item.handler_agent_id is not None:
        presence = step.state.presence_of(item.handler_agent_id)
        step.put_presence(off_when_drained(step, presence))
    return _now(step, item.id)


def wake(step: Step, item_id: ItemId) -> Outcome:
    """End a snooze: the handler is reminded. Units are taken up when they fit, never over."""
    item = step.state.items.get(item_id)
    if item is None or item.pause is not Pause.SNOOZED:
        return Outcome(OutcomeCode.NO_CHANGE, item_id)
    handler = item.handler_agent_id
    item = step.put_item(item, pause=Pause.WAITING, snoozed_until=None)
    step.event(EventKind.ITEM_CHANGED, item=item, agent_id=handler, fields="pause", reason="woken")
    step.effect("notify_agent", item=item, agent_id=handler, reason="snooze_over")
    if handler is not None and step.state.has_room(handler, item):
        item = step.put_item(item, pause=Pause.NONE)
        _take_up_again(step, item)
    return _now(step, item.id)


def complete(step: Step, command: Complete) -> Outcome:
    """End an item with a disposition; after a call the wrap-up keeps the agent."""
    refused = refusal(step, command.item_id, command.version)
    if refused is not None:
        return refused
    item = step.state.items[command.item_id]
    holder = holder_of(item)
    if command.by is not None and holder is not None and holder != command.by:
        return _now(step, item.id, OutcomeCode.NOT_HANDLER)
    if item.state is ItemState.WRAPUP:
        return finish(step, item)
    wrapup_s = step.state.config.capacity[item.work_class].wrapup_s
    item = step.put_item(item, disposition=command.disposition)
    step.event(EventKind.ITEM_COMPLETED, item=item, agent_id=command.by or holder,
               disposition=command.disposition)  # fmt: skip
    if item.owner_agent_id not in (None, command.by, holder):
        step.effect("notify_owner", item=item, agent_id=item.owner_agent_id, reason="completed")
    if holder is not None and wrapup_s > 0:
        rescind_offers(step, item, "completed")
        step.cancel_timers(SLA_TIMERS, item.id)
        item = step.put_item(item, move=True, state=ItemState.WRAPUP)
        step.set_timer(TimerKind.WRAPUP_END, item.id, step.after(wrapup_s), item.version)
        step.event(EventKind.WRAP_STARTED, item=item, agent_id=holder)
        return _now(step, item.id)
    return finish(step, item)


def finish(step: Step, item: WorkItem) -> Outcome:
    """Make an item `done`."""
    if item.state is ItemState.WRAPUP:
        step.event(EventKind.WRAP_ENDED, item=item, agent_id=item.handler_agent_id)
    item = leave(step, item, ItemState.DONE)
    step.event(EventKind.ITEM_CHANGED, item=item, fields="state")
    return Outcome(OutcomeCode.OK, item.id, item.version)


def wrapup_done(step: Step, command: WrapUpDone) -> Outcome:
    """End a wrap-up, by the agent or by its timer."""
    item = step.state.items.get(command.item_id)
    if item is None or item.state is not ItemState.WRAPUP:
        return Outcome(OutcomeCode.NO_CHANGE, command.item_id)
    if command.by is not None and command.by != holder_of(item):
        return _now(step, item.id, OutcomeCode.NOT_HANDLER)
    return finish(step, item)


def cancel(step: Step, command: Cancel) -> Outcome:
    """Take an item out whatever its state."""
    refused = refusal(step, command.item_id, command.version)
    if refused is not None:
        return refused
    item = leave(step, step.state.items[command.item_id], ItemState.CANCELLED)
    step.event(EventKind.ITEM_CANCELLED, item=item, agent_id=command.by, reason=command.reason)
    return Outcome(OutcomeCode.OK, item.id, item.version)


def customer_left(step: Step, command: CustomerLeft) -> Outcome:
    """The customer gave up waiting. Somebody who is being helped stays the handler's."""
    item = step.state.items.get(command.item_id)
    if item is None:
        return Outcome(OutcomeCode.ITEM_GONE, command.item_id)
    if item.state in HELD_STATES or item.state is ItemState.ABANDONED_GRACE:
        step.event(EventKind.ITEM_CHANGED, item=item, reason="customer_left")
        return _now(step, item.id, OutcomeCode.NO_CHANGE)
    if item.work_class not in _VOICE:
        item = leave(step, item, ItemState.ABANDONED)
        step.event(EventKind.ITEM_ABANDONED, item=item)
        return Outcome(OutcomeCode.OK, item.id, item.version)
    rescind_offers(step, item, "customer_left")
    step.cancel_timers(ITEM_TIMERS, item.id)
    item = step.put_item(step.state.items[item.id], move=True, state=ItemState.ABANDONED_GRACE,
                         owner_wait_until=None)  # fmt: skip
    step.set_timer(TimerKind.GRACE, item.id, step.after(step.state.config.grace_s), item.version)
    return _now(step, item.id)


def come_back(step: Step, command: CustomerReturned) -> Outcome:
    """Give a customer who returned in time their old place again."""
    item = step.state.items.get(command.item_id)
    if item is None or item.state is not ItemState.ABANDONED_GRACE:
        return _now(step, command.item_id, OutcomeCode.NO_CHANGE)
    step.cancel_timer(TimerKind.GRACE, item.id)
    if command.work_class is not None:
        item = step.put_item(item, work_class=command.work_class)
    enter_queue(step, item)
    return _now(step, item.id)


def grace_over(step: Step, item_id: ItemId) -> Outcome:
    """Count a caller who did not return as abandoned."""
    item = step.state.items.get(item_id)
    if item is None or item.state is not ItemState.ABANDONED_GRACE:
        return Outcome(OutcomeCode.NO_CHANGE, item_id)
    item = leave(step, item, ItemState.ABANDONED)
    step.event(EventKind.ITEM_ABANDONED, item=item)
    return Outcome(OutcomeCode.OK, item.id, item.version)


def case_changed(step: Step, command: CaseChanged) -> Outcome:
    """Put a case's items where severity, level or a fault notice now put them."""
    for item_id in list(step.state.case_items.get(command.case_id, {})):
        item = step.state.items[item_id]
        level, notice = command.customer_level, command.fault_notice
        step.put_item(
            item,
            severity=command.severity or item.severity,
            customer_level=item.customer_level if level is None else level,
            fault_notice=item.fault_notice if notice is None else notice,
        )
    return Outcome(OutcomeCode.OK)


def owner_set(step: Step, command: SetOwner) -> Outcome:
    """Change a case's owner by an administrator's or supervisor's order."""
    items = list(step.state.case_items.get(command.case_id, {}))
    if not items:
        return Outcome(OutcomeCode.NO_CHANGE)
    step.set_owner(step.state.items[items[0]], command.agent_id, command.reason)
    return Outcome(OutcomeCode.OK)
