"""Service-level policies: a matrix of customer level × service type × severity × work class.

A policy has rows; the first row whose every named dimension contains the item's value gives the
targets. A target is a span of wall time, of business time, or the end of the n-th working day; the
control target beside it is the stricter one people steer by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hub.model.work import WorkClass
from hub.routing.calendar import ALWAYS, Calendar

_DAY_S = 86_400.0
# routing.md 2.5: what a class promises when no policy says otherwise; seconds.
CLASS_TARGET_S: Mapping[WorkClass, float] = {
    WorkClass.VOICE: 30,
    WorkClass.CALLBACK: 30,
    WorkClass.WEBCHAT: 30,
    WorkClass.MESSAGING: 1200,
    WorkClass.SMS: 1200,
    WorkClass.EMAIL: 1200,
    WorkClass.TASK: 3600,
    WorkClass.FOLLOWUP: _DAY_S,
}
_LIVE = frozenset({WorkClass.VOICE, WorkClass.CALLBACK, WorkClass.WEBCHAT})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Target(_Part):
    """One promise. `value` and `control` are seconds, or days for `working_days`."""

    kind: Literal["duration", "business_duration", "working_days"] = "duration"
    value: Annotated[float, Field(gt=0)]
    control: Annotated[float, Field(gt=0)] | None = None
    calendar: str | None = None
    source: str = Field(min_length=1)
    note: str | None = None

    def span_s(self) -> float:
        """Return the length used for order, in wall seconds (a working day counts as a day)."""
        return self.value * _DAY_S if self.kind == "working_days" else self.value


class Row(_Part):
    """Targets of one cell or block of the matrix; a missing dimension means any value."""

    levels: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    severities: tuple[int, ...] | None = None
    classes: tuple[WorkClass, ...] | None = None
    targets: dict[str, Target]


class Policy(_Part):
    """A named policy, as a rule's `sla` names it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    rows: tuple[Row, ...] = Field(min_length=1)


class Goal(_Part):
    """A figure measured afterwards (rates, shares); not a clock of an item."""

    name: str
    value: float
    unit: Literal["percent", "points", "hours", "days"]
    source: str


class PolicySet(_Part):
    """All policies of an installation, versioned with the date they are valid from."""

    version: int = Field(ge=1)
    name: str
    valid_from: str | None = None
    policies: tuple[Policy, ...]
    goals: tuple[Goal, ...] = ()

    def names(self) -> frozenset[str]:
        """Return what a rule's `sla` may name."""
        return frozenset(policy.name for policy in self.policies)


@dataclass(frozen=True, slots=True)
class SlaKey:
    """Where an item stands in the matrix."""

    policy: str | None
    level: str
    service_type: str | None
    severity: int
    work_class: WorkClass


def find_targets(policies: PolicySet | None, key: SlaKey) -> Mapping[str, Target]:
    """Return the targets of the first row that fits; empty when the policy or a row is missing."""
    if policies is None:
        return {}
    for policy in policies.policies:
        if policy.name == key.policy:
            for row in policy.rows:
                if _fits(row, key):
                    return row.targets
    return {}


def _fits(row: Row, key: SlaKey) -> bool:
    return (
        (row.levels is None or key.level in row.levels)
        and (row.types is None or key.service_type in row.types)
        and (row.severities is None or key.severity in row.severities)
        and (row.classes is None or key.work_class in row.classes)
    )


def answer_target(policies: PolicySet | None, key: SlaKey) -> Target:
    """Return the promise an item's order comes from: pick-up when live, else first response."""
    targets = find_targets(policies, key)
    names = ("pickup", "first_response") if key.work_class in _LIVE else ("first_response",)
    for name in names:
        if name in targets:
            return targets[name]
    return Target(value=CLASS_TARGET_S[key.work_class], source="class default")


def deadline(
    target: Target, at: datetime, calendars: Mapping[str, Calendar], *, share: float = 1.0
) -> datetime:
    """Return when `share` of the target has passed since `at`.

    Working days are only known as an end: a share of them is that share of the wall time to it.

    Raises:
        NeverOpens: the target's calendar does not open.
    """
    if target.kind == "duration":
        return at + timedelta(seconds=target.value * share)
    calendar = calendars.get(target.calendar or ALWAYS.name, ALWAYS)
    if target.kind == "business_duration":
        return calendar.add_business(at, target.value * share)
    end = calendar.working_days(at, int(target.value))
    return at + (end - at) * share


def load_policies(tree: Any) -> PolicySet:
    """Return the policies of a tree read from YAML or JSON.

    Raises:
        pydantic.ValidationError: with the path of each mistake.
    """
    return PolicySet.model_validate(tree)
