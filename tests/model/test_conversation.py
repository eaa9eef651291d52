"""States and moves of conversations and cases."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.case import (
    CASE_MOVES,
    DEFAULT_REOPEN_S,
    CaseBrief,
    CaseCause,
    CaseState,
    SetBy,
    case_for_message,
    case_sources_of,
    display_number,
    may_set,
    next_case_state,
    reopen_until,
    reopens,
)
from hub.model.conversation import (
    AUTHORS,
    LIVE_STATES,
    MOVES,
    AuthorKind,
    Cause,
    ChannelTouch,
    ConversationBrief,
    ConversationState,
    MessageDirection,
    next_state,
    sources_of,
)
from hub.model.ids import AgentId, CaseId, ChannelId, ConversationId, CustomerId

S = ConversationState
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "cause", "after"),
    [
        (S.WAITING, Cause.CUSTOMER_WROTE, S.OPEN),
        (S.SNOOZED, Cause.CUSTOMER_WROTE, S.OPEN),
        (S.RESOLVED, Cause.CUSTOMER_WROTE, S.OPEN),
        (S.CLOSED, Cause.CUSTOMER_WROTE, None),
        (S.WAITING, Cause.AUTO_REPLIED, S.WAITING),
        (S.OPEN, Cause.ANSWERED, S.WAITING),
        (S.RESOLVED, Cause.ANSWERED, S.RESOLVED),
        (S.CLOSED, Cause.ANSWERED, None),
        (S.WAITING, Cause.SNOOZED, S.SNOOZED),
        (S.RESOLVED, Cause.SNOOZED, None),
        (S.SNOOZED, Cause.WOKE, S.OPEN),
        (S.OPEN, Cause.WOKE, None),
        (S.OPEN, Cause.RESOLVED, S.RESOLVED),
        (S.RESOLVED, Cause.RESOLVED, None),
        (S.RESOLVED, Cause.REOPENED, S.OPEN),
        (S.CLOSED, Cause.REOPENED, None),
        (S.RESOLVED, Cause.WINDOW_ENDED, S.CLOSED),
        (S.OPEN, Cause.WINDOW_ENDED, None),
        (S.OPEN, Cause.DISCARDED, S.CLOSED),
    ],
)
def test_moves(state: S, cause: Cause, after: S | None) -> None:
    assert next_state(state, cause) is after
    assert (state in sources_of(cause)) is (after is not None)


def test_the_table_is_whole_and_closed_is_the_end() -> None:
    assert set(MOVES) == set(Cause)
    assert all(S.CLOSED not in sources_of(cause) for cause in Cause)
    assert {S.OPEN, S.WAITING, S.SNOOZED} == LIVE_STATES
    reachable = {after for moves in MOVES.values() for after in moves.values()}
    assert reachable == set(S)


def test_who_may_write_in_which_direction() -> None:
    assert set(AUTHORS) == set(MessageDirection)
    assert AUTHORS[MessageDirection.IN] == {AuthorKind.CUSTOMER}
    assert AuthorKind.CUSTOMER not in AUTHORS[MessageDirection.OUT]


def brief(state: S, until: datetime | None = None) -> ConversationBrief:
    touch = ChannelTouch(ChannelId("c"), NOW)
    return ConversationBrief(
        ConversationId("x"), CustomerId("y"), state, NOW, (touch,), reopen_until=until
    )


def test_a_brief_knows_its_rows_and_whether_a_message_finds_it_closed() -> None:
    late = NOW + timedelta(microseconds=1)
    assert brief(S.OPEN).touch_on(ChannelId("c")) == ChannelTouch(ChannelId("c"), NOW)
    assert brief(S.OPEN).touch_on(ChannelId("d")) is None
    assert brief(S.CLOSED).closed_at_instant(NOW)
    assert not brief(S.OPEN, NOW).closed_at_instant(late)
    assert not brief(S.RESOLVED).closed_at_instant(late)
    assert not brief(S.RESOLVED, NOW).closed_at_instant(NOW)
    assert brief(S.RESOLVED, NOW).closed_at_instant(late)


# --- cases ------------------------------------------------------------------------------------
def test_case_moves() -> None:
    assert next_case_state(CaseState.OPEN, CaseCause.SOLVED) is CaseState.SOLVED
    assert next_case_state(CaseState.SOLVED, CaseCause.REOPENED) is CaseState.OPEN
    assert next_case_state(CaseState.SOLVED, CaseCause.WINDOW_ENDED) is CaseState.CLOSED
    assert next_case_state(CaseState.OPEN, CaseCause.WINDOW_ENDED) is None
    assert next_case_state(CaseState.CLOSED, CaseCause.REOPENED) is None
    assert case_sources_of(CaseCause.DISCARDED) == (CaseState.OPEN, CaseState.SOLVED)
    assert set(CASE_MOVES) == set(CaseCause)


def test_a_person_s_choice_is_never_overwritten_by_a_rule() -> None:
    assert may_set(SetBy.RULE, SetBy.DEFAULT)
    assert may_set(SetBy.RULE, SetBy.RULE)
    assert not may_set(SetBy.RULE, SetBy.PERSON)
    assert may_set(SetBy.PERSON, SetBy.PERSON)


def test_the_reopen_window_is_the_nearest_class_s() -> None:
    windows = {"": 10, "net": 20, "net.fibre": 30}
    for case_class, seconds in {
        "net.fibre.slow": 30,
        "net.fibre": 30,
        "net.copper": 20,
        "network": 10,
        "": 10,
    }.items():
        assert reopen_until(NOW, case_class, windows) == NOW + timedelta(seconds=seconds)
    assert reopen_until(NOW, "net") == NOW + timedelta(seconds=DEFAULT_REOPEN_S)
    assert reopens(NOW, NOW)
    assert not reopens(NOW + timedelta(seconds=1), NOW)
    assert not reopens(NOW, None)
    assert display_number(10482) == "#10482"


cases = st.lists(
    st.builds(
        CaseBrief,
        st.sampled_from("abcd").map(CaseId),
        st.sampled_from(list(CaseState)),
        st.integers(0, 3).map(lambda days: NOW + timedelta(days=days)),
        st.just(AgentId("o")),
    ),
    unique_by=lambda case: case.id,
).map(tuple)


@given(cases)
def test_a_message_belongs_to_the_newest_open_case(found: tuple[CaseBrief, ...]) -> None:
    chosen = case_for_message(found)
    ranked = [[c for c in found if c.state is s] for s in (CaseState.OPEN, CaseState.SOLVED)]
    best = next((group for group in ranked if group), [])
    assert (chosen is None) is (not best)
    if chosen is not None:
        assert chosen in best
        assert all(chosen.opened_at >= other.opened_at for other in best)
    assert case_for_message(found[::-1]) == chosen
