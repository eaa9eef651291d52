"""The metrics catalogue of routing.md section 4: pure formulas over journeys.

Figures belong to the half hour of arrival. Every figure carries the id of its formula, so that no
two things are compared under one name. A share without a denominator is None, never 0.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from hub.routing.journeys import Journey

INTERVAL = timedelta(minutes=30)
SHORT_ABANDON_S = 5.0
REPEAT_WITHIN = timedelta(days=7)


class ServiceLevel(StrEnum):
    """The five ways to count "answered in time"; SL-4 is shipped as the default."""

    SL1 = "SL-1"
    SL2 = "SL-2"
    SL3 = "SL-3"
    SL4 = "SL-4"
    SL5 = "SL-5"


FORMULAS: Mapping[str, str] = MappingProxyType(
    {
        "SL-1": "(ans≤T + ab≤T) / (ans + ab)",
        "SL-2": "ans≤T / ans",
        "SL-3": "ans≤T / (ans + ab)",
        "SL-4": "ans≤T / (ans + ab>T)",
        "SL-5": "(ans≤T + ab≤S) / (ans + ab)",
        "ABANDON": "ab / (ans + ab)",
        "ABANDON-LONG": "ab>S / (ans + ab>S)",
        "ASA": "Σ(connected − queued) / ans",
        "ANSWERED": "ans / (ans + ab)",
        "AHT-ELAPSED": "Σ(held + wrap) / handled",
        "ACW": "Σ wrap / wraps",
        "FRT": "first human answer − created",
        "NRT": "human answer − earliest unanswered message",
        "TARGET": "items whose promise was kept / items answered or breached",
        "TRANSFER": "items with a transfer / handled",
        "ESCALATION": "items with an escalation / handled",
        "FCR-STRICT": "resolved at once, nobody else, no return in 7 days / completed",
        "REPEAT-7D": "items whose customer had a completed one in 7 days / items",
        "CSAT": "(very satisfied + satisfied) / answered",
    }
)
ZH_CN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "SL-3": ("X秒接通率", "X秒内接通量 / (接通量 + 放弃量)"),
        "ANSWERED": ("接通率", "接通量 / (接通量 + 放弃量)"),
        "ABANDON": ("放弃率", "放弃量 / (接通量 + 放弃量)"),
        "ASA": ("平均应答速度", "Σ(接通时间 − 进入队列时间) / 接通量"),
        "AHT-ELAPSED": ("平均处理时长", "Σ(处理时长 + 事后处理时长) / 处理量"),
        "ACW": ("平均事后处理时长", "Σ事后处理时长 / 次数"),
        "FRT": ("首次响应时长", "首次人工回复时间 − 创建时间"),
        "FCR-STRICT": ("首次解决率", "一次解决且7天内未再来 / 完成量"),
        "REPEAT-7D": ("7天重复来电率", "7天内有完成记录的客户的来量 / 来量"),
        "CSAT": ("满意度", "(非常满意 + 满意) / 全部评价"),
    }
)
"""The zh-CN preset: name and formula as printed. SL-3 stands there instead of SL-4."""


@dataclass(frozen=True, slots=True)
class Answering:
    """Counts every service level is made from. `short_s` is S, `within_s` is T."""

    within_s: float
    answered: int
    abandoned: int
    answered_in_time: int
    abandoned_in_time: int
    abandoned_short: int

    def level(self, which: ServiceLevel) -> float | None:
        """Return one service level as a share; None without anybody to count."""
        offered = self.answered + self.abandoned
        tops = {
            ServiceLevel.SL1: (self.answered_in_time + self.abandoned_in_time, offered),
            ServiceLevel.SL2: (self.answered_in_time, self.answered),
            ServiceLevel.SL3: (self.answered_in_time, offered),
            ServiceLevel.SL4: (
                self.answered_in_time, offered - self.abandoned_in_time,
            ),
            ServiceLevel.SL5: (self.answered_in_time + self.abandoned_short, offered),
        }  # fmt: skip
        return _share(*tops[which])

    @property
    def abandonment(self) -> float | None:
        """Share of the offered who gave up."""
        return _share(self.abandoned, self.answered + self.abandoned)

    @property
    def abandonment_long(self) -> float | None:
        """The same without those who gave up within S seconds."""
        return _share(
            self.abandoned - self.abandoned_short,
            self.answered + self.abandoned - self.abandoned_short,
        )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def answering(
    journeys: Iterable[Journey], within_s: float, short_s: float = SHORT_ABANDON_S
) -> Answering:
    """Count answered and abandoned items; those that still wait count nowhere."""
    counts: Counter[str] = Counter()
    for journey in journeys:
        wait_s = journey.wait_s
        if wait_s is None or not (journey.answered or journey.abandoned):
            continue
        what = "answered" if journey.answered else "abandoned"
        counts[what] += 1
        counts[f"{what}_in_time"] += wait_s <= within_s
        counts[f"{what}_short"] += wait_s <= short_s
    return Answering(
        within_s,
        counts["answered"],
        counts["abandoned"],
        counts["answered_in_time"],
        counts["abandoned_in_time"],
        counts["abandoned_short"],
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and percentiles of seconds; all None when nothing was measured."""

    count: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    longest: float | None


def spread(values: Iterable[float]) -> Spread:
    """Return mean, percentiles (nearest rank) and maximum."""
    found = sorted(values)
    if not found:
        return Spread(0, None, None, None, None, None)

    def rank(share: float) -> float:
        return found[max(0, math.ceil(share * len(found)) - 1)]

    mean = math.fsum(found) / len(found)
    return Spread(len(found), mean, rank(0.5), rank(0.9), rank(0.95), found[-1])


def patience_rate(journeys: Sequence[Journey]) -> float | None:
    """Return θ̂: abandons per second waited by everybody; None when nobody waited."""
    waited = math.fsum(j.wait_s or 0.0 for j in journeys)
    return _share(sum(j.abandoned for j in journeys), waited)


def csat(answers: Mapping[int, int], satisfied: Iterable[int]) -> float | None:
    """Return the share of satisfied answers among all that answered; not a mean.

    Args:
        answers: scale value to how many gave it, of one survey's scale.
        satisfied: the values that count as (very) satisfied.
    """
    return _share(sum(answers.get(value, 0) for value in satisfied), sum(answers.values()))


def repeats(journeys: Iterable[Journey], within: timedelta = REPEAT_WITHIN) -> float | None:
    """Return the share of items whose customer had another one completed shortly before."""
    ordered = sorted(journeys, key=lambda j: j.created_at)
    completed: dict[str, list[datetime]] = {}
    for journey in ordered:
        if journey.customer is not None and journey.completed_at is not None:
            completed.setdefault(journey.customer, []).append(journey.completed_at)
    again = sum(
        any(timedelta(0) <= j.created_at - end <= within for end in completed.get(j.customer, ()))
        for j in ordered
        if j.customer is not None
    )
    return _share(again, len(ordered))


def first_contact_resolution(
    journeys: Sequence[Journey], now: datetime, within: timedelta = REPEAT_WITHIN
) -> tuple[float | None, bool]:
    """Return strict FCR and whether it is provisional (some item is younger than `within`)."""
    arrivals: dict[str, list[datetime]] = {}
    for journey in journeys:
        if journey.customer is not None:
            arrivals.setdefault(journey.customer, []).append(journey.created_at)
    done = [j for j in journeys if j.completed_at is not None]

    def came_back(journey: Journey, end: datetime) -> bool:
        later = arrivals.get(journey.customer, []) if journey.customer else []
        return any(end < at <= end + within for at in later)

    once = sum(
        journey.resolved and journey.segments == 1 and not journey.transfers
        and not journey.escalations and not came_back(journey, journey.completed_at)
        for journey in done if journey.completed_at is not None
    )  # fmt: skip
    young = any(j.completed_at is not None and now - j.completed_at < within for j in done)
    return _share(once, len(done)), young


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with the id of its formula (see `FORMULAS`); None: nothing to count."""

    formula: str
    value: float | None


def catalogue(
    journeys: Sequence[Journey],
    now: datetime,
    within_s: float,
    level: ServiceLevel = ServiceLevel.SL4,
) -> list[Figure]:
    """Return the catalogue's figures of a group of items (a queue, an interval, an agent)."""
    counts = answering(journeys, within_s)
    handled = [j for j in journeys if j.answered]
    waits = spread(j.wait_s for j in handled if j.wait_s is not None)
    wraps = [j.wrap_s for j in handled if j.wrap_s]
    first = spread(
        (j.replied_at - j.created_at).total_seconds() for j in journeys if j.replied_at is not None
    )
    turns = spread(seconds for j in journeys for seconds in j.turns)
    ended = [j for j in handled if j.completed_at is not None]
    judged = [j for j in journeys if j.replied_at is not None or j.breached]
    rate = _rate_of(handled)
    return [
        Figure(level.value, counts.level(level)),
        Figure("ANSWERED", _share(counts.answered, counts.answered + counts.abandoned)),
        Figure("ABANDON", counts.abandonment),
        Figure("ABANDON-LONG", counts.abandonment_long),
        Figure("ASA", waits.mean),
        Figure("FRT", first.mean),
        Figure("NRT", turns.mean),
        Figure("AHT-ELAPSED", spread(j.held_s + j.wrap_s for j in ended).mean),
        Figure("ACW", spread(wraps).mean),
        Figure("TARGET", _share(sum(not j.breached for j in judged), len(judged))),
        Figure("TRANSFER", rate(lambda j: j.transfers > 0)),
        Figure("ESCALATION", rate(lambda j: j.escalations > 0)),
        Figure("FCR-STRICT", first_contact_resolution(journeys, now)[0]),
        Figure("REPEAT-7D", repeats(journeys)),
    ]


def _rate_of(handled: Sequence[Journey]) -> Callable[[Callable[[Journey], bool]], float | None]:
    return lambda has: _share(sum(1 for j in handled if has(j)), len(handled))


def by_interval(
    journeys: Iterable[Journey], length: timedelta = INTERVAL
) -> dict[datetime, list[Journey]]:
    """Group items by the interval they arrived in; a late event belongs to that one."""
    groups: dict[datetime, list[Journey]] = {}
    for journey in journeys:
        into = journey.created_at.timestamp() % length.total_seconds()
        groups.setdefault(journey.created_at - timedelta(seconds=into), []).append(journey)
    return dict(sorted(groups.items()))


def backlog_age(starts: Iterable[datetime], now: datetime) -> Spread:
    """Return how old what waits is, from the virtual starts."""
    return spread((now - start).total_seconds() for start in starts)


def adherence(picks: int, of_highest: int) -> float | None:
    """Return the share of picks that were the highest score among the eligible."""
    return _share(of_highest, picks)


def occupancy(used_unit_s: float, capacity_unit_s: float) -> float | None:
    """Return used of available unit-seconds while on duty and not paused, at most 1."""
    share = _share(used_unit_s, capacity_unit_s)
    return None if share is None else min(1.0, share)
