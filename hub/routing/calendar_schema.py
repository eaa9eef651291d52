"""The shape of a calendar in a file or row: `09:00-18:00` texts per weekday and date."""

from datetime import date
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hub.routing.calendar import Calendar, Interval, parse_clock

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAYS: tuple[Weekday, ...] = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip


def parse_intervals(texts: tuple[str, ...]) -> tuple[Interval, ...]:
    """Return sorted intervals of `HH:MM-HH:MM` texts.

    Raises:
        ValueError: not times of day, an empty interval, or two that overlap.
    """
    found = []
    for text in texts:
        start, sep, end = text.partition("-")
        if not sep:
            raise ValueError("not HH:MM-HH:MM")
        interval = (parse_clock(start.strip()), parse_clock(end.strip()))
        if interval[0] >= interval[1]:
            raise ValueError("empty interval")
        found.append(interval)
    found.sort()
    for before, after in pairwise(found):
        if after[0] < before[1]:
            raise ValueError("overlapping intervals")
    return tuple(found)


class CalendarSpec(BaseModel):
    """A calendar as it is written. An exception's empty list closes the day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    zone: str
    weekly: dict[Weekday, tuple[str, ...]] = Field(default_factory=dict)
    exceptions: dict[date, tuple[str, ...]] = Field(default_factory=dict)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("unknown zone") from error
        return value

    @field_validator("weekly", "exceptions")
    @classmethod
    def _right_times(cls, value: dict[Any, tuple[str, ...]]) -> dict[Any, tuple[str, ...]]:
        for texts in value.values():
            parse_intervals(texts)
        return value

    def compile(self) -> Calendar:
        """Return the calendar routing works with."""
        weekly = {
            number: parse_intervals(self.weekly[day])
            for number, day in enumerate(_WEEKDAYS)
            if day in self.weekly
        }
        dated = {day: parse_intervals(texts) for day, texts in self.exceptions.items()}
        return Calendar(self.name, self.zone, weekly, dated)


def load_calendar(tree: Any) -> Calendar:
    """Return the calendar of a tree read from YAML or JSON.

    Raises:
        pydantic.ValidationError: with the path of each mistake.
    """
    return CalendarSpec.model_validate(tree).compile()
