"""The life of a delivery: its states and every move between them (house.md)."""

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where one part of one outgoing message stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"  # may have been sent; only the provider's word or a person moves it


class MoveBy(StrEnum):
    """Who asks for a move."""

    SENDER = "sender"
    PROVIDER = "provider"
    PERSON = "person"


_S = DeliveryState
_MOVES: dict[MoveBy, dict[DeliveryState, frozenset[DeliveryState]]] = {
    MoveBy.SENDER: {
        _S.QUEUED: frozenset({_S.SENDING, _S.FAILED}),
        _S.SENDING: frozenset({_S.SENT, _S.FAILED, _S.UNKNOWN, _S.QUEUED}),
        # The claim ran out, but the process lived: the provider's answer came late or was kept
        # while the store was away.
        _S.UNKNOWN: frozenset({_S.SENT, _S.FAILED}),
    },
    MoveBy.PROVIDER: {
        # A callback can overtake the answer to our own call, hence from `sending` as well.
        _S.SENDING: frozenset({_S.SENT, _S.DELIVERED, _S.READ, _S.FAILED}),
        _S.SENT: frozenset({_S.DELIVERED, _S.READ, _S.FAILED}),
        _S.DELIVERED: frozenset({_S.READ}),
        _S.UNKNOWN: frozenset({_S.SENT, _S.DELIVERED, _S.READ, _S.FAILED}),
        _S.FAILED: frozenset({_S.DELIVERED, _S.READ}),
    },
    MoveBy.PERSON: {
        _S.UNKNOWN: frozenset({_S.QUEUED}),
        _S.FAILED: frozenset({_S.QUEUED}),
    },
}

RETRY_DELAYS_S = (2, 10, 60, 300, 1800, 7200)
"""Back-off after the 1st, 2nd … certain and retryable failure, ± 20 %; then failed."""
CHAT_RETRY_LIMIT_S = 300
"""Live channels give up after this: an answer an hour late helps nobody in a chat."""
HOLD_LATER_LIMIT_S = 60
"""How long a delivery that waits for a retry holds back later ones of its conversation."""


def may_move(old: DeliveryState, new: DeliveryState, by: MoveBy) -> bool:
    """Tell whether `by` may move a delivery from `old` to `new`; anything else is ignored."""
    return new in _MOVES[by].get(old, frozenset())


def sources_of(new: DeliveryState, by: MoveBy) -> tuple[DeliveryState, ...]:
    """Return the states from which `by` may move a delivery to `new`, for a conditional UPDATE."""
    return tuple(old for old, targets in _MOVES[by].items() if new in targets)
