"""How an item enters, waits in and returns to a queue: plan steps, timers, owner's hold."""

from datetime import timedelta
from typing import Any

from hub.model.clock import iso
from hub.model.events import EventKind
from hub.model.ids import AgentId
from hub.model.work import ItemState, Pause, PlanStep, TimerKind, WorkItem
from hub.routing.calendar import NeverOpens
from hub.routing.eligibility import has_staff, steps_of
from hub.routing.exclusion import arm_exclusion_timer, is_excluded
from hub.routing.ordering import ESCALATION_HEAD, MAX_ESCALATION_HEAD
from hub.routing.recorder import HELD_TIMERS, ITEM_TIMERS, SLA_TIMERS, Step
from hub.routing.releasing import rescind_offers, unassign
from hub.routing.sla import SlaKey, Target, answer_target, deadline
from hub.routing.state import RouterState


def enter_queue(step: Step, item: WorkItem) -> WorkItem:
    """Put an item into its queue as waiting and open the steps that are due."""
    item = step.put_item(
        item,
        move=True,
        state=ItemState.QUEUED,
        enqueued_at=item.enqueued_at or step.now,
        vstart=item.vstart or step.now,
        plan_started_at=item.plan_started_at or step.now,
        handler_agent_id=None,
        owner_wait_until=None,
        interrupted=False,
    )
    step.event(
        EventKind.ITEM_QUEUED, item=item, tier=item.min_tier, vstart=iso(item.vstart or step.now)
    )
    plan = item.plan
    if plan is not None and plan.max_wait_s is not None and item.plan_started_at is not None:
        due = item.plan_started_at + timedelta(seconds=plan.max_wait_s)
        if due > step.now:
            step.set_timer(TimerKind.MAX_WAIT, item.id, due)
    return open_due_steps(step, item)


def resume_waiting(step: Step, item: WorkItem) -> WorkItem:
    """Make an item whose offers ended wait again, with its place."""
    item = step.put_item(item, move=True, state=ItemState.QUEUED, attempt=item.attempt + 1)
    step.cancel_timer(TimerKind.OFFER_PROGRESS, item.id)
    step.event(EventKind.ITEM_QUEUED, item=item, reason="again", attempt=item.attempt)
    if item.offers_made >= 5:
        item = advance_to_next_tiers(step, item)
    arm_exclusion_timer(step, item)
    arm_delay_timer(step, item)
    step.dirty_items[item.id] = None
    return item


def open_due_steps(step: Step, item: WorkItem) -> WorkItem:
    """Open every step whose time has come, skip those nobody is there for, set the next timer."""
    started = item.plan_started_at or step.now
    elapsed = (step.now - started).total_seconds()
    last = item.step_no
    for number, plan_step in enumerate(steps_of(item)):
        if plan_step.at_s <= elapsed:
            last = max(last, number)
    item = _open_through(step, item, last)
    item = skip_unstaffed(step, item)
    return _after_opening(step, item)


def skip_unstaffed(step: Step, item: WorkItem) -> WorkItem:
    """Open later steps at once while no staffed member is on an open tier."""
    while not has_staff(step.state, item):
        following = _next_tier_step(item)
        if following is None:
            break
        item = _open_through(step, item, following)
    return item


def advance_to_next_tiers(step: Step, item: WorkItem) -> WorkItem:
    """Open the next step that opens tiers now; nothing when there is none."""
    following = _next_tier_step(item)
    if following is None:
        return item
    return _after_opening(step, _open_through(step, item, following))


def _next_tier_step(item: WorkItem) -> int | None:
    """Return the next step that opens tiers, unless an escalation stands before it."""
    steps = steps_of(item)
    for number in range(item.step_no + 1, len(steps)):
        if steps[number].escalate_tier is not None:
            return None
        if steps[number].tiers:
            return number
    return None


def _open_through(step: Step, item: WorkItem, last: int) -> WorkItem:
    steps = steps_of(item)
    while item.step_no < last:
        opened = steps[item.step_no + 1]
        item = step.put_item(item, step_no=item.step_no + 1)
        if item.step_no > 0:
            step.event(EventKind.ITEM_CHANGED, item=item, fields="step", attempt=item.step_no)
        if opened.notify is not None:
            step.effect("notify_supervisor", item=item, reason="step")
        if opened.escalate_tier is not None:
            item = raise_tier(step, item, opened.escalate_tier, opened.escalate_reason or "step")
        if opened.owner_wait_s is not None and item.state is ItemState.QUEUED:
            item = hold_for_owner(step, item, opened)
    return item


def _after_opening(step: Step, item: WorkItem) -> WorkItem:
    steps = steps_of(item)
    started = item.plan_started_at or step.now
    if item.step_no + 1 < len(steps):
        due = started + timedelta(seconds=steps[item.step_no + 1].at_s)
        step.set_timer(TimerKind.STEP, item.id, due)
    else:
        step.cancel_timer(TimerKind.STEP, item.id)
    arm_delay_timer(step, item)
    arm_exclusion_timer(step, item)
    if item.state is ItemState.QUEUED:
        step.dirty_items[item.id] = None
    return item


def raise_tier(step: Step, item: WorkItem, tier: int, reason: str) -> WorkItem:
    """Escalate: raise the lowest tier and the head; place and owner stay."""
    before = item.min_tier
    item = step.put_item(
        item,
        min_tier=max(before, tier),
        head_boost=min(MAX_ESCALATION_HEAD, item.head_boost + ESCALATION_HEAD),
        escalations=item.escalations + 1,
    )
    step.event(EventKind.ITEM_ESCALATED, item=item, from_=before, to=item.min_tier, reason=reason)
    if tier > 3 or before >= 3:
        step.effect("notify_supervisor", item=item, reason="tiers_exhausted")
    return item


def hold_for_owner(step: Step, item: WorkItem, plan_step: PlanStep) -> WorkItem:
    """Keep the item for its owner alone when the owner is here but busy, and waiting is allowed.

    A free owner needs no hold: matching asks the owner first. An absent one is skipped.
    """
    owner = item.owner_agent_id
    wait_s = 0.0 if item.severity == 1 else plan_step.owner_wait_s or 0.0
    if owner is None or wait_s <= 0 or not owner_may_take(step.state, item, owner):
        return item
    if is_excluded(step.state, item, owner, step.now):
        return item
    until = step.after(wait_s)
    step.set_timer(TimerKind.OWNER_WAIT, item.id, until, item.version)
    step.dirty_agents[owner] = None
    return step.put_item(item, owner_wait_until=until)


def owner_may_take(state: RouterState, item: WorkItem, owner: AgentId) -> bool:
    """Tell whether the owner is staffed, allowed the class and on a high enough tier somewhere."""
    agent = state.config.agents.get(owner)
    if agent is None or not agent.active or item.work_class in agent.disabled_classes:
        return False
    tiers = [member.tier for member in state.queues_of.get(owner, {}).values()]
    return state.presence_of(owner).staffed and bool(tiers) and max(tiers) >= item.min_tier


def release_hold(step: Step, item: WorkItem) -> WorkItem:
    """End the owner's hold: everybody eligible may be asked."""
    step.cancel_timer(TimerKind.OWNER_WAIT, item.id)
    item = step.put_item(item, owner_wait_until=None)
    arm_delay_timer(step, item)
    step.dirty_items[item.id] = None
    return item


def arm_delay_timer(step: Step, item: WorkItem) -> None:
    """Set the timer at which a member with a longer `delay_s` may be asked."""
    if item.queue_id is None:
        return
    delays = step.state.delays.get(item.queue_id, [])
    start = item.vstart or step.now
    moments = [start + timedelta(seconds=delay) for delay in delays]
    later = [at for at in moments if at > step.now]
    if later:
        step.set_timer(TimerKind.MEMBER_DELAY, item.id, min(later))
    else:
        step.cancel_timer(TimerKind.MEMBER_DELAY, item.id)


def sla_target(state: RouterState, item: WorkItem, service_type: str | None) -> Target:
    """Return the answer promise of an item from the policy matrix."""
    key = SlaKey(item.sla_policy, item.customer_level, service_type, item.severity, item.work_class)
    return answer_target(state.config.policies, key)


def start_sla_clock(step: Step, item: WorkItem, target: Target) -> WorkItem:
    """Write the promise into the item and set the warnings at 75 % and 90 % and the breach."""
    start = item.created_at
    calendars = step.state.config.calendars
    try:
        due = deadline(target, start, calendars)
        shares = ((TimerKind.SLA_WARN_75, 0.75), (TimerKind.SLA_WARN_90, 0.9))
        for kind, share in shares:
            step.set_timer(kind, item.id, deadline(target, start, calendars, share=share))
    except NeverOpens:
        step.effect("notify_supervisor", item=item, reason="calendar_never_opens")
        return step.put_item(item, target_s=target.span_s())
    step.set_timer(TimerKind.SLA_BREACH, item.id, due)
    return step.put_item(item, target_s=target.span_s(), due_at=due)


def return_to_queue(step: Step, item: WorkItem, reason: str, **changes: Any) -> WorkItem:
    """Take the item from its handler and let it wait again, with its place and its owner."""
    rescind_offers(step, item, reason)
    unassign(step, item, reason)
    item = step.put_item(
        step.state.items[item.id],
        handler_agent_id=None, overcommitted=False, forced=False, auto_accepted=False,
        accepted_at=None, opened_at=None, pause=Pause.NONE, snoozed_until=None, **changes,
    )  # fmt: skip
    return enter_queue(step, item)


def leave(step: Step, item: WorkItem, state: ItemState, **changes: Any) -> WorkItem:
    """End an item: offers, assignment and timers go, the row becomes terminal."""
    rescind_offers(step, item, state.value)
    unassign(step, item, state.value)
    step.cancel_timers(ITEM_TIMERS + SLA_TIMERS + HELD_TIMERS, item.id)
    return step.put_item(
        step.state.items[item.id], move=True, state=state, closed_at=step.now,
        overcommitted=False, interrupted=False, owner_wait_until=None, **changes,
    )  # fmt: skip
