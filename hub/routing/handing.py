"""Who works on an item, by a person's order: pick, assign, transfer, escalate.

All go through the same checks as automatic matching; whoever comes second is told who was first.
"""

from hub.model.events import EventKind
from hub.model.ids import AgentId, ItemId
from hub.model.router_commands import (
    Assign,
    Escalate,
    Outcome,
    OutcomeCode,
    Take,
    TransferToAgent,
    TransferToQueue,
)
from hub.model.staff import Duty, QueueMode
from hub.model.work import HELD_STATES, ItemState, OfferMode, Pause, WorkItem
from hub.routing.eligibility import opening_of
from hub.routing.exclusion import with_exclusion
from hub.routing.offering import complete_accept, give_to, holder_of, make_offer
from hub.routing.planning import admit, plan_for_queue
from hub.routing.queueing import raise_tier, return_to_queue
from hub.routing.recorder import ITEM_TIMERS, Step
from hub.routing.releasing import rescind_offers, unassign

_WAITING = frozenset(
    {ItemState.QUEUED, ItemState.CLOSED_HOURS, ItemState.OVERFLOW, ItemState.CALLBACK_WAIT}
)


def refusal(step: Step, item_id: ItemId, version: int | None) -> Outcome | None:
    """Return why a command about an item cannot be judged at all, or None."""
    item = step.state.items.get(item_id)
    if item is None:
        return Outcome(OutcomeCode.ITEM_GONE, item_id)
    if version is not None and version != item.version:
        return Outcome(OutcomeCode.STALE, item_id, item.version, holder_of(item))
    return None


def _ok(step: Step, item_id: ItemId) -> Outcome:
    item = step.state.items[item_id]
    return Outcome(OutcomeCode.OK, item_id, item.version, holder_of(item))


def take(step: Step, command: Take) -> Outcome:
    """Let an agent pick an item for themselves."""
    refused = refusal(step, command.item_id, command.version)
    if refused is not None:
        return refused
    item = step.state.items[command.item_id]
    if holder_of(item) == command.agent_id:
        return Outcome(OutcomeCode.NO_CHANGE, item.id, item.version, command.agent_id)
    agent = step.state.config.agents.get(command.agent_id)
    if agent is None or not agent.active:
        return Outcome(OutcomeCode.UNKNOWN_AGENT, item.id, item.version)
    if step.state.presence_of(command.agent_id).duty is not Duty.ON:
        return Outcome(OutcomeCode.NOT_ROUTABLE, item.id, item.version, holder_of(item))
    if item.state in HELD_STATES:
        if not command.from_handler:
            return Outcome(OutcomeCode.ALREADY_TAKEN, item.id, item.version, holder_of(item))
        return _hand_over(step, item, command.agent_id, command.agent_id, "taken")
    if item.state is ItemState.OFFERED:
        return _take_offered(step, item, command)
    if item.state not in _WAITING:
        return Outcome(OutcomeCode.WRONG_STATE, item.id, item.version)
    limit = _pool_limit(step, item, command.agent_id)
    if limit is not None:
        return Outcome(limit, item.id, item.version)
    return _hand_over(step, item, command.agent_id, command.agent_id, "picked")


def _take_offered(step: Step, item: WorkItem, command: Take) -> Outcome:
    """Picking what one is being offered accepts it; what others are asked is theirs to answer."""
    offers = step.state.live_offers(item.id)
    mine = next((offer for offer in offers if offer.agent_id == command.agent_id), None)
    if mine is not None:
        complete_accept(step, item, mine, automatic=False)
        return _ok(step, item.id)
    if command.from_handler:
        return _hand_over(step, item, command.agent_id, command.agent_id, "taken")
    return Outcome(OutcomeCode.ALREADY_TAKEN, item.id, item.version, offers[0].agent_id)


def _pool_limit(step: Step, item: WorkItem, agent_id: AgentId) -> OutcomeCode | None:
    """Return the rule of a pool the pick would break; items passed over are reported."""
    queue = step.state.config.queues.get(item.queue_id) if item.queue_id else None
    if queue is None or queue.mode is not QueueMode.GRAB or opening_of(item).pushed:
        return None
    state = step.state
    held = [state.items[state.assignments[a].item_id] for a in
            state.agent_assignments.get(agent_id, {})]  # fmt: skip
    mine = sum(1 for other in held if other.queue_id == queue.id and other.pause is Pause.NONE)
    if queue.grab_limit is not None and mine >= queue.grab_limit:
        return OutcomeCode.LIMIT_REACHED
    waiting = state.pool_order(queue.id, step.now)
    rank = waiting.index(item.id) if item.id in waiting else 0
    if queue.grab_first_n is not None and rank >= queue.grab_first_n:
        return OutcomeCode.LIMIT_REACHED
    if rank:
        step.event(
            EventKind.ITEM_CHANGED, item=item, agent_id=agent_id, reason="passed_over", attempt=rank
        )
    return None


def _hand_over(step: Step, item: WorkItem, to: AgentId, by: AgentId, how: str) -> Outcome:
    """Give an item to an agent whatever their load; an excess is marked `forced`.

    The owner stays who it is: a pick sets one only where there was none.
    """
    before = holder_of(item)
    rescind_offers(step, item, how)
    if before is not None:
        unassign(step, item, how)
        step.effect("notify_agent", item=item, agent_id=before, reason=how)
    step.settle()
    forced = not step.state.has_room(to, item)
    step.event(
        EventKind.ITEM_CHANGED, item=item, agent_id=to, by=by, reason=how, from_=before, to=to,
        fields="handler",
    )  # fmt: skip
    item = give_to(step, step.state.items[item.id], to, forced=forced)
    if item.owner_agent_id is None:
        step.set_owner(item, to, "accepted")
    return _ok(step, item.id)


def assign(step: Step, command: Assign) -> Outcome:
    """Give an item to an agent by a supervisor's order."""
    refused = refusal(step, command.item_id, command.version)
    if refused is not None:
        return refused
    item = step.state.items[command.item_id]
    agent = step.state.config.agents.get(command.agent_id)
    if agent is None or not agent.active:
        return Outcome(OutcomeCode.UNKNOWN_AGENT, item.id, item.version)
    if step.state.presence_of(command.agent_id).duty is not Duty.ON:
        return Outcome(OutcomeCode.NOT_ROUTABLE, item.id, item.version, holder_of(item))
    if holder_of(item) == command.agent_id:
        return Outcome(OutcomeCode.NO_CHANGE, item.id, item.version, command.agent_id)
    if item.state not in _WAITING | HELD_STATES | {ItemState.OFFERED}:
        return Outcome(OutcomeCode.WRONG_STATE, item.id, item.version)
    done = _hand_over(step, item, command.agent_id, command.by, "assigned")
    step.effect("notify_agent", item=item, agent_id=command.agent_id, reason="assigned")
    return done


def _not_handler(item: WorkItem, by: AgentId | None) -> Outcome | None:
    """Return the refusal of somebody who speaks for an item that another holds."""
    holder = holder_of(item)
    if by is not None and holder is not None and holder != by:
        return Outcome(OutcomeCode.NOT_HANDLER, item.id, item.version, holder)
    return None


def transfer_to_queue(step: Step, command: TransferToQueue) -> Outcome:
    """Send an item to another queue, with its place unless told otherwise; the owner stays."""
    refused = refusal(step, command.item_id, command.version)
    if refused is not None:
        return refused
    state, item = step.state, step.state.items[command.item_id]
    queue = state.config.queues.get(command.queue_id)
    if queue is None:
        return Outcome(OutcomeCode.UNKNOWN_QUEUE, item.id, item.version)
    if item.state not in _WAITING | {ItemState.OFFERED, ItemState.ACTIVE}:
        return Outcome(OutcomeCode.WRONG_STATE, item.id, item.version)
    if (wrong := _not_handler(item, command.by)) is not None:
        return wrong
    before, holder = item.queue_id, holder_of(item)
    rescind_offers(step, item, "transferred")
    unassign(step, item, "transferred")
    step.cancel_timers(ITEM_TIMERS, item.id)
    keep = queue.place_kept_on_transfer if command.keep_place is None else command.keep_place
    item = state.items[item.id]
    item = step.put_item(
        item, vstart=item.vstart if keep else step.now, transfers=item.transfers + 1,
        req_skills=dict(command.skills or {}), handler_agent_id=None, overcommitted=False,
        pause=Pause.NONE, snoozed_until=None, auto_accepted=False, forced=False,
        excluded=with_exclusion(item, holder, "transfer", step) if holder else item.excluded,
    )  # fmt: skip
    step.event(
        EventKind.ITEM_TRANSFERRED, item=item, agent_id=command.by, from_=before,
        to_queue=queue.id, reason=command.reason, keep_place=keep,
    )  # fmt: skip
    admit(step, plan_for_queue(step, item, queue))
    return _ok(step, item.id)


def transfer_to_agent(step: Step, command: TransferToAgent) -> Outcome:
    """Offer an item to a named colleague beside the running assignment."""
    refused = refusal(step, command.item_id, command.version)
    if refused is not None:
        return refused
    state, item = step.state, step.state.items[command.item_id]
    if item.state is not ItemState.ACTIVE:
        return Outcome(OutcomeCode.WRONG_STATE, item.id, item.version)
    if (wrong := _not_handler(item, command.by)) is not None:
        return wrong
    to = command.to_agent_id
    if to == holder_of(item):
        return Outcome(OutcomeCode.NO_CHANGE, item.id, item.version, to)
    if to not in state.config.agents:
        return Outcome(OutcomeCode.UNKNOWN_AGENT, item.id, item.version)
    running = state.live_offers(item.id)
    if running:
        return Outcome(OutcomeCode.ALREADY_TAKEN, item.id, item.version, running[0].agent_id)
    if not state.routable(to, item.work_class) or not state.has_room(to, item):
        return Outcome(OutcomeCode.NOT_ROUTABLE, item.id, item.version, holder_of(item))
    offer = make_offer(
        step, item, to, OfferMode.DIRECT,
        from_agent_id=command.by or holder_of(item), handover_owner=command.handover_owner,
    )  # fmt: skip
    return Outcome(OutcomeCode.OK, item.id, item.version, holder_of(item), offer.id)


def escalate(step: Step, command: Escalate) -> Outcome:
    """Hand an item over to a higher tier: same item, place and owner kept, waiting again."""
    refused = refusal(step, command.item_id, command.version)
    if refused is not None:
        return refused
    state, item = step.state, step.state.items[command.item_id]
    if item.state not in _WAITING | {ItemState.OFFERED, ItemState.ACTIVE}:
        return Outcome(OutcomeCode.WRONG_STATE, item.id, item.version)
    if (wrong := _not_handler(item, command.by)) is not None:
        return wrong
    if command.queue_id is not None and command.queue_id not in state.config.queues:
        return Outcome(OutcomeCode.UNKNOWN_QUEUE, item.id, item.version)
    item = raise_tier(step, item, min(command.min_tier, 3), command.reason)
    if command.queue_id is not None and command.queue_id != item.queue_id:
        rescind_offers(step, item, "escalated")
        unassign(step, item, "escalated")
        step.cancel_timers(ITEM_TIMERS, item.id)
        item = step.put_item(state.items[item.id], handler_agent_id=None, overcommitted=False,
                             pause=Pause.NONE, snoozed_until=None)  # fmt: skip
        admit(step, plan_for_queue(step, item, state.config.queues[command.queue_id]))
    elif item.state is not ItemState.CLOSED_HOURS:
        return_to_queue(step, item, "escalated")
    return _ok(step, item.id)
