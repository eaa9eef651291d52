"""Free agents in the order they are to be asked, without looking at all of them.

One heap per (queue, staff tier, work class) holds (key, agent, stamp). An agent's stamp grows with
every change of load or presence, which makes older entries void; the new key is worked out when
the heap is next read. Asking for the best agent costs O(log agents) and what changed since.
"""

import heapq
from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hub.model.ids import AgentId, QueueId
from hub.model.staff import Queue, Strategy
from hub.model.work import WorkClass
from hub.routing.capacity import VOICE_GROUP
from hub.routing.eligibility import tier_in
from hub.routing.index import Signature

if TYPE_CHECKING:
    from hub.routing.state import RouterState

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
AgentKey = tuple[float, float, str]
_Heap = list[tuple[AgentKey, AgentId, int]]
_HeapName = tuple[QueueId, int, WorkClass]


class Ranking:
    """Orders the free agents of each queue, tier and class by the queue's strategy."""

    def __init__(self, state: "RouterState") -> None:
        self._state = state
        self._heaps: dict[_HeapName, _Heap] = {}
        self._changed: dict[_HeapName, dict[AgentId, None]] = {}
        self._stamps: dict[AgentId, int] = {}

    def note(self, agent_id: AgentId) -> None:
        """Void the agent's entries; where they are free they will be entered anew."""
        self._stamps[agent_id] = self._stamps.get(agent_id, 0) + 1
        free = [cls for cls, agents in self._state.free.items() if agent_id in agents]
        if not free:
            return
        for queue_id, member in self._state.queues_of.get(agent_id, {}).items():
            for work_class in free:
                name = (queue_id, member.tier, work_class)
                changed = self._changed.get(name)
                if changed is None:
                    changed = self._changed[name] = {}
                changed[agent_id] = None

    def in_order(self, signature: Signature) -> Generator[AgentId, None, None]:
        """Yield the free agents a signature admits, best first: lower tier, then strategy."""
        queues = (signature.queue_id, *signature.borrow)
        if self._state.config.queues[signature.queue_id].strategy is Strategy.BEST_SKILL:
            yield from self._by_skill(signature)
            return
        seen: set[AgentId] = set()
        for tier in signature.tiers:
            for queue_id in queues:
                for agent_id in self._of_heap((queue_id, tier, signature.work_class), signature):
                    if agent_id not in seen:
                        seen.add(agent_id)
                        yield agent_id

    def _by_skill(self, signature: Signature) -> Generator[AgentId, None, None]:
        """Order by levels above what this item needs: its own key, so everybody is looked at."""
        state = self._state

        def key(agent_id: AgentId) -> tuple[int, int, AgentKey]:
            skills = state.config.agents[agent_id].skills
            above = sum(skills.get(skill, 0) - level for skill, level in signature.skills)
            tier = tier_in(state, signature, agent_id)
            usual = agent_key(state, signature.queue_id, signature.work_class, agent_id)
            return (9 if tier is None else tier, -above, usual)

        free = state.free[signature.work_class]
        yield from sorted(state.index.free_agents_for(signature, free), key=key)

    def _of_heap(self, name: _HeapName, signature: Signature) -> Generator[AgentId, None, None]:
        heap = self._fresh(name)
        free = self._state.free[name[2]]
        looked_at: _Heap = []
        try:
            while heap:
                entry = heapq.heappop(heap)
                _, agent_id, stamp = entry
                if agent_id not in free or self._stamps[agent_id] != stamp:
                    continue
                looked_at.append(entry)
                if self._state.index.is_admitted(signature, agent_id):
                    yield agent_id
        finally:
            for entry in looked_at:
                heapq.heappush(heap, entry)

    def _fresh(self, name: _HeapName) -> _Heap:
        """Return the heap with every change since its last reading entered."""
        heap = self._heaps.setdefault(name, [])
        changed = self._changed.pop(name, None)
        if changed:
            free = self._state.free[name[2]]
            for agent_id in changed:
                if agent_id in free:
                    key = agent_key(self._state, name[0], name[2], agent_id)
                    heapq.heappush(heap, (key, agent_id, self._stamps[agent_id]))
        if len(heap) > 64 and len(heap) > 4 * len(self._state.members.get(name[0], {})):
            heap[:] = [e for e in heap if self._stamps[e[1]] == e[2]]
            heapq.heapify(heap)
        return heap


def agent_key(
    state: "RouterState", queue_id: QueueId, work_class: WorkClass, agent_id: AgentId
) -> AgentKey:
    """Return the sort key of a free agent inside one tier of a queue, smallest first."""
    queue = state.config.queues[queue_id]
    group = state.config.capacity[work_class].group
    presence = state.presence_of(agent_id)
    idle = presence.idle_since.get(group, _LONG_AGO).timestamp()
    strategy = queue.strategy or (
        Strategy.LONGEST_IDLE if group == VOICE_GROUP else Strategy.LEAST_LOADED
    )
    return (_strategy_value(state, queue, strategy, agent_id, idle), idle, agent_id)


def _strategy_value(
    state: "RouterState", queue: Queue, strategy: Strategy, agent_id: AgentId, idle: float
) -> float:
    if strategy is Strategy.LONGEST_IDLE:
        return idle
    if strategy is Strategy.LEAST_LOADED:
        book = state.books[agent_id]
        return book.used() / book.capacity if book.capacity else 1.0
    if strategy is Strategy.ROUND_ROBIN:
        return (state.presence_of(agent_id).last_offered_at or _LONG_AGO).timestamp()
    member = state.queues_of.get(agent_id, {}).get(queue.id)
    return float(member.position) if member else 0.0
