"""The vocabulary of work: items that ask for a person's attention, offers, assignments, timers.

Rows of the tables `work_item`, `offer`, `assignment` and `timer` are these values. They are
frozen: the router replaces them and says which rows changed; `services/dispatch` alone writes
them. Instants are aware UTC, durations seconds. Who works stands in `staff`, what may
be asked of the router in `router_commands`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from hub.model.ids import (
    AgentId,
    AssignmentId,
    CaseId,
    ConversationId,
    CustomerId,
    ItemId,
    OfferId,
    QueueId,
)

EMPTY: Mapping[str, int] = MappingProxyType({})


class WorkClass(StrEnum):
    """How a piece of work loads a person; decides units, caps, offer time and look-within."""

    VOICE = "voice"
    CALLBACK = "callback"
    WEBCHAT = "webchat"
    MESSAGING = "messaging"
    SMS = "sms"
    EMAIL = "email"
    TASK = "task"
    FOLLOWUP = "followup"


class ItemKind(StrEnum):
    """What is demanded. At most one live contact, call or callback per conversation and kind."""

    CONTACT = "contact"
    CALL = "call"
    CALLBACK = "callback"
    CONSULT = "consult"
    TASK = "task"
    FOLLOWUP = "followup"


class ItemState(StrEnum):
    """States of a work item (routing.md 2.4)."""

    NEW = "new"
    PLANNED = "planned"
    CLOSED_HOURS = "closed_hours"
    OVERFLOW = "overflow"
    QUEUED = "queued"
    OFFERED = "offered"
    ASSIGNED = "assigned"
    ACTIVE = "active"
    RECONNECTING = "reconnecting"
    CALLBACK_WAIT = "callback_wait"
    ABANDONED_GRACE = "abandoned_grace"
    WRAPUP = "wrapup"
    DONE = "done"
    ABANDONED = "abandoned"
    CANCELLED = "cancelled"
    VOICEMAIL = "voicemail"


TERMINAL_STATES = frozenset(
    {ItemState.DONE, ItemState.ABANDONED, ItemState.CANCELLED, ItemState.VOICEMAIL}
)
HELD_STATES = frozenset(
    {ItemState.ASSIGNED, ItemState.ACTIVE, ItemState.RECONNECTING, ItemState.WRAPUP}
)
"""States in which the item has a handler and an assignment."""


class Pause(StrEnum):
    """Why an assigned item asks for nothing just now; mirrors the conversation's state."""

    NONE = "none"
    WAITING = "waiting"
    SNOOZED = "snoozed"


class OfferState(StrEnum):
    """States of an offer (routing.md 2.7). Live means `offered`."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    RESCINDED = "rescinded"
    CLOSED = "closed"


class OfferMode(StrEnum):
    """How many are asked at once; `direct` hangs beside a running assignment (transfer)."""

    SINGLE = "single"
    BROADCAST = "broadcast"
    PROGRESSIVE = "progressive"
    DIRECT = "direct"


class AssignmentRole(StrEnum):
    """What an agent does with an item. One handler at most."""

    HANDLER = "handler"
    CONSULTANT = "consultant"
    SUPERVISOR = "supervisor"


class TimerKind(StrEnum):
    """What becomes due. A timer row is unique by (kind, subject_id)."""

    STEP = "step"
    OWNER_WAIT = "owner_wait"
    MEMBER_DELAY = "member_delay"
    EXCLUSION_END = "exclusion_end"
    OFFER_EXPIRY = "offer_expiry"
    OFFER_PROGRESS = "offer_progress"
    SLA_WARN_75 = "sla_warn_75"
    SLA_WARN_90 = "sla_warn_90"
    SLA_BREACH = "sla_breach"
    MAX_WAIT = "max_wait"
    LOOK_WITHIN = "look_within"
    OPENING = "opening"
    GRACE = "grace"
    RECONNECT = "reconnect"
    SNOOZE_WAKE = "snooze_wake"
    IDLE_SHRINK = "idle_shrink"
    WRAPUP_END = "wrapup_end"
    LINK_SUSPECT = "link_suspect"
    LINK_LOST = "link_lost"
    CALLBACK_DUE = "callback_due"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One agent is not offered one item before `until` (a decline, a miss)."""

    agent_id: AgentId
    since: datetime
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of a plan; opens at `at_s` seconds after the plan began. Absolute, never a sum.

    Attributes:
        tiers: staff tiers this step opens, added to those already open.
        narrow: `tiers` replace those already open instead.
        relax: skill to lowered level; 0 drops the skill.
        owner_wait_s: the owner alone for at most so long; 0: only if free this moment.
        offer_mode, offer_k, offer_every_s: how offers are made from here on.
        escalate_tier: raise `min_tier` to it.
        push: a queue in mode grab starts to make offers.
    """

    at_s: float
    tiers: tuple[int, ...] = ()
    narrow: bool = False
    relax: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    owner_wait_s: float | None = None
    offer_mode: OfferMode | None = None
    offer_k: int = 1
    offer_every_s: float = 10.0
    notify: str | None = None
    escalate_tier: int | None = None
    escalate_reason: str | None = None
    push: bool = False
    borrow: tuple[QueueId, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rule decided for one item; stored with the item as JSON, never changed afterwards.

    `max_wait_then` is one of `callback_or_voicemail`, `voicemail`, `overflow`, `escalate` and
    `notify`.
    """

    rule_id: str
    rules_version: int
    steps: tuple[PlanStep, ...]
    max_wait_s: float | None = None
    max_wait_then: str | None = None


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One demand for human attention: a row of `work_item`.

    Attributes:
        version: fence; grows by one with every move of `state` or change of handler. An offer's
            `epoch` is the version it was made under.
        vstart: virtual start of waiting; order is made from it and it is kept through decline,
            expiry, transfer and escalation.
        plan_started_at: the instant the plan's steps count from.
        step_no: index of the last opened step; -1 before the first.
        target_s: promised pick-up or first-response time in wall seconds (sla_ratio divides by it).
        due_at: the same promise as an instant (business clocks included).
        head_boost: from escalations, 0.5 each, at most 1.0.
        units: units the handler's assignment holds when active.
        barred: agents never offered this item (a follow-up's doers).
    """

    id: ItemId
    kind: ItemKind
    work_class: WorkClass
    state: ItemState
    created_at: datetime
    version: int = 0
    case_id: CaseId | None = None
    conversation_id: ConversationId | None = None
    customer_id: CustomerId | None = None
    parent_item_id: ItemId | None = None
    queue_id: QueueId | None = None
    severity: int = 3
    customer_level: str = "basic"
    req_skills: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    min_tier: int = 0
    sla_policy: str | None = None
    plan: Plan | None = None
    plan_started_at: datetime | None = None
    step_no: int = -1
    enqueued_at: datetime | None = None
    vstart: datetime | None = None
    target_s: float | None = None
    due_at: datetime | None = None
    attempt: int = 0
    offers_made: int = 0
    handler_agent_id: AgentId | None = None
    owner_agent_id: AgentId | None = None
    owner_wait_until: datetime | None = None
    excluded: tuple[Exclusion, ...] = ()
    barred: tuple[AgentId, ...] = ()
    head_boost: float = 0.0
    priority_return: bool = False
    fault_notice: bool = False
    forced: bool = False
    overcommitted: bool = False
    interrupted: bool = False
    auto_accepted: bool = False
    escalations: int = 0
    transfers: int = 0
    reopens: int = 0
    pause: Pause = Pause.NONE
    snoozed_until: datetime | None = None
    accepted_at: datetime | None = None
    opened_at: datetime | None = None
    first_reply_at: datetime | None = None
    last_sent_at: datetime | None = None
    units: int | None = None
    follow_up_at: datetime | None = None
    disposition: str | None = None
    closed_at: datetime | None = None

    @property
    def live(self) -> bool:
        """Tell whether the item still asks for something."""
        return self.state not in TERMINAL_STATES


@dataclass(frozen=True, slots=True)
class Offer:
    """One agent asked to take one item; the units are reserved while it is live."""

    id: OfferId
    item_id: ItemId
    agent_id: AgentId
    queue_id: QueueId
    work_class: WorkClass
    epoch: int
    state: OfferState
    mode: OfferMode
    units: int
    created_at: datetime
    expires_at: datetime
    from_agent_id: AgentId | None = None
    handover_owner: bool = False
    ended_at: datetime | None = None
    end_reason: str | None = None

    @property
    def live(self) -> bool:
        """Tell whether the agent may still answer."""
        return self.state is OfferState.OFFERED


@dataclass(frozen=True, slots=True)
class Assignment:
    """One agent works on one item. `units` is what it holds now (idle units while `idle`)."""

    id: AssignmentId
    item_id: ItemId
    agent_id: AgentId
    role: AssignmentRole
    work_class: WorkClass
    units: int
    since: datetime
    idle: bool = False
    offer_id: OfferId | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that becomes due. Unique by (kind, subject_id); setting it again replaces it.

    `epoch` is the item's version when that matters; a timer whose epoch is stale does nothing.
    """

    kind: TimerKind
    subject_id: str
    due_at: datetime
    epoch: int = 0
