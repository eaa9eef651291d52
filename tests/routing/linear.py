"""The naive model: no heaps, nothing remembered, every question answered by looking at all."""

from collections.abc import Callable, Collection, Generator, Iterator

from hub.model.ids import AgentId, ItemId
from hub.routing.eligibility import tier_in
from hub.routing.index import MatchIndex, Place, Signature
from hub.routing.ordering import OrderClass
from hub.routing.ranking import AgentKey, Ranking, agent_key


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

    def is_admitted(self, signature: Signature, agent_id: AgentId) -> bool:
        return self._admits(signature, agent_id)

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


class LinearRanking(Ranking):
    """Orders free agents by sorting all of them."""

    def note(self, agent_id: AgentId) -> None:
        pass

    def in_order(self, signature: Signature) -> Generator[AgentId, None, None]:
        state = self._state

        def key(agent_id: AgentId) -> tuple[int, AgentKey]:
            tier = tier_in(state, signature, agent_id)
            assert tier is not None
            return (tier, agent_key(state, signature.queue_id, signature.work_class, agent_id))

        free = state.free[signature.work_class]
        yield from sorted(state.index.free_agents_for(signature, free), key=key)
