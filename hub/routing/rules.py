"""Rule sets: read, checked against what exists, compiled, and judged for one item.

First match wins; `continue` rules only enrich. A set that may be published ends in `when: always`
with a queue that has a calendar and an overflow. Every mistake comes with its path and a code.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.model.errors import BadInput
from hub.model.ids import QueueId
from hub.model.staff import Queue
from hub.model.work import Plan
from hub.routing.calendar import ALWAYS, Calendar
from hub.routing.conditions import (
    Compiled,
    Problem,
    Scene,
    TracedAtom,
    check_when,
    compile_when,
)
from hub.routing.rule_schema import RouteSpec, RuleSetSpec, RuleSpec, plan_of, read_shape
from hub.routing.shadowing import check_reachable

OVERFLOW_WORDS = frozenset({"keep", "callback", "voicemail"})


class RulesInvalid(BadInput):
    """A rule set is refused; `problems` says every mistake and where."""

    default_code = "rules_invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(count=len(self.problems), path=first.path, reason=first.code)


@dataclass(frozen=True, slots=True)
class RuleWorld:
    """What rules may name. `skills` None: skills are not checked."""

    queues: Mapping[QueueId, Queue]
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    policies: frozenset[str] = frozenset()
    skills: frozenset[str] | None = None

    def queue_ids(self) -> dict[str, QueueId]:
        """Return name and id of every queue to its id."""
        names = {queue.name: queue.id for queue in self.queues.values() if queue.name}
        return {**names, **{str(key): key for key in self.queues}}


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """What the rules say of one item, and why.

    `passed` lists the rules that were looked at and not taken with their comparisons that were
    false or unknown; it is empty unless a trace was asked for.
    """

    rule_id: str
    queue_id: QueueId
    plan: Plan
    skills: Mapping[str, int]
    min_tier: int
    sla: str | None
    severity: int | None
    enriched_by: tuple[str, ...] = ()
    passed: tuple[tuple[str, tuple[TracedAtom, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class _Ready:
    rule: RuleSpec
    matches: Compiled
    plan: Plan | None
    queue_id: QueueId | None


@dataclass
class _Gathered:
    """What enriching rules have added so far."""

    skills: dict[str, int] = field(default_factory=dict)
    min_tier: int = 0
    sla: str | None = None
    severity: int | None = None
    by: list[str] = field(default_factory=list)


class RuleSet:
    """A checked and compiled rule set; immutable."""

    def __init__(self, spec: RuleSetSpec, world: RuleWorld) -> None:
        self.spec = spec
        self.version = spec.version
        queues = world.queue_ids()
        self._rules = [_ready(rule, number, spec.version, queues) for number, rule in
                       enumerate(spec.rules)]  # fmt: skip

    def match(self, scene: Scene, *, traced: bool = True) -> RuleMatch:
        """Return the first match; the set's last rule always matches."""
        gathered = _Gathered()
        passed: list[tuple[str, tuple[TracedAtom, ...]]] = []
        for ready in self._rules:
            trace: list[TracedAtom] | None = [] if traced else None
            if ready.matches(scene, trace) is not True:
                if trace is not None:
                    passed.append((ready.rule.id, tuple(trace)))
                continue
            scene = _gather(ready.rule, gathered, scene)
            if ready.rule.route is not None and ready.plan and ready.queue_id is not None:
                return _result(ready.rule.id, ready.rule.route, ready.plan, ready.queue_id,
                               gathered, passed)  # fmt: skip
        raise RulesInvalid([Problem("rules", "no_default")])


def _ready(rule: RuleSpec, number: int, version: int, queues: dict[str, QueueId]) -> _Ready:
    plan = plan_of(rule.id, version, rule.route, queues) if rule.route else None
    queue_id = queues[rule.route.queue] if rule.route else None
    return _Ready(rule, compile_when(rule.when, f"rules[{number}].when"), plan, queue_id)


def _gather(rule: RuleSpec, gathered: _Gathered, scene: Scene) -> Scene:
    """Add what a matching rule sets; later conditions see a proposed severity."""
    if rule.set is None:
        return scene
    gathered.by.append(rule.id)
    gathered.min_tier = max(gathered.min_tier, rule.set.min_tier or 0)
    gathered.sla = rule.set.sla or gathered.sla
    for skill, level in rule.set.skills.items():
        gathered.skills[skill] = max(level, gathered.skills.get(skill, 0))
    if rule.set.severity is None or scene.facts.get("case.severity_by_person") is True:
        return scene
    gathered.severity = rule.set.severity
    facts = {**scene.facts, "case.severity": rule.set.severity}
    return Scene(facts, scene.now, scene.calendars)


def _result(  # noqa: PLR0913 - joins what two sources say of the same six values
    rule_id: str,
    route: RouteSpec,
    plan: Plan,
    queue_id: QueueId,
    gathered: _Gathered,
    passed: list[tuple[str, tuple[TracedAtom, ...]]],
) -> RuleMatch:
    skills = dict(route.skills)
    for skill, level in gathered.skills.items():
        skills[skill] = max(level, skills.get(skill, 0))
    return RuleMatch(
        rule_id=rule_id,
        queue_id=queue_id,
        plan=plan,
        skills=skills,
        min_tier=max(route.min_tier, gathered.min_tier),
        sla=route.sla or gathered.sla,
        severity=gathered.severity,
        enriched_by=tuple(gathered.by),
        passed=tuple(passed),
    )


def load_rules(tree: Any, world: RuleWorld) -> RuleSet:
    """Return the compiled set of a tree read from YAML or JSON.

    Raises:
        RulesInvalid: with every mistake; the running set stays as it is.
    """
    spec, problems = read_shape(tree)
    if spec is not None:
        problems = check_rules(spec, world)
    if spec is None or problems:
        raise RulesInvalid(problems)
    return RuleSet(spec, world)


def check_rules(spec: RuleSetSpec, world: RuleWorld) -> list[Problem]:
    """Return every mistake of a set whose shape is right; empty when it may be published."""
    problems: list[Problem] = []
    seen: set[str] = set()
    calendars = {**world.calendars, ALWAYS.name: ALWAYS}
    for number, rule in enumerate(spec.rules):
        path = f"rules[{number}]"
        if rule.id in seen:
            problems.append(Problem(f"{path}.id", "duplicate_id", (("id", rule.id),)))
        seen.add(rule.id)
        problems += check_when(rule.when, f"{path}.when", calendars)
        problems += _check_purpose(rule, path)
        if rule.route is not None:
            problems += _check_route(rule.route, f"{path}.route", world)
        if rule.set is not None:
            problems += _check_names(rule.set.skills, rule.set.sla, f"{path}.set", world)
    problems += _check_last(spec, world, calendars)
    problems += check_overflows(world.queues)
    # Shadowing is judged on well-formed conditions only.
    return problems or check_reachable(spec.rules)


def _check_purpose(rule: RuleSpec, path: str) -> list[Problem]:
    if rule.go_on:
        if rule.route is not None:
            return [Problem(f"{path}.route", "route_in_enriching_rule")]
        return [] if rule.set is not None else [Problem(path, "rule_without_effect")]
    return [] if rule.route is not None else [Problem(path, "missing_route")]


def _check_route(route: RouteSpec, path: str, world: RuleWorld) -> list[Problem]:
    queues = world.queue_ids()
    problems: list[Problem] = []
    if route.queue not in queues:
        problems.append(Problem(f"{path}.queue", "unknown_queue", (("queue", route.queue),)))
    problems += _check_names(route.skills, route.sla, path, world)
    last = -1.0
    for number, step in enumerate(route.steps):
        at = f"{path}.steps[{number}]"
        if step.at < last:
            problems.append(Problem(f"{at}.at", "steps_out_of_order"))
        last = max(last, step.at)
        for skill in step.relax:
            if skill not in route.skills:
                problems.append(Problem(f"{at}.relax.{skill}", "relaxes_no_requirement"))
            elif step.relax[skill] > route.skills[skill]:
                problems.append(Problem(f"{at}.relax.{skill}", "raises_requirement"))
        for place, name in enumerate(step.borrow):
            if name not in queues:
                params = (("queue", name),)
                problems.append(Problem(f"{at}.borrow[{place}]", "unknown_queue", params))
    if not any(step.tiers for step in route.steps):
        problems.append(Problem(f"{path}.steps", "no_tier_opened"))
    return problems


def _check_names(
    skills: Mapping[str, int], sla: str | None, path: str, world: RuleWorld
) -> list[Problem]:
    problems = []
    if sla is not None and sla not in world.policies:
        problems.append(Problem(f"{path}.sla", "unknown_policy", (("policy", sla),)))
    if world.skills is not None:
        unknown = [skill for skill in skills if skill not in world.skills]
        problems += [Problem(f"{path}.skills.{skill}", "unknown_skill") for skill in unknown]
    return problems


def _check_last(
    spec: RuleSetSpec, world: RuleWorld, calendars: Mapping[str, Calendar]
) -> list[Problem]:
    path = f"rules[{len(spec.rules) - 1}]"
    last = spec.rules[-1]
    if last.when != "always" or last.route is None:
        return [Problem(path, "no_default")]
    queue_id = world.queue_ids().get(last.route.queue)
    queue = None if queue_id is None else world.queues[queue_id]
    if queue is None:
        return []
    problems = []
    if queue.calendar not in calendars:
        problems.append(Problem(f"{path}.route.queue", "default_queue_without_calendar"))
    if not queue.overflow:
        problems.append(Problem(f"{path}.route.queue", "default_queue_without_overflow"))
    return problems


def check_overflows(queues: Mapping[QueueId, Queue]) -> list[Problem]:
    """Return queues whose overflow names no queue, or leads back to itself."""
    problems: list[Problem] = []
    for queue in queues.values():
        seen = [queue.id]
        current = queue
        while current.overflow and current.overflow not in OVERFLOW_WORDS:
            follower = queues.get(QueueId(current.overflow))
            if follower is None:
                problems.append(Problem(f"queues.{current.id}.overflow", "unknown_queue"))
                break
            if follower.id in seen:
                if follower.id == queue.id:
                    loop = " ".join([*seen, follower.id])
                    params = (("queues", loop),)
                    problems.append(
                        Problem(f"queues.{queue.id}.overflow", "overflow_cycle", params)
                    )
                break
            seen.append(follower.id)
            current = follower
    return problems
