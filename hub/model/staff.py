"""Who does the work: agents with their presence, queues, memberships, skills and load.

Rows of `agent_state` and `agent_load` are written by the router through `services/dispatch`;
queues, memberships and skills are configuration an administrator edits. Instants are aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from hub.model.ids import AgentId, QueueId
from hub.model.work import EMPTY, PlanStep, WorkClass

NO_CLASSES: Mapping[WorkClass, bool] = MappingProxyType({})
NO_COUNTS: Mapping[WorkClass, int] = MappingProxyType({})


class AgentKind(StrEnum):
    """A person, or a bot (staff tier 0)."""

    PERSON = "person"
    BOT = "bot"


class Duty(StrEnum):
    """Signed in or not; `draining` finishes what is held and takes nothing new."""

    OFF = "off"
    ON = "on"
    DRAINING = "draining"


class Link(StrEnum):
    """The agent's sockets: answering, silent for 30 s, silent for 120 s more."""

    UP = "up"
    SUSPECT = "suspect"
    LOST = "lost"


class Readiness(StrEnum):
    """What the agent says, or what missed offers say for them."""

    READY = "ready"
    PAUSED = "paused"
    NOT_RESPONDING = "not_responding"


class Discipline(StrEnum):
    """In which order a queue serves (routing.md 2.5)."""

    SLA_RATIO = "sla_ratio"
    VIRTUAL = "virtual"
    FIFO = "fifo"
    STRICT = "strict"


class Strategy(StrEnum):
    """Which of several free agents is asked first, inside one tier (routing.md 2.6)."""

    LONGEST_IDLE = "longest_idle"
    LEAST_LOADED = "least_loaded"
    ROUND_ROBIN = "round_robin"
    BEST_SKILL = "best_skill"
    POSITION = "position"


class QueueMode(StrEnum):
    """Whether the router offers, or members take for themselves out of a pool."""

    PUSH = "push"
    GRAB = "grab"


@dataclass(frozen=True, slots=True)
class Agent:
    """Routing's view of a person or bot. `class_caps` and `capacity` override the defaults."""

    id: AgentId
    kind: AgentKind = AgentKind.PERSON
    capacity: int = 100
    class_caps: Mapping[WorkClass, int] = field(default_factory=lambda: NO_COUNTS)
    disabled_classes: frozenset[WorkClass] = frozenset()
    skills: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    """Skill to level 1–5."""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Membership:
    """An agent serves a queue: on a staff tier 0–3, from an item's age of `delay_s` seconds on."""

    agent_id: AgentId
    queue_id: QueueId
    tier: int = 1
    position: int = 0
    delay_s: float = 0.0
    auto_accept: bool = True
    """False: work the queue would accept automatically is offered to this agent by hand."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as the router sees it.

    Attributes:
        calendar: name of a calendar; the built-in `always` never closes.
        overflow: `keep` (the item stays and the supervisor is told), `callback`, `voicemail`, or
            the id of another queue.
        max_len: waiting items beyond it overflow; None: no limit.
        auto_accept: overrides the class defaults of `routing.capacity`.
        offer_ttl_s: overrides the class defaults.
        steps: the plan of items that come here by transfer; empty: the built-in tier ladder.
        fairness_n: every n-th pick of an agent takes the oldest; 0 switches it off.
        reserve_free: a follow-up is offered only while more than so many members stay free.
    """

    id: QueueId
    name: str = ""
    discipline: Discipline = Discipline.SLA_RATIO
    strategy: Strategy | None = None
    mode: QueueMode = QueueMode.PUSH
    calendar: str = "always"
    overflow: str = "keep"
    max_len: int | None = None
    auto_accept: Mapping[WorkClass, bool] = field(default_factory=lambda: NO_CLASSES)
    offer_ttl_s: Mapping[WorkClass, int] = field(default_factory=lambda: NO_COUNTS)
    sla_policy: str = "ordinary"
    steps: tuple[PlanStep, ...] = ()
    fairness_n: int = 10
    reserve_free: int = 0
    grab_limit: int | None = None
    grab_first_n: int | None = None
    task_units: int = 5
    place_kept_on_transfer: bool = True


@dataclass(frozen=True, slots=True)
class AgentPresence:
    """A row of `agent_state`: the axes of presence and what order among agents needs.

    `idle_since` is per class group (`voice`, `text`); `last_seen_at` is the last heartbeat.
    `routable(class) = duty on, link up, readiness ready, class enabled, units and cap free`.
    """

    agent_id: AgentId
    duty: Duty = Duty.OFF
    link: Link = Link.UP
    readiness: Readiness = Readiness.READY
    pause_reason: str | None = None
    since: datetime | None = None
    off_since: datetime | None = None
    last_seen_at: datetime | None = None
    idle_since: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    last_offered_at: datetime | None = None
    misses: int = 0
    picks: int = 0
    """Automatic offers so far; the fairness guard counts them."""

    @property
    def offerable(self) -> bool:
        """Tell whether offers may be made at all (units and caps apart)."""
        return self.duty is Duty.ON and self.link is Link.UP and self.readiness is Readiness.READY

    @property
    def staffed(self) -> bool:
        """Tell whether the agent counts as staff, busy or free (not paused, off or lost)."""
        return (
            self.duty is Duty.ON
            and self.link is not Link.LOST
            and self.readiness is Readiness.READY
        )


@dataclass(frozen=True, slots=True)
class AgentLoad:
    """A row of `agent_load`: a copy of what live offers and assignments hold, for claims in SQL.

    Attributes:
        used: effective units (interrupted work counts 0).
        by_class: live pieces per class that count against the class's cap.
        overcommitted: some item of the agent is; no offer is made while so.
        routable: `AgentPresence.offerable` and not `overcommitted`.
    """

    agent_id: AgentId
    used: int = 0
    capacity: int = 100
    by_class: Mapping[WorkClass, int] = field(default_factory=lambda: NO_COUNTS)
    overcommitted: bool = False
    routable: bool = False
