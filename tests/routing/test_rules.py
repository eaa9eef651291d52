"""Rule sets: what is refused and where, what matches, and why not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hub.model.ids import QueueId
from hub.model.staff import Queue
from hub.routing.calendar import ALWAYS, Calendar
from hub.routing.conditions import Group, Problem, Scene, compile_when
from hub.routing.rules import RulesInvalid, RuleWorld, load_rules
from hub.routing.sla import load_policies

CONFIG = Path(__file__).parents[2] / "config"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
QUEUES = {QueueId("q1"): Queue(QueueId("q1"), "front"), QueueId("q2"): Queue(QueueId("q2"), "back")}
WORLD = RuleWorld(QUEUES, {}, frozenset({"ordinary"}), frozenset({"x"}))
ROUTE = {"queue": "front", "steps": [{"at": 0, "tiers": [1]}]}
DEFAULT = {"id": "default", "when": "always", "route": ROUTE}


def atom(field: str, operator: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value, **more}


def every(*rules: Any, **more: Any) -> dict[str, Any]:
    return {"combinator": "and", "rules": list(rules), **more}


def rule(name: str, when: Any, **more: Any) -> dict[str, Any]:
    return {"id": name, "when": when, "route": ROUTE, **more}


def problems(*rules: Any, world: RuleWorld = WORLD) -> set[tuple[str, str]]:
    with pytest.raises(RulesInvalid) as caught:
        load_rules({"version": 1, "rules": list(rules)}, world)
    return {(found.path, found.code) for found in caught.value.problems}


S1 = atom("case.severity", "=", 1)


@pytest.mark.parametrize(
    ("rules", "path", "code"),
    [
        ([rule("a", every(atom("case.colour", "=", 1))), DEFAULT],
         "rules[0].when.rules[0].field", "unknown_field"),
        ([rule("a", every(atom("case.severity", "contains", 1))), DEFAULT],
         "rules[0].when.rules[0].operator", "unknown_operator"),
        ([rule("a", every(every(S1), atom("case.severity", "=", "one"))), DEFAULT],
         "rules[0].when.rules[1].value", "wrong_type"),
        ([rule("a", every(atom("case.type", "in", ["fault", "fire"]))), DEFAULT],
         "rules[0].when.rules[0].value[1]", "unknown_choice"),
        ([rule("a", every(atom("case.severity", "between", [3, 1]))), DEFAULT],
         "rules[0].when.rules[0].value", "empty_range"),
        ([rule("a", every(atom("time.open", "=", "moon"))), DEFAULT],
         "rules[0].when.rules[0].value", "unknown_calendar"),
        ([rule("a", every(atom("time.between", "between", ["9", "x"], calendar="always"))),
          DEFAULT],
         "rules[0].when.rules[0].value[0]", "wrong_type"),
        ([rule("a", every(S1))], "rules[0]", "no_default"),
        ([rule("a", every(S1)), rule("a", "always")], "rules[1].id", "duplicate_id"),
        ([rule("a", every(S1), **{"continue": True}), DEFAULT],
         "rules[0].route", "route_in_enriching_rule"),
        ([{"id": "a", "when": every(S1)}, DEFAULT], "rules[0]", "missing_route"),
        ([{"id": "a", "when": every(S1), "continue": True}, DEFAULT],
         "rules[0]", "rule_without_effect"),
        ([rule("a", "always", route={**ROUTE, "queue": "moon"})],
         "rules[0].route.queue", "unknown_queue"),
        ([rule("a", "always", route={**ROUTE, "sla": "moon"})],
         "rules[0].route.sla", "unknown_policy"),
        ([rule("a", "always", route={**ROUTE, "skills": {"y": 1}})],
         "rules[0].route.skills.y", "unknown_skill"),
        ([rule("a", "always", route={"queue": "front", "steps": [
            {"at": 5, "tiers": [1]}, {"at": 1}]})],
         "rules[0].route.steps[1].at", "steps_out_of_order"),
        ([rule("a", "always", route={"queue": "front", "steps": [{"at": 0}]})],
         "rules[0].route.steps", "no_tier_opened"),
        ([rule("a", "always", route={"queue": "front", "steps": [
            {"at": 0, "tiers": [4]}]})],
         "rules[0].route.steps[0].tiers[0]", "less_than_equal"),
        ([rule("a", every({"field": "case.severity"})), DEFAULT],
         "rules[0].when.rules[0].operator", "missing"),
        ([rule("a", {"combinator": "xor", "rules": [S1]}), DEFAULT],
         "rules[0].when.combinator", "literal_error"),
        ([rule("a", every(S1), colour=1), DEFAULT], "rules[0].colour", "extra_forbidden"),
        ([DEFAULT, rule("b", every(S1)), rule("c", "always")], "rules[1].when", "shadowed"),
        ([rule("a", every(atom("case.severity", "<=", 2))), rule("b", every(S1)), DEFAULT],
         "rules[1].when", "shadowed"),
        ([rule("a", every(atom("customer.level", "in", ["Gold", "diamond"]))),
          rule("b", every(atom("customer.level", "=", "gold"), S1)), DEFAULT],
         "rules[1].when", "shadowed"),
        ([rule("a", every(S1, atom("case.severity", "=", 2))), DEFAULT],
         "rules[0].when", "never_true"),
        ([rule("a", every(S1, **{"not": True})),
          rule("b", every(atom("case.severity", "in", [2, 3]))), DEFAULT],
         "rules[1].when", "shadowed"),
        ([rule("a", every(atom("message.text", "contains", "fire"))),
          rule("b", every(atom("message.text", "contains", "fire"), S1)), DEFAULT],
         "rules[1].when", "shadowed"),
    ],
)  # fmt: skip
def test_mistakes_are_refused_with_their_place(rules: Any, path: str, code: str) -> None:
    assert (path, code) in problems(*rules)


def test_reachable_rules_are_not_refused() -> None:
    load_rules(
        {
            "version": 1,
            "rules": [
                rule("a", every(S1, atom("customer.level", "=", "gold"))),
                rule("b", every(S1)),
                {"id": "up", "when": every(atom("message.text", "contains", "fire")),
                 "set": {"severity": 1}, "continue": True},
                rule("c", every(S1)),
                rule("d", every(atom("message.text", "contains", "x"))),
                rule("e", every(atom("message.text", "contains", "xy"))),
                DEFAULT,
            ],
        },
        WORLD,
    )  # fmt: skip


def test_default_queue_needs_a_known_calendar() -> None:
    queues = {QueueId("q1"): Queue(QueueId("q1"), "front", calendar="gone")}
    found = problems(DEFAULT, world=RuleWorld(queues))
    assert ("rules[0].route.queue", "default_queue_without_calendar") in found


def test_cycle_of_overflows_is_refused() -> None:
    one, two = QueueId("q1"), QueueId("q2")
    queues = {one: Queue(one, "front", overflow=two), two: Queue(two, "back", overflow=one)}
    assert ("queues.q1.overflow", "overflow_cycle") in problems(DEFAULT, world=RuleWorld(queues))
    lost = {one: Queue(one, "front", overflow="moon")}
    assert ("queues.q1.overflow", "unknown_queue") in problems(DEFAULT, world=RuleWorld(lost))


def test_missing_value_is_unknown_and_only_true_matches() -> None:
    found = load_rules(
        {"version": 1, "rules": [rule("a", every(S1, **{"not": True})), DEFAULT]}, WORLD
    )
    match = found.match(Scene({}, NOW, {}))
    assert match.rule_id == "default"
    ((name, (traced,)),) = match.passed
    assert (name, traced.field, traced.result) == ("a", "case.severity", "unknown")
    assert found.match(Scene({"case.severity": 2}, NOW, {})).rule_id == "a"
    assert found.match(Scene({"case.severity": "2"}, NOW, {})).rule_id == "default"


def test_enriching_rules_add_up() -> None:
    tree = {
        "version": 1,
        "rules": [
            {"id": "up", "when": every(atom("customer.group", "=", "elderly")), "continue": True,
             "set": {"min_tier": 1, "severity": 2, "skills": {"x": 2}}},
            rule("second", every(atom("case.severity", "=", 2))),
            DEFAULT,
        ],
    }  # fmt: skip
    found = load_rules(tree, WORLD)
    match = found.match(Scene({"customer.group": "Elderly", "case.severity": 3}, NOW, {}))
    assert (match.rule_id, match.min_tier, match.severity) == ("second", 1, 2)
    assert match.skills == {"x": 2}
    person: dict[str, Any] = {
        "customer.group": "elderly",
        "case.severity": 3,
        "case.severity_by_person": True,
    }
    assert found.match(Scene(person, NOW, {})).severity is None


def test_time_conditions_use_the_calendars_zone() -> None:
    office = Calendar("office", "Asia/Shanghai", dict.fromkeys(range(7), ((540, 1080),)))
    scene = Scene({}, NOW, {"office": office, "always": ALWAYS})  # 17:00 in Shanghai
    is_open = compile_when(Group.model_validate(every(atom("time.open", "=", "office"))), "w")
    assert is_open(scene, None) is True
    for low, high, wanted in [
        ("16:00", "17:01", True),
        ("22:00", "06:00", False),
        ("16:30", "06:00", True),
    ]:
        between = every(atom("time.between", "between", [low, high], calendar="office"))
        assert compile_when(Group.model_validate(between), "w")(scene, None) is wanted


VERDICTS = st.sampled_from([True, False, None])
FLAGS = {True: True, False: False}


@given(st.lists(VERDICTS, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_groups_follow_kleene(values: list[bool | None], either: bool, turned: bool) -> None:
    names = ["case.repeat_24h", "customer.known", "message.asks_for_person", "case.has_owner"]
    facts = {name: value for name, value in zip(names, values, strict=False) if value is not None}
    atoms = [atom(name, "=", True) for name in names[: len(values)]]
    tree = {"combinator": "or" if either else "and", "rules": atoms, "not": turned}
    winner = either
    wanted: bool | None = winner if winner in values else None if None in values else not winner
    if turned and wanted is not None:
        wanted = not wanted
    assert compile_when(Group.model_validate(tree), "w")(Scene(facts, NOW, {}), []) is wanted


def test_limits_of_a_tree() -> None:
    deep: Any = S1
    for _ in range(9):
        deep = every(deep)
    assert ("rules[0].when", "too_deep") in problems(rule("a", deep), DEFAULT)
    wide = every(*[S1] * 200)
    assert ("rules[0].when", "too_many_conditions") in problems(rule("a", wide), DEFAULT)


def shipped_world() -> RuleWorld:
    names = ("front_line", "support", "complaints")
    queues = {QueueId(name): Queue(QueueId(name), name) for name in names}
    policies = load_policies(yaml.safe_load((CONFIG / "policies" / "manual.yaml").read_text()))
    return RuleWorld(queues, {}, policies.names())


def test_shipped_rules_load_and_route() -> None:
    found = load_rules(yaml.safe_load((CONFIG / "rules.yaml").read_text()), shipped_world())
    base: dict[str, Any] = {
        "case.type": "enquiry", "case.severity": 3, "item.work_class": "webchat",
        "item.reopened": False, "message.asks_for_person": False, "customer.level": "basic",
    }  # fmt: skip

    def route(**facts: Any) -> tuple[str, int]:
        changed = {key.replace("__", "."): value for key, value in facts.items()}
        match = found.match(Scene({**base, **changed}, NOW, {}))
        return match.rule_id, match.min_tier

    assert route() == ("bot-first", 0)
    assert route(message__asks_for_person=True) == ("default", 1)
    assert route(customer__group="elderly") == ("bot-first", 1)
    assert route(case__type="complaint") == ("complaint", 1)
    assert route(case__severity=1) == ("major-fault", 1)
    assert route(case__severity=1, customer__level="gold") == ("vip-emergency", 1)
    assert route(case__type="fault") == ("fault", 0)
    assert route(item__work_class="email") == ("default", 0)


def test_problems_compare_by_value() -> None:
    assert Problem("a", "b") == Problem("a", "b")
