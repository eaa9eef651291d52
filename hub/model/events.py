"""Every kind of event: `noun.verb_past`, its facts, its version, whether it is public.

An event carries ids and small facts, NEVER message text, names or addresses: who may read the log
(webhooks, metrics, the router) need not be allowed to read content. Readers hydrate the entity.
`facts` names what `data` may hold; `new_event` refuses anything else, so that content cannot slip
in. Within a version, facts are only added.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from hub.model.ids import AgentId, CaseId, ConversationId, CustomerId, ItemId, MessageId, QueueId

Fact: TypeAlias = str | int | float | bool | list[str] | None


class EventKind(StrEnum):
    """The kinds. A kind is never renamed, only retired."""

    # talk
    MESSAGE_RECEIVED = "message.received"
    MESSAGE_SENT = "message.sent"
    MESSAGE_NOTED = "message.noted"
    MESSAGE_CHANGED = "message.changed"
    MESSAGE_MOVED = "message.moved"
    MESSAGE_REDACTED = "message.redacted"
    ATTACHMENT_STORED = "attachment.stored"
    ATTACHMENT_FAILED = "attachment.failed"
    DELIVERY_MOVED = "delivery.moved"
    CONVERSATION_CREATED = "conversation.created"
    CONVERSATION_CHANGED = "conversation.changed"
    CONVERSATION_REOPENED = "conversation.reopened"
    CONVERSATION_RESOLVED = "conversation.resolved"
    CONVERSATION_CLOSED = "conversation.closed"
    CONVERSATION_MERGED = "conversation.merged"
    CONVERSATION_SPLIT = "conversation.split"
    CONTACT_SIGNALLED = "contact.signalled"
    # matters and people
    CASE_OPENED = "case.opened"
    CASE_CHANGED = "case.changed"
    CASE_SOLVED = "case.solved"
    CASE_REOPENED = "case.reopened"
    CUSTOMER_CREATED = "customer.created"
    CUSTOMER_CHANGED = "customer.changed"
    CUSTOMER_MERGED = "customer.merged"
    CUSTOMER_UNMERGED = "customer.unmerged"
    CUSTOMER_ERASED = "customer.erased"
    IDENTITY_LINKED = "identity.linked"
    IDENTITY_CHANGED = "identity.changed"
    # work
    ITEM_CREATED = "item.created"
    ITEM_PLANNED = "item.planned"
    ITEM_QUEUED = "item.queued"
    ITEM_CONNECTED = "item.connected"
    ITEM_COMPLETED = "item.completed"
    ITEM_ABANDONED = "item.abandoned"
    ITEM_CANCELLED = "item.cancelled"
    ITEM_TRANSFERRED = "item.transferred"
    ITEM_ESCALATED = "item.escalated"
    ITEM_OVERCOMMITTED = "item.overcommitted"
    ITEM_WAITED = "item.waited"
    ITEM_SNOOZED = "item.snoozed"
    ITEM_WARNED = "item.warned"
    ITEM_BREACHED = "item.breached"
    ITEM_CHANGED = "item.changed"
    OFFER_CREATED = "offer.created"
    OFFER_ACCEPTED = "offer.accepted"
    OFFER_DECLINED = "offer.declined"
    OFFER_EXPIRED = "offer.expired"
    OFFER_RESCINDED = "offer.rescinded"
    OWNER_CHANGED = "owner.changed"
    AGENT_CHANGED = "agent.changed"
    WRAP_STARTED = "wrap.started"
    WRAP_ENDED = "wrap.ended"
    # the house
    CHANNEL_CHANGED = "channel.changed"
    QUEUE_CHANGED = "queue.changed"
    RULES_PUBLISHED = "rules.published"
    CONFIG_CHANGED = "config.changed"
    ACCESS_CHANGED = "access.changed"
    DRAFT_CHANGED = "draft.changed"


_K = EventKind
_ITEM = (
    "state",
    "from",
    "to",
    "reason",
    "tier",
    "class",
    "rule",
    "case",
    "attempt",
    "vstart",
    "by",
)
_OFFER = ("offer", "mode", "expires_at", "reason", "class", "tier", "auto", "waited_s")

FACTS: Mapping[EventKind, tuple[str, ...]] = MappingProxyType(
    {
        _K.MESSAGE_RECEIVED: (
            "number",
            "kind",
            "channel",
            "case",
            "first",
            "auto_reply",
            "new_item",
        ),
        _K.MESSAGE_SENT: ("number", "kind", "channel", "by", "case"),
        _K.MESSAGE_NOTED: ("number", "mentions", "by"),
        _K.MESSAGE_CHANGED: ("change", "revision", "channel"),
        _K.MESSAGE_MOVED: ("from", "to"),
        _K.MESSAGE_REDACTED: ("by",),
        _K.ATTACHMENT_STORED: ("attachment", "size_bytes"),
        _K.ATTACHMENT_FAILED: ("attachment", "code"),
        _K.DELIVERY_MOVED: ("delivery", "from", "to", "code", "kind", "channel", "attempt"),
        _K.CONVERSATION_CREATED: ("channel", "previous", "by"),
        _K.CONVERSATION_CHANGED: ("fields", "state", "by"),
        _K.CONVERSATION_REOPENED: ("by", "case"),
        _K.CONVERSATION_RESOLVED: ("disposition", "by"),
        _K.CONVERSATION_CLOSED: ("by",),
        _K.CONVERSATION_MERGED: ("into", "undone", "cases"),
        _K.CONVERSATION_SPLIT: ("into",),
        _K.CONTACT_SIGNALLED: ("signal", "channel"),
        _K.CASE_OPENED: ("case", "number", "type", "severity"),
        _K.CASE_CHANGED: ("case", "fields", "type", "class", "severity", "by"),
        _K.CASE_SOLVED: ("case", "by"),
        _K.CASE_REOPENED: ("case", "by"),
        _K.CUSTOMER_CREATED: ("channel",),
        _K.CUSTOMER_CHANGED: ("fields", "by"),
        _K.CUSTOMER_MERGED: ("into", "by"),
        _K.CUSTOMER_UNMERGED: ("from", "by"),
        _K.CUSTOMER_ERASED: ("by",),
        _K.IDENTITY_LINKED: ("identity", "kind", "how"),
        _K.IDENTITY_CHANGED: ("identity", "opted_out", "blocked", "fields"),
        _K.ITEM_CREATED: (*_ITEM, "kind"),
        _K.ITEM_PLANNED: _ITEM,
        _K.ITEM_QUEUED: _ITEM,
        _K.ITEM_CONNECTED: (*_ITEM, "waited_s"),
        _K.ITEM_COMPLETED: (*_ITEM, "disposition", "resolved"),
        _K.ITEM_ABANDONED: _ITEM,
        _K.ITEM_CANCELLED: _ITEM,
        _K.ITEM_TRANSFERRED: (*_ITEM, "keep_place", "to_agent", "to_queue"),
        _K.ITEM_ESCALATED: _ITEM,
        _K.ITEM_OVERCOMMITTED: _ITEM,
        _K.ITEM_WAITED: _ITEM,
        _K.ITEM_SNOOZED: (*_ITEM, "until"),
        _K.ITEM_WARNED: (*_ITEM, "level", "deadline"),
        _K.ITEM_BREACHED: (*_ITEM, "deadline"),
        _K.ITEM_CHANGED: (*_ITEM, "fields"),
        _K.OFFER_CREATED: _OFFER,
        _K.OFFER_ACCEPTED: _OFFER,
        _K.OFFER_DECLINED: _OFFER,
        _K.OFFER_EXPIRED: _OFFER,
        _K.OFFER_RESCINDED: _OFFER,
        _K.OWNER_CHANGED: ("case", "from", "to", "reason"),
        _K.AGENT_CHANGED: ("duty", "readiness", "link", "reason", "used", "fields"),
        _K.WRAP_STARTED: _ITEM,
        _K.WRAP_ENDED: _ITEM,
        _K.CHANNEL_CHANGED: ("channel", "state", "reason", "by"),
        _K.QUEUE_CHANGED: ("fields", "by"),
        _K.RULES_PUBLISHED: ("version", "by"),
        _K.CONFIG_CHANGED: ("what", "by"),
        _K.ACCESS_CHANGED: ("fields", "by"),
        _K.DRAFT_CHANGED: ("channel",),
    }
)

PRIVATE: frozenset[EventKind] = frozenset(
    {_K.ACCESS_CHANGED, _K.CONFIG_CHANGED, _K.DRAFT_CHANGED, _K.MESSAGE_NOTED}
)
"""Never leave by outgoing webhooks."""

VERSION = 1


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One fact about to be written; `seq` is given by the database."""

    kind: EventKind
    at: datetime
    actor: str = "system"  # agent id, "customer", "system", "provider" or "bot"
    conversation: ConversationId | None = None
    customer: CustomerId | None = None
    message: MessageId | None = None
    item: ItemId | None = None
    queue: QueueId | None = None
    agent: AgentId | None = None
    data: Mapping[str, Fact] = field(default_factory=dict)


def new_event(  # noqa: PLR0913 - the columns of the log
    kind: EventKind,
    at: datetime,
    *,
    actor: str = "system",
    conversation: ConversationId | None = None,
    customer: CustomerId | None = None,
    message: MessageId | None = None,
    item: ItemId | None = None,
    queue: QueueId | None = None,
    agent: AgentId | None = None,
    data: Mapping[str, Fact] | None = None,
) -> NewEvent:
    """Make an event, refusing facts its kind does not name.

    Raises:
        ValueError: a fact outside `FACTS[kind]`, or a text over 200 characters.
    """
    facts = data or {}
    allowed = FACTS[kind]
    for name, value in facts.items():
        if name not in allowed:
            raise ValueError(f"{kind} carries no fact {name!r}")
        if isinstance(value, str) and len(value) > 200:
            raise ValueError(f"{kind}.{name} is too long for a fact")
    return NewEvent(kind, at, actor, conversation, customer, message, item, queue, agent, facts)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One row of the log, as readers get it."""

    seq: int
    kind: EventKind
    at: datetime
    actor: str
    conversation: ConversationId | None
    customer: CustomerId | None
    message: MessageId | None
    item: ItemId | None
    queue: QueueId | None
    agent: AgentId | None
    data: Mapping[str, Fact]


def case_of(event: LoggedEvent) -> CaseId | None:
    """Return the case an event names in its facts, if any."""
    value = event.data.get("case")
    return CaseId(value) if isinstance(value, str) else None
