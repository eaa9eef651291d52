"""Waiting estimates: golden values, I18 and I19, overlap, overtakers, announcements."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.ids import AgentId, ItemId
from hub.model.router_commands import Cancel, Presence, PresenceMove
from hub.model.staff import Agent, Discipline, Membership, Queue
from hub.model.work import WorkClass
from hub.routing.announce import Announced, Calibration, Say, announce, bucket_of
from hub.routing.estimate import (
    Estimate,
    Flow,
    Outlook,
    Wait,
    giving_up_rate,
    lead_s,
    mean_handle_s,
    wait_behind,
    with_overtakers,
)
from hub.routing.ordering import OrderClass
from hub.texts import TextKey
from tests.routing.world import BACK, FRONT, START, World

PLAIN = OrderClass(0.0, 1.0, 1200.0, 0.0, 1.0)
GOLD = OrderClass(0.25, 1.5, 1200.0, 900.0, 1.5)
URGENT = OrderClass(2.0, 1.0, 600.0, 3600.0, 21.0)
AGENTS = [AgentId(f"agent{n}") for n in range(6)]
FLOW = Flow(handle_s=300.0, giving_up=0.0)


def test_without_giving_up_it_is_the_queue_tail() -> None:
    wait = wait_behind(4, slots=10, speed=1 / 300, giving_up=0)
    assert wait is not None
    assert wait.mean_s == pytest.approx(5 * 30)
    assert wait.variance == pytest.approx(5 * 30**2)
    assert wait.quantile_s() == pytest.approx(150 + 0.84 * (5**0.5) * 30)


def test_with_giving_up_the_far_end_moves_faster() -> None:
    wait = wait_behind(2, slots=2, speed=0.01, giving_up=0.005)
    assert wait is not None
    assert wait.mean_s == pytest.approx(1 / 0.02 + 1 / 0.025 + 1 / 0.03)


def test_priors() -> None:
    assert mean_handle_s(0, 0, 240) == 240
    assert mean_handle_s(3000, 10, 240) == pytest.approx(270)
    assert giving_up_rate(0, 0) == pytest.approx(1 / 600)
    assert giving_up_rate(9, 5400) == pytest.approx(1 / 600)


numbers = st.floats(0, 60)
rates = st.floats(0, 0.02)


@given(
    ahead=numbers, more=st.floats(0, 20), slots=st.just(0.0) | st.floats(0.05, 30),
    add=st.floats(0, 10),
    giving_up=rates, faster=rates, fast=rates, urgent=rates, waited=st.floats(0, 3000),
    discipline=st.sampled_from(Discipline),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_i19(ahead, more, slots, add, giving_up, faster, fast, urgent, waited, discipline) -> None:
    def wait(n: float, sigma: float, theta: float) -> Wait | None:
        flow = Flow(300.0, theta, {GOLD: fast, URGENT: urgent, PLAIN: 0.01})

        def leads(theirs: OrderClass, wait_s: float) -> float:
            return lead_s(discipline, PLAIN, waited, theirs, wait_s)

        return with_overtakers(n, sigma, flow, leads)[1]

    base = wait(ahead, slots, giving_up)
    assert (base is None) == (slots == 0)
    if base is None:
        return
    slack = 1e-6 * (1 + base.mean_s)
    assert 0 <= base.mean_s < float("inf")
    behind = wait(ahead + more, slots, giving_up)
    staffed = wait(ahead, slots + add, giving_up)
    leaving = wait(ahead, slots, giving_up + faster)
    assert behind is not None
    assert behind.mean_s >= base.mean_s - slack
    assert staffed is not None
    assert staffed.mean_s <= base.mean_s + slack
    assert leaving is not None
    assert leaving.mean_s <= base.mean_s + slack


@given(waited=st.floats(0, 4000), wait=st.floats(0, 4000), discipline=st.sampled_from(Discipline))
@settings(max_examples=60, deadline=None)
def test_leads_are_within_the_wait(waited, wait, discipline) -> None:
    for theirs in (PLAIN, GOLD, URGENT):
        assert 0 <= lead_s(discipline, PLAIN, waited, theirs, wait) <= wait
    assert lead_s(discipline, PLAIN, waited, PLAIN, wait) == 0
    assert lead_s(Discipline.FIFO, PLAIN, waited, URGENT, wait) == 0


def waiting_world(agents: int = 2, discipline: Discipline = Discipline.SLA_RATIO) -> World:
    """Return agents who are all busy with a call."""
    staff = [Agent(a) for a in AGENTS[:agents]]
    queues = [Queue(FRONT, "front", discipline), Queue(BACK, "back", discipline)]
    world = World(staff, [Membership(a.id, FRONT) for a in staff], queues)
    world.sign_in(*(a.id for a in staff))
    for _ in staff:
        world.accept(world.arrive(WorkClass.VOICE))
    return world


def outlook(world: World, **flows: Flow) -> Outlook:
    return Outlook(world.state, world.now, {}, flows.get("default", FLOW))


def test_position_and_wait_of_calls_in_line() -> None:
    world = waiting_world(agents=2)
    calls = [world.arrive(WorkClass.VOICE) for _ in range(3)]
    found = [outlook(world).of(call) for call in calls]
    assert [e.position for e in found if e] == [1, 2, 3]
    last = found[2]
    assert last is not None
    assert last.wait is not None
    assert (last.slots, last.overtakers) == (2.0, 0.0)
    assert last.wait.mean_s == pytest.approx(3 * 150)


def test_a_free_place_means_no_wait_and_nobody_means_no_number() -> None:
    world = World([Agent(AGENTS[0])], [Membership(AGENTS[0], FRONT, delay_s=60)])
    lonely = world.arrive()
    nothing = outlook(world).of(lonely)
    assert nothing is not None
    assert (nothing.wait, nothing.slots, nothing.p80_s) == (None, 0.0, None)
    assert announce(None, nothing, START).say is Say.NOBODY  # type: ignore[union-attr]
    world.sign_in(AGENTS[0])
    free = outlook(world).of(lonely)
    assert free is not None
    assert free.wait == Wait(0.0)
    assert announce(None, free, START) is None


def test_who_shares_no_agent_is_not_ahead_and_shared_agents_count_by_part() -> None:
    staff = [Agent(a) for a in AGENTS[:3]]
    members = [Membership(AGENTS[0], FRONT), Membership(AGENTS[1], FRONT),
               Membership(AGENTS[1], BACK), Membership(AGENTS[2], BACK)]  # fmt: skip
    world = World(staff, members)
    world.sign_in(*AGENTS[:3])
    calls = [world.arrive(WorkClass.VOICE) for _ in range(2)]
    calls.append(world.arrive(WorkClass.VOICE, queue_id=BACK))
    for call in calls:
        world.accept(call)
    first = [world.arrive(WorkClass.VOICE, queue_id=BACK) for _ in range(2)]
    mine = world.arrive(WorkClass.VOICE, queue_id=FRONT)
    found = outlook(world).of(mine)
    assert found is not None
    assert found.ahead == pytest.approx(2 * 0.5)
    assert found.slots == pytest.approx(1 + 0.5)
    assert outlook(world).of(first[0]).position == 1  # type: ignore[union-attr]


def test_overtakers_lengthen_the_wait_of_the_slow() -> None:
    world = waiting_world(agents=2)
    plain = world.arrive(WorkClass.VOICE)
    busy = Flow(300.0, 0.001, {URGENT: 0.002, PLAIN: 0.01})
    alone = Outlook(world.state, world.now, {}, Flow(300.0, 0.001)).of(plain)
    found = Outlook(world.state, world.now, {(FRONT, WorkClass.VOICE): busy}, FLOW).of(plain)
    assert found is not None
    assert alone is not None
    assert 0 < found.overtakers < 2
    assert found.wait.mean_s > alone.wait.mean_s  # type: ignore[union-attr]


@given(data=st.data(), discipline=st.sampled_from([Discipline.VIRTUAL, Discipline.FIFO,
                                                   Discipline.STRICT]))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_i18_position_only_grows_with_better_arrivals_or_less_staff(data, discipline) -> None:
    world = waiting_world(agents=3, discipline=discipline)
    levels = st.sampled_from(["basic", "gold", "diamond"])
    mine = world.arrive(WorkClass.VOICE, customer_level=data.draw(levels))
    others: list[ItemId] = []
    position = 1
    for _ in range(8):
        better = fewer = False
        act = data.draw(st.sampled_from(["arrive", "leave", "wait", "pause"]))
        if act == "arrive":
            others.append(world.arrive(WorkClass.VOICE, customer_level=data.draw(levels)))
            place, theirs = (world.state.index.place_of(i) for i in (mine, others[-1]))
            assert place is not None
            assert theirs is not None
            better = theirs.order > place.order
        elif act == "leave" and others:
            world.do(Cancel(others.pop(), "left"))
        elif act == "wait":
            world.beat(10, *AGENTS[:3])
        else:
            fewer = True
            agent = data.draw(st.sampled_from(AGENTS[:3]))
            world.do(Presence(agent, PresenceMove.SET_PAUSE, "lunch"))
        found = outlook(world).of(mine)
        assert found is not None
        assert better or fewer or found.position <= position
        position = found.position


def estimate(seconds: float, position: int = 3, slots: float = 5.0) -> Estimate:
    return Estimate(position, position - 1.0, 0.0, slots, Wait(seconds))


def at(seconds: float):
    return START + timedelta(seconds=seconds)


def said(previous: Announced | None, found: Estimate, seconds: float) -> Announced:
    result = announce(previous, found, at(seconds))
    assert result is not None
    return result


def test_buckets_round_up() -> None:
    edges = [(0, 0), (59, 0), (60, 1), (299, 2), (300, 3), (899, 4), (1799, 5), (1800, 6)]
    assert [bucket_of(seconds) for seconds, _ in edges] == [bucket for _, bucket in edges]


def test_announcements_come_on_entering_then_each_minute_or_on_change() -> None:
    first = said(None, estimate(200), 0)
    assert first.texts() == (TextKey.WAITING_AHEAD, TextKey.WAIT_2_5)
    assert announce(first, estimate(200), at(30)) is None
    assert announce(first, estimate(200, position=2), at(14)) is None
    moved = said(first, estimate(190, position=2), 16)
    assert moved.texts()[0] is TextKey.WAITING_AHEAD_ONE
    assert said(moved, estimate(190, position=2), 76).promised_at == first.promised_at


def test_a_longer_wait_is_said_once_and_only_when_staff_went() -> None:
    first = said(None, estimate(100, slots=5), 0)
    kept = said(first, estimate(400, position=9, slots=5), 60)
    assert (kept.bucket, kept.position) == (first.bucket, first.position)
    longer = said(kept, estimate(400, position=9, slots=3), 80)
    assert longer.say is Say.LONGER
    assert longer.texts()[0] is TextKey.WAIT_LONGER
    assert longer.texts()[-1] is TextKey.CALLBACK_OFFER
    again = said(longer, estimate(1000, slots=1), 140)
    assert (again.say, again.bucket) == (Say.WAIT, longer.bucket)


def test_who_waited_longer_than_announced_hears_no_more_numbers() -> None:
    first = said(None, estimate(30), 0)
    late = said(first, estimate(30), 61)
    assert late.say is Say.LATE
    assert late.texts() == (TextKey.CALLBACK_OFFER,)
    assert announce(late, estimate(5), at(500)) is None


@given(st.lists(st.tuples(st.floats(1, 4000), st.integers(1, 9), st.floats(1, 9)), max_size=20))
@settings(max_examples=50, deadline=None)
def test_numbers_never_grow_without_an_apology(steps) -> None:
    previous = None
    apologies = 0
    for number, (seconds, position, slots) in enumerate(steps):
        found = announce(previous, estimate(seconds, position, slots), at(20 * number))
        if found is None:
            continue
        if previous is not None and found.bucket is not None and previous.bucket is not None:
            apologies += found.say is Say.LONGER
            assert found.bucket <= previous.bucket or found.say is Say.LONGER
        previous = found
    assert apologies <= 1


def test_calibration_finds_the_quantile() -> None:
    """Waits drawn evenly from 0 to 100 around a forecast of mean 50: the factor settles."""
    calibration = Calibration()
    spread = Wait(50.0, 400.0)
    kept = 0
    for number in range(4000):
        waited = (number * 61.803398875) % 100
        p80 = spread.quantile_s(calibration.deviations)
        calibration.note(waited, p80)
        kept += number >= 1000 and waited <= p80
    assert kept / 3000 == pytest.approx(0.8, abs=0.02)
    assert calibration.coverage == pytest.approx(0.8, abs=0.03)
