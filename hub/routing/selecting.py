"""Which of several free agents is asked: cheapest capable tier, then the queue's strategy.

The order among free agents comes from `ranking` (routing.md 2.6); here those are passed over who
have no room for this very item, are excluded from it, or serve only older ones. The owner, where a
step allows it, is asked before anybody is compared (see `matching`).
"""

from collections.abc import Generator
from contextlib import closing

from hub.model.ids import AgentId
from hub.model.work import WorkClass, WorkItem
from hub.routing.eligibility import delay_of
from hub.routing.exclusion import is_excluded
from hub.routing.index import Signature
from hub.routing.recorder import Step
from hub.routing.state import RouterState


def best_agents(
    step: Step, item: WorkItem, count: int, *, skip: AgentId | None = None
) -> list[AgentId]:
    """Return up to `count` free eligible agents for a waiting item, best first."""
    place = step.state.index.place_of(item.id)
    if place is None or count <= 0:
        return []
    return best_of(step, item, place.signature, count, skip=skip)


def best_of(
    step: Step, item: WorkItem, signature: Signature, count: int, *, skip: AgentId | None = None
) -> list[AgentId]:
    """Return up to `count` free agents a signature admits, best first."""
    found: list[AgentId] = []
    if not step.state.free[item.work_class]:
        return found
    # Closed before anybody's load changes: the ranking puts back what it looked at.
    with closing(_candidates(step, item, signature)) as ranked:
        for agent_id in ranked:
            if agent_id != skip:
                found.append(agent_id)
            if len(found) == count:
                break
    return found


def _candidates(step: Step, item: WorkItem, signature: Signature) -> Generator[AgentId, None, None]:
    """Yield the agents who could be offered the item this moment, best first."""
    state = step.state
    age_s = (step.now - (item.vstart or step.now)).total_seconds()
    spare = _spare(state, item)
    if spare is not None and spare < 1:
        return
    with closing(state.ranking.in_order(signature)) as ranked:
        for agent_id in ranked:
            if age_s < delay_of(state, signature, agent_id):
                continue
            if not state.has_room(agent_id, item):
                continue
            if not is_excluded(state, item, agent_id, step.now):
                yield agent_id


def _spare(state: RouterState, item: WorkItem) -> int | None:
    """Return how many more members are free than inbound work reserves; only follow-ups ask."""
    if item.work_class is not WorkClass.FOLLOWUP or item.queue_id is None:
        return None
    free = state.free[WorkClass.MESSAGING]
    count = sum(1 for agent_id in state.members.get(item.queue_id, {}) if agent_id in free)
    return count - state.config.queues[item.queue_id].reserve_free
