"""The simulator: agrees with Erlang A, gives the same customers to every variant."""

from math import sqrt
from statistics import fmean, stdev

import pytest

from hub.model.ids import AgentId
from hub.model.staff import Agent, Discipline, Membership, Queue
from hub.model.work import WorkClass
from hub.routing.config import RouterConfig
from hub.routing.erlang import Load, Promise, erlang_a
from hub.routing.simulate import (
    Run,
    Scenario,
    Stream,
    draw,
    measured,
    simulate,
    staffing_hints,
)
from tests.routing.world import FRONT, make_rules, rules_tree


def center(agents: int, discipline: Discipline = Discipline.FIFO) -> RouterConfig:
    staff = [Agent(AgentId(f"a{number:03d}")) for number in range(agents)]
    queues = {FRONT: Queue(FRONT, "front", discipline, fairness_n=10)}
    tree = rules_tree([{"at": 0, "tiers": [1]}])
    return RouterConfig(
        agents={agent.id: agent for agent in staff}, queues=queues,
        memberships=tuple(Membership(agent.id, FRONT) for agent in staff),
        rules=make_rules(queues, tree),
    )  # fmt: skip


def calls(agents: int, rate: float, handle_s: float, patience_s: float, arrivals: int) -> Scenario:
    stream = Stream("calls", WorkClass.VOICE, (rate * 1800,), handle_s, patience_s)
    return Scenario("m/m/n+m", center(agents), (stream,), arrivals / rate, wrapup_s=0)


def agree(scenario: Scenario, agents: int, seeds: int, share: float) -> None:
    """Compare P(wait), abandonment and mean wait with Erlang A, as issue 3 b says."""
    (stream,) = scenario.streams
    expected = erlang_a(
        agents, Load(stream.rate_at(0), stream.handle_s), stream.patience_s or float("inf")
    )
    runs = [Run(scenario, seed).play().journeys["calls"] for seed in range(seeds)]
    for wanted, values in [
        (expected.wait_probability, [fmean(bool(j.wait_s) for j in run) for run in runs]),
        (expected.abandonment, [fmean(j.abandoned for j in run) for run in runs]),
        (expected.mean_wait_s, [fmean(j.wait_s or 0 for j in run) for run in runs]),
    ]:
        error = abs(fmean(values) - wanted)
        assert error <= max(share * wanted, 2 * stdev(values) / sqrt(seeds)), (wanted, values)


def test_small_traffic_agrees_with_erlang_a() -> None:
    agree(calls(4, 1 / 60, 240, 300, 500), 4, seeds=3, share=0.15)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_traffic_agrees_with_erlang_a() -> None:
    agree(calls(27, 0.1, 240, 300, 200_000), 27, seeds=5, share=0.05)


def mix(discipline: Discipline, hours: float = 1.0) -> Scenario:
    """The mix of routing.md 2.5 on three agents at one and a half times their capacity."""
    rate = 1.5 * 3 / 360 * 1800
    parts = [("urgent", 0.1, 1, "basic"), ("gold", 0.2, 3, "gold"), ("basic", 0.7, 3, "basic")]
    streams = tuple(
        Stream(name, WorkClass.VOICE, (rate * part,), 360, None, severity, level)
        for name, part, severity, level in parts
    )
    config = center(3, discipline)
    return Scenario(discipline.value, config, streams, hours * 3600, 600, wrapup_s=0)


def test_variants_meet_the_same_customers() -> None:
    fifo, ratio = mix(Discipline.FIFO), mix(Discipline.SLA_RATIO)
    assert draw(fifo.streams, 3600, 7) == draw(ratio.streams, 3600, 7)
    assert draw(fifo.streams, 3600, 7) != draw(fifo.streams, 3600, 8)
    reports = [simulate(one, [1, 2]) for one in (fifo, ratio)]
    by_name = [{line.stream: line for line in report.lines} for report in reports]
    assert by_name[0]["all"].arrivals == by_name[1]["all"].arrivals
    urgent = [lines["urgent"].mean_wait_s.mean for lines in by_name]
    assert urgent[1] < urgent[0]


def test_a_run_repeats_itself_and_loses_nobody() -> None:
    scenario = mix(Discipline.SLA_RATIO, 0.5)
    first, second = Run(scenario, 3).play(), Run(scenario, 3).play()
    assert first.journeys == second.journeys
    everybody = [one for journeys in first.journeys.values() for one in journeys]
    assert everybody
    assert all(one.completed_at is not None for one in everybody)


def test_shifts_progress_and_confidence() -> None:
    scenario = calls(2, 1 / 100, 60, 1e6, 10)
    away = Scenario(
        "late", scenario.config, scenario.streams, scenario.duration_s,
        shifts=dict.fromkeys(scenario.config.agents, (600.0, 5000.0)), wrapup_s=0,
    )  # fmt: skip
    told: list[float] = []
    report = simulate(away, [5], told.append)
    assert told[-1] == 1.0
    assert report.lines[-1].longest_wait_s.mean > 60
    assert report.lines[-1].mean_wait_s.half_width is None
    spread = measured([1.0, 2.0, 3.0])
    assert spread.mean == 2.0
    assert spread.half_width == pytest.approx(4.30 / sqrt(3))


def test_staffing_per_half_hour() -> None:
    stream = Stream("calls", WorkClass.VOICE, (0, 90, 180), 240, 300)
    hints = staffing_hints(stream, Promise(0.8, 20), 4 * 1800)
    assert hints[0] == 0
    assert hints[1] < hints[2] == hints[3]
