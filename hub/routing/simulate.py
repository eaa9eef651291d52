"""What if: made-up traffic against the real router core, in virtual time.

A discrete-event simulation: arrivals per half hour, how long work takes and how long customers
wait for it are drawn from a seed, so that two variants of rules, discipline or staffing meet the
same customers. Every decision is `step`'s own; nothing here knows how work is matched.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from statistics import fmean, stdev

from hub.model.ids import AgentId, CustomerId, ItemId, OfferId, QueueId
from hub.model.router_commands import (
    NO_FACTS,
    Accept,
    Command,
    Complete,
    CustomerLeft,
    Fact,
    ItemArrived,
    Presence,
    PresenceMove,
    TimerDue,
)
from hub.model.work import ItemState, WorkClass
from hub.routing.capacity import with_overrides
from hub.routing.changes import StepResult
from hub.routing.config import RouterConfig
from hub.routing.erlang import Load, Promise, agents_needed
from hub.routing.journeys import Journey
from hub.routing.metrics import ServiceLevel, answering, spread
from hub.routing.state import RouterState
from hub.routing.step import step

HALF_HOUR_S = 1800.0
START = datetime(2026, 1, 5, tzinfo=UTC)
"""Simulated time begins on a Monday at midnight UTC."""
_FOREVER_S = 1e8
_T95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 19: 2.09}
"""Student's t for 95 % by degrees of freedom; others lie between."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of demand.

    Attributes:
        per_half_hour: expected arrivals of each half hour; the last one repeats.
        handle_s, patience_s: means of exponential times; patience None: they wait for ever.
        facts: what rules see.
    """

    name: str
    work_class: WorkClass
    per_half_hour: tuple[float, ...]
    handle_s: float
    patience_s: float | None = None
    severity: int = 3
    customer_level: str = "basic"
    queue_id: QueueId | None = None
    facts: Mapping[str, Fact] = field(default_factory=lambda: NO_FACTS)

    def rate_at(self, seconds: float) -> float:
        """Return arrivals per second at a time of the simulation."""
        number = min(int(seconds / HALF_HOUR_S), len(self.per_half_hour) - 1)
        return self.per_half_hour[number] / HALF_HOUR_S


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated.

    Attributes:
        shifts: from and to, in seconds, of agents who are not there all the time.
        wrapup_s: overrides every class's wrap-up; None: the configured ones.
        answer_s: how long an agent takes to accept by hand.
    """

    name: str
    config: RouterConfig
    streams: tuple[Stream, ...]
    duration_s: float
    within_s: float = 20.0
    shifts: Mapping[AgentId, tuple[float, float]] = field(default_factory=dict)
    wrapup_s: float | None = None
    answer_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Customer:
    """One drawn arrival; the same for every variant of one seed."""

    number: int
    at_s: float
    stream: Stream
    handle_s: float
    patience_s: float | None


def draw(streams: Sequence[Stream], duration_s: float, seed: int) -> list[Customer]:
    """Return everybody who comes, in order. Thinning makes the rates exact inside half hours."""
    drawn: list[tuple[float, Stream, float, float | None]] = []
    for place, stream in enumerate(streams):
        random = Random(seed * 1_000_003 + place)  # noqa: S311 - a simulation, not a secret
        top = max(stream.per_half_hour) / HALF_HOUR_S
        at_s = 0.0
        while top > 0 and (at_s := at_s + random.expovariate(top)) < duration_s:
            if random.random() * top > stream.rate_at(at_s):
                continue
            handle_s = random.expovariate(1 / stream.handle_s)
            patience = stream.patience_s
            drawn.append(
                (at_s, stream, handle_s, random.expovariate(1 / patience) if patience else None)
            )
    drawn.sort(key=lambda one: one[0])
    return [Customer(number, *one) for number, one in enumerate(drawn)]


def prepared(scenario: Scenario) -> RouterConfig:
    """Return the configuration with what only real people do switched off: sockets, looking."""
    overrides: dict[WorkClass, dict[str, object]] = {}
    for work_class in WorkClass:
        overrides[work_class] = {"look_within_s": None, "idle_after_s": None}
        if scenario.wrapup_s is not None:
            overrides[work_class]["wrapup_s"] = scenario.wrapup_s
    table = with_overrides(overrides, scenario.config.capacity)
    return replace(scenario.config, capacity=table, suspect_s=_FOREVER_S, lost_s=_FOREVER_S)


Due = tuple[float, int, Command]


class Run:
    """One seed of one scenario. `journeys` is by stream's name."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        numbers = count(1)
        self._scenario = scenario
        self._state = RouterState(prepared(scenario), lambda: f"{next(numbers):09d}")
        self._people = draw(scenario.streams, scenario.duration_s, seed)
        self._order = count()
        self._heap: list[Due] = []
        self._journeys: dict[ItemId, Journey] = {}
        self._handle_s: dict[ItemId, float] = {}
        self.journeys: dict[str, list[Journey]] = {stream.name: [] for stream in scenario.streams}
        self.steps = 0

    def play(self, progress: Callable[[float], None] | None = None) -> "Run":
        """Run to the end: nobody new comes after `duration_s`, everybody is served or leaves."""
        for agent_id in self._state.config.agents:
            begin, end = self._scenario.shifts.get(agent_id, (0.0, math.inf))
            self._later(begin, Presence(agent_id, PresenceMove.SIGN_IN))
            if end < math.inf:
                self._later(end, Presence(agent_id, PresenceMove.SIGN_OUT))
        limit_s = self._scenario.duration_s * 2 + 86_400
        for at_s, command in self._coming():
            if at_s > limit_s:
                break
            self._do(at_s, command)
            if progress is not None and self.steps % 500 == 0:
                progress(min(1.0, at_s / self._scenario.duration_s))
        return self

    def _later(self, at_s: float, command: Command) -> None:
        heapq.heappush(self._heap, (at_s, next(self._order), command))

    def _coming(self) -> Iterator[tuple[float, Command]]:
        """Yield commands in order of time while there is anything left to serve."""
        people = iter(self._people)
        coming = next(people, None)
        while self._heap or coming is not None:
            if coming is not None and (not self._heap or coming.at_s < self._heap[0][0]):
                yield coming.at_s, self._arrival(coming)
                coming = next(people, None)
                continue
            at_s, _, command = heapq.heappop(self._heap)
            if coming is None and not self._state.items:
                return
            if isinstance(command, TimerDue):
                timer = self._state.timers.get((command.kind, command.subject_id))
                if timer is None or (timer.due_at - START).total_seconds() > at_s + 1e-6:
                    continue
            yield at_s, command

    def _arrival(self, customer: Customer) -> Command:
        item_id, stream = ItemId(f"i{customer.number:09d}"), customer.stream
        at = START + timedelta(seconds=customer.at_s)
        journey = Journey(
            item_id, at, work_class=stream.work_class.value, queued_at=at,
            customer=CustomerId(f"p{customer.number:09d}"),
        )  # fmt: skip
        self._journeys[item_id] = journey
        self.journeys[stream.name].append(journey)
        self._handle_s[item_id] = customer.handle_s
        if customer.patience_s is not None:
            self._later(customer.at_s + customer.patience_s, CustomerLeft(item_id))
        return ItemArrived(
            item_id, stream.work_class, severity=stream.severity, queue_id=stream.queue_id,
            customer_level=stream.customer_level, facts=stream.facts,
        )  # fmt: skip

    def _do(self, at_s: float, command: Command) -> None:
        if isinstance(command, CustomerLeft) and not self._waits(command.item_id):
            return
        now = START + timedelta(seconds=at_s)
        self.steps += 1
        result = step(self._state, command, now)
        if isinstance(command, CustomerLeft):
            self._journeys[command.item_id].abandoned_at = now
        self._follow(at_s, now, result)

    def _waits(self, item_id: ItemId) -> bool:
        item = self._state.items.get(item_id)
        return item is not None and item.handler_agent_id is None

    def _follow(self, at_s: float, now: datetime, result: StepResult) -> None:
        """Let agents accept what they are offered and finish what they took."""
        for timer in result.timers_set:
            due_s = (timer.due_at - START).total_seconds()
            self._later(max(at_s, due_s), TimerDue(timer.kind, timer.subject_id, timer.epoch))
        for offer in result.offers:
            if offer.live:
                accept = Accept(OfferId(offer.id), offer.agent_id)
                self._later(at_s + self._scenario.answer_s, accept)
        for change in result.items:
            item = change.item
            journey = self._journeys[item.id]
            if item.state is ItemState.ACTIVE and item.accepted_at == now:
                journey.connected_at = journey.connected_at or now
                journey.segments += 1
                done = Complete(item.id, "solved", item.handler_agent_id)
                self._later(at_s + self._handle_s[item.id], done)
            elif item.state is ItemState.DONE:
                journey.completed_at = now


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean over seeds and half the width of its 95 % confidence interval (None: one seed)."""

    mean: float
    half_width: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """What one stream, or all of them (`all`), came to."""

    stream: str
    arrivals: Measured
    answered_in_time: Measured
    waited: Measured
    abandoned: Measured
    mean_wait_s: Measured
    longest_wait_s: Measured


@dataclass(frozen=True, slots=True)
class Report:
    """A scenario over several seeds."""

    scenario: str
    seeds: int
    lines: tuple[Line, ...]


def simulate(
    scenario: Scenario, seeds: Sequence[int], progress: Callable[[float], None] | None = None
) -> Report:
    """Play a scenario once per seed; `progress` is told the share done, 0 to 1."""
    found: dict[str, list[dict[str, float]]] = {}
    for done, seed in enumerate(seeds):

        def tell(share: float, done: int = done) -> None:
            if progress is not None:
                progress((done + share) / len(seeds))

        run = Run(scenario, seed).play(tell)
        everybody = [one for journeys in run.journeys.values() for one in journeys]
        for name, journeys in {**run.journeys, "all": everybody}.items():
            found.setdefault(name, []).append(_numbers(journeys, scenario.within_s))
    if progress is not None:
        progress(1.0)
    lines = tuple(_line(name, numbers) for name, numbers in found.items())
    return Report(scenario.name, len(seeds), lines)


def _numbers(journeys: Sequence[Journey], within_s: float) -> dict[str, float]:
    counts = answering(journeys, within_s)
    waits = spread(one.wait_s for one in journeys if one.wait_s is not None)
    late = sum(1 for one in journeys if one.wait_s)
    return {
        "arrivals": len(journeys),
        "answered_in_time": counts.level(ServiceLevel.SL4) or 0.0,
        "waited": late / len(journeys) if journeys else 0.0,
        "abandoned": counts.abandonment or 0.0,
        "mean_wait_s": waits.mean or 0.0,
        "longest_wait_s": waits.longest or 0.0,
    }


def _line(name: str, numbers: Sequence[Mapping[str, float]]) -> Line:
    return Line(name, **{key: measured([one[key] for one in numbers]) for key in numbers[0]})


def measured(values: Sequence[float]) -> Measured:
    """Return mean and confidence of one figure over seeds."""
    if len(values) < 2:
        return Measured(fmean(values), None)
    freedom = len(values) - 1
    known = max(key for key in _T95 if key <= freedom)
    return Measured(fmean(values), _T95[known] * stdev(values) / math.sqrt(len(values)))


def staffing_hints(stream: Stream, promise: Promise, duration_s: float) -> list[int]:
    """Return by Erlang A (C without patience) how many agents each half hour needs."""
    hours = math.ceil(duration_s / HALF_HOUR_S)
    loads = [Load(stream.rate_at(n * HALF_HOUR_S), stream.handle_s) for n in range(hours)]
    patience_s = stream.patience_s or math.inf
    return [agents_needed(load, promise, patience_s) for load in loads]
