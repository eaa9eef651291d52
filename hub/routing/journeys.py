"""What became of each work item, read from the event log: the base of every figure.

A journey is one item from its making to its end. Events may be fed in batches, in the order of
their `seq`; a reopened conversation has a new item and so a new journey with its own clocks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from hub.model.events import EventKind, LoggedEvent
from hub.model.ids import AgentId, ConversationId, CustomerId, ItemId, QueueId

_K = EventKind


@dataclass(slots=True)
class Journey:
    """One item's way.

    Attributes:
        queued_at: first entry into a queue; the wait counts from here, ringing included.
        replied_at: the first message a person sent, or the connection of a call.
        bot_replied_at: the first message of a bot; it never stops a person's clock.
        held_s, wrap_s: seconds with handlers and in wrap-up, summed over segments.
        segments: how many times an agent got the item.
        turns: seconds from the earliest unanswered message to a person's answer.
        to_callback: an item that became a call-back is not abandoned.
    """

    item: ItemId
    created_at: datetime
    queue: QueueId | None = None
    work_class: str | None = None
    customer: CustomerId | None = None
    queued_at: datetime | None = None
    connected_at: datetime | None = None
    replied_at: datetime | None = None
    bot_replied_at: datetime | None = None
    completed_at: datetime | None = None
    resolved: bool = False
    abandoned_at: datetime | None = None
    cancelled: bool = False
    breached: bool = False
    to_callback: bool = False
    held_s: float = 0.0
    wrap_s: float = 0.0
    segments: int = 0
    transfers: int = 0
    escalations: int = 0
    reopened: bool = False
    agents: list[AgentId] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)

    @property
    def wait_s(self) -> float | None:
        """Seconds waited, of the answered and the abandoned; None while neither."""
        end = self.connected_at or self.abandoned_at
        return None if end is None else (end - (self.queued_at or self.created_at)).total_seconds()

    @property
    def answered(self) -> bool:
        """Tell whether somebody took the item."""
        return self.connected_at is not None

    @property
    def abandoned(self) -> bool:
        """Tell whether the customer gave up before anybody took it."""
        return self.abandoned_at is not None and not self.answered and not self.to_callback


@dataclass(slots=True)
class OfferCount:
    """What became of an agent's offers; rescinded ones count for nothing."""

    created: int = 0
    accepted: int = 0
    declined: int = 0
    expired: int = 0
    rescinded: int = 0

    @property
    def acceptance(self) -> float | None:
        """Accepted of those that were the agent's to answer."""
        asked = self.created - self.rescinded
        return self.accepted / asked if asked > 0 else None


class JourneyBook:
    """Journeys and offer counts of the events read so far."""

    def __init__(self) -> None:
        self.journeys: dict[ItemId, Journey] = {}
        self.offers: dict[AgentId, OfferCount] = {}
        self._of: dict[ConversationId, ItemId] = {}
        self._holding: dict[ItemId, datetime] = {}
        self._wrapping: dict[ItemId, datetime] = {}
        self._asked: dict[ConversationId, datetime] = {}
        self._reopened: set[ConversationId] = set()
        self._seen = -1

    def read(self, events: Iterable[LoggedEvent]) -> "JourneyBook":
        """Take events in; one that was read already is passed over. Returns the book."""
        for event in events:
            if event.seq > self._seen:
                self._seen = event.seq
                self._take(event)
        return self

    def _take(self, event: LoggedEvent) -> None:
        kind = event.kind.value
        if kind.startswith("message."):
            self._message(event)
        elif kind.startswith("offer.") and event.agent is not None:
            count = self.offers.setdefault(event.agent, OfferCount())
            name = kind.removeprefix("offer.")
            setattr(count, name, getattr(count, name) + 1)
        elif event.kind is _K.CONVERSATION_REOPENED and event.conversation is not None:
            self._reopened.add(event.conversation)
        elif event.item is not None and kind.startswith(("item.", "wrap.")):
            self._item(event, self._journey(event, event.item))

    def _journey(self, event: LoggedEvent, item: ItemId) -> Journey:
        found = self.journeys.get(item)
        if found is None:
            again = event.conversation in self._reopened
            found = self.journeys[item] = Journey(item, event.at, reopened=again)
            if event.conversation is not None:
                self._of[event.conversation] = item
                self._reopened.discard(event.conversation)
        found.queue = event.queue or found.queue
        found.customer = event.customer or found.customer
        name = event.data.get("class")
        if isinstance(name, str):
            found.work_class = name
        return found

    def _item(self, event: LoggedEvent, journey: Journey) -> None:
        kind, at = event.kind, event.at
        if kind is _K.ITEM_QUEUED:
            journey.queued_at = journey.queued_at or at
            self._let_go(journey, at)
        elif kind is _K.ITEM_CONNECTED:
            self._connected(event, journey)
        elif kind is _K.ITEM_COMPLETED:
            journey.completed_at = at
            journey.resolved = event.data.get("resolved") is not False
            self._let_go(journey, at)
        elif kind is _K.ITEM_ABANDONED:
            journey.abandoned_at = at
        elif kind is _K.ITEM_CANCELLED:
            journey.cancelled = True
            self._let_go(journey, at)
        elif kind is _K.ITEM_BREACHED:
            journey.breached = True
        elif kind is _K.ITEM_TRANSFERRED:
            journey.transfers += 1
        elif kind is _K.ITEM_ESCALATED:
            journey.escalations += 1
        elif kind is _K.WRAP_STARTED:
            self._wrapping[journey.item] = at
        elif kind is _K.WRAP_ENDED and (began := self._wrapping.pop(journey.item, None)):
            journey.wrap_s += (at - began).total_seconds()
        if event.data.get("state") == "callback_wait":
            journey.to_callback = True

    def _connected(self, event: LoggedEvent, journey: Journey) -> None:
        self._let_go(journey, event.at)
        journey.connected_at = journey.connected_at or event.at
        if journey.work_class in ("voice", "callback"):
            journey.replied_at = journey.replied_at or event.at
        journey.segments += 1
        self._holding[journey.item] = event.at
        if event.agent is not None and event.agent not in journey.agents:
            journey.agents.append(event.agent)

    def _let_go(self, journey: Journey, at: datetime) -> None:
        began = self._holding.pop(journey.item, None)
        if began is not None:
            journey.held_s += (at - began).total_seconds()

    def _message(self, event: LoggedEvent) -> None:
        conversation = event.conversation
        if conversation is None:
            return
        if event.kind is _K.MESSAGE_RECEIVED:
            self._asked.setdefault(conversation, event.at)
            return
        item = event.item or self._of.get(conversation)
        journey = self.journeys.get(item) if item is not None else None
        if event.kind is not _K.MESSAGE_SENT or journey is None:
            return
        by = event.data.get("by")
        if by == "bot":
            journey.bot_replied_at = journey.bot_replied_at or event.at
        elif by == "human":
            journey.replied_at = journey.replied_at or event.at
            asked = self._asked.pop(conversation, None)
            if asked is not None:
                journey.turns.append((event.at - asked).total_seconds())
