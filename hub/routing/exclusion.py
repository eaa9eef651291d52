"""Who is not offered an item for a while, and when that is over.

An agent who declined or missed an item is left out before `until`; when they are the only staffed
member who could take it, only for half of that time.
"""

from dataclasses import dataclass
from datetime import datetime

from hub.model.ids import AgentId
from hub.model.work import Exclusion, TimerKind, WorkItem
from hub.routing.recorder import Step
from hub.routing.state import RouterState

EXCLUSION_S = {"decline": 60.0, "busy": 60.0, "no_answer": 30.0, "not_opened": 30.0,
               "transfer": 60.0}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Barrier:
    """Until when an agent is left out, and from when only because others are there."""

    half: datetime
    until: datetime


def barrier_of(item: WorkItem, agent_id: AgentId) -> Barrier | None:
    """Return the exclusion of one agent, the longest if there are several."""
    found = [x for x in item.excluded if x.agent_id == agent_id]
    if not found:
        return None
    longest = max(found, key=lambda x: x.until)
    return Barrier(longest.since + (longest.until - longest.since) / 2, longest.until)


def is_excluded(state: RouterState, item: WorkItem, agent_id: AgentId, now: datetime) -> bool:
    """Tell whether the agent must not be offered the item at `now`."""
    if not item.excluded and not item.barred:
        return False
    if agent_id in item.barred:
        return True
    barrier = barrier_of(item, agent_id)
    if barrier is None or now >= barrier.until:
        return False
    return now < barrier.half or not is_only_staff(state, item, agent_id)


def is_only_staff(state: RouterState, item: WorkItem, agent_id: AgentId) -> bool:
    """Tell whether nobody else who is staffed may take the item. O(agents of the signature)."""
    place = state.index.place_of(item.id)
    if place is None:
        return False
    return not any(
        other != agent_id and state.presence_of(other).staffed and other not in item.barred
        for other in state.index.agents_for(place.signature)
    )


def with_exclusion(item: WorkItem, agent_id: AgentId, reason: str, step: Step) -> tuple[
    Exclusion, ...
]:  # fmt: skip
    """Return the item's exclusions with one more; those that are over leave."""
    until = step.after(EXCLUSION_S[reason])
    kept = tuple(x for x in item.excluded if x.until > step.now and x.agent_id != agent_id)
    return (*kept, Exclusion(agent_id, step.now, until, reason))


def arm_exclusion_timer(step: Step, item: WorkItem) -> None:
    """Set the timer at which somebody excluded may be asked again."""
    moments = []
    for exclusion in item.excluded:
        half = exclusion.since + (exclusion.until - exclusion.since) / 2
        moments += [at for at in (half, exclusion.until) if at > step.now]
    if moments:
        step.set_timer(TimerKind.EXCLUSION_END, item.id, min(moments), item.version)
    else:
        step.cancel_timer(TimerKind.EXCLUSION_END, item.id)
