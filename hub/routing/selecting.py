"""Which of several free agents is asked: cheapest capable tier, then the queue's strategy.

Sort key (routing.md 2.6): lower tier, strategy, agent id. The owner, where a step allows it, is
asked before anybody is compared (see `matching`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from hub.model.ids import AgentId
from hub.model.staff import Queue, Strategy
from hub.model.work import WorkClass, WorkItem
from hub.routing.eligibility import delay_of, tier_in
from hub.routing.exclusion import is_excluded
from hub.routing.index import Signature
from hub.routing.recorder import Step
from hub.routing.state import RouterState

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
AgentKey = tuple[int, float, float, str]


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
    found = [
        (agent_key(step.state, signature, agent_id), agent_id)
        for agent_id in candidates(step, item, signature)
        if agent_id != skip
    ]
    if count == 1:
        return [min(found)[1]] if found else []
    return [agent_id for _, agent_id in sorted(found)[:count]]


def candidates(step: Step, item: WorkItem, signature: Signature) -> Iterator[AgentId]:
    """Yield the agents who could be offered the item this moment."""
    state = step.state
    free = state.free[item.work_class]
    if not free:
        return
    age_s = (step.now - (item.vstart or step.now)).total_seconds()
    reserve = _reserve(state, item)
    for agent_id in state.index.free_agents_for(signature, free):
        if not state.has_room(agent_id, item) or is_excluded(state, item, agent_id, step.now):
            continue
        if age_s < delay_of(state, signature, agent_id):
            continue
        if (
            reserve is not None
            and reserve - 1 < state.config.queues[signature.queue_id].reserve_free
        ):
            continue
        yield agent_id


def _reserve(state: RouterState, item: WorkItem) -> int | None:
    """Return how many members are free for inbound work; only follow-ups ask."""
    if item.work_class is not WorkClass.FOLLOWUP or item.queue_id is None:
        return None
    free = state.free[WorkClass.MESSAGING]
    return sum(1 for agent_id in state.members.get(item.queue_id, {}) if agent_id in free)


def agent_key(state: RouterState, signature: Signature, agent_id: AgentId) -> AgentKey:
    """Return the sort key of a free agent, smallest first."""
    queue = state.config.queues[signature.queue_id]
    tier = tier_in(state, signature, agent_id)
    first, second = _strategy_key(state, queue, signature, agent_id)
    return (tier if tier is not None else 9, first, second, agent_id)


def _strategy_key(
    state: RouterState, queue: Queue, signature: Signature, agent_id: AgentId
) -> tuple[float, float]:
    rule = state.config.capacity[signature.work_class]
    voice = signature.work_class in (WorkClass.VOICE, WorkClass.CALLBACK)
    strategy = queue.strategy or (Strategy.LONGEST_IDLE if voice else Strategy.LEAST_LOADED)
    presence = state.presence_of(agent_id)
    idle = presence.idle_since.get(rule.group, _LONG_AGO).timestamp()
    if strategy is Strategy.LONGEST_IDLE:
        return (idle, 0.0)
    if strategy is Strategy.LEAST_LOADED:
        book = state.books[agent_id]
        return (book.used() / book.capacity if book.capacity else 1.0, idle)
    if strategy is Strategy.ROUND_ROBIN:
        return ((presence.last_offered_at or _LONG_AGO).timestamp(), idle)
    if strategy is Strategy.BEST_SKILL:
        skills = state.config.agents[agent_id].skills
        over = sum(skills.get(skill, 0) - level for skill, level in signature.skills)
        return (-float(over), idle)
    member = state.queues_of.get(agent_id, {}).get(signature.queue_id)
    return (float(member.position) if member else 0.0, idle)
