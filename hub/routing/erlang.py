"""Erlang B, C and A: how long people wait for a number of agents, and how many agents a promise
needs.

One skill group, Poisson arrivals, exponential handle times and (A) exponential patience. Erlang A
is the birth-death chain of Mandelbaum and Zeltyn (2005): with k people in the system somebody
leaves at the rate min(k, N)·μ + (k − N)⁺·θ. Rates are per second, durations seconds.
"""

import math
from dataclasses import dataclass

_TAIL = 1e-13
"""The chain is cut where a state is so much rarer than the likeliest one."""
_MAX_STATES = 200_000
_MAX_AGENTS = 10_000
_MIN_TERMS = 200


class Unstable(ValueError):
    """More work than agents, and nobody gives up: the wait has no mean."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes in: calls per second and seconds of work per call, wrap-up included."""

    rate: float
    handle_s: float

    def __post_init__(self) -> None:
        if not (self.rate >= 0 and self.handle_s > 0):
            raise ValueError("rate must be 0 or more, handle_s more than 0")

    @property
    def erlangs(self) -> float:
        """The offered load: agents that would be busy on average."""
        return self.rate * self.handle_s


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a number of agents leads to.

    Attributes:
        wait_probability: share of callers who wait at all.
        abandonment: share who give up (0 for Erlang C).
        mean_wait_s: mean over everybody, those who give up included.
        occupancy: share of the agents' time spent working.
    """

    agents: int
    wait_probability: float
    abandonment: float
    mean_wait_s: float
    occupancy: float


def erlang_b(agents: int, erlangs: float) -> float:
    """Return the share of calls that find all agents busy where nobody can wait."""
    if agents < 0 or erlangs < 0:
        raise ValueError("agents and erlangs must be 0 or more")
    blocked = 1.0
    for k in range(1, agents + 1):
        blocked = erlangs * blocked / (k + erlangs * blocked)
    return blocked


def erlang_c(agents: int, load: Load) -> Forecast:
    """Return what happens when everybody waits as long as it takes.

    Raises:
        Unstable: the offered load is not less than the agents.
    """
    a = load.erlangs
    if a >= agents:
        raise Unstable(f"{a:g} erlangs for {agents} agents")
    blocked = erlang_b(agents, a)
    waits = agents * blocked / (agents - a * (1.0 - blocked))
    return Forecast(agents, waits, 0.0, waits * load.handle_s / (agents - a), a / agents)


def served_within(agents: int, load: Load, seconds: float) -> float:
    """Return the share answered within `seconds` by Erlang C. Raises `Unstable` as `erlang_c`."""
    forecast = erlang_c(agents, load)
    decay = (agents - load.erlangs) * seconds / load.handle_s
    return 1.0 - forecast.wait_probability * math.exp(-decay)


def erlang_a(agents: int, load: Load, patience_s: float) -> Forecast:
    """Return what happens when callers give up after a patience of mean `patience_s`.

    Any load is stable. `patience_s` may be infinite (Erlang C, with its limits).
    """
    if patience_s <= 0 or agents < 0:
        raise ValueError("patience_s must be more than 0, agents 0 or more")
    if math.isinf(patience_s):
        return erlang_c(agents, load)
    chain = _chain(agents, load, patience_s)
    total = math.fsum(chain)
    if load.rate == 0:
        return Forecast(agents, float(agents == 0), 0.0, 0.0, 0.0)
    queue = math.fsum((k - agents) * p for k, p in enumerate(chain) if k > agents) / total
    waits = math.fsum(chain[agents:]) / total
    busy = math.fsum(min(k, agents) * p for k, p in enumerate(chain)) / total
    left = queue / patience_s / load.rate
    return Forecast(agents, waits, left, queue / load.rate, busy / agents if agents else 0.0)


def _chain(agents: int, load: Load, patience_s: float) -> list[float]:
    """Return weights of 0, 1, 2 … people in the system, the likeliest scaled to 1.

    Logarithms first: for hundreds of agents the weights leave what a float can hold.
    """
    logs = [0.0]
    top = 0.0
    log_rate = math.log(load.rate) if load.rate > 0 else -math.inf
    for k in range(1, _MAX_STATES):
        leaving = min(k, agents) / load.handle_s + max(0, k - agents) / patience_s
        logs.append(logs[-1] + log_rate - math.log(leaving))
        top = max(top, logs[-1])
        if k > agents and logs[-1] < top + math.log(_TAIL):
            break
    return [math.exp(value - top) for value in logs]


def answered_within(agents: int, load: Load, patience_s: float, seconds: float) -> float:
    """Return the share of all callers who are answered within `seconds` by Erlang A.

    A caller who finds k waiting before them is next after k + 1 departures; with their own
    patience that is a race of independent exponentials, summed by uniformization.
    """
    if math.isinf(patience_s):
        return served_within(agents, load, seconds)
    if agents == 0:
        return 0.0
    chain = _chain(agents, load, patience_s)
    total = math.fsum(chain)
    at_once = math.fsum(chain[:agents]) / total
    waiting = [p / total for p in chain[agents:]]
    return min(1.0, at_once + _reached(waiting, agents / load.handle_s, 1 / patience_s, seconds))


def _reached(waiting: list[float], serving: float, theta: float, seconds: float) -> float:
    """Return the share of `waiting` (by number ahead) that is answered within `seconds`.

    Steps of one place each: with j ahead the next departure before us comes at the rate
    `serving + j·theta`, our own giving up at `theta`.
    """
    fastest = serving + len(waiting) * theta
    jumps = fastest * seconds
    last = int(jumps + 8 * math.sqrt(jumps)) + _MIN_TERMS
    ahead = list(waiting)
    answered = result = done = 0.0
    log_weight = -jumps
    for n in range(last):
        weight = math.exp(log_weight)
        result += weight * answered
        done += weight
        moved = [0.0] * len(ahead)
        for j, share in enumerate(ahead):
            if share < 1e-15:
                continue
            forward = (serving + j * theta) / fastest
            if j == 0:
                answered += share * forward
            else:
                moved[j - 1] += share * forward
            moved[j] += share * (1.0 - forward - theta / fastest)
        ahead = moved
        log_weight += math.log(jumps) - math.log(n + 1) if jumps > 0 else -math.inf
    return result + (1.0 - done) * answered


@dataclass(frozen=True, slots=True)
class Promise:
    """What is wanted: `share` of callers answered within `within_s`, and at most so many lost."""

    share: float = 0.8
    within_s: float = 20.0
    max_abandonment: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.within_s < 0:
            raise ValueError("share lies between 0 and 1, within_s is 0 or more")


def agents_needed(load: Load, promise: Promise, patience_s: float = math.inf) -> int:
    """Return the fewest agents that keep a promise. Erlang A with patience, else Erlang C.

    Raises:
        ValueError: more than 10,000 agents would be needed.
    """
    if load.rate == 0:
        return 0
    low = max(1, math.floor(load.erlangs) + 1) if math.isinf(patience_s) else 1
    high = max(low, math.ceil(load.erlangs))
    while not _keeps(high, load, promise, patience_s):
        low, high = high + 1, high * 2
        if high > _MAX_AGENTS:
            raise ValueError(f"no {_MAX_AGENTS} agents keep this promise")
    while low < high:
        middle = (low + high) // 2
        if _keeps(middle, load, promise, patience_s):
            high = middle
        else:
            low = middle + 1
    return low


def _keeps(agents: int, load: Load, promise: Promise, patience_s: float) -> bool:
    if promise.max_abandonment is not None and not math.isinf(patience_s):
        lost = erlang_a(agents, load, patience_s).abandonment
        if lost > promise.max_abandonment:
            return False
    return answered_within(agents, load, patience_s, promise.within_s) >= promise.share


def square_root_agents(load: Load, beta: float = 1.0) -> int:
    """Return the rule of thumb a + β·√a, for when nothing is known of patience."""
    return math.ceil(load.erlangs + beta * math.sqrt(load.erlangs))
