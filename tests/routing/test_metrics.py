"""The metrics catalogue: golden vectors of routing.md section 4, journeys from a log."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.events import EventKind, LoggedEvent
from hub.model.ids import AgentId, ConversationId, CustomerId, ItemId, QueueId
from hub.routing.journeys import Journey, JourneyBook
from hub.routing.metrics import (
    FORMULAS,
    ZH_CN,
    Answering,
    ServiceLevel,
    answering,
    by_interval,
    catalogue,
    csat,
    first_contact_resolution,
    occupancy,
    patience_rate,
    repeats,
    spread,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GOLDEN = Answering(20, 1000, 60, 860, 20, 10)
K = EventKind


@pytest.mark.parametrize(
    ("which", "percent"),
    [("SL-1", 83.0), ("SL-2", 86.0), ("SL-3", 81.1), ("SL-4", 82.7), ("SL-5", 82.1)],
)
def test_golden_service_levels(which, percent) -> None:
    level = GOLDEN.level(ServiceLevel(which))
    assert level is not None
    assert round(100 * level, 1) == percent


def test_golden_counts_from_journeys() -> None:
    waits = [(True, 10)] * 860 + [(True, 30)] * 140
    waits += [(False, 3)] * 10 + [(False, 15)] * 10 + [(False, 40)] * 40
    assert answering([journey(a, w) for a, w in waits], 20) == GOLDEN
    assert GOLDEN.abandonment == pytest.approx(60 / 1060)
    assert GOLDEN.abandonment_long == pytest.approx(50 / 1050)


def test_golden_csat_is_not_the_mean() -> None:
    found = csat({5: 42, 4: 32, 3: 10, 2: 9, 1: 14}, satisfied=(4, 5))
    assert found is not None
    assert round(100 * found, 2) == 69.16
    assert csat({}, (5,)) is None


def journey(answered: bool, wait_s: float, at: float = 0, **facts) -> Journey:
    made = START + timedelta(seconds=at)
    end = made + timedelta(seconds=wait_s)
    found = Journey(ItemId("i"), made, queued_at=made, **facts)
    if answered:
        found.connected_at = end
    else:
        found.abandoned_at = end
    return found


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=40))
@settings(max_examples=40, deadline=None)
def test_service_levels_are_ordered_shares(waits) -> None:
    counts = answering([journey(a, w) for a, w in waits], 20)
    levels = {which: counts.level(which) for which in ServiceLevel}
    assert all(level is None or 0 <= level <= 1 for level in levels.values())
    one, three, four, five = (levels[ServiceLevel(f"SL-{n}")] for n in (1, 3, 4, 5))
    if one is not None and three is not None and five is not None:
        assert three <= five <= one
        assert four is None or three <= four


class Log:
    """Writes events of one conversation."""

    def __init__(self) -> None:
        self.events: list[LoggedEvent] = []

    def add(self, kind: EventKind, at: float, item: str | None = "i1", agent: str | None = None,
            **data) -> None:  # fmt: skip
        self.events.append(LoggedEvent(
            len(self.events) + 1, kind, START + timedelta(seconds=at), "system",
            ConversationId("c1"), CustomerId("p1"), None, ItemId(item) if item else None,
            QueueId("front"), AgentId(agent) if agent else None, data,
        ))  # fmt: skip


def long_talk() -> Log:
    log = Log()
    log.add(K.MESSAGE_RECEIVED, 0)
    log.add(K.ITEM_CREATED, 0, **{"class": "messaging"})
    log.add(K.ITEM_QUEUED, 1, **{"class": "messaging"})
    log.add(K.OFFER_CREATED, 1, agent="ann")
    log.add(K.OFFER_EXPIRED, 61, agent="ann")
    log.add(K.OFFER_CREATED, 61, agent="bob")
    log.add(K.OFFER_ACCEPTED, 65, agent="bob")
    log.add(K.ITEM_CONNECTED, 65, agent="bob")
    log.add(K.MESSAGE_SENT, 66, by="bot")
    log.add(K.MESSAGE_SENT, 90, agent="bob", by="human")
    log.add(K.MESSAGE_RECEIVED, 100)
    log.add(K.MESSAGE_RECEIVED, 130)
    log.add(K.ITEM_TRANSFERRED, 150)
    log.add(K.ITEM_QUEUED, 150)
    log.add(K.ITEM_CONNECTED, 170, agent="eve")
    log.add(K.MESSAGE_SENT, 180, agent="eve", by="human")
    log.add(K.WRAP_STARTED, 200, agent="eve")
    log.add(K.ITEM_COMPLETED, 200, agent="eve", disposition="solved")
    log.add(K.WRAP_ENDED, 230, agent="eve")
    return log


def test_a_journey_from_its_events() -> None:
    book = JourneyBook().read(long_talk().events)
    (found,) = book.journeys.values()
    assert found.wait_s == 64
    assert found.replied_at == START + timedelta(seconds=90)
    assert found.bot_replied_at == START + timedelta(seconds=66)
    assert (found.held_s, found.wrap_s, found.segments) == (85 + 30, 30, 2)
    assert found.turns == [90, 80]  # the earliest unanswered message counts
    assert found.agents == ["bob", "eve"]
    assert (book.offers[AgentId("ann")].expired, book.offers[AgentId("bob")].acceptance) == (1, 1)


def test_reading_twice_changes_nothing() -> None:
    log = long_talk()
    once = JourneyBook().read(log.events).journeys
    twice = JourneyBook().read(log.events).read(log.events).journeys
    assert once == twice


def test_a_reopened_conversation_starts_its_own_clock() -> None:
    log = long_talk()
    log.add(K.CONVERSATION_REOPENED, 4 * 86_400, item=None)
    log.add(K.MESSAGE_RECEIVED, 4 * 86_400)
    log.add(K.ITEM_CREATED, 4 * 86_400, item="i2", **{"class": "messaging"})
    log.add(K.ITEM_CONNECTED, 4 * 86_400 + 5, item="i2", agent="bob")
    log.add(K.MESSAGE_SENT, 4 * 86_400 + 600, item="i2", by="human")
    first, second = JourneyBook().read(log.events).journeys.values()
    assert second.reopened
    assert not first.reopened
    assert second.replied_at is not None
    assert (second.replied_at - second.created_at).total_seconds() == 600


def test_catalogue_carries_formulas() -> None:
    book = JourneyBook().read(long_talk().events)
    found = {f.formula: f.value for f in catalogue(list(book.journeys.values()), START, 60)}
    assert set(found) <= set(FORMULAS)
    assert found["ASA"] == 64
    assert (found["SL-4"], found["ABANDON"]) == (0.0, 0.0)
    assert (found["TRANSFER"], found["FCR-STRICT"]) == (1.0, 0.0)
    assert (found["FRT"], found["AHT-ELAPSED"], found["ACW"]) == (90, 145, 30)
    empty = {f.formula: f.value for f in catalogue([], START, 60)}
    assert set(empty.values()) == {None}
    assert set(ZH_CN) <= set(FORMULAS)


def test_first_contact_resolution_and_repeats() -> None:
    one = journey(True, 5, customer=CustomerId("p1"), segments=1, resolved=True)
    one.completed_at = START + timedelta(minutes=10)
    again = journey(True, 5, at=86_400, customer=CustomerId("p1"), segments=1, resolved=True)
    again.completed_at = START + timedelta(days=1, minutes=10)
    later = START + timedelta(days=30)
    assert first_contact_resolution([one, again], later) == (0.5, False)
    assert first_contact_resolution([one, again], START + timedelta(days=2))[1]
    assert repeats([one, again]) == 0.5


def test_intervals_of_arrival_patience_and_spread() -> None:
    found = by_interval([journey(True, 5, at=10), journey(True, 5, at=1799), journey(False, 5,
                        at=1800)])  # fmt: skip
    assert [len(group) for group in found.values()] == [2, 1]
    assert list(found) == [START, START + timedelta(minutes=30)]
    assert patience_rate([journey(True, 30), journey(False, 70)]) == pytest.approx(0.01)
    assert patience_rate([]) is None
    numbers = spread(range(1, 11))
    assert (numbers.mean, numbers.p50, numbers.p90, numbers.longest) == (5.5, 5, 9, 10)
    assert (occupancy(50, 100), occupancy(130, 100), occupancy(1, 0)) == (0.5, 1.0, None)


def test_a_callback_is_not_abandoned() -> None:
    log = Log()
    log.add(K.ITEM_CREATED, 0, **{"class": "voice"})
    log.add(K.ITEM_QUEUED, 0, **{"class": "voice"})
    log.add(K.ITEM_CHANGED, 30, state="callback_wait")
    log.add(K.ITEM_ABANDONED, 31)
    (found,) = JourneyBook().read(log.events).journeys.values()
    assert not found.abandoned
