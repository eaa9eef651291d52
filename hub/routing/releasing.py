"""How reserved and held units become free again: offers and assignments end here, once each."""

from dataclasses import replace
from types import MappingProxyType

from hub.model.events import EventKind
from hub.model.ids import AgentId, OfferId
from hub.model.staff import AgentPresence, Duty
from hub.model.work import Offer, OfferState, Pause, TimerKind, WorkClass, WorkItem
from hub.routing.recorder import HELD_TIMERS, Step

_KEPT_ENDED = 20_000


def rescind_offers(step: Step, item: WorkItem, reason: str, *, keep: OfferId | None = None) -> None:
    """Take back every live offer of an item but one; units are freed, nobody is charged a miss."""
    for offer in step.state.live_offers(item.id):
        if offer.id != keep:
            end_offer(step, offer, OfferState.RESCINDED, reason)


def end_offer(step: Step, offer: Offer, state: OfferState, reason: str) -> None:
    """End one live offer; the agent's units are free again."""
    step.cancel_timer(TimerKind.OFFER_EXPIRY, offer.id)
    step.put_offer(replace(offer, state=state, ended_at=step.now, end_reason=reason))
    remember_ended(step, offer)
    step.dirty_agents[offer.agent_id] = None
    step.event(
        EventKind(f"offer.{state.value}"), item=step.state.items.get(offer.item_id),
        agent_id=offer.agent_id, offer=offer.id, reason=reason, mode=offer.mode.value,
    )  # fmt: skip


def remember_ended(step: Step, offer: Offer) -> None:
    """Keep which item an offer was for, so that a late answer can be told who was first."""
    ended = step.state.ended_offers
    ended[offer.id] = offer.item_id
    if len(ended) > _KEPT_ENDED:
        del ended[next(iter(ended))]


def unassign(step: Step, item: WorkItem, reason: str) -> None:
    """End the handler's assignment. The item's own row is left to the caller."""
    assignment = step.state.handler_assignment(item.id)
    if assignment is None:
        return
    step.put_assignment(replace(assignment, ended_at=step.now, end_reason=reason))
    offer = step.state.offers.get(assignment.offer_id) if assignment.offer_id else None
    if offer is not None:
        step.put_offer(replace(offer, state=OfferState.CLOSED, ended_at=step.now))
    step.cancel_timers(HELD_TIMERS, item.id)
    step.event(
        EventKind.ITEM_CHANGED, item=item, agent_id=assignment.agent_id,
        fields="handler", reason=reason, from_=assignment.agent_id,
    )  # fmt: skip
    note_idle(step, assignment.agent_id, assignment.work_class)
    step.dirty_agents[assignment.agent_id] = None


def note_idle(step: Step, agent_id: AgentId, work_class: WorkClass) -> None:
    """Let the agent's idle time of the class's group begin now; end duty when it was draining."""
    presence = step.state.presence_of(agent_id)
    group = step.state.config.capacity[work_class].group
    idle = MappingProxyType({**presence.idle_since, group: step.now})
    step.put_presence(off_when_drained(step, replace(presence, idle_since=idle)))


def off_when_drained(step: Step, presence: AgentPresence) -> AgentPresence:
    """Return the presence, off duty when it was draining and nothing asks for the agent."""
    if presence.duty is not Duty.DRAINING or holds_active_work(step, presence.agent_id):
        return presence
    step.event(EventKind.AGENT_CHANGED, agent_id=presence.agent_id, duty=Duty.OFF.value)
    return replace(presence, duty=Duty.OFF, since=step.now, off_since=step.now)


def holds_active_work(step: Step, agent_id: AgentId) -> bool:
    """Tell whether the agent holds work that is not waiting for its customer or snoozed."""
    state = step.state
    for assignment_id in state.agent_assignments.get(agent_id, {}):
        item = state.items.get(state.assignments[assignment_id].item_id)
        if item is not None and item.pause is Pause.NONE:
            return True
    return False
