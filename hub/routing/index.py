"""The matching index: waiting items by eligibility signature and order class.

A signature says who may take an item: queue, work class, skill levels, open tiers. Items with one
signature and class lie in one heap by (virtual start, id); what left is deleted lazily, by stamp.
Which agents a signature admits is worked out once and kept until their configuration changes;
whether an agent is free just now is asked at the moment of decision.
"""

import heapq
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from hub.model.ids import AgentId, ItemId, QueueId
from hub.model.work import WorkClass
from hub.routing.ordering import OrderClass

_KEPT_SIGNATURES = 4096

Entry = tuple[float, ItemId, int]
"""(virtual start in seconds, item, stamp)."""


class Signature(NamedTuple):
    """Who may take an item; equal for many items. Skills are sorted pairs."""

    queue_id: QueueId
    work_class: WorkClass
    skills: tuple[tuple[str, int], ...]
    tiers: tuple[int, ...]
    borrow: tuple[QueueId, ...] = ()


Top = tuple[float, float, float, float, ItemId, OrderClass]
"""Head, weight and target of a class, virtual start and id of its first item, the class."""


class Place(NamedTuple):
    """Where an item stands in the index."""

    signature: Signature
    order: OrderClass
    vstart_s: float
    stamp: int


class MatchIndex:
    """Waiting items, and which agents each signature admits."""

    def __init__(self, admits: Callable[[Signature, AgentId], bool]) -> None:
        self._admits = admits
        self._heaps: dict[Signature, dict[OrderClass, list[Entry]]] = {}
        self._live: dict[Signature, dict[OrderClass, int]] = {}
        self._places: dict[ItemId, Place] = {}
        self._agents: dict[Signature, dict[AgentId, None]] = {}
        self._signatures: dict[AgentId, dict[Signature, None]] = {}
        self._known: dict[AgentId, None] = {}
        self._tops: dict[Signature, list[Top]] = {}
        self._stamp = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._places

    def insert(
        self, item_id: ItemId, signature: Signature, order: OrderClass, vstart_s: float
    ) -> None:
        """Enter an item, or move it when it is already there. O(log n)."""
        if item_id in self._places:
            self.remove(item_id)
        self._stamp += 1
        self._tops.pop(signature, None)
        self._places[item_id] = Place(signature, order, vstart_s, self._stamp)
        heap = self._heaps.setdefault(signature, {}).setdefault(order, [])
        heapq.heappush(heap, (vstart_s, item_id, self._stamp))
        counts = self._live.setdefault(signature, {})
        counts[order] = counts.get(order, 0) + 1
        if signature not in self._agents:
            self._learn(signature)

    def remove(self, item_id: ItemId) -> None:
        """Take an item out, if it is there. O(1): the heap is cleaned later."""
        place = self._places.pop(item_id, None)
        if place is None:
            return
        self._tops.pop(place.signature, None)
        counts = self._live[place.signature]
        counts[place.order] -= 1
        heap = self._heaps[place.signature][place.order]
        if counts[place.order] == 0:
            del counts[place.order], self._heaps[place.signature][place.order]
            if not counts:
                self._forget(place.signature)
        elif len(heap) > 64 and len(heap) > 4 * counts[place.order]:
            heap[:] = [entry for entry in heap if self._current(entry)]
            heapq.heapify(heap)

    def place_of(self, item_id: ItemId) -> Place | None:
        """Return where an item stands, or None."""
        return self._places.get(item_id)

    def signatures_of(self, agent_id: AgentId) -> Iterator[Signature]:
        """Yield the signatures with waiting items that admit the agent, in order of insertion."""
        return (s for s in self._signatures.get(agent_id, {}) if s in self._live)

    def agents_for(self, signature: Signature) -> Iterator[AgentId]:
        """Yield the agents a signature in use admits."""
        return iter(self._agents.get(signature, {}))

    def is_admitted(self, signature: Signature, agent_id: AgentId) -> bool:
        """Tell whether a signature admits the agent. O(1) once the signature is known.

        It may be unknown after a restart: an item being asked about is not in the index.
        """
        if signature not in self._agents:
            self._learn(signature)
        return agent_id in self._agents[signature]

    def free_agents_for(self, signature: Signature, free: Collection[AgentId]) -> Iterator[AgentId]:
        """Yield those of `free` a signature in use admits; walks over the smaller of both."""
        if signature not in self._agents:
            self._learn(signature)
        admitted = self._agents[signature]
        if len(free) < len(admitted):
            return (agent_id for agent_id in free if agent_id in admitted)
        return (agent_id for agent_id in admitted if agent_id in free)

    def signatures(self) -> Iterator[Signature]:
        """Yield every signature with waiting items."""
        return iter(self._live)

    def items_of(self, signature: Signature) -> list[ItemId]:
        """Return the waiting items of one signature, oldest first. O(n log n)."""
        entries = [e for heap in self._heaps.get(signature, {}).values() for e in heap]
        return [entry[1] for entry in sorted(entries) if self._current(entry)]

    def places(self) -> Iterator[tuple[ItemId, Place]]:
        """Yield every waiting item with its place."""
        return iter(self._places.items())

    def tops(self, signature: Signature) -> list[Top]:
        """Return the first item of each class, whoever asks; kept until the signature changes."""
        found = self._tops.get(signature)
        if found is None:
            found = []
            for order, heap in self._heaps.get(signature, {}).items():
                while not self._current(heap[0]):
                    heapq.heappop(heap)
                vstart_s, item_id, _ = heap[0]
                found.append((order.head, order.weight, order.target_s, vstart_s, item_id, order))
            self._tops[signature] = found
        return found

    def heads(
        self, signature: Signature, admit: Callable[[ItemId, float], bool | None]
    ) -> Iterator[tuple[OrderClass, float, ItemId]]:
        """Yield each class's first item that `admit` lets pass.

        `admit(item, vstart_s)` answers True, False (look at the next), or None (the next, being
        younger, cannot pass either).
        """
        places = self._places
        for order, heap in list(self._heaps.get(signature, {}).items()):
            top = heap[0]
            place = places.get(top[1])
            if place is not None and place[3] == top[2]:
                answer = admit(top[1], top[0])
                if answer is True:
                    yield order, top[0], top[1]
                if answer is not False:
                    continue
            head = self._first(heap, admit)
            if head is not None:
                yield order, head[0], head[1]

    def _first(
        self, heap: list[Entry], admit: Callable[[ItemId, float], bool | None]
    ) -> Entry | None:
        passed_over: list[Entry] = []
        found: Entry | None = None
        while heap:
            entry = heap[0]
            if not self._current(entry):
                heapq.heappop(heap)
                continue
            answer = admit(entry[1], entry[0])
            if answer is True:
                found = entry
            if answer is not False:
                break
            passed_over.append(heapq.heappop(heap))
        for entry in passed_over:
            heapq.heappush(heap, entry)
        return found

    def set_agent(self, agent_id: AgentId) -> None:
        """Work out anew which signatures admit the agent: they are new or their rows changed."""
        self.drop_agent(agent_id)
        self._known[agent_id] = None
        for signature in self._agents:
            if self._admits(signature, agent_id):
                self._join(signature, agent_id)

    def drop_agent(self, agent_id: AgentId) -> None:
        """Forget an agent."""
        self._known.pop(agent_id, None)
        for signature in self._signatures.pop(agent_id, {}):
            self._agents[signature].pop(agent_id, None)

    def _learn(self, signature: Signature) -> None:
        self._agents[signature] = {}
        for agent_id in self._known:
            if self._admits(signature, agent_id):
                self._join(signature, agent_id)

    def _forget(self, signature: Signature) -> None:
        """Take an empty signature out of use; whom it admits stays known, up to a limit."""
        del self._live[signature], self._heaps[signature]
        if len(self._agents) > _KEPT_SIGNATURES:
            for unused in [s for s in self._agents if s not in self._live]:
                for agent_id in self._agents.pop(unused):
                    self._signatures[agent_id].pop(unused, None)

    def _join(self, signature: Signature, agent_id: AgentId) -> None:
        self._agents[signature][agent_id] = None
        self._signatures.setdefault(agent_id, {})[signature] = None

    def _current(self, entry: Entry) -> bool:
        place = self._places.get(entry[1])
        return place is not None and place.stamp == entry[2]
