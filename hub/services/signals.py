"""Small things that are true for a moment: who types, who looks, where a visitor stands.

They are handed to whoever listens in this process and kept nowhere; a lost one does no harm,
because each ends by itself or is followed by the next. What must survive goes into the event log.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, cast

import structlog

log = structlog.get_logger(__name__)

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class AgentTyping:
    """An agent writes to the customer; ends by itself after 6 s. `name`: as customers see it."""

    conversation_id: str
    name: str
    on: bool = True


@dataclass(frozen=True, slots=True)
class VisitorTyping:
    """A customer writes; ends by itself after 6 s."""

    conversation_id: str
    on: bool = True


@dataclass(frozen=True, slots=True)
class VisitorPage:
    """Where on the site the customer is now."""

    conversation_id: str
    url: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class VisitorEnded:
    """The customer said that the chat is over for them."""

    conversation_id: str


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a waiting conversation stands.

    Attributes:
        ahead: customers before this one; None: it does not wait any more.
        minutes: expected wait; None: not known.
        nobody: no agent is there to wait for.
    """

    conversation_id: str
    ahead: int | None
    minutes: float | None = None
    nobody: bool = False


@dataclass(frozen=True, slots=True)
class DeskPresence:
    """Whether somebody answers on a chat channel now."""

    channel_id: str
    open: bool
    opens_at: datetime | None = None


class Signals:
    """Carries signals from whoever knows to whoever shows, inside one process."""

    def __init__(self) -> None:
        self._listeners: dict[type[object], list[Callable[[object], None]]] = defaultdict(list)

    def listen(self, kind: type[S], call: Callable[[S], None]) -> Callable[[], None]:
        """Have `call(signal)` made for each signal of a kind; returns what ends that."""
        listener = cast(Callable[[object], None], call)
        self._listeners[kind].append(listener)

        def end() -> None:
            if listener in self._listeners[kind]:
                self._listeners[kind].remove(listener)

        return end

    def publish(self, signal: object) -> None:
        """Hand a signal to the listeners of its kind; never blocks and never fails."""
        for call in list(self._listeners.get(type(signal), ())):
            try:
                call(signal)
            except Exception:
                log.exception("signals.listener_failed", kind=type(signal).__name__)
