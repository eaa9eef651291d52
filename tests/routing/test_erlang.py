"""Erlang B, C and A against the golden vectors of routing.md section 4, and laws they obey."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.routing.erlang import (
    Load,
    Promise,
    Unstable,
    agents_needed,
    answered_within,
    erlang_a,
    erlang_b,
    erlang_c,
    served_within,
    square_root_agents,
)

PATIENCE_S = 300.0
# rate, handle time, agents; Erlang C: P(wait), mean wait, share in 20 s; A: P(wait), lost, wait
GOLDEN_C = [
    (0.1, 240, 27, 0.4498, 35.98, 0.6497),
    (0.1, 240, 30, 0.1729, 6.91, 0.8952),
    (1 / 30, 300, 11, 0.6821, 204.64, 0.3619),
    (0.5, 180, 95, 0.4966, 17.88, 0.7151),
]
GOLDEN_A = [
    (0.1, 240, 27, 0.3095, 0.0319, 9.56),
    (0.1, 240, 30, 0.1368, 0.0109, 3.27),
    (1 / 30, 300, 11, 0.4170, 0.0834, 25.02),
    (0.5, 180, 95, 0.3472, 0.0165, 4.95),
]


@pytest.mark.parametrize(("rate", "handle_s", "agents", "waits", "mean_s", "share"), GOLDEN_C)
def test_erlang_c(rate, handle_s, agents, waits, mean_s, share) -> None:
    load = Load(rate, handle_s)
    found = erlang_c(agents, load)
    assert found.wait_probability == pytest.approx(waits, abs=5e-5)
    assert found.mean_wait_s == pytest.approx(mean_s, abs=5e-3)
    assert served_within(agents, load, 20) == pytest.approx(share, abs=5e-5)


@pytest.mark.parametrize(("rate", "handle_s", "agents", "waits", "lost", "mean_s"), GOLDEN_A)
def test_erlang_a(rate, handle_s, agents, waits, lost, mean_s) -> None:
    found = erlang_a(agents, Load(rate, handle_s), PATIENCE_S)
    assert found.wait_probability == pytest.approx(waits, abs=5e-5)
    assert found.abandonment == pytest.approx(lost, abs=5e-5)
    assert found.mean_wait_s == pytest.approx(mean_s, abs=5e-3)


def test_overload_only_has_an_answer_where_people_give_up() -> None:
    load = Load(0.1, 240)
    assert erlang_a(20, load, PATIENCE_S).abandonment == pytest.approx(0.1848, abs=5e-5)
    with pytest.raises(Unstable):
        erlang_c(20, load)
    with pytest.raises(Unstable):
        erlang_c(24, load)


def test_erlang_b_known_values() -> None:
    assert erlang_b(0, 5.0) == 1.0
    assert erlang_b(1, 1.0) == 0.5
    assert erlang_b(2, 1.0) == pytest.approx(0.2)
    assert erlang_b(10, 5.0) == pytest.approx(0.018385, abs=1e-6)


def test_hundreds_of_agents_stay_within_what_a_float_holds() -> None:
    found = erlang_a(2000, Load(10, 200), PATIENCE_S)
    assert 0 < found.abandonment < 0.05
    assert 0.9 < found.occupancy <= 1


@given(
    agents=st.integers(1, 40), rate=st.floats(0.001, 0.3), handle_s=st.floats(20, 400),
    patience_s=st.floats(30, 2000),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_erlang_a_laws(agents, rate, handle_s, patience_s) -> None:
    load = Load(rate, handle_s)
    found = erlang_a(agents, load, patience_s)
    assert 0 <= found.wait_probability <= 1
    assert 0 <= found.abandonment <= 1
    # Who is not lost is served: throughput equals the work done.
    assert found.occupancy * agents == pytest.approx(load.erlangs * (1 - found.abandonment))
    more = erlang_a(agents + 1, load, patience_s)
    assert more.mean_wait_s <= found.mean_wait_s + 1e-9
    assert more.abandonment <= found.abandonment + 1e-12


@given(
    agents=st.integers(1, 20), rate=st.floats(0.002, 0.1), handle_s=st.floats(20, 300),
    seconds=st.floats(0, 120),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_share_answered_in_time_is_bounded_and_grows(agents, rate, handle_s, seconds) -> None:
    load = Load(rate, handle_s)
    found = answered_within(agents, load, PATIENCE_S, seconds)
    forecast = erlang_a(agents, load, PATIENCE_S)
    assert 1 - forecast.wait_probability - 1e-9 <= found <= 1 - forecast.abandonment + 1e-6
    assert answered_within(agents, load, PATIENCE_S, seconds + 10) >= found - 1e-9


def test_share_in_time_nears_erlang_c_as_patience_grows() -> None:
    load = Load(0.1, 240)
    assert answered_within(30, load, 1e7, 20) == pytest.approx(0.8952, abs=1e-3)
    assert answered_within(27, load, PATIENCE_S, 1e4) == pytest.approx(1 - 0.0319, abs=1e-4)


def test_agents_needed_is_the_fewest() -> None:
    load, promise = Load(0.1, 240), Promise(0.8, 20)
    needed = agents_needed(load, promise)
    assert served_within(needed, load, 20) >= 0.8 > served_within(needed - 1, load, 20)
    fewer = agents_needed(load, promise, PATIENCE_S)
    assert answered_within(fewer, load, PATIENCE_S, 20) >= 0.8
    assert answered_within(fewer - 1, load, PATIENCE_S, 20) < 0.8
    assert fewer <= needed
    strict = agents_needed(load, Promise(0.5, 20, max_abandonment=0.01), PATIENCE_S)
    assert erlang_a(strict, load, PATIENCE_S).abandonment <= 0.01
    assert agents_needed(Load(0, 240), promise) == 0


def test_square_root_rule_is_near() -> None:
    assert square_root_agents(Load(0.1, 240)) == 24 + math.ceil(math.sqrt(24))


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError):
        Load(-1, 10)
    with pytest.raises(ValueError):
        erlang_a(3, Load(0.1, 10), 0)
    with pytest.raises(ValueError):
        Promise(1.5, 20)
