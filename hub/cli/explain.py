"""What a rules file says of one message, rule by rule; and its mistakes, without a database.

Queues, policies and calendars a file names are taken as existing here: whether they do is looked
at when the set is published. Calendars beside the file (`calendars/*.yaml`) are read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from hub.model.errors import BadInput
from hub.model.ids import QueueId
from hub.model.staff import Queue
from hub.routing.calendar import ALWAYS, Calendar
from hub.routing.calendar_schema import load_calendar
from hub.routing.conditions import Group, Problem, Scene, atoms_of, compile_when
from hub.routing.fields import FIELDS
from hub.routing.rule_schema import RuleSetSpec, RuleSpec, read_shape
from hub.routing.rules import RuleMatch, RuleSet, RuleWorld, check_rules
from hub.services.router_facts import asks_for_person
from hub.unify.language import language_of

_WORDS = {True: "matched", False: "false", None: "unknown"}
_BY_PERSON = "case.severity_by_person"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: as written, the fact it met, and `matched`, `false` or `unknown`."""

    path: str
    says: str
    fact: Any
    result: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule: `chosen`, `enriched`, `passed` (looked at, not taken) or `not_reached`."""

    rule: str
    verdict: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything a rule set says of one message. `facts`: as judged, derived ones included."""

    rule: str
    queue: str
    min_tier: int
    skills: Mapping[str, int]
    sla: str | None
    severity: int | None
    steps: Sequence[Mapping[str, Any]]
    rules: tuple[Judged, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return asdict(self)


def read_calendars(rules_file: Path) -> dict[str, Calendar]:
    """Return the calendars beside a rules file. Raises BadInput naming the file."""
    found = {ALWAYS.name: ALWAYS}
    for path in sorted((rules_file.parent / "calendars").glob("*.y*ml")):
        try:
            calendar = load_calendar(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadInput("calendar_invalid", file=path.name) from error
        found[calendar.name] = calendar
    return found


def _flat(tree: Mapping[str, Any], head: str) -> Iterator[tuple[str, Any]]:
    """Yield dotted names and values of nested objects."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{head}{key}.")
        else:
            yield f"{head}{key}", value


def find_problems(
    tree: Any, calendars: Mapping[str, Calendar]
) -> tuple[RuleSetSpec | None, list[Problem]]:
    """Return the set and every mistake that shows without an installation."""
    spec, problems = read_shape(tree)
    if spec is None:
        return None, problems
    return spec, check_rules(spec, _world(spec, calendars))


def facts_of(message: Any) -> dict[str, Any]:
    """Return rule fields of a message written as `{"channel.kind": …}` or `{"channel": {…}}`.

    What the hub itself reads out of a text is read here too, unless it is given.

    Raises:
        BadInput: not an object, or a field no rule could speak of.
    """
    if not isinstance(message, dict):
        raise BadInput("message_not_an_object")
    facts = dict(_flat(message, ""))
    unknown = sorted(set(facts) - {*FIELDS, _BY_PERSON})
    if unknown:
        raise BadInput("unknown_field", field=unknown[0], known=" ".join(FIELDS))
    text = facts.get("message.text")
    if isinstance(text, str):
        facts.setdefault("message.asks_for_person", asks_for_person(text))
        language = language_of(text)
        if language is not None:
            facts.setdefault("message.language", language)
    return facts


def explain(
    spec: RuleSetSpec, facts: Mapping[str, Any], now: datetime, calendars: Mapping[str, Calendar]
) -> Explanation:
    """Judge one message by a set that `find_problems` found right.

    A condition about a calendar that is not in `calendars` is unknown.
    """
    scene = Scene(facts, now, calendars)
    match = RuleSet(spec, _world(spec, calendars)).match(scene)
    return Explanation(
        rule=match.rule_id,
        queue=str(match.queue_id),
        min_tier=match.min_tier,
        skills=dict(match.skills),
        sla=match.sla,
        severity=match.severity,
        steps=[_step(step) for step in match.plan.steps],
        rules=tuple(_judged(spec, match, scene)),
        facts=dict(facts),
    )


def _judged(spec: RuleSetSpec, match: RuleMatch, scene: Scene) -> Iterator[Judged]:
    reached = True
    for number, rule in enumerate(spec.rules):
        if not reached:
            yield Judged(rule.id, "not_reached", ())
            continue
        conditions = tuple(_conditions(rule, f"rules[{number}].when", scene))
        if rule.id == match.rule_id:
            verdict, reached = "chosen", False
        elif rule.id in match.enriched_by:
            verdict, scene = "enriched", _with_severity(rule, scene)
        else:
            verdict = "passed"
        yield Judged(rule.id, verdict, conditions)


def _conditions(rule: RuleSpec, path: str, scene: Scene) -> Iterator[Condition]:
    for at, atom in atoms_of(rule.when, path):
        alone = compile_when(Group(rules=(atom,)), at)
        says = f"{atom.field} {atom.operator} {'' if atom.value is None else atom.value}".rstrip()
        yield Condition(at, says, scene.facts.get(atom.field), _WORDS[alone(scene, None)])


def _with_severity(rule: RuleSpec, scene: Scene) -> Scene:
    """Return the scene later rules see: an enriching rule may have proposed a severity."""
    proposed = rule.set.severity if rule.set is not None else None
    if proposed is None or scene.facts.get(_BY_PERSON) is True:
        return scene
    return Scene({**scene.facts, "case.severity": proposed}, scene.now, scene.calendars)


def _step(step: Any) -> dict[str, Any]:
    told = asdict(step)
    return {key: value for key, value in told.items() if value not in (None, False, (), {})}


def _world(spec: RuleSetSpec, calendars: Mapping[str, Calendar]) -> RuleWorld:
    """Return a world in which everything the file names exists."""
    queues: set[str] = set()
    policies: set[str] = set()
    named: set[str] = set()
    for rule in spec.rules:
        if rule.route is not None:
            queues.add(rule.route.queue)
            queues.update(name for step in rule.route.steps for name in step.borrow)
        policies.update(part.sla for part in (rule.route, rule.set) if part and part.sla)
        for _at, atom in atoms_of(rule.when, ""):
            if atom.field == "time.open" and isinstance(atom.value, str):
                named.add(atom.value)
            elif atom.calendar is not None:
                named.add(atom.calendar)
    return RuleWorld(
        queues={QueueId(name): Queue(QueueId(name), name) for name in queues},
        calendars={**dict.fromkeys(named, ALWAYS), **calendars},
        policies=frozenset(policies),
    )
