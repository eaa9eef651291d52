"""What one step of the router changed: exactly the rows, events and effects to be executed.

`services/dispatch` writes a `StepResult` in one unit. An item's row is fenced: `expected_version`
is the version the row must still have (0 for the row that `receive` inserted in state `new`).
When the write fails, the state in memory is thrown away and rebuilt from rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from hub.model.events import NewEvent
from hub.model.ids import AgentId, CaseId, ItemId, QueueId
from hub.model.router_commands import Outcome
from hub.model.staff import AgentLoad, AgentPresence
from hub.model.work import Assignment, Offer, Timer, TimerKind, WorkItem

Small = str | int | float | bool | None
NO_DATA: Mapping[str, Small] = MappingProxyType({})
TimerKey = tuple[TimerKind, str]


@dataclass(frozen=True, slots=True)
class Effect:
    """Something to be done outside routing after the unit is committed.

    Kinds: `notify_supervisor`, `notify_owner`, `notify_agent`, `tell_transferor`,
    `closed_hours_reply`, `offer_callback`, `take_voicemail`, `propose_severity`.
    """

    kind: str
    item_id: ItemId | None = None
    agent_id: AgentId | None = None
    data: Mapping[str, Small] = field(default_factory=lambda: NO_DATA)


@dataclass(frozen=True, slots=True)
class ItemChange:
    """A work item's new row and the version the stored row must have."""

    item: WorkItem
    expected_version: int


@dataclass(frozen=True, slots=True)
class OwnerChange:
    """A case's new owner; `reason` is accepted, replied, owner_absent, handover or admin."""

    case_id: CaseId
    agent_id: AgentId | None
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class DecisionTrace:
    """Why a decision fell: facts for "why is this waiting" and "why not me".

    `kind` is `plan` or `offer`. `passed` names rules not taken with the comparisons that were not
    true ("rule: field operator result"); `terms` are the score's parts.
    """

    kind: str
    item_id: ItemId
    at: datetime
    rule_id: str | None = None
    agent_id: AgentId | None = None
    queue_id: QueueId | None = None
    passed: tuple[str, ...] = ()
    terms: Mapping[str, Small] = field(default_factory=lambda: NO_DATA)


@dataclass(frozen=True, slots=True)
class StepResult:
    """Everything one command led to, in the order it is to be written."""

    outcome: Outcome
    items: tuple[ItemChange, ...] = ()
    offers: tuple[Offer, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    presence: tuple[AgentPresence, ...] = ()
    loads: tuple[AgentLoad, ...] = ()
    timers_set: tuple[Timer, ...] = ()
    timers_cancelled: tuple[TimerKey, ...] = ()
    owners: tuple[OwnerChange, ...] = ()
    events: tuple[NewEvent, ...] = ()
    effects: tuple[Effect, ...] = ()
    traces: tuple[DecisionTrace, ...] = ()

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to write."""
        return not (
            self.items or self.offers or self.assignments or self.presence or self.loads
            or self.timers_set or self.timers_cancelled or self.owners or self.events
        )  # fmt: skip
