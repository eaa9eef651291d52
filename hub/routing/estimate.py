"""How long a waiting item will probably still wait, and at which place it stands (routing.md 2.9).

The wait is a sum of departures: with k places before it the next one comes at the rate
σ·μ + k·θ, σ being the service slots that may come to the item, μ their speed, θ how fast others
give up. Later arrivals that will overtake are counted as if they stood before the item already.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from hub.model.ids import AgentId, ItemId, QueueId
from hub.model.staff import Discipline
from hub.model.work import WorkClass, WorkItem
from hub.routing.eligibility import admits, signature_of, steps_of
from hub.routing.index import Place, Signature
from hub.routing.ordering import OrderClass, score
from hub.routing.state import RouterState

P80_DEVIATIONS = 0.84
PRIOR_COUNT = 10
"""The prior of handle times weighs as much as so many pieces."""
PRIOR_PATIENCE_S = 600.0
"""Before anything is known somebody gives up once in ten minutes of waiting."""
_ROUNDS = 5
_MOST_AHEAD = 5_000.0
"""Where more arrive than are served the overtakers have no limit; here they have one."""
_LEAST_SLOTS = 1e-6

Arrivals = Mapping[OrderClass, float]
NO_ARRIVALS: Arrivals = MappingProxyType({})
Shares = Mapping[tuple[AgentId, QueueId], float]
Start = tuple[float, ItemId]
"""Virtual start in seconds, and the item."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What was lately observed of one queue and work class.

    Attributes:
        handle_s: mean handle time with wrap-up; see `mean_handle_s`.
        giving_up: how many give up per second of waiting; see `giving_up_rate`.
        arrivals: per second and order class, for whoever may overtake.
    """

    handle_s: float
    giving_up: float = 1 / PRIOR_PATIENCE_S
    arrivals: Arrivals = field(default_factory=lambda: NO_ARRIVALS)


def mean_handle_s(total_s: float, count: int, prior_s: float) -> float:
    """Return the mean handle time, drawn to the prior while little was seen."""
    return (total_s + PRIOR_COUNT * prior_s) / (count + PRIOR_COUNT)


def giving_up_rate(abandons: int, waited_s: float) -> float:
    """Return abandons per second waited by everybody (most likely rate, with a prior)."""
    return (abandons + 1) / (waited_s + PRIOR_PATIENCE_S)


@dataclass(frozen=True, slots=True)
class Wait:
    """A waiting time's mean and variance, in seconds."""

    mean_s: float
    variance: float = 0.0

    def quantile_s(self, deviations: float = P80_DEVIATIONS) -> float:
        """Return mean and so many deviations; 0.84 is the 80 % quantile."""
        return self.mean_s + deviations * math.sqrt(self.variance)


def wait_behind(ahead: float, slots: float, speed: float, giving_up: float) -> Wait | None:
    """Return the wait behind `ahead` others; None when no slot serves the item.

    Args:
        ahead: places before the item, 0 or more, also broken ones.
        slots: σ, service slots.
        speed: μ, pieces per second and slot.
        giving_up: θ per second.
    """
    if slots < _LEAST_SLOTS or speed <= 0:
        return None
    serving = slots * speed
    ahead = min(ahead, _MOST_AHEAD)
    whole = math.floor(ahead)
    mean = variance = 0.0
    for k in range(whole + 1):
        step_s = 1.0 / (serving + k * giving_up)
        mean += step_s
        variance += step_s * step_s
    step_s = (ahead - whole) / (serving + (whole + 1) * giving_up)
    return Wait(mean + step_s, variance + step_s * step_s)


def lead_s(
    discipline: Discipline, mine: OrderClass, waited_s: float, theirs: OrderClass, wait_s: float
) -> float:
    """Return for how long from now arrivals of another class still come before an item.

    Args:
        mine: the item's class; it has waited `waited_s` and will wait `wait_s` more.
        theirs: the class of later arrivals.
    """
    if mine == theirs or discipline is Discipline.FIFO:
        return 0.0
    if discipline is Discipline.STRICT:
        return wait_s if theirs.rank > mine.rank else 0.0
    if discipline is Discipline.VIRTUAL:
        return min(wait_s, max(0.0, theirs.bonus_s - mine.bonus_s - waited_s))
    pace = theirs.target_s / theirs.weight
    behind = theirs.head - mine.head - mine.weight * waited_s / mine.target_s
    ratio = mine.weight / mine.target_s * pace
    if ratio > 1:  # slower than the item: only who is ahead on arrival comes before it
        return min(wait_s, max(0.0, behind * pace / ratio))
    return min(wait_s, max(0.0, behind * pace + (1 - ratio) * wait_s))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one waiting item may be told.

    Attributes:
        position: ⌊n⌋ + 1, n being `ahead`: who comes first, weighed by the agents both wait for.
        overtakers: later arrivals expected to be served before it.
        slots: σ; 0: nobody is there, and `wait` is None.
        wait: None: no estimate.
    """

    position: int
    ahead: float
    overtakers: float
    slots: float
    wait: Wait | None

    @property
    def p80_s(self) -> float | None:
        """What eight of ten such waits stay under; None when there is no estimate."""
        return None if self.wait is None else self.wait.quantile_s()


def with_overtakers(
    ahead: float, slots: float, flow: Flow, leads: Callable[[OrderClass, float], float]
) -> tuple[float, Wait | None]:
    """Return the expected overtakers and the wait behind them and `ahead`, by a fixed point."""
    speed = 1.0 / flow.handle_s
    overtakers = 0.0
    wait = wait_behind(ahead, slots, speed, flow.giving_up)
    if wait is None:
        return 0.0, None
    for _ in range(_ROUNDS):
        mean_s = wait.mean_s
        overtakers = sum(rate * leads(order, mean_s) for order, rate in flow.arrivals.items())
        again = wait_behind(ahead + overtakers, slots, speed, flow.giving_up)
        assert again is not None
        wait = again
    return overtakers, wait


class Outlook:
    """Estimates for everything that waits at one instant. O(waiting · log) once, then cheap.

    Args:
        flows: by queue and work class; what is missing falls back on `default`.
        shares: how much of an agent's handled time belongs to a queue; missing: equal parts.
    """

    def __init__(
        self,
        state: RouterState,
        now: datetime,
        flows: Mapping[tuple[QueueId, WorkClass], Flow],
        default: Flow,
        shares: Shares = MappingProxyType({}),
    ) -> None:
        self._state = state
        self._now = now
        self._flows = flows
        self._default = default
        self._shares = shares
        self._starts: dict[tuple[Signature, OrderClass], list[Start]] = {}
        self._staff: dict[Signature, frozenset[AgentId]] = {}
        for item_id, place in state.index.places():
            start = (place.vstart_s, item_id)
            self._starts.setdefault((place.signature, place.order), []).append(start)
        for starts in self._starts.values():
            starts.sort()

    def of(self, item_id: ItemId) -> Estimate | None:
        """Return the item's estimate; None when it does not wait in the index.

        (Somebody is being asked, it waits for its owner alone, or lies in a pool.)
        """
        item, place = self._state.items.get(item_id), self._state.index.place_of(item_id)
        if item is None or place is None:
            return None
        agents = self._reach(item, place.signature)
        slots = self.slots(agents, place.signature)
        flow = self._flows.get((place.signature.queue_id, item.work_class), self._default)
        ahead = self._ahead(item_id, place, agents)
        position = math.floor(ahead + 1e-9) + 1
        free = self._state.free[item.work_class]
        if any(agent_id in free for agent_id in agents):
            return Estimate(position, ahead, 0.0, slots, Wait(0.0))
        discipline = self._state.config.queues[place.signature.queue_id].discipline
        waited_s = self._now.timestamp() - place.vstart_s

        def leads(theirs: OrderClass, wait_s: float) -> float:
            return lead_s(discipline, place.order, waited_s, theirs, wait_s)

        overtakers, wait = with_overtakers(ahead, slots, flow, leads)
        return Estimate(position, ahead, overtakers, slots, wait)

    def slots(self, agents: frozenset[AgentId], signature: Signature) -> float:
        """Return σ: places for this class of work among staffed agents, by their share of time."""
        state, work_class = self._state, signature.work_class
        units = max(1, state.config.capacity[work_class].units)
        total = 0.0
        for agent_id in sorted(agents):
            agent = state.config.agents[agent_id]
            places = min(state.cap_of(agent, work_class), agent.capacity // units)
            total += places * self._share(agent_id, signature)
        return total

    def _share(self, agent_id: AgentId, signature: Signature) -> float:
        mine = self._state.queues_of.get(agent_id, {})
        queue_id = next(
            (q for q in (signature.queue_id, *signature.borrow) if q in mine), signature.queue_id
        )
        known = self._shares.get((agent_id, queue_id))
        return known if known is not None else 1.0 / max(1, len(mine))

    def _staffed(self, signature: Signature) -> frozenset[AgentId]:
        found = self._staff.get(signature)
        if found is None:
            state = self._state
            found = frozenset(
                agent_id
                for queue_id in (signature.queue_id, *signature.borrow)
                for agent_id in state.members.get(queue_id, {})
                if state.presence_of(agent_id).staffed and admits(state, signature, agent_id)
            )
            self._staff[signature] = found
        return found

    def _reach(self, item: WorkItem, signature: Signature) -> frozenset[AgentId]:
        """Return the staffed agents eligible now or at the next step, the barred left out."""
        agents = self._staffed(signature)
        following = item.step_no + 1
        if following < len(steps_of(item)):
            queue = self._state.config.queues[signature.queue_id]
            later = signature_of(replace(item, step_no=following), queue)
            if later is not None and later != signature:
                agents |= self._staffed(later)
        return agents.difference(item.barred) if item.barred else agents

    def _ahead(self, item_id: ItemId, place: Place, agents: frozenset[AgentId]) -> float:
        ahead = 0.0
        for (signature, order), starts in self._starts.items():
            theirs = self._staffed(signature)
            common = len(agents & theirs)
            if common:
                if order == place.order:  # inside a class the older come first
                    before = bisect_left(starts, (place.vstart_s, item_id))
                else:
                    before = self._before(place, signature.queue_id, order, starts)
                ahead += before * common / len(theirs)
        return ahead

    def _before(
        self, place: Place, queue_id: QueueId, order: OrderClass, starts: list[Start]
    ) -> int:
        """Return how many of another class come before the item."""
        queues, now_s = self._state.config.queues, self._now.timestamp()
        discipline = queues[place.signature.queue_id].discipline
        if queues[queue_id].discipline is not discipline:
            discipline = Discipline.SLA_RATIO
        mine = score(discipline, place.order, place.vstart_s, now_s)
        low, high = 0, len(starts)
        while low < high:  # scores fall from the oldest to the youngest
            middle = (low + high) // 2
            if score(discipline, order, starts[middle][0], now_s) > mine:
                low = middle + 1
            else:
                high = middle
        return low
