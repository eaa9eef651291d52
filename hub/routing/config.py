"""What the router is given: configuration that people edit, and the live rows it starts from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub.model.ids import AgentId, QueueId
from hub.model.staff import Agent, AgentPresence, Membership, Queue
from hub.model.work import Assignment, Offer, Timer, WorkItem
from hub.routing.calendar import ALWAYS, Calendar
from hub.routing.capacity import DEFAULTS, CapacityTable
from hub.routing.ordering import SHIPPED_ORDER, OrderTable
from hub.routing.rules import RuleSet
from hub.routing.sla import PolicySet


@dataclass(frozen=True)
class RouterConfig:
    """What people edit: read from rows and files by the caller, replaced as a whole.

    `owner_absence_s`: so long off duty and the acting handler becomes the owner (severity 1:
    `owner_absence_urgent_s`). `suspect_s`, `lost_s`: silence of an agent's sockets.
    """

    agents: Mapping[AgentId, Agent]
    queues: Mapping[QueueId, Queue]
    memberships: tuple[Membership, ...]
    rules: RuleSet
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    policies: PolicySet | None = None
    capacity: CapacityTable = field(default_factory=lambda: DEFAULTS)
    order: OrderTable = SHIPPED_ORDER
    owner_absence_s: float = 86_400
    owner_absence_urgent_s: float = 900
    suspect_s: float = 30
    lost_s: float = 120
    grace_s: float = 120

    def calendar(self, name: str) -> Calendar:
        """Return a calendar by name; an unknown one never closes (publishing refuses those)."""
        return self.calendars.get(name, ALWAYS)


@dataclass(frozen=True)
class Rows:
    """The live rows a state is made from.

    Items not terminal, offers `offered` or `accepted`, assignments not ended, all timers, and the
    presence of every agent who ever signed in.
    """

    items: Iterable[WorkItem] = ()
    offers: Iterable[Offer] = ()
    assignments: Iterable[Assignment] = ()
    presence: Iterable[AgentPresence] = ()
    timers: Iterable[Timer] = ()
