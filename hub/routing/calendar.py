"""Calendars: when a queue is open and how business time runs.

A calendar is a zone, weekly intervals and dated exceptions that close a day or open one (a make-up
workday). A local time that does not exist (clocks go forward) moves forward by the gap; one that
exists twice is the first. Instants in and out are aware UTC.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

MINUTES_PER_DAY = 1440
_HORIZON_DAYS = 400
"""A calendar that does not open for so long counts as never opening."""

Interval = tuple[int, int]
"""Minutes after local midnight, [from, to); `to` may be 1440."""


class NeverOpens(ValueError):
    """The calendar has no opening within the horizon (400 days)."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Opening times in one zone.

    Attributes:
        weekly: weekday (0 is Monday) to sorted, disjoint intervals.
        exceptions: date to that day's intervals; an empty tuple closes the day.
    """

    name: str
    zone: str
    weekly: Mapping[int, tuple[Interval, ...]]
    exceptions: Mapping[date, tuple[Interval, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def day_intervals(self, day: date) -> tuple[Interval, ...]:
        """Return the intervals of one local date."""
        found = self.exceptions.get(day)
        return self.weekly.get(day.weekday(), ()) if found is None else found

    def is_open(self, at: datetime) -> bool:
        """Tell whether `at` lies inside an opening."""
        for start, end in self._spans(at):
            if start > at:
                return False
            if at < end:
                return True
        return False

    def next_opening(self, at: datetime) -> datetime | None:
        """Return `at` when open, else the next opening instant; None when there is none."""
        for start, end in self._spans(at):
            if end > at:
                return max(start, at)
        return None

    def closing(self, at: datetime) -> datetime | None:
        """Return when the opening around `at` ends; None when closed at `at`.

        Openings that touch are one. For a calendar that never closes: the end of the horizon.
        """
        closes: datetime | None = None
        for start, end in self._spans(at):
            if closes is None:
                if start > at:
                    return None
                if at < end:
                    closes = end
            elif start > closes:
                break
            else:
                closes = max(closes, end)
        return closes

    def add_business(self, at: datetime, seconds: float) -> datetime:
        """Return the instant at which `seconds` of opening time have run since `at`.

        Raises:
            NeverOpens: the openings of the horizon do not suffice.
        """
        left = timedelta(seconds=seconds)
        for start, end in self._spans(at):
            begin = max(start, at)
            if end <= begin:
                continue
            if begin + left <= end:
                return begin + left
            left -= end - begin
        raise NeverOpens(self.name)

    def business_seconds(self, start: datetime, end: datetime) -> float:
        """Return how many seconds of opening time lie in [start, end); 0 when end <= start."""
        total = timedelta()
        for opens, closes in self._spans(start):
            if opens >= end:
                break
            total += max(timedelta(), min(closes, end) - max(opens, start))
        return total.total_seconds()

    def working_days(self, at: datetime, count: int) -> datetime:
        """Return the end of the `count`-th working day after the local day of `at`.

        A working day is one with any opening; its end is its last closing time. The day of receipt
        itself is not counted.

        Raises:
            NeverOpens: there are not so many working days in the horizon.
        """
        day = at.astimezone(ZoneInfo(self.zone)).date()
        seen = 0
        for _ in range(_HORIZON_DAYS):
            day += timedelta(days=1)
            intervals = self.day_intervals(day)
            if intervals:
                seen += 1
                if seen == count:
                    return self._instant(day, intervals[-1][1])
        raise NeverOpens(self.name)

    def local(self, at: datetime) -> datetime:
        """Return `at` as this calendar's wall time."""
        return at.astimezone(ZoneInfo(self.zone))

    def _spans(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield openings as UTC instants in order, from the local day before `at` on.

        The day before is needed because 24:00 of a day moves over midnight with the zone's offset.
        """
        day = at.astimezone(ZoneInfo(self.zone)).date() - timedelta(days=1)
        for offset in range(_HORIZON_DAYS):
            current = day + timedelta(days=offset)
            for start_min, end_min in self.day_intervals(current):
                start, end = self._instant(current, start_min), self._instant(current, end_min)
                if end > start:
                    yield start, end

    def _instant(self, day: date, minutes: int) -> datetime:
        if minutes >= MINUTES_PER_DAY:
            day, minutes = day + timedelta(days=1), minutes - MINUTES_PER_DAY
        local = datetime.combine(day, time(minutes // 60, minutes % 60), ZoneInfo(self.zone))
        # fold=0: the first of two; a time in the gap takes the earlier offset and so moves forward.
        return local.astimezone(UTC)


ALWAYS = Calendar(
    name="always", zone="UTC", weekly=dict.fromkeys(range(7), ((0, MINUTES_PER_DAY),))
)
"""The built-in calendar: never closes."""


def parse_clock(text: str) -> int:
    """Return minutes after midnight of `HH:MM` (24:00 allowed).

    Raises:
        ValueError: not a time of day.
    """
    hours, sep, minutes = text.partition(":")
    if not sep or not (hours.isdigit() and minutes.isdigit()) or len(minutes) != 2:
        raise ValueError("not HH:MM")
    value = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or value > MINUTES_PER_DAY:
        raise ValueError("not a time of day")
    return value
