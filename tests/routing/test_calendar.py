"""Opening times, business time, working days, and the two odd days of a zone's year."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.routing.calendar import ALWAYS, Calendar, NeverOpens, parse_clock
from hub.routing.calendar_schema import load_calendar

CONFIG = Path(__file__).parents[2] / "config"
OFFICE = Calendar(
    "office", "Europe/Berlin", dict.fromkeys(range(5), ((540, 720), (780, 1080))),
    {date(2026, 3, 3): (), date(2026, 3, 7): ((600, 660),)},
)  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "is_open", "opens"),
    [
        ("2026-03-02T09:00+01:00", True, "2026-03-02T09:00+01:00"),
        ("2026-03-02T12:00+01:00", False, "2026-03-02T13:00+01:00"),
        ("2026-03-02T18:00+01:00", False, "2026-03-04T09:00+01:00"),
        ("2026-03-06T18:00+01:00", False, "2026-03-07T10:00+01:00"),
    ],
)
def test_openings(moment: str, is_open: bool, opens: str) -> None:
    assert OFFICE.is_open(at(moment)) is is_open
    assert OFFICE.next_opening(at(moment)) == at(opens)


def test_closing_joins_days_that_touch() -> None:
    assert OFFICE.closing(at("2026-03-02T10:00+01:00")) == at("2026-03-02T12:00+01:00")
    assert OFFICE.closing(at("2026-03-02T12:30+01:00")) is None
    night = Calendar("n", "UTC", {0: ((1200, 1440),), 1: ((0, 120),)})
    assert night.closing(at("2026-03-02T21:00+00:00")) == at("2026-03-03T02:00+00:00")


def test_business_time_skips_closed_days() -> None:
    start = at("2026-03-02T17:00+01:00")
    assert OFFICE.add_business(start, 7200) == at("2026-03-04T10:00+01:00")
    assert OFFICE.business_seconds(start, at("2026-03-04T10:00+01:00")) == 7200


def test_clock_going_forward_and_back() -> None:
    night = Calendar("n", "Europe/Berlin", {6: ((150, 240),)})
    # 29 March 2026: 02:30 does not exist and is 03:30, 25 October: 02:30 twice, the first counts.
    assert night.next_opening(at("2026-03-28T12:00+00:00")) == at("2026-03-29T03:30+02:00")
    assert night.next_opening(at("2026-10-24T12:00+00:00")) == at("2026-10-25T02:30+02:00")
    day = Calendar("d", "Europe/Berlin", {6: ((0, 1440),)})
    spring, autumn = at("2026-03-29T00:00+01:00"), at("2026-10-25T00:00+02:00")
    assert day.business_seconds(spring, spring + timedelta(days=2)) == 23 * 3600
    assert day.business_seconds(autumn, autumn + timedelta(days=2)) == 25 * 3600


def workdays() -> Calendar:
    return load_calendar(yaml.safe_load((CONFIG / "calendars" / "workdays.yaml").read_text()))


@pytest.mark.parametrize(
    ("received", "days", "end"),
    [
        # National Day 2025: 28 Sep and 11 Oct are make-up workdays, 1 to 8 Oct are closed.
        ("2025-09-26T10:00+08:00", 1, "2025-09-28T18:00+08:00"),
        ("2025-09-26T10:00+08:00", 3, "2025-09-30T18:00+08:00"),
        ("2025-09-26T10:00+08:00", 4, "2025-10-09T18:00+08:00"),
        ("2025-09-26T10:00+08:00", 7, "2025-10-13T18:00+08:00"),
        ("2025-09-30T23:59+08:00", 7, "2025-10-16T18:00+08:00"),
        ("2025-10-03T10:00+08:00", 7, "2025-10-16T18:00+08:00"),
        # Spring Festival 2025: 26 Jan and 8 Feb are worked.
        ("2025-01-24T10:00+08:00", 7, "2025-02-10T18:00+08:00"),
    ],
)
def test_seven_working_days_by_hand(received: str, days: int, end: str) -> None:
    assert workdays().working_days(at(received), days) == at(end)


def test_always_and_never() -> None:
    now = at("2026-03-02T10:00+00:00")
    assert ALWAYS.is_open(now)
    assert ALWAYS.next_opening(now) == now
    assert ALWAYS.add_business(now, 86_400 * 30) == now + timedelta(days=30)
    never = Calendar("never", "UTC", {})
    assert never.next_opening(now) is None
    with pytest.raises(NeverOpens):
        never.add_business(now, 1)
    with pytest.raises(NeverOpens):
        never.working_days(now, 1)


@given(st.integers(0, 400_000), st.integers(1, 2_000))
def test_business_time_is_additive(minutes: int, span: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    end = OFFICE.add_business(start, span * 60)
    assert OFFICE.business_seconds(start, end) == span * 60
    assert OFFICE.is_open(end - timedelta(seconds=1))


@pytest.mark.parametrize("text", ["24:01", "9", "aa:00", "10:60", "10:0"])
def test_wrong_clocks(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        parse_clock(text)


@pytest.mark.parametrize(
    "tree",
    [
        {"name": "a", "zone": "Moon/Base"},
        {"name": "a", "zone": "UTC", "weekly": {"monday": ["10:00"]}},
        {"name": "a", "zone": "UTC", "weekly": {"monday": ["10:00-10:00"]}},
        {"name": "a", "zone": "UTC", "weekly": {"monday": ["10:00-12:00", "11:00-13:00"]}},
        {"name": "a", "zone": "UTC", "weekly": {"someday": ["10:00-12:00"]}},
    ],
)
def test_wrong_calendars_are_refused(tree: object) -> None:
    with pytest.raises(ValidationError):
        load_calendar(tree)
