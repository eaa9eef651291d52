"""The naive model: no heaps, no remembered agents, every question answered by looking at all."""

from collections.abc import Callable, Collection, Iterator

from hub.model.ids import AgentId, ItemId
from hub.routing.index import MatchIndex, Place, Signature
from hub.routing.ordering import OrderClass


class LinearIndex(MatchIndex):
    """Answers like `MatchIndex`, in O(items) and O(agents)."""

    def __init__(self, admits: Callable[[Signature, AgentId], bool]) -> None:
        super().__init__(admits)
        self.everyone: list[AgentId] = []

    def insert(
        self, item_id: ItemId, signature: Signature, order: OrderClass, vstart_s: float
    ) -> None:
        self._places[item_id] = Place(signature, order, vstart_s, 0)

    def remove(self, item_id: ItemId) -> None:
        self._places.pop(item_id, None)

    def set_agent(self, agent_id: AgentId) -> None:
        if agent_id not in self.everyone:
            self.everyone.append(agent_id)

    def signatures(self) -> Iterator[Signature]:
        return iter({place.signature: None for place in self._places.values()})

    def signatures_of(self, agent_id: AgentId) -> Iterator[Signature]:
        return (s for s in self.signatures() if self._admits(s, agent_id))

    def agents_for(self, signature: Signature) -> Iterator[AgentId]:
        return (agent for agent in self.everyone if self._admits(signature, agent))

    def free_agents_for(self, signature: Signature, free: Collection[AgentId]) -> Iterator[AgentId]:
        return (agent for agent in self.agents_for(signature) if agent in free)

    def items_of(self, signature: Signature) -> list[ItemId]:
        mine = [(p.vstart_s, i) for i, p in self._places.items() if p.signature == signature]
        return [item_id for _, item_id in sorted(mine)]

    def heads(
        self, signature: Signature, admit: Callable[[ItemId, float], bool | None]
    ) -> Iterator[tuple[OrderClass, float, ItemId]]:
        mine = [(p.order, p.vstart_s, i) for i, p in self._places.items()
                if p.signature == signature and admit(i, p.vstart_s) is True]  # fmt: skip
        for order in {found[0] for found in mine}:
            yield min(found for found in mine if found[0] == order)
