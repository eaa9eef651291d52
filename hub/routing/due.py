"""What timers do when they are due. A timer that is no longer set changes nothing."""

from datetime import datetime

from hub.model.clock import iso
from hub.model.events import EventKind
from hub.model.ids import AgentId, ItemId, OfferId, QueueId
from hub.model.router_commands import Escalate, Outcome, OutcomeCode, TimerDue, WrapUpDone
from hub.model.work import ItemState, OfferMode, TimerKind, WorkItem
from hub.routing.attending import link_lost_due, link_suspect_due
from hub.routing.eligibility import offer_policy, opening_of, signature_of
from hub.routing.exclusion import arm_exclusion_timer
from hub.routing.handing import escalate
from hub.routing.offering import expire, make_offer
from hub.routing.planning import admit, open_queue, plan_for_queue
from hub.routing.queueing import arm_delay_timer, open_due_steps, release_hold
from hub.routing.recorder import ITEM_TIMERS, Step
from hub.routing.selecting import best_of
from hub.routing.tending import grace_over, not_opened, shrink, wake, wrapup_done

_DONE = Outcome(OutcomeCode.OK)
_NOTHING = Outcome(OutcomeCode.NO_CHANGE)


def timer_due(step: Step, command: TimerDue) -> Outcome:
    """Carry out a due timer and take it away."""
    key = (command.kind, command.subject_id)
    timer = step.state.timers.get(key)
    if timer is None or timer.due_at > step.now:
        return _NOTHING
    step.cancel_timer(*key)
    if command.kind is TimerKind.OFFER_EXPIRY:
        return expire(step, OfferId(command.subject_id))
    if command.kind is TimerKind.LINK_SUSPECT:
        return _DONE if link_suspect_due(step, AgentId(command.subject_id)) else _NOTHING
    if command.kind is TimerKind.LINK_LOST:
        return _DONE if link_lost_due(step, AgentId(command.subject_id)) else _NOTHING
    item = step.state.items.get(ItemId(command.subject_id))
    if item is None:
        return _NOTHING
    return _item_timer(step, item, command.kind, timer.due_at)


def _item_timer(step: Step, item: WorkItem, kind: TimerKind, due_at: datetime) -> Outcome:
    simple = {
        TimerKind.LOOK_WITHIN: not_opened,
        TimerKind.IDLE_SHRINK: shrink,
        TimerKind.SNOOZE_WAKE: wake,
        TimerKind.GRACE: grace_over,
        TimerKind.OPENING: open_queue,
    }
    if kind in simple:
        return simple[kind](step, item.id)
    if kind is TimerKind.WRAPUP_END:
        return wrapup_done(step, WrapUpDone(item.id))
    if kind in (TimerKind.SLA_WARN_75, TimerKind.SLA_WARN_90, TimerKind.SLA_BREACH):
        return _sla(step, item, kind, due_at)
    if kind is TimerKind.STEP:
        open_due_steps(step, item)
    elif kind is TimerKind.MAX_WAIT:
        _waited_too_long(step, item)
    elif kind is TimerKind.OFFER_PROGRESS:
        _ask_one_more(step, item)
    elif item.state is ItemState.QUEUED:
        _look_again(step, item, kind)
    return _DONE


def _look_again(step: Step, item: WorkItem, kind: TimerKind) -> None:
    """Match an item for which an owner's hold, a delay or an exclusion has ended."""
    if kind is TimerKind.OWNER_WAIT and item.owner_wait_until is not None:
        item = release_hold(step, item)
    arm_delay_timer(step, item)
    arm_exclusion_timer(step, item)
    step.dirty_items[item.id] = None


def _sla(step: Step, item: WorkItem, kind: TimerKind, due_at: datetime) -> Outcome:
    deadline = iso(item.due_at or due_at)
    if kind is TimerKind.SLA_BREACH:
        step.event(EventKind.ITEM_BREACHED, item=item, deadline=deadline)
    else:
        share = 75 if kind is TimerKind.SLA_WARN_75 else 90
        step.event(EventKind.ITEM_WARNED, item=item, level=share, deadline=deadline)
    step.effect("notify_supervisor", item=item, reason=kind.value)
    return _DONE


def _waited_too_long(step: Step, item: WorkItem) -> None:
    """Do what the plan says of an item nobody took; it is never dropped."""
    if item.state not in (ItemState.QUEUED, ItemState.OFFERED):
        return
    then = item.plan.max_wait_then if item.plan else "notify"
    step.event(EventKind.ITEM_WAITED, item=item, reason=then)
    step.effect("notify_supervisor", item=item, reason="max_wait")
    if then == "callback_or_voicemail":
        step.effect("offer_callback", item=item)
    elif then == "voicemail":
        step.effect("take_voicemail", item=item)
    elif then == "escalate":
        escalate(step, Escalate(item.id, min(3, max(opening_of(item).tiers, default=0) + 1),
                                "max_wait"))  # fmt: skip
    elif then == "overflow" and item.state is ItemState.QUEUED and item.queue_id is not None:
        queue = step.state.config.queues[item.queue_id]
        target = step.state.config.queues.get(QueueId(queue.overflow))
        if target is not None:
            step.event(EventKind.ITEM_WAITED, item=item, reason="overflow", to=queue.overflow)
            step.cancel_timers(ITEM_TIMERS, item.id)
            admit(step, plan_for_queue(step, item, target))


def _ask_one_more(step: Step, item: WorkItem) -> None:
    """Add an offer to a progressive round until its number is reached."""
    if item.state is not ItemState.OFFERED or item.queue_id is None:
        return
    _, many, every_s = offer_policy(item)
    live = len(step.state.live_offers(item.id))
    signature = signature_of(item, step.state.config.queues[item.queue_id])
    if live >= many or signature is None:
        return
    asked = {offer.agent_id for offer in step.state.live_offers(item.id)}
    step.settle()
    for agent_id in best_of(step, item, signature, live + 1):
        if agent_id not in asked:
            make_offer(step, item, agent_id, OfferMode.PROGRESSIVE)
            live += 1
            break
    if live < many:
        step.set_timer(TimerKind.OFFER_PROGRESS, item.id, step.after(every_s))
