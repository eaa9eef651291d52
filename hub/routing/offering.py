"""Offers: made, accepted, declined, expired (routing.md 2.7).

An offer reserves its units in full, so two items never race for one place. Accepting needs the
offer to be live under the item's present version; everything else is answered with who was first.
"""

from dataclasses import replace

from hub.model.clock import iso
from hub.model.events import EventKind
from hub.model.ids import AgentId, AssignmentId, ItemId, OfferId
from hub.model.router_commands import Accept, Decline, Outcome, OutcomeCode
from hub.model.staff import AgentKind, AgentPresence, Readiness
from hub.model.work import (
    HELD_STATES,
    Assignment,
    AssignmentRole,
    ItemState,
    Offer,
    OfferMode,
    OfferState,
    Pause,
    TimerKind,
    WorkItem,
)
from hub.routing.exclusion import with_exclusion
from hub.routing.queueing import resume_waiting
from hub.routing.recorder import ITEM_TIMERS, Step
from hub.routing.releasing import end_offer, remember_ended, rescind_offers, unassign


def make_offer(  # noqa: PLR0913 - an offer's columns
    step: Step,
    item: WorkItem,
    agent_id: AgentId,
    mode: OfferMode,
    *,
    from_agent_id: AgentId | None = None,
    handover_owner: bool = False,
) -> Offer:
    """Offer an item to an agent who fits; accept it in the agent's name where that is the rule."""
    state = step.state
    if item.state is ItemState.QUEUED:
        item = step.put_item(
            item, move=True, state=ItemState.OFFERED, owner_wait_until=None,
            offers_made=item.offers_made + 1,
        )  # fmt: skip
        step.cancel_timer(TimerKind.OWNER_WAIT, item.id)
    elif mode is not OfferMode.DIRECT:
        item = step.put_item(item, offers_made=item.offers_made + 1)
    queue = state.config.queues[item.queue_id]  # type: ignore[index]
    default_ttl = state.config.capacity[item.work_class].offer_ttl_s
    offer = Offer(
        id=OfferId(state.new_id()), item_id=item.id, agent_id=agent_id, queue_id=queue.id,
        work_class=item.work_class, epoch=item.version, state=OfferState.OFFERED, mode=mode,
        units=state.units_of(item), created_at=step.now,
        expires_at=step.after(queue.offer_ttl_s.get(item.work_class, default_ttl)),
        from_agent_id=from_agent_id, handover_owner=handover_owner,
    )  # fmt: skip
    step.put_offer(offer)
    step.event(
        EventKind.OFFER_CREATED, item=item, agent_id=agent_id, offer=offer.id, mode=mode.value,
        expires_at=iso(offer.expires_at),
    )  # fmt: skip
    presence = state.presence_of(agent_id)
    picks = presence.picks + (0 if mode is OfferMode.DIRECT else 1)
    step.put_presence(replace(presence, last_offered_at=step.now, picks=picks))
    if mode is OfferMode.SINGLE and accepts_automatically(step, item, agent_id):
        complete_accept(step, item, offer, automatic=True)
    else:
        step.set_timer(TimerKind.OFFER_EXPIRY, offer.id, offer.expires_at, offer.epoch)
    return offer


def accepts_automatically(step: Step, item: WorkItem, agent_id: AgentId) -> bool:
    """Tell whether creating the offer is accepting it: bots, queue's and member's setting."""
    state = step.state
    if state.config.agents[agent_id].kind is AgentKind.BOT:
        return True
    queue = state.config.queues[item.queue_id]  # type: ignore[index]
    member = state.queues_of.get(agent_id, {}).get(queue.id)
    if member is not None and not member.auto_accept:
        return False
    default = state.config.capacity[item.work_class].auto_accept
    return queue.auto_accept.get(item.work_class, default)


def accept(step: Step, command: Accept) -> Outcome:
    """Accept an offer by hand."""
    offer = step.state.offers.get(command.offer_id)
    if offer is None or offer.agent_id != command.agent_id:
        return _too_late(step, command.offer_id, command.agent_id)
    item = step.state.items.get(offer.item_id)
    if item is None:
        return Outcome(OutcomeCode.ITEM_GONE, offer.item_id)
    if offer.state is OfferState.ACCEPTED:
        return Outcome(OutcomeCode.NO_CHANGE, item.id, item.version, offer_id=offer.id)
    if offer.epoch != item.version or command.epoch not in (None, offer.epoch):
        return Outcome(OutcomeCode.STALE, item.id, item.version, item.handler_agent_id)
    item = complete_accept(step, item, offer, automatic=False)
    return Outcome(OutcomeCode.OK, item.id, item.version, command.agent_id, offer.id)


def _too_late(step: Step, offer_id: OfferId, agent_id: AgentId) -> Outcome:
    item_id = step.state.ended_offers.get(offer_id)
    item = step.state.items.get(item_id) if item_id is not None else None
    if item is not None and item.handler_agent_id not in (None, agent_id):
        return Outcome(OutcomeCode.ALREADY_TAKEN, item.id, item.version, item.handler_agent_id)
    return Outcome(OutcomeCode.OFFER_GONE, item_id, item.version if item else None)


def complete_accept(step: Step, item: WorkItem, offer: Offer, *, automatic: bool) -> WorkItem:
    """Turn a live offer into the handler's assignment; siblings are rescinded."""
    step.cancel_timer(TimerKind.OFFER_EXPIRY, offer.id)
    rescind_offers(step, item, "sibling_accepted", keep=offer.id)
    step.put_offer(replace(offer, state=OfferState.ACCEPTED))
    remember_ended(step, offer)
    before = item.handler_agent_id
    step.event(
        EventKind.OFFER_ACCEPTED, item=item, agent_id=offer.agent_id, offer=offer.id,
        auto=automatic, mode=offer.mode.value, waited_s=_waited_s(step, item),
    )  # fmt: skip
    if not automatic:
        presence = step.state.presence_of(offer.agent_id)
        step.put_presence(replace(presence, misses=0))
    if before is not None:
        unassign(step, item, "transferred")
        step.effect("tell_transferor", item=item, agent_id=before, result="accepted")
    item = give_to(step, item, offer.agent_id, offer_id=offer.id, automatic=automatic)
    if offer.handover_owner:
        step.set_owner(item, offer.agent_id, "handover")
    elif not automatic:
        claim_ownership(step, item, offer.agent_id, "accepted")
    return step.state.items[item.id]


def give_to(  # noqa: PLR0913 - the facts of an assignment
    step: Step,
    item: WorkItem,
    agent_id: AgentId,
    *,
    offer_id: OfferId | None = None,
    automatic: bool = False,
    forced: bool = False,
) -> WorkItem:
    """Make an agent the handler: assignment, item active, timers of waiting gone."""
    state = step.state
    step.cancel_timers(ITEM_TIMERS, item.id)
    step.put_assignment(
        Assignment(
            id=AssignmentId(state.new_id()),
            item_id=item.id,
            agent_id=agent_id,
            role=AssignmentRole.HANDLER,
            work_class=item.work_class,
            units=state.units_of(item),
            since=step.now,
            offer_id=offer_id,
        )
    )
    item = step.put_item(
        state.items[item.id], move=True, state=ItemState.ACTIVE, handler_agent_id=agent_id,
        accepted_at=step.now, opened_at=None if automatic else step.now,
        auto_accepted=automatic, forced=forced, overcommitted=False, priority_return=False,
        pause=Pause.NONE, owner_wait_until=None,
    )  # fmt: skip
    look_s = state.config.capacity[item.work_class].look_within_s
    person = state.config.agents[agent_id].kind is AgentKind.PERSON
    if automatic and person and look_s is not None:
        step.set_timer(TimerKind.LOOK_WITHIN, item.id, step.after(look_s), item.version)
    step.event(
        EventKind.ITEM_CONNECTED, item=item, agent_id=agent_id,
        reason="forced" if forced else "automatic" if automatic else "accepted",
        waited_s=_waited_s(step, item),
    )  # fmt: skip
    return item


def _waited_s(step: Step, item: WorkItem) -> float:
    return round((step.now - (item.enqueued_at or item.created_at)).total_seconds(), 3)


def claim_ownership(step: Step, item: WorkItem, agent_id: AgentId, reason: str) -> None:
    """Set the owner if the case has none, or if the owner has been away for too long."""
    config = step.state.config
    if config.agents[agent_id].kind is AgentKind.BOT:
        return
    owner = item.owner_agent_id
    if owner is None:
        step.set_owner(item, agent_id, reason)
        return
    if owner == agent_id:
        return
    presence = step.state.presence_of(owner)
    away_s = config.owner_absence_urgent_s if item.severity == 1 else config.owner_absence_s
    off_since = presence.off_since
    if off_since is not None and (step.now - off_since).total_seconds() > away_s:
        step.set_owner(item, agent_id, "owner_absent")


def decline(step: Step, command: Decline) -> Outcome:
    """Refuse an offer; the agent is not asked for this item for a minute."""
    offer = step.state.offers.get(command.offer_id)
    if offer is None or not offer.live or offer.agent_id != command.agent_id:
        return _too_late(step, command.offer_id, command.agent_id)
    end_offer(step, offer, OfferState.DECLINED, command.reason)
    reason = command.reason if command.reason in ("decline", "busy") else "decline"
    after_refusal(step, offer, reason)
    item = step.state.items.get(offer.item_id)
    return Outcome(OutcomeCode.OK, offer.item_id, item.version if item else None)


def expire(step: Step, offer_id: OfferId) -> Outcome:
    """End an offer nobody answered in time and charge the agent a miss."""
    offer = step.state.offers.get(offer_id)
    if offer is None or not offer.live:
        return Outcome(OutcomeCode.NO_CHANGE)
    end_offer(step, offer, OfferState.EXPIRED, "no_answer")
    charge_miss(step, offer.agent_id, step.state.items[offer.item_id])
    after_refusal(step, offer, "no_answer")
    return Outcome(OutcomeCode.OK, offer.item_id)


def after_refusal(step: Step, offer: Offer, reason: str) -> None:
    """Let the item wait again when nobody else is being asked; tell who wanted to transfer."""
    item = step.state.items[offer.item_id]
    if offer.mode is OfferMode.DIRECT:
        who = offer.from_agent_id or item.handler_agent_id
        step.effect("tell_transferor", item=item, agent_id=who, result=reason)
        return
    excluded = with_exclusion(item, offer.agent_id, reason, step)
    item = step.put_item(item, excluded=excluded)
    if item.state is ItemState.OFFERED and not step.state.live_offers(item.id):
        resume_waiting(step, item)


def charge_miss(step: Step, agent_id: AgentId, item: WorkItem) -> None:
    """Count a miss; the class's limit makes the agent `not_responding`."""
    presence = step.state.presence_of(agent_id)
    misses = presence.misses + 1
    limit = step.state.config.capacity[item.work_class].misses
    presence = replace(presence, misses=misses)
    step.put_presence(presence)
    if misses >= limit and presence.readiness is Readiness.READY:
        stop_asking(step, presence, Readiness.NOT_RESPONDING)
        step.effect("notify_supervisor", agent_id=agent_id, reason="not_responding")


def stop_asking(
    step: Step, presence: AgentPresence, readiness: Readiness, reason: str | None = None
) -> None:
    """Make an agent unready and rescind what they are being asked."""
    step.put_presence(replace(presence, readiness=readiness, pause_reason=reason, since=step.now))
    step.event(
        EventKind.AGENT_CHANGED, agent_id=presence.agent_id, readiness=readiness.value,
        reason=reason,
    )  # fmt: skip
    withdraw_offers(step, presence.agent_id, readiness.value)


def withdraw_offers(step: Step, agent_id: AgentId, reason: str) -> None:
    """Rescind an agent's live offers; items nobody else is asked for wait again, place kept."""
    for offer_id in list(step.state.agent_offers.get(agent_id, {})):
        offer = step.state.offers[offer_id]
        end_offer(step, offer, OfferState.RESCINDED, reason)
        item = step.state.items[offer.item_id]
        if offer.mode is OfferMode.DIRECT:
            who = offer.from_agent_id or item.handler_agent_id
            step.effect("tell_transferor", item=item, agent_id=who, result=reason)
        elif item.state is ItemState.OFFERED and not step.state.live_offers(item.id):
            resume_waiting(step, item)


def holder_of(item: WorkItem) -> AgentId | None:
    """Return who works on the item now."""
    return item.handler_agent_id if item.state in HELD_STATES else None


def is_held(step: Step, item_id: ItemId) -> bool:
    """Tell whether somebody works on the item."""
    return step.state.handler_assignment(item_id) is not None
