"""The thread of talk: its states and moves, what its messages are, and the brief threading reads.

A conversation belongs to one customer and spans channels. Its state says who has to act:

    open      we must act                    waiting   we answered, the customer may write
    snoozed   put aside until an instant     resolved  done; a message inside the window reopens it
    closed    over; a later message starts a new conversation with `previous_id`

Instants are aware UTC. Everything here is a value; nothing reads a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from hub.model.ids import ChannelId, ConversationId, CustomerId


class ConversationState(StrEnum):
    """Who has to act (house.md, "The conversation model")."""

    OPEN = "open"
    WAITING = "waiting"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    CLOSED = "closed"


LIVE_STATES = frozenset(
    {ConversationState.OPEN, ConversationState.WAITING, ConversationState.SNOOZED}
)
"""States in which a contact item is live."""


class Cause(StrEnum):
    """What moves a conversation."""

    CUSTOMER_WROTE = "customer_wrote"
    AUTO_REPLIED = "auto_replied"  # an automatic answer: nobody on the other side asks for anything
    ANSWERED = "answered"  # a person or bot of ours wrote to the customer
    SNOOZED = "snoozed"
    WOKE = "woke"
    HANDED_ON = "handed_on"  # to a queue, an agent or a tier: somebody of ours has to act
    RESOLVED = "resolved"
    REOPENED = "reopened"  # by a person of ours
    WINDOW_ENDED = "window_ended"
    DISCARDED = "discarded"  # spam, or an empty conversation after a move or merge


_S = ConversationState
_LIVE = (_S.OPEN, _S.WAITING, _S.SNOOZED)
MOVES: Mapping[Cause, Mapping[ConversationState, ConversationState]] = MappingProxyType(
    {
        # A closed conversation takes no message: threading starts a new one with previous_id.
        Cause.CUSTOMER_WROTE: dict.fromkeys((*_LIVE, _S.RESOLVED), _S.OPEN),
        Cause.AUTO_REPLIED: {state: state for state in (*_LIVE, _S.RESOLVED)},
        # A last "you are welcome" leaves a resolved conversation resolved.
        Cause.ANSWERED: {**dict.fromkeys(_LIVE, _S.WAITING), _S.RESOLVED: _S.RESOLVED},
        Cause.SNOOZED: dict.fromkeys(_LIVE, _S.SNOOZED),
        Cause.WOKE: {_S.SNOOZED: _S.OPEN},
        Cause.HANDED_ON: dict.fromkeys(_LIVE, _S.OPEN),
        Cause.RESOLVED: dict.fromkeys(_LIVE, _S.RESOLVED),
        Cause.REOPENED: {_S.RESOLVED: _S.OPEN},
        Cause.WINDOW_ENDED: {_S.RESOLVED: _S.CLOSED},
        Cause.DISCARDED: dict.fromkeys((*_LIVE, _S.RESOLVED), _S.CLOSED),
    }
)
"""Every move there is; what is not listed is not possible."""


def next_state(state: ConversationState, cause: Cause) -> ConversationState | None:
    """Return the state after `cause`, the same state when nothing changes, None when impossible."""
    return MOVES[cause].get(state)


def sources_of(cause: Cause) -> tuple[ConversationState, ...]:
    """Return the states `cause` may act on, for a conditional UPDATE."""
    return tuple(MOVES[cause])


class MessageDirection(StrEnum):
    """From the customer, to the customer, for us alone, or the hub's own remark."""

    IN = "in"
    OUT = "out"
    NOTE = "note"
    SYSTEM = "system"


class AuthorKind(StrEnum):
    """Who wrote a message; `author_id` is an agent (AGENT, BOT) or a token (INTEGRATION)."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    INTEGRATION = "integration"
    SYSTEM = "system"


AUTHORS: Mapping[MessageDirection, frozenset[AuthorKind]] = MappingProxyType(
    {
        MessageDirection.IN: frozenset({AuthorKind.CUSTOMER}),
        MessageDirection.OUT: frozenset(
            {AuthorKind.AGENT, AuthorKind.BOT, AuthorKind.INTEGRATION, AuthorKind.SYSTEM}
        ),
        MessageDirection.NOTE: frozenset(
            {AuthorKind.AGENT, AuthorKind.BOT, AuthorKind.INTEGRATION}
        ),
        MessageDirection.SYSTEM: frozenset({AuthorKind.SYSTEM}),
    }
)
"""Which authors a direction may have."""


class SystemLine(StrEnum):
    """Codes of the hub's own remarks in a timeline; the web client makes the sentence.

    A line's params are ids, numbers and codes only, as in events: never text, names or addresses.
    """

    STARTED = "started"  # rule, previous
    TAKEN = "taken"  # agent
    TRANSFERRED = "transferred"  # from, to_agent | to_queue
    ESCALATED = "escalated"  # from, to (tier)
    OWNER_CHANGED = "owner_changed"  # case, from, to
    SNOOZED = "snoozed"  # until
    WOKEN = "woken"
    RESOLVED = "resolved"  # disposition, agent
    REOPENED = "reopened"  # case
    CLOSED = "closed"
    CASE_OPENED = "case_opened"  # case, number
    CASE_CHANGED = "case_changed"  # case, fields
    CASE_SOLVED = "case_solved"  # case
    MERGED = "merged"  # from
    MERGE_UNDONE = "merge_undone"  # from
    SPLIT = "split"  # into
    MOVED_IN = "moved_in"  # message, from
    MOVED_OUT = "moved_out"  # message, to
    CUSTOMER_MERGED = "customer_merged"  # from
    IDENTITY_LINKED = "identity_linked"  # identity, how
    SENDER_NOT_CONFIRMED = "sender_not_confirmed"  # suggested (conversation)
    OPTED_OUT = "opted_out"  # identity
    OPTED_IN = "opted_in"  # identity
    CLOSED_HOURS = "closed_hours"  # opens_at
    REDACTED = "redacted"  # message, agent


@dataclass(frozen=True, slots=True)
class ChannelTouch:
    """When a channel row last carried a message of a conversation, in either direction.

    Attributes:
        separate: the row's own mark: talk there stays there.
        provider_threads: the provider's thread ids seen on this row in this conversation.
    """

    channel_id: ChannelId
    touched_at: datetime
    separate: bool = False
    provider_threads: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ConversationBrief:
    """What threading needs to know of one conversation. Made by the store, read by `unify`.

    Attributes:
        customer_id: resolved to the root of merged customers.
        touches: one per channel row.
        mail_subject: `unify.threading.subject_key` of the subject of the last mail; None when the
            conversation holds no mail, empty when that mail has no subject.
        last_touched_at: of the newest message, in either direction.
        reopen_until: end of the reopen window while resolved; None otherwise.
        previous_id: the closed conversation this one goes on from.
        merged_into: the conversation this one was merged into, if any.
    """

    id: ConversationId
    customer_id: CustomerId
    state: ConversationState
    last_touched_at: datetime
    touches: tuple[ChannelTouch, ...] = ()
    mail_subject: str | None = None
    reopen_until: datetime | None = None
    previous_id: ConversationId | None = None
    merged_into: ConversationId | None = None

    def touch_on(self, channel_id: ChannelId) -> ChannelTouch | None:
        """Return the touch of one channel row, None when it never carried this conversation."""
        for touch in self.touches:
            if touch.channel_id == channel_id:
                return touch
        return None

    def closed_at_instant(self, at: datetime) -> bool:
        """Tell whether a message at `at` finds it closed, also before the timer says so."""
        if self.state is ConversationState.CLOSED:
            return True
        return (
            self.state is ConversationState.RESOLVED
            and self.reopen_until is not None
            and at > self.reopen_until
        )
