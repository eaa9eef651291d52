"""The router's state: the live rows of one partition and what is derived from them.

Mutable on purpose: copying ten thousand items for every command would cost more than deciding.
It is written only through `recorder.Step`, which records each changed row, and it can be made anew
from the rows alone (`RouterState.from_rows`): the derived parts (index, books, look-ups) hold
nothing that rows do not say. After a failed write the whole state is thrown away.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from hub.model.ids import (
    AgentId,
    AssignmentId,
    CaseId,
    ConversationId,
    ItemId,
    OfferId,
    QueueId,
    new_id,
)
from hub.model.staff import Agent, AgentKind, AgentPresence, Membership
from hub.model.work import (
    Assignment,
    AssignmentRole,
    ItemState,
    Offer,
    Timer,
    TimerKind,
    WorkClass,
    WorkItem,
)
from hub.routing.capacity import Book, Holding
from hub.routing.config import RouterConfig as RouterConfig
from hub.routing.config import Rows as Rows
from hub.routing.eligibility import admits, order_of, signature_of
from hub.routing.index import MatchIndex
from hub.routing.ordering import score
from hub.routing.ranking import Ranking
from hub.routing.rows import same_place

OWN_UNITS = (WorkClass.TASK, WorkClass.FOLLOWUP)
"""Classes whose pieces may take fewer units than the table says."""


class RouterState:
    """Live rows and derived look-ups. Read freely; change only through a `Step`."""

    def __init__(
        self,
        config: RouterConfig,
        new_id: Callable[[], str] = new_id,
        index_type: type[MatchIndex] = MatchIndex,
        ranking_type: type[Ranking] = Ranking,
    ) -> None:
        self.new_id = new_id
        self._index_type = index_type
        self._ranking_type = ranking_type
        self.items: dict[ItemId, WorkItem] = {}
        self.offers: dict[OfferId, Offer] = {}
        self.assignments: dict[AssignmentId, Assignment] = {}
        self.presence: dict[AgentId, AgentPresence] = {}
        self.timers: dict[tuple[TimerKind, str], Timer] = {}
        self.item_offers: dict[ItemId, dict[OfferId, None]] = {}
        self.agent_offers: dict[AgentId, dict[OfferId, None]] = {}
        self.agent_assignments: dict[AgentId, dict[AssignmentId, None]] = {}
        self.handlers: dict[ItemId, AssignmentId] = {}
        self.case_items: dict[CaseId, dict[ItemId, None]] = {}
        self.conversation_index: dict[ConversationId, dict[ItemId, None]] = {}
        self.owner_held: dict[AgentId, dict[ItemId, None]] = {}
        self.pools: dict[QueueId, dict[ItemId, None]] = {}
        self._held_in: dict[ItemId, dict[ItemId, None]] = {}
        self.books: dict[AgentId, Book] = {}
        self.over_items: dict[AgentId, dict[ItemId, None]] = {}
        self.queue_lengths: dict[QueueId, int] = {}
        self.ended_offers: dict[OfferId, ItemId] = {}
        self.configure(config)

    @classmethod
    def from_rows(
        cls, config: RouterConfig, rows: Rows, new_id: Callable[[], str] = new_id
    ) -> "RouterState":
        """Return the state these rows describe. O(rows · log)."""
        return cls(config, new_id).refill(rows)

    def refill(self, rows: Rows) -> "RouterState":
        """Enter all rows into a fresh state and return it."""
        state = self
        for presence in rows.presence:
            state.presence[presence.agent_id] = presence
        for offer in sorted(rows.offers, key=lambda row: (row.created_at, row.id)):
            state.enter_offer(offer)
        for assignment in sorted(rows.assignments, key=lambda row: (row.since, row.id)):
            state.enter_assignment(assignment)
        for item in sorted(rows.items, key=lambda row: row.id):
            state.enter_item(item)
        for timer in rows.timers:
            state.timers[timer.kind, timer.subject_id] = timer
        state.recount_staff()
        return state

    def configure(self, config: RouterConfig) -> None:
        """Take a new configuration and derive everything from it again.

        Submit `ConfigChanged` afterwards, so that waiting work meets the new staff.
        """
        self.config = config
        self.members: dict[QueueId, dict[AgentId, Membership]] = {}
        self.queues_of: dict[AgentId, dict[QueueId, Membership]] = {}
        for member in config.memberships:
            if member.agent_id in config.agents and member.queue_id in config.queues:
                self.members.setdefault(member.queue_id, {})[member.agent_id] = member
                self.queues_of.setdefault(member.agent_id, {})[member.queue_id] = member
        self.index = self._index_type(lambda signature, agent_id: admits(self, signature, agent_id))
        self.free: dict[WorkClass, dict[AgentId, None]] = {cls: {} for cls in WorkClass}
        self.ranking = self._ranking_type(self)
        self.delays = {
            queue_id: sorted({m.delay_s for m in members.values() if m.delay_s > 0})
            for queue_id, members in self.members.items()
        }
        self.books = {}
        for agent_id in sorted(config.agents):
            self.index.set_agent(agent_id)
            self._rebook(agent_id)
        self.recount_staff()
        for item in self.items.values():
            if item.queue_id in config.queues:
                self.place(item)

    def recount_staff(self) -> None:
        """Count staffed members per queue and tier, and who is free, from scratch."""
        self.staff: dict[tuple[QueueId, int], int] = {}
        for agent_id, memberships in self.queues_of.items():
            self.refresh_free(agent_id)
            if self.presence_of(agent_id).staffed:
                for member in memberships.values():
                    self.count_staff(member, 1)

    def count_staff(self, member: Membership, change: int) -> None:
        """Add to the staffed members of a queue's tier."""
        key = (member.queue_id, member.tier)
        self.staff[key] = self.staff.get(key, 0) + change

    def presence_of(self, agent_id: AgentId) -> AgentPresence:
        """Return an agent's presence; who never signed in is off duty."""
        return self.presence.get(agent_id) or AgentPresence(agent_id)

    def cap_of(self, agent: Agent, work_class: WorkClass) -> int:
        """Return how many pieces of a class the agent may hold."""
        if agent.kind is AgentKind.BOT and work_class not in agent.class_caps:
            return agent.capacity
        return agent.class_caps.get(work_class, self.config.capacity[work_class].cap)

    def units_of(self, item: WorkItem) -> int:
        """Return the units the item takes while active."""
        if item.units is not None:
            return item.units
        return self.config.capacity[item.work_class].units

    def routable(self, agent_id: AgentId, work_class: WorkClass) -> bool:
        """Tell whether offers of the class may be made to the agent, room apart."""
        agent = self.config.agents.get(agent_id)
        return (
            agent is not None
            and agent.active
            and work_class not in agent.disabled_classes
            and self.presence_of(agent_id).offerable
            and not self.over_items.get(agent_id)
        )

    def has_room(self, agent_id: AgentId, item: WorkItem) -> bool:
        """Tell whether the item fits in the agent's units and under the class's cap."""
        agent = self.config.agents[agent_id]
        cap = self.cap_of(agent, item.work_class)
        return self.books[agent_id].fits(item.work_class, self.units_of(item), cap)

    def refresh_free(self, agent_id: AgentId) -> None:
        """Note for each class whether the agent could take a piece of it at all."""
        book, agent = self.books[agent_id], self.config.agents[agent_id]
        if (
            agent.active
            and self.presence_of(agent_id).offerable
            and not self.over_items.get(agent_id)
        ):
            for work_class, free in self.free.items():
                units = 0 if work_class in OWN_UNITS else self.config.capacity[work_class].units
                if work_class not in agent.disabled_classes and book.fits(
                    work_class, units, self.cap_of(agent, work_class)
                ):
                    free[agent_id] = None
                else:
                    free.pop(agent_id, None)
        else:
            for free in self.free.values():
                free.pop(agent_id, None)
        self.ranking.note(agent_id)

    def conversation_items(self, conversation_id: ConversationId) -> list[WorkItem]:
        """Return the live items of a conversation, oldest first."""
        found = self.conversation_index.get(conversation_id, {})
        return [self.items[item_id] for item_id in found]

    def pool_order(self, queue_id: QueueId, now: datetime) -> list[ItemId]:
        """Return a pool's items in the order they should be taken."""
        discipline = self.config.queues[queue_id].discipline

        def key(item_id: ItemId) -> tuple[float, float, float, str]:
            order, vstart_s = order_of(self.items[item_id], self.config.order)
            first, second = score(discipline, order, vstart_s, now.timestamp())
            return (-first, -second, vstart_s, item_id)

        return sorted(self.pools.get(queue_id, {}), key=key)

    def handler_assignment(self, item_id: ItemId) -> Assignment | None:
        """Return the running assignment of the item's handler."""
        found = self.handlers.get(item_id)
        return None if found is None else self.assignments[found]

    def live_offers(self, item_id: ItemId) -> list[Offer]:
        """Return the offers of an item that may still be answered, oldest first."""
        return [self.offers[key] for key in self.item_offers.get(item_id, {})]

    def holdings_of(self, agent_id: AgentId) -> Iterator[Holding]:
        """Yield what live offers and assignments of an agent hold."""
        for offer_id in self.agent_offers.get(agent_id, {}):
            yield holding_of_offer(self.offers[offer_id])
        for assignment_id in self.agent_assignments.get(agent_id, {}):
            yield holding_of(self.assignments[assignment_id])

    def enter_item(self, item: WorkItem) -> None:
        """Put an item's row in, replacing an older one, and derive what follows from it."""
        old = self.items.get(item.id)
        if old is not None:
            self._count_waiting(old, -1)
        if not item.live:
            self._drop_item(item)
            return
        self.items[item.id] = item
        self._count_waiting(item, 1)
        if item.case_id is not None:
            self.case_items.setdefault(item.case_id, {})[item.id] = None
        if item.conversation_id is not None:
            self.conversation_index.setdefault(item.conversation_id, {})[item.id] = None
        if item.handler_agent_id is not None:
            over = self.over_items.setdefault(item.handler_agent_id, {})
            if item.overcommitted:
                over[item.id] = None
            else:
                over.pop(item.id, None)
        if old is not None and old.handler_agent_id not in (None, item.handler_agent_id):
            self._forget_over(old)
        if old is None or not same_place(old, item):
            self.place(item)

    def place(self, item: WorkItem) -> None:
        """Put a waiting item where matching finds it: index, the owner's hold, or the pool."""
        self._release(item.id)
        queue = self.config.queues.get(item.queue_id) if item.queue_id else None
        if item.state is not ItemState.QUEUED or queue is None:
            self.index.remove(item.id)
            return
        if item.owner_wait_until is not None and item.owner_agent_id is not None:
            self.index.remove(item.id)
            self._hold(item.id, self.owner_held.setdefault(item.owner_agent_id, {}))
            return
        if signature := signature_of(item, queue):
            self.index.insert(item.id, signature, *order_of(item, self.config.order))
            return
        self.index.remove(item.id)
        self._hold(item.id, self.pools.setdefault(queue.id, {}))

    def _hold(self, item_id: ItemId, where: dict[ItemId, None]) -> None:
        where[item_id] = None
        self._held_in[item_id] = where

    def _release(self, item_id: ItemId) -> None:
        where = self._held_in.pop(item_id, None)
        if where is not None:
            where.pop(item_id, None)

    def _forget_over(self, item: WorkItem) -> None:
        if item.handler_agent_id in self.over_items:
            self.over_items[item.handler_agent_id].pop(item.id, None)

    def _drop_item(self, item: WorkItem) -> None:
        old = self.items.pop(item.id, None)
        self.index.remove(item.id)
        self._release(item.id)
        _discard(self.case_items, item.case_id, item.id)
        _discard(self.conversation_index, item.conversation_id, item.id)
        if old is not None:
            self._forget_over(old)

    def _count_waiting(self, item: WorkItem, change: int) -> None:
        if item.queue_id is not None and item.state in (ItemState.QUEUED, ItemState.OFFERED):
            count = self.queue_lengths.get(item.queue_id, 0) + change
            self.queue_lengths[item.queue_id] = count

    def enter_offer(self, offer: Offer) -> None:
        """Put an offer's row in; ended ones leave."""
        old = self.offers.get(offer.id)
        if old is not None and old.live:
            self.item_offers[old.item_id].pop(old.id)
            if not self.item_offers[old.item_id]:
                del self.item_offers[old.item_id]
            self.agent_offers[old.agent_id].pop(old.id)
            self._book(old.agent_id).remove(holding_of_offer(old))
        if offer.live:
            self.item_offers.setdefault(offer.item_id, {})[offer.id] = None
            self.agent_offers.setdefault(offer.agent_id, {})[offer.id] = None
            self._book(offer.agent_id).add(holding_of_offer(offer))
        if offer.live or offer.state == "accepted":
            self.offers[offer.id] = offer
        else:
            self.offers.pop(offer.id, None)

    def enter_assignment(self, assignment: Assignment) -> None:
        """Put an assignment's row in; ended ones leave."""
        old = self.assignments.pop(assignment.id, None)
        if old is not None:
            self._book(old.agent_id).remove(holding_of(old))
            self.agent_assignments[old.agent_id].pop(old.id)
            if old.role is AssignmentRole.HANDLER:
                self.handlers.pop(old.item_id, None)
        if assignment.ended_at is None:
            self.assignments[assignment.id] = assignment
            self._book(assignment.agent_id).add(holding_of(assignment))
            self.agent_assignments.setdefault(assignment.agent_id, {})[assignment.id] = None
            if assignment.role is AssignmentRole.HANDLER:
                self.handlers[assignment.item_id] = assignment.id

    def _book(self, agent_id: AgentId) -> Book:
        return self.books.setdefault(agent_id, Book(100, self.config.capacity))

    def _rebook(self, agent_id: AgentId) -> None:
        book = Book(self.config.agents[agent_id].capacity, self.config.capacity)
        for holding in self.holdings_of(agent_id):
            book.add(holding)
        self.books[agent_id] = book


def holding_of(assignment: Assignment) -> Holding:
    """Return what an assignment holds. Idle pieces without units leave their class's cap."""
    counts = not assignment.idle or assignment.units > 0
    return Holding(assignment.work_class, assignment.units, counts)


def holding_of_offer(offer: Offer) -> Holding:
    """Return what a live offer reserves."""
    return Holding(offer.work_class, offer.units)


def _discard(index: dict[Any, dict[ItemId, None]], key: object, item_id: ItemId) -> None:
    """Take an item out of a look-up, and the key with its last item."""
    found = index.get(key)
    if found is not None:
        found.pop(item_id, None)
        if not found:
            del index[key]
