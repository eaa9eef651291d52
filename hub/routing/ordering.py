"""In which order waiting items are served.

Items of one *class* (head, weight, target, bonus, rank) never overtake one another: among them the
smallest virtual start is always first. So only the heads of a few classes are compared, at the
moment of decision. `sla_ratio` reads as "share of the promised time already used".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from hub.model.staff import Discipline
from hub.model.work import WorkClass, WorkItem
from hub.routing.sla import CLASS_TARGET_S

ESCALATION_HEAD = 0.5
MAX_ESCALATION_HEAD = 1.0
RETURN_HEAD = 1.0
# Far under every other head: a follow-up is only looked at when nobody waits.
FOLLOWUP_HEAD = -1e6

Score = tuple[float, float]


class OrderClass(NamedTuple):
    """What orders items besides age. `bonus_s` serves `virtual`, `rank` serves `strict`."""

    head: float
    weight: float
    target_s: float
    bonus_s: float
    rank: float


@dataclass(frozen=True, slots=True)
class OrderTable:
    """Weights and heads an administrator ranks; shipped values of routing.md 2.5."""

    level_weight: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType(
            {"basic": 1.0, "silver": 1.25, "gold": 1.5, "enterprise": 1.5, "diamond": 2.0}
        )
    )
    level_head: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"diamond": 0.5, "gold": 0.25})
    )
    severity_head: Mapping[int, float] = field(
        default_factory=lambda: MappingProxyType({1: 2.0, 2: 0.0, 3: 0.0})
    )
    level_bonus_s: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"diamond": 1800.0, "gold": 900.0, "low": -900.0})
    )
    severity_bonus_s: Mapping[int, float] = field(
        default_factory=lambda: MappingProxyType({1: 3600.0})
    )


SHIPPED_ORDER = OrderTable()


def class_of(item: WorkItem, table: OrderTable = SHIPPED_ORDER) -> OrderClass:
    """Return the item's class. A published fault's contacts lose the severity head."""
    weight = table.level_weight.get(item.customer_level, 1.0)
    if item.work_class is WorkClass.FOLLOWUP:
        return OrderClass(FOLLOWUP_HEAD, weight, CLASS_TARGET_S[WorkClass.FOLLOWUP], -1e9, -1e6)
    severity = 3 if item.fault_notice and item.severity == 1 else item.severity
    extra = item.head_boost + (RETURN_HEAD if item.priority_return else 0.0)
    head = table.severity_head.get(severity, 0.0) + table.level_head.get(item.customer_level, 0.0)
    target_s = item.target_s or CLASS_TARGET_S[item.work_class]
    bonus = table.level_bonus_s.get(item.customer_level, 0.0)
    bonus += table.severity_bonus_s.get(severity, 0.0) + extra * target_s
    return OrderClass(head + extra, weight, target_s, bonus, 10.0 * (3 - severity) + weight + extra)


def score(discipline: Discipline, order: OrderClass, vstart_s: float, now_s: float) -> Score:
    """Return what is compared, greatest first; equal scores fall to the older, then the smaller id.

    Times are seconds of one epoch.
    """
    if discipline is Discipline.SLA_RATIO:
        return (order.head + order.weight * (now_s - vstart_s) / order.target_s, 0.0)
    if discipline is Discipline.VIRTUAL:
        return (order.bonus_s - vstart_s, 0.0)
    if discipline is Discipline.FIFO:
        return (-vstart_s, 0.0)
    return (order.rank, -vstart_s)
