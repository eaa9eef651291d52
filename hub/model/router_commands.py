"""What may be asked of the router, and what it answers.

API handlers and workers make these values; `router.submit(command)` answers with an `Outcome`.
`version` is what the caller believed the item's version to be: another one is answered `stale`
and changes nothing. None means "as it is now". `by` is judged (only the handler may), `actor` is
not: it names for the record who ordered something in a supervisor's right (`by` is None then).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from hub.model.ids import AgentId, CaseId, ConversationId, CustomerId, ItemId, OfferId, QueueId
from hub.model.work import ItemKind, TimerKind, WorkClass

Fact = str | int | float | bool | None | tuple[str, ...]
NO_FACTS: Mapping[str, Fact] = MappingProxyType({})


class OutcomeCode(StrEnum):
    """How a command ended. All but the first two are conflicts (HTTP 409)."""

    OK = "ok"
    NO_CHANGE = "no_change"
    STALE = "stale"
    ITEM_GONE = "item_gone"
    OFFER_GONE = "offer_gone"
    ALREADY_TAKEN = "already_taken"
    NOT_HANDLER = "not_handler"
    NOT_ROUTABLE = "not_routable"
    NOT_ELIGIBLE = "not_eligible"
    WRONG_STATE = "wrong_state"
    LIMIT_REACHED = "limit_reached"
    UNKNOWN_AGENT = "unknown_agent"
    UNKNOWN_QUEUE = "unknown_queue"
    CONTACT_EXISTS = "contact_exists"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The router's answer. `holder` names who was first, where somebody was."""

    code: OutcomeCode
    item_id: ItemId | None = None
    version: int | None = None
    holder: AgentId | None = None
    offer_id: OfferId | None = None

    @property
    def ok(self) -> bool:
        """Tell whether the command was carried out, or was already true."""
        return self.code in (OutcomeCode.OK, OutcomeCode.NO_CHANGE)


@dataclass(frozen=True, slots=True)
class ItemArrived:
    """A new item from `receive`, or of a task or follow-up. `facts` are the rules' fields.

    `reopened`: the same case came back; the owner is asked first. `vstart`: an earlier place that
    is kept (channel switch). `queue_id`: go there without rules (a dispatched task).
    """

    item_id: ItemId
    work_class: WorkClass
    kind: ItemKind = ItemKind.CONTACT
    created_at: datetime | None = None
    case_id: CaseId | None = None
    conversation_id: ConversationId | None = None
    customer_id: CustomerId | None = None
    parent_item_id: ItemId | None = None
    owner_agent_id: AgentId | None = None
    severity: int = 3
    customer_level: str = "basic"
    fault_notice: bool = False
    reopened: bool = False
    reopens: int = 0
    vstart: datetime | None = None
    queue_id: QueueId | None = None
    req_skills: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    barred: tuple[AgentId, ...] = ()
    due_at: datetime | None = None
    facts: Mapping[str, Fact] = field(default_factory=lambda: NO_FACTS)


@dataclass(frozen=True, slots=True)
class Accept:
    """An agent takes what was offered to them."""

    offer_id: OfferId
    agent_id: AgentId
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Decline:
    """An agent refuses; `reason` is `decline` or `busy`."""

    offer_id: OfferId
    agent_id: AgentId
    reason: str = "decline"


@dataclass(frozen=True, slots=True)
class TimerDue:
    """A timer row became due. Unknown or replaced timers change nothing."""

    kind: TimerKind
    subject_id: str
    epoch: int = 0


class PresenceMove(StrEnum):
    """What happens on an agent's axes of presence."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    SET_READY = "set_ready"
    SET_PAUSE = "set_pause"
    HEARTBEAT = "heartbeat"
    LINK_SUSPECT = "link_suspect"
    LINK_LOST = "link_lost"


@dataclass(frozen=True, slots=True)
class Presence:
    """A move on the axes of presence; `reason` names the pause."""

    agent_id: AgentId
    move: PresenceMove
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """An agent picks an item for themselves (also: a reply with `take: true`)."""

    item_id: ItemId
    agent_id: AgentId
    version: int | None = None
    reason: str | None = None
    from_handler: bool = False
    """True: also from another handler (permission checked by the caller)."""


@dataclass(frozen=True, slots=True)
class Assign:
    """A supervisor gives an item to an agent, over limits if need be."""

    item_id: ItemId
    agent_id: AgentId
    by: AgentId
    version: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TransferToQueue:
    """The handler, or a supervisor, sends the item on to another queue."""

    item_id: ItemId
    queue_id: QueueId
    by: AgentId | None = None
    version: int | None = None
    keep_place: bool | None = None
    skills: Mapping[str, int] | None = None
    reason: str | None = None
    actor: AgentId | None = None


@dataclass(frozen=True, slots=True)
class TransferToAgent:
    """The handler offers the item to a named colleague; nothing changes until they accept.

    `handover_owner`: on accept the case's ownership goes along (an explicit hand-over).
    """

    item_id: ItemId
    to_agent_id: AgentId
    by: AgentId | None = None
    version: int | None = None
    handover_owner: bool = False
    reason: str | None = None
    actor: AgentId | None = None


@dataclass(frozen=True, slots=True)
class Escalate:
    """Raise the lowest staff tier that may take the item and put it back with its place kept."""

    item_id: ItemId
    min_tier: int
    reason: str
    by: AgentId | None = None
    version: int | None = None
    queue_id: QueueId | None = None
    actor: AgentId | None = None


@dataclass(frozen=True, slots=True)
class AgentReplied:
    """A person, or a bot, answered: the conversation now waits for the customer."""

    item_id: ItemId
    agent_id: AgentId
    by_bot: bool = False


@dataclass(frozen=True, slots=True)
class CustomerWrote:
    """A customer's message for a live item: idle units are taken up again."""

    item_id: ItemId


@dataclass(frozen=True, slots=True)
class Opened:
    """The handler looked at an automatically accepted item."""

    item_id: ItemId
    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class Snooze:
    """Put the item aside until an instant, or a customer's message, whichever is first."""

    item_id: ItemId
    until: datetime
    by: AgentId | None = None
    version: int | None = None
    actor: AgentId | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """The handler is done with the item. `solve_case`: its case is solved as well."""

    item_id: ItemId
    disposition: str
    by: AgentId | None = None
    version: int | None = None
    solve_case: bool = False
    actor: AgentId | None = None


@dataclass(frozen=True, slots=True)
class WrapUpDone:
    """The handler ends the wrap-up before its time."""

    item_id: ItemId
    by: AgentId | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody with the right to do so takes the item out (spam, duplicate, merge)."""

    item_id: ItemId
    reason: str
    by: AgentId | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class CustomerLeft:
    """The customer closed the chat or hung up."""

    item_id: ItemId


@dataclass(frozen=True, slots=True)
class CustomerReturned:
    """The customer of an item in its grace time is back, on any channel."""

    item_id: ItemId
    work_class: WorkClass | None = None


@dataclass(frozen=True, slots=True)
class CaseChanged:
    """A person or a rule changed what order depends on; None leaves a value as it is."""

    case_id: CaseId
    severity: int | None = None
    customer_level: str | None = None
    fault_notice: bool | None = None


@dataclass(frozen=True, slots=True)
class SetOwner:
    """An administrator, or a hand-over, makes somebody the case's owner (None: nobody)."""

    case_id: CaseId
    agent_id: AgentId | None
    reason: str
    by: AgentId | None = None


@dataclass(frozen=True, slots=True)
class RulesPublished:
    """Another rule set is current. Items keep their plan unless `replan` has their facts."""

    version: int
    replan: Mapping[ItemId, Mapping[str, Fact]] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """Agents, skills, queues or memberships were edited; the new rows are in the router's state."""

    agents: tuple[AgentId, ...] = ()
    queues: tuple[QueueId, ...] = ()


Command = (
    ItemArrived
    | Accept
    | Decline
    | TimerDue
    | Presence
    | Take
    | Assign
    | TransferToQueue
    | TransferToAgent
    | Escalate
    | AgentReplied
    | CustomerWrote
    | Opened
    | Snooze
    | Complete
    | WrapUpDone
    | Cancel
    | CustomerLeft
    | CustomerReturned
    | CaseChanged
    | SetOwner
    | RulesPublished
    | ConfigChanged
)
