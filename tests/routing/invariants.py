"""Invariants I1 to I20 of routing.md as checks over a world, its rows and the last result."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.model.ids import AgentId, ItemId
from hub.model.staff import AgentPresence, QueueMode
from hub.model.work import (
    HELD_STATES,
    TERMINAL_STATES,
    Assignment,
    AssignmentRole,
    ItemState,
    Offer,
    OfferMode,
    OfferState,
    Timer,
    TimerKind,
    WorkClass,
    WorkItem,
)  # fmt: skip
from hub.routing.capacity import book_of
from hub.routing.changes import StepResult
from hub.routing.config import Rows
from hub.routing.eligibility import opening_of
from hub.routing.exclusion import barrier_of
from hub.routing.state import RouterState
from tests.routing.world import World

OWNER_REASONS = {"accepted", "replied", "owner_absent", "handover", "admin"}


@dataclass
class Tables:
    """The rows as the store would hold them, written from results alone, fenced by version."""

    items: dict[ItemId, WorkItem] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    presence: dict[AgentId, AgentPresence] = field(default_factory=dict)
    timers: dict[Any, Timer] = field(default_factory=dict)
    loads: dict[AgentId, Any] = field(default_factory=dict)

    def apply(self, result: StepResult) -> None:
        """Write one result, as `dispatch` does."""
        for change in result.items:
            stored = self.items.get(change.item.id)
            assert (stored.version if stored else 0) == change.expected_version
            assert stored is None or stored.state not in TERMINAL_STATES
            self.items[change.item.id] = change.item
        for offer in result.offers:
            self.offers[offer.id] = offer
            self._unique(offer.item_id)
        for row in result.assignments:
            self.assignments[row.id] = row
            handlers = [a for a in self.assignments.values()
                        if a.item_id == row.item_id and a.ended_at is None]  # fmt: skip
            assert len(handlers) <= 1, "I1"
        self.presence |= {row.agent_id: row for row in result.presence}
        self.loads |= {row.agent_id: row for row in result.loads}
        for timer in result.timers_set:
            self.timers[timer.kind, timer.subject_id] = timer
        for key in result.timers_cancelled:
            self.timers.pop(key, None)

    def _unique(self, item_id: ItemId) -> None:
        """Hold the store's unique indexes after every single row."""
        mine = [offer for offer in self.offers.values() if offer.item_id == item_id]
        assert sum(o.state is OfferState.ACCEPTED for o in mine) <= 1, "I1"
        single = (OfferMode.SINGLE, OfferMode.DIRECT)
        assert sum(o.live and o.mode in single for o in mine) <= 1, "I1"

    def rows(self) -> Rows:
        """Return what a restart reads."""
        live = (OfferState.OFFERED, OfferState.ACCEPTED)
        return Rows(
            items=[i for i in self.items.values() if i.live],
            offers=[o for o in self.offers.values() if o.state in live],
            assignments=[a for a in self.assignments.values() if a.ended_at is None],
            presence=list(self.presence.values()),
            timers=list(self.timers.values()),
        )


def canonical(state: RouterState) -> dict[str, Any]:
    """Return the state as comparable values, derived parts included, without empty look-ups."""
    return {
        "items": state.items, "offers": state.offers, "assignments": state.assignments,
        "presence": state.presence, "timers": state.timers, "handlers": state.handlers,
        "places": {i: p[:3] for i, p in state.index.places()},
        "books": {a: _sums(b) for a, b in state.books.items()},
        "staff": {k: n for k, n in state.staff.items() if n},
        "lengths": {k: n for k, n in state.queue_lengths.items() if n},
        "held": {a: set(h) for a, h in state.owner_held.items() if h},
        "pools": {q: set(h) for q, h in state.pools.items() if h},
        "over": {a: set(h) for a, h in state.over_items.items() if h},
        "free": {c: set(f) for c, f in state.free.items()},
    }  # fmt: skip


def _sums(book: Any) -> tuple[Any, Any]:
    return ({c: u for c, u in book.units.items() if u}, {c: n for c, n in book.counts.items() if n})


def check_state(world: World, tables: Tables) -> None:
    """Check everything that must hold between two commands."""
    state = world.state
    _one_live_offer(state)  # I1
    for agent_id in state.config.agents:
        _capacity(state, agent_id)  # I2, I17
        if not state.presence_of(agent_id).offerable:
            assert not state.agent_offers.get(agent_id), "I16"
    _conservation(state, tables)  # I4, I5
    _work_conserved(world)  # I6
    rebuilt = RouterState.from_rows(world.config, tables.rows(), state.new_id)
    assert canonical(rebuilt) == canonical(state), "I14"


def _one_live_offer(state: RouterState) -> None:
    live = [offer for offer in state.offers.values() if offer.live]
    single = Counter(o.item_id for o in live if o.mode in (OfferMode.SINGLE, OfferMode.DIRECT))
    assert max(single.values(), default=0) <= 1, "I1"
    handlers = [a for a in state.assignments.values() if a.role is AssignmentRole.HANDLER]
    assert max(Counter(a.item_id for a in handlers).values(), default=0) <= 1, "I1"
    asked = Counter((o.item_id, o.agent_id) for o in live)
    assert max(asked.values(), default=0) <= 1, "I1"
    for offer in live:
        assert offer.epoch == state.items[offer.item_id].version, "I12"


def _capacity(state: RouterState, agent_id: AgentId) -> None:
    agent, book = state.config.agents[agent_id], state.books[agent_id]
    fresh = book_of(state.holdings_of(agent_id), agent.capacity, state.config.capacity)
    assert _sums(fresh) == _sums(book), "I17"
    held = [state.items[state.assignments[a].item_id]
            for a in state.agent_assignments.get(agent_id, {})]  # fmt: skip
    if any(item.forced or item.overcommitted for item in held):
        return
    assert book.used() <= agent.capacity, "I2"
    for work_class, number in book.counts.items():
        assert number <= state.cap_of(agent, work_class), "I2"


def _conservation(state: RouterState, tables: Tables) -> None:
    ended = sum(1 for item in tables.items.values() if not item.live)
    assert len(tables.items) == ended + len(state.items), "I4"
    held = {i for where in state.owner_held.values() for i in where}
    pooled = {i for where in state.pools.values() for i in where}
    for item in state.items.values():
        offers = [o for o in state.live_offers(item.id) if o.mode is not OfferMode.DIRECT]
        places = {
            "index": item.id in state.index, "held": item.id in held, "pool": item.id in pooled,
            "offer": bool(offers), "assignment": item.id in state.handlers,
            "timer": item.state in (ItemState.CLOSED_HOURS, ItemState.ABANDONED_GRACE),
        }  # fmt: skip
        assert sum(places.values()) == 1, f"I4 {item.state} {places}"
        assert (item.state in HELD_STATES) == places["assignment"], "I4"
        assert (item.state is ItemState.OFFERED) == places["offer"], "I4"
        waits = {"timer": (TimerKind.OPENING, TimerKind.GRACE), "held": (TimerKind.OWNER_WAIT,)}
        for place, kinds in waits.items():
            if places[place]:
                assert any((kind, item.id) in state.timers for kind in kinds), "I5"
        for offer in offers:
            assert any(subject == offer.id for _, subject in state.timers), "I5"


def _work_conserved(world: World) -> None:
    for item in world.state.items.values():
        if item.state is not ItemState.QUEUED or item.owner_wait_until is not None:
            continue
        if item.work_class is WorkClass.FOLLOWUP:
            continue
        if world.config.queues[item.queue_id].mode is QueueMode.GRAB:  # type: ignore[index]
            continue
        for agent_id in world.config.agents:
            assert not could_take(world.state, item, agent_id, world.now), f"I6 {item} {agent_id}"


def eligible(state: RouterState, item: WorkItem, agent_id: AgentId) -> bool:
    """Tell by configuration alone whether an agent may take an item; written independently."""
    agent = state.config.agents[agent_id]
    opening = opening_of(item)
    mine = {m.queue_id: m for m in state.config.memberships if m.agent_id == agent_id}
    member = mine.get(item.queue_id)  # type: ignore[arg-type]
    if member is None or member.tier not in opening.tiers or not agent.active:
        return False
    return all(agent.skills.get(skill, 0) >= level for skill, level in opening.skills)


def could_take(state: RouterState, item: WorkItem, agent_id: AgentId, now: datetime) -> bool:
    """Tell whether an agent could be offered an item at `now`; the naive way."""
    if not eligible(state, item, agent_id) or agent_id in item.barred:
        return False
    if not state.routable(agent_id, item.work_class) or not state.has_room(agent_id, item):
        return False
    member = next(m for m in state.config.memberships
                  if m.agent_id == agent_id and m.queue_id == item.queue_id)  # fmt: skip
    if item.vstart is None or (now - item.vstart).total_seconds() < member.delay_s:
        return False
    barrier = barrier_of(item, agent_id)
    if barrier is None or now >= barrier.until:
        return True
    return now >= barrier.half and not any(
        other != agent_id and eligible(state, item, other) and state.presence_of(other).staffed
        for other in state.config.agents
    )


def check_result(
    before: dict[ItemId, WorkItem], asked: set[str], world: World, result: StepResult
) -> None:
    """Check what one step did against the items and offers as they were."""
    over = {i.handler_agent_id for i in before.values() if i.overcommitted}
    still = {i.handler_agent_id for i in world.state.items.values() if i.overcommitted}
    for offer in result.offers:
        if offer.id in asked or offer.state not in (OfferState.OFFERED, OfferState.ACCEPTED):
            continue
        assert world.state.presence_of(offer.agent_id).offerable, "I16"
        assert offer.agent_id not in over & still, "I3"
        _not_excluded(before, offer, world)
    for owner in result.owners:
        assert owner.reason in OWNER_REASONS, "I11"
    owned = {owner.case_id for owner in result.owners}
    for change in result.items:
        old, new = before.get(change.item.id), change.item
        if old is None:
            continue
        if old.owner_agent_id != new.owner_agent_id:
            assert new.case_id in owned, "I11"
        if old.plan == new.plan and old.min_tier == new.min_tier and old.step_no <= new.step_no:
            assert opening_of(old).tiers <= opening_of(new).tiers or old.step_no < 0, "I10"
        assert new.version >= old.version, "I12"


def _not_excluded(before: dict[ItemId, WorkItem], offer: Offer, world: World) -> None:
    old = before.get(offer.item_id)
    barrier = barrier_of(old, offer.agent_id) if old is not None else None
    if barrier is None or offer.mode is OfferMode.DIRECT:
        return
    assert world.now >= barrier.half, "I15"
