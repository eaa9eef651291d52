"""Time: the only place that reads the wall clock. Everything is an aware UTC datetime."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Whatever tells the time. Injected, so that tests and simulations own it."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> datetime:
        """Return the wall clock's instant in UTC."""
        return utc_now()


class ManualClock:
    """A clock that moves only when told to; for tests, replay and simulation."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant last set."""
        return self._now

    def advance(self, *, seconds: float) -> datetime:
        """Move forward (or back, when negative) and return the new instant."""
        self._now += timedelta(seconds=seconds)
        return self._now

    def set(self, at: datetime) -> None:
        """Jump to `at` (aware)."""
        self._now = at.astimezone(UTC)


def utc_now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)


def to_micros(at: datetime) -> int:
    """Return whole microseconds since 1970-01-01 UTC: how the store keeps an instant.

    Raises:
        ValueError: `at` has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError("naive datetime")
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_micros(micros: int) -> datetime:
    """Return the aware UTC instant that `to_micros` stored."""
    return _EPOCH + timedelta(microseconds=micros)


def iso(at: datetime) -> str:
    """Return RFC 3339 text in UTC with milliseconds and a Z, as the API shows instants."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
