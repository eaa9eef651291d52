"""Capacity, order, fairness, selection, policies: the parts under the step."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.ids import AgentId
from hub.model.router_commands import Complete
from hub.model.staff import Agent, Discipline, Duty, Membership, Queue, Strategy
from hub.model.work import WorkClass
from hub.routing.capacity import DEFAULTS, Holding, book_of, with_overrides
from hub.routing.matching import best_item
from hub.routing.ordering import SHIPPED_ORDER, OrderClass, class_of, score
from hub.routing.recorder import Step
from hub.routing.sla import SlaKey, answer_target, deadline, find_targets, load_policies
from tests.routing.invariants import could_take
from tests.routing.test_calendar import at, workdays
from tests.routing.world import FRONT, START, World, rules_tree

CONFIG = Path(__file__).parents[2] / "config"
ANN = AgentId("ann")


def test_voice_interrupts_text_but_not_chat() -> None:
    mail, message = Holding(WorkClass.EMAIL, 25), Holding(WorkClass.MESSAGING, 20)
    book = book_of([mail, mail, message], 100)
    assert book.used() == 70
    assert book.fits(WorkClass.VOICE, 100, 1)
    book.add(Holding(WorkClass.VOICE, 100))
    assert book.used() == 100
    assert book.interrupted_classes() >= {WorkClass.EMAIL, WorkClass.MESSAGING}
    assert not book.fits(WorkClass.MESSAGING, 20, 5)
    chat = book_of([Holding(WorkClass.WEBCHAT, 30)], 100)
    assert not chat.fits(WorkClass.VOICE, 100, 1)


def test_caps_and_interrupted_mail() -> None:
    chats = book_of([Holding(WorkClass.EMAIL, 25)] * 2 + [Holding(WorkClass.WEBCHAT, 30)] * 3, 100)
    assert (chats.used(), chats.over()) == (90, False)
    assert not chats.fits(WorkClass.WEBCHAT, 1, 3)
    assert not chats.fits(WorkClass.SMS, 20, 5)
    slim = with_overrides({WorkClass.WEBCHAT: {"cap": 1}})
    assert slim[WorkClass.WEBCHAT].cap == 1
    assert DEFAULTS[WorkClass.WEBCHAT].cap == 3


classes = st.sampled_from(list(WorkClass))


@given(st.lists(st.tuples(classes, st.booleans()), max_size=40))
def test_automatic_matching_never_exceeds(moves: list[tuple[WorkClass, bool]]) -> None:
    book = book_of([], 100)
    held: list[Holding] = []
    for work_class, take in moves:
        rule = DEFAULTS[work_class]
        if take and book.fits(work_class, rule.units, rule.cap):
            held.append(Holding(work_class, rule.units))
            book.add(held[-1])
        elif not take and held:
            book.remove(held.pop(0))
        assert book.used() <= 100
    for holding in held:
        book.remove(holding)
    assert book.used() == 0


ORDERS = [OrderClass(2.0, 1, 600, 3600, 20), OrderClass(0.25, 1.5, 1200, 900, 1.5),
          OrderClass(0.0, 1, 1200, 0, 1), OrderClass(0.0, 1, 3600, 0, 1)]  # fmt: skip


@given(
    st.sampled_from(list(Discipline)), st.sampled_from(ORDERS), st.floats(0, 1e4), st.floats(0, 1e4)
)
def test_older_is_never_behind_in_its_class(
    discipline: Discipline, order: OrderClass, one: float, two: float
) -> None:
    older, younger = sorted((one, two))
    assert score(discipline, order, older, 2e4) >= score(discipline, order, younger, 2e4)


def queue_world(discipline: Discipline, fairness_n: int = 0) -> World:
    queue = Queue(FRONT, "front", discipline=discipline, fairness_n=fairness_n)
    return World([Agent(ANN), Agent(AgentId("off"))], [Membership(ANN, FRONT)], [queue])


arrivals = st.lists(
    st.tuples(st.integers(1, 900), st.sampled_from([1, 2, 3]),
              st.sampled_from(["basic", "silver", "gold", "diamond"]),
              st.sampled_from([WorkClass.WEBCHAT, WorkClass.MESSAGING, WorkClass.EMAIL])),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(Discipline)), st.sampled_from([0, 1, 3]), st.integers(0, 5), arrivals)
def test_pick_equals_a_scan_of_everything(
    discipline: Discipline, fairness_n: int, picks: int, came: list[tuple[int, int, str, WorkClass]]
) -> None:
    world = queue_world(discipline, fairness_n)
    for pause, severity, level, work_class in came:
        world.advance(pause)
        world.arrive(work_class, severity=severity, customer_level=level)
    state = world.state
    state.presence[ANN] = replace(state.presence_of(ANN), duty=Duty.ON, picks=picks)
    state.recount_staff()
    pick = best_item(Step(state, world.now), ANN)
    able = [i for i in state.items.values() if could_take(state, i, ANN, world.now)]
    assert (pick is None) == (not able)
    if pick is None:
        return
    if fairness_n and (picks + 1) % fairness_n == 0:
        wanted = min(able, key=lambda i: (i.vstart, i.id))
    else:

        def rank(item):  # type: ignore[no-untyped-def]
            v = item.vstart.timestamp()
            first, second = score(discipline, class_of(item), v, world.now.timestamp())
            return (-first, -second, v, item.id)

        wanted = min(able, key=rank)
    assert pick[0] == wanted.id


def test_virtual_order_bounds_overtaking() -> None:
    """I7: nobody who came more than the difference of bonuses later overtakes."""
    world = queue_world(Discipline.VIRTUAL)
    basic = world.arrive(WorkClass.EMAIL)
    for _ in range(20):
        world.advance(300)
        world.arrive(WorkClass.EMAIL, severity=1, customer_level="diamond")
    order = []
    world.sign_in("ann")
    while world.state.items:
        held = sorted(world.state.agent_assignments[ANN])
        item_id = world.state.assignments[held[0]].item_id
        order.append(item_id)
        world.do(Complete(item_id, "solved"))
    bonus_s = class_of(replace_level(world)).bonus_s
    ahead = order.index(basic)
    assert ahead <= bonus_s / 300 + 1


def replace_level(world: World):  # type: ignore[no-untyped-def]
    item = world.log[-1].items[0].item
    return replace(item, severity=1, customer_level="diamond")


def test_guard_saves_the_starving() -> None:
    """I8: the oldest is offered within N picks, though severity 1 keeps coming."""
    steps = [{"at": 0, "tiers": [1]}]
    queue = Queue(FRONT, "front", discipline=Discipline.STRICT, fairness_n=10)
    world = World([Agent(ANN)], [Membership(ANN, FRONT)], [queue], rules_tree(steps))
    world.sign_in("ann")
    for _ in range(3):
        world.arrive(severity=1)
    old = world.arrive(severity=3)
    picks = 0
    while not world.state.live_offers(old):
        world.arrive(severity=1)
        offer = min(o.id for o in world.state.offers.values() if o.live)
        world.accept(world.state.offers[offer].item_id)
        world.do(Complete(world.state.offers[offer].item_id, "solved"))
        picks += 1
        assert picks <= 10


def test_fault_notice_takes_the_severity_head() -> None:
    world = queue_world(Discipline.SLA_RATIO)
    item = world.item(world.arrive(severity=1))
    assert class_of(item, SHIPPED_ORDER).head == 2.0
    assert class_of(replace(item, fault_notice=True), SHIPPED_ORDER).head == 0.0


@pytest.mark.parametrize(
    ("strategy", "wanted"),
    [
        (Strategy.LONGEST_IDLE, "a"), (Strategy.LEAST_LOADED, "b"), (Strategy.BEST_SKILL, "c"),
        (Strategy.POSITION, "d"), (Strategy.ROUND_ROBIN, "b"),
    ],
)  # fmt: skip
def test_strategies(strategy: Strategy, wanted: str) -> None:
    names = [AgentId(n) for n in "abcd"]
    level = {"a": 2, "b": 2, "c": 5, "d": 3}
    position = {"a": 4, "b": 3, "c": 2, "d": 1}
    world = World(
        [Agent(n, skills={"x": level[n]}) for n in names],
        [Membership(n, FRONT, 1, position[n]) for n in names],
        [Queue(FRONT, "front", strategy=strategy)],
        rules_tree([{"at": 0, "tiers": [1]}], skills={"x": 2}),
    )
    world.sign_in("a")
    world.accept(world.arrive())
    world.advance(5)
    world.sign_in("b", "c", "d")
    assert world.offer(world.arrive()).agent_id == wanted


def manual():  # type: ignore[no-untyped-def]
    return load_policies(yaml.safe_load((CONFIG / "policies" / "manual.yaml").read_text()))


@pytest.mark.parametrize(
    ("policy", "severity", "work_class", "seconds"),
    [
        ("emergency", 1, WorkClass.WEBCHAT, 30), ("emergency", 1, WorkClass.EMAIL, 600),
        ("emergency", 3, WorkClass.SMS, 600), ("ordinary", 3, WorkClass.MESSAGING, 1200),
        ("personalised", 3, WorkClass.VOICE, 120), ("relaxed", 3, WorkClass.EMAIL, 1800),
        ("gone", 3, WorkClass.EMAIL, 1200),
    ],
)  # fmt: skip
def test_manual_presets(policy: str, severity: int, work_class: WorkClass, seconds: int) -> None:
    key = SlaKey(policy, "basic", "enquiry", severity, work_class)
    assert answer_target(manual(), key).value == seconds


def test_every_target_names_its_source() -> None:
    policies = manual()
    for policy in policies.policies:
        for row in policy.rows:
            assert all(target.source.startswith("M") for target in row.targets.values())
    assert all(goal.source.startswith("M") for goal in policies.goals)


def test_complaints_have_seven_working_days() -> None:
    key = SlaKey("complaint", "basic", "complaint", 3, WorkClass.EMAIL)
    target = find_targets(manual(), key)["resolution"]
    calendars = {"workdays": workdays()}
    start = at("2025-09-26T10:00+08:00")
    assert deadline(target, start, calendars) == at("2025-10-13T18:00+08:00")
    half = deadline(target, start, calendars, share=0.5)
    assert start + timedelta(days=8) < half < start + timedelta(days=9)


def test_sla_warnings_and_breach_fire_on_the_second() -> None:
    world = queue_world(Discipline.SLA_RATIO)
    world.arrive(WorkClass.EMAIL)
    world.advance(2000)
    fired = [
        (event.kind.value, (event.at - START).total_seconds())
        for result in world.log
        for event in result.events
        if event.kind.value in ("item.warned", "item.breached")
    ]
    assert fired == [("item.warned", 900), ("item.warned", 1080), ("item.breached", 1200)]
