"""Presence: duty, readiness and link of agents (routing.md 2.3).

Whoever stops being reachable loses what they were being asked in the same step; whoever becomes
reachable is matched at once. Silence is measured by timers, so that a restart does not forget it.
"""

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from hub.model.events import EventKind
from hub.model.ids import AgentId, QueueId
from hub.model.router_commands import ConfigChanged, Outcome, OutcomeCode, Presence, PresenceMove
from hub.model.staff import AgentPresence, Duty, Link, Readiness
from hub.model.work import ItemState, Pause, TimerKind
from hub.routing.capacity import TEXT_GROUP, VOICE_GROUP
from hub.routing.eligibility import has_staff
from hub.routing.offering import stop_asking, withdraw_offers
from hub.routing.queueing import (
    advance_to_next_tiers,
    owner_may_take,
    release_hold,
    return_to_queue,
)
from hub.routing.recorder import Step
from hub.routing.releasing import holds_active_work, off_when_drained

_SEEN_GRAIN_S = 10
"""A heartbeat this soon after the last noted one is not written again."""


def attend(step: Step, command: Presence) -> Outcome:
    """Carry out a move of presence."""
    if command.agent_id not in step.state.config.agents:
        return Outcome(OutcomeCode.UNKNOWN_AGENT)
    before = step.state.presence_of(command.agent_id)
    move = command.move
    if move is PresenceMove.SIGN_IN:
        done = _sign_in(step, before)
    elif move is PresenceMove.SIGN_OUT:
        done = _sign_out(step, before)
    elif move is PresenceMove.SET_READY:
        done = _set_ready(step, before)
    elif move is PresenceMove.SET_PAUSE:
        done = _set_pause(step, before, command.reason)
    elif move is PresenceMove.HEARTBEAT:
        done = _heartbeat(step, before)
    elif move is PresenceMove.LINK_SUSPECT:
        done = suspect(step, before)
    else:
        done = lose(step, before)
    if done:
        _after_change(step, before)
    return Outcome(OutcomeCode.OK if done else OutcomeCode.NO_CHANGE)


def _sign_in(step: Step, before: AgentPresence) -> bool:
    if before.duty is Duty.ON and before.link is Link.UP:
        return False
    idle = MappingProxyType({VOICE_GROUP: step.now, TEXT_GROUP: step.now})
    step.put_presence(
        replace(
            before, duty=Duty.ON, link=Link.UP, readiness=Readiness.READY, pause_reason=None,
            since=step.now, off_since=None, last_seen_at=step.now, idle_since=idle, misses=0,
        )
    )  # fmt: skip
    _watch_link(step, before.agent_id)
    step.event(EventKind.AGENT_CHANGED, agent_id=before.agent_id, duty=Duty.ON.value)
    return True


def _sign_out(step: Step, before: AgentPresence) -> bool:
    if before.duty is not Duty.ON:
        return False
    drained = not holds_active_work(step, before.agent_id)
    duty = Duty.OFF if drained else Duty.DRAINING
    _leave_duty(step, before, duty)
    withdraw_offers(step, before.agent_id, "signed_out")
    return True


def _leave_duty(step: Step, before: AgentPresence, duty: Duty) -> None:
    off_since = step.now if duty is Duty.OFF else before.off_since
    step.put_presence(replace(before, duty=duty, since=step.now, off_since=off_since))
    step.event(EventKind.AGENT_CHANGED, agent_id=before.agent_id, duty=duty.value)
    step.cancel_timer(TimerKind.LINK_SUSPECT, before.agent_id)
    step.cancel_timer(TimerKind.LINK_LOST, before.agent_id)


def _set_ready(step: Step, before: AgentPresence) -> bool:
    if before.readiness is Readiness.READY:
        return False
    step.put_presence(
        replace(
            before, readiness=Readiness.READY, pause_reason=None, since=step.now, misses=0
        )
    )  # fmt: skip
    step.event(EventKind.AGENT_CHANGED, agent_id=before.agent_id, readiness="ready")
    return True


def _set_pause(step: Step, before: AgentPresence, reason: str | None) -> bool:
    if before.readiness is Readiness.PAUSED and before.pause_reason == reason:
        return False
    stop_asking(step, before, Readiness.PAUSED, reason)
    return True


def _heartbeat(step: Step, before: AgentPresence) -> bool:
    if before.duty is Duty.OFF:
        return False
    if before.link is Link.UP:
        seen = before.last_seen_at
        if seen is None or (step.now - seen).total_seconds() >= _SEEN_GRAIN_S:
            step.put_presence(replace(before, last_seen_at=step.now))
        return False
    step.put_presence(replace(before, link=Link.UP, last_seen_at=step.now))
    step.cancel_timer(TimerKind.LINK_LOST, before.agent_id)
    _watch_link(step, before.agent_id)
    step.event(EventKind.AGENT_CHANGED, agent_id=before.agent_id, link=Link.UP.value)
    return True


def _watch_link(step: Step, agent_id: AgentId) -> None:
    step.set_timer(TimerKind.LINK_SUSPECT, agent_id, step.after(step.state.config.suspect_s))


def suspect(step: Step, before: AgentPresence) -> bool:
    """Stop offering to an agent whose sockets are silent; what is held stays for now."""
    if before.duty is Duty.OFF or before.link is not Link.UP:
        return False
    step.put_presence(replace(before, link=Link.SUSPECT))
    step.cancel_timer(TimerKind.LINK_SUSPECT, before.agent_id)
    step.set_timer(TimerKind.LINK_LOST, before.agent_id, step.after(step.state.config.lost_s))
    step.event(EventKind.AGENT_CHANGED, agent_id=before.agent_id, link=Link.SUSPECT.value)
    withdraw_offers(step, before.agent_id, "link_suspect")
    return True


def lose(step: Step, before: AgentPresence) -> bool:
    """Give an agent's running conversations back to their queues, place and owner kept.

    What waits for its customer or is snoozed stays: it asks for nobody until somebody writes.
    """
    if before.duty is Duty.OFF or before.link is Link.LOST:
        return False
    agent_id = before.agent_id
    step.put_presence(replace(before, link=Link.LOST))
    step.event(EventKind.AGENT_CHANGED, agent_id=agent_id, link=Link.LOST.value)
    withdraw_offers(step, agent_id, "link_lost")
    for assignment_id in list(step.state.agent_assignments.get(agent_id, {})):
        item = step.state.items[step.state.assignments[assignment_id].item_id]
        if item.state is ItemState.ACTIVE and item.pause is Pause.NONE:
            return_to_queue(step, item, "agent_lost", priority_return=True)
    presence = step.state.presence_of(agent_id)
    _leave_duty(step, presence, Duty.DRAINING)
    step.put_presence(off_when_drained(step, step.state.presence_of(agent_id)))
    return True


def link_suspect_due(step: Step, agent_id: AgentId) -> bool:
    """Judge the silence when its timer is due: heartbeats since then only move the timer."""
    presence = step.state.presence_of(agent_id)
    if presence.duty is Duty.OFF or presence.link is not Link.UP:
        return False
    seen = presence.last_seen_at or step.now
    silent_until = seen + timedelta(seconds=step.state.config.suspect_s)
    if silent_until > step.now:
        step.set_timer(TimerKind.LINK_SUSPECT, agent_id, silent_until)
        return False
    done = suspect(step, presence)
    _after_change(step, presence)
    return done


def link_lost_due(step: Step, agent_id: AgentId) -> bool:
    """Take the agent as gone when the suspicion lasted long enough."""
    presence = step.state.presence_of(agent_id)
    done = presence.link is Link.SUSPECT and lose(step, presence)
    _after_change(step, presence)
    return done


def _after_change(step: Step, before: AgentPresence) -> None:
    """Let waiting work meet who came, and pass over who went."""
    agent_id = before.agent_id
    presence = step.state.presence_of(agent_id)
    if presence.offerable:
        step.dirty_agents[agent_id] = None
    if before.staffed and not presence.staffed:
        _release_owner_holds(step, agent_id)
        for queue_id in step.state.queues_of.get(agent_id, {}):
            reconsider_queue(step, queue_id)


def _release_owner_holds(step: Step, agent_id: AgentId) -> None:
    for item_id in list(step.state.owner_held.get(agent_id, {})):
        item = step.state.items[item_id]
        if not owner_may_take(step.state, item, agent_id):
            release_hold(step, item)


def reconsider_queue(step: Step, queue_id: QueueId) -> None:
    """Open later steps of items nobody is there for, and ask excluded agents who are now alone."""
    state = step.state
    for signature in list(state.index.signatures()):
        if signature.queue_id != queue_id and queue_id not in signature.borrow:
            continue
        items = [state.items[item_id] for item_id in state.index.items_of(signature)]
        if items and not has_staff(state, items[0]):
            for item in items:
                advance_to_next_tiers(step, item)
        for item in items:
            if item.excluded:
                step.dirty_items[item.id] = None


def change_config(step: Step, command: ConfigChanged) -> Outcome:
    """Meet a configuration the caller has already put into the state (`RouterState.configure`)."""
    state = step.state
    for agent_id in list(state.presence):
        agent = state.config.agents.get(agent_id)
        if agent is None or not agent.active:
            _dismiss(step, state.presence_of(agent_id))
    for agent_id in state.config.agents:
        step.touch(agent_id)
        step.dirty_agents[agent_id] = None
        if not state.presence_of(agent_id).staffed:
            _release_owner_holds(step, agent_id)
    for queue_id in state.config.queues:
        reconsider_queue(step, queue_id)
    return Outcome(OutcomeCode.OK)


def _dismiss(step: Step, presence: AgentPresence) -> None:
    """Give back everything a deactivated agent holds, waiting pieces too."""
    agent_id = presence.agent_id
    withdraw_offers(step, agent_id, "deactivated")
    for assignment_id in list(step.state.agent_assignments.get(agent_id, {})):
        item = step.state.items[step.state.assignments[assignment_id].item_id]
        return_to_queue(step, item, "agent_deactivated", priority_return=True)
    if presence.duty is not Duty.OFF:
        _leave_duty(step, step.state.presence_of(agent_id), Duty.OFF)
