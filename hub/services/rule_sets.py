"""Rule sets: saved, published, rolled back, and what an empty installation starts with.

A rule set is a draft until it is published; a published one never changes, and rolling back
publishes an old one's tree under a new number. The router reads everything anew at an event
`config.changed` (or a change of a queue, an agent or access) and says `rules.published` itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hub.model.errors import Conflict, NotFound
from hub.model.events import EventKind, new_event
from hub.model.ids import new_id
from hub.routing.calendar_schema import CalendarSpec
from hub.routing.conditions import Problem
from hub.routing.rule_schema import read_shape
from hub.routing.rules import RulesInvalid, check_rules
from hub.services.deps import Deps
from hub.services.routing_config import world_of
from hub.store.queries import routing
from hub.store.queries.rows import Row, load
from hub.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Defaults:
    """What an empty installation starts with: written forms as in `config/`."""

    rules: Mapping[str, Any]
    policies: Mapping[str, Any] | None = None
    calendars: tuple[Mapping[str, Any], ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def read_defaults(folder: Path) -> Defaults:
    """Read `rules.yaml`, `policies/manual.yaml` and `calendars/*.yaml` of a folder; blocking."""

    def tree(path: Path) -> Any:
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    policies = folder / "policies" / "manual.yaml"
    return Defaults(
        rules=tree(folder / "rules.yaml"),
        policies=tree(policies) if policies.exists() else None,
        calendars=tuple(tree(path) for path in sorted((folder / "calendars").glob("*.yaml"))),
    )


def _check(tx: Tx, tree: Any) -> list[Problem]:
    spec, problems = read_shape(tree)
    return problems if spec is None else check_rules(spec, world_of(tx))


async def check_tree(deps: Deps, tree: Any) -> list[Problem]:
    """Return every mistake of a rule set as it stands before this installation; empty: none."""

    def unit(tx: Tx) -> list[Problem]:
        return _check(tx, tree)

    return await deps.db.read(unit)


async def list_rule_sets(deps: Deps) -> list[Row]:
    """Return rule sets, newest first (`tree` is JSON text)."""
    return await deps.db.read(routing.rule_sets)


async def save_draft(deps: Deps, tree: dict[str, Any], *, by: str, note: str = "") -> int:
    """Save a rule set that may be published later; return its number.

    Raises:
        RulesInvalid: with every mistake.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> int:
        problems = _check(tx, {**tree, "version": tree.get("version") or 1})
        if problems:
            raise RulesInvalid(problems)
        return routing.add_rule_set(tx, tree, by=by, note=note, now=now)

    return await deps.db.run(unit, name="rules.save")


async def publish(deps: Deps, version: int, *, by: str, replan: bool = False) -> None:
    """Put a draft in force. Waiting items keep their plan unless `replan`.

    Raises:
        NotFound: no such set.
        Conflict: `not_a_draft`.
        RulesInvalid: it names what is gone by now.
    """

    def unit(tx: Tx) -> None:
        row = routing.rule_set(tx, version)
        if row is None:
            raise NotFound("rule_set_not_found")
        problems = _check(tx, load(row["tree"]))
        if problems:
            raise RulesInvalid(problems)
        _publish(tx, deps, version, by, replan=replan)

    await deps.db.run(unit, name="rules.publish")


async def rollback(deps: Deps, version: int, *, by: str, replan: bool = False) -> int:
    """Publish an old set's tree again, under a new number; return that number.

    Raises:
        NotFound: no such set.
        RulesInvalid: it names what is gone by now.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> int:
        row = routing.rule_set(tx, version)
        if row is None:
            raise NotFound("rule_set_not_found")
        tree = load(row["tree"])
        problems = _check(tx, tree)
        if problems:
            raise RulesInvalid(problems)
        fresh = routing.add_rule_set(tx, tree, by=by, note=f"rollback to {version}", now=now)
        _publish(tx, deps, fresh, by, replan=replan)
        return fresh

    return await deps.db.run(unit, name="rules.rollback")


def _publish(tx: Tx, deps: Deps, version: int, by: str, *, replan: bool = False) -> None:
    now = deps.clock.now()
    if not routing.publish_rule_set(tx, version, now):
        raise Conflict("not_a_draft", version=version)
    what = "rules_replan" if replan else "rules"
    data = {"what": what, "by": by}
    tx.append([new_event(EventKind.CONFIG_CHANGED, now, actor=by, data=data)])


async def install_defaults(deps: Deps, defaults: Defaults) -> bool:
    """Give an installation without rules its first ones; False when it has some.

    Where none of the queues the rules name exists (a fresh installation has one, "General"), every
    rule sends there; where some do (the demo), the missing ones are made in the root unit.

    Raises:
        Conflict: `no_unit`: `organisation.seed` comes first.
        RulesInvalid: the shipped rules do not fit what the installation has.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> bool:
        if routing.rule_sets(tx):
            return False
        unit_id = routing.first_unit(tx)
        if unit_id is None:
            raise Conflict("no_unit")
        for tree in defaults.calendars:
            written = CalendarSpec.model_validate(tree).model_dump(mode="json")
            routing.set_calendar(tx, written["name"], written)
        if defaults.policies is not None and "policies" not in routing.values(tx):
            routing.set_value(tx, "policies", dict(defaults.policies), "system")
        for name, value in defaults.values.items():
            routing.set_value(tx, name, value, "system")
        tree = _fitted(tx, defaults.rules, unit_id)
        problems = _check(tx, tree)
        if problems:
            raise RulesInvalid(problems)
        version = routing.add_rule_set(tx, tree, by="system", note="shipped", now=now)
        _publish(tx, deps, version, "system")
        return True

    return await deps.db.run(unit, name="rules.install")


def _fitted(tx: Tx, rules: Mapping[str, Any], unit_id: str) -> dict[str, Any]:
    """Return the shipped rules with queues there are, making those that are missing."""
    known = [row["name"] for row in routing.queues(tx) if bool(row["active"])]
    named = [rule["route"]["queue"] for rule in rules["rules"] if "route" in rule]
    if known and not set(known) & set(named):
        return {**rules, "rules": [_sent_to(rule, known[0]) for rule in rules["rules"]]}
    for name in dict.fromkeys(named):
        if name not in known:
            routing.add_queue(tx, id=new_id(), name=name, unit_id=unit_id, config={})
    return dict(rules)


def _sent_to(rule: dict[str, Any], queue: str) -> dict[str, Any]:
    return {**rule, "route": {**rule["route"], "queue": queue}} if "route" in rule else rule
