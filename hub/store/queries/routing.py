"""Configuration the router reads: agents, queues, memberships, skills, rules, calendars, values."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update

from hub.model.clock import to_micros
from hub.store.queries.rows import Row, dicts, dump, insert_row, load, one_dict, upsert
from hub.store.statement import stmt
from hub.store.tables import (
    Agent,
    AgentSkill,
    Calendar,
    Membership,
    OrgUnit,
    Queue,
    RuleSet,
    Setting,
    Skill,
    table,
)
from hub.store.tx import Tx

_agent = table(Agent)
_has = table(AgentSkill)
_skill = table(Skill)
_queue = table(Queue)
_member = table(Membership)
_rules = table(RuleSet)
_calendar = table(Calendar)
_setting = table(Setting)
_unit = table(OrgUnit)

_AGENTS = stmt(
    select(
        _agent.c.id,
        _agent.c.kind,
        _agent.c.capacity,
        _agent.c.class_caps,
        _agent.c.disabled_classes,
        _agent.c.active,
    ),
    name="routing.agents",
)
_AGENT_SKILLS = stmt(
    select(_has.c.agent_id, _skill.c.name, _has.c.level).select_from(
        _has.join(_skill, _skill.c.id == _has.c.skill_id)
    ),
    name="routing.agent_skills",
)
_SKILLS = stmt(select(_skill.c.name), name="routing.skills")
_QUEUES = stmt(
    select(_queue.c.id, _queue.c.name, _queue.c.config, _queue.c.active).order_by(_queue.c.id),
    name="routing.queues",
)
_MEMBERS = stmt(select(_member), name="routing.members")
_CALENDARS = stmt(select(_calendar.c.name, _calendar.c.config), name="routing.calendars")
_SETTINGS = stmt(
    select(_setting.c.name, _setting.c.value).where(_setting.c.name.like("routing.%")),
    name="routing.settings",
)
_PUBLISHED = stmt(
    select(_rules).where(_rules.c.state == "published").order_by(_rules.c.version.desc()).limit(5),
    name="rules.published",
)
_RULES = stmt(select(_rules).order_by(_rules.c.version.desc()).limit(200), name="rules.list")
_RULE_SET = stmt(select(_rules).where(_rules.c.version == bindparam("of")), name="rules.one")
_TOP = stmt(select(func.max(_rules.c.version)), name="rules.top")
_RETIRE = stmt(
    update(_rules).where(_rules.c.state == "published").values(state="retired"),
    name="rules.retire",
)
_PUBLISH = stmt(
    update(_rules)
    .where(_rules.c.version == bindparam("of"), _rules.c.state == "draft")
    .values(state="published", published_at=bindparam("at")),
    name="rules.publish",
)
_SET_CALENDAR = upsert(
    _calendar, keys=("name",), update=("config",), fixed={"version": "1"}, name="calendar.set"
)
_SET_VALUE = upsert(
    _setting,
    keys=("name",),
    update=("value", "changed_by"),
    fixed={"version": "1"},
    name="routing.set",
)
_FIRST_UNIT = stmt(
    select(_unit.c.id).order_by(_unit.c.parent_id.is_not(None), _unit.c.id).limit(1),
    name="unit.first",
)


def agents(tx: Tx) -> list[Row]:
    """Return what routing knows of agents, active or not."""
    return dicts(tx, _AGENTS)


def skills_by_agent(tx: Tx) -> dict[str, dict[str, int]]:
    """Return agent to skill name to level."""
    found: dict[str, dict[str, int]] = {}
    for agent_id, name, level in tx.run(_AGENT_SKILLS):
        found.setdefault(str(agent_id), {})[str(name)] = int(level)
    return found


def skill_names(tx: Tx) -> frozenset[str]:
    """Return the skills there are."""
    return frozenset(str(row[0]) for row in tx.run(_SKILLS))


def queues(tx: Tx) -> list[Row]:
    """Return every queue, inactive ones too: work may still stand in them."""
    return dicts(tx, _QUEUES)


def memberships(tx: Tx) -> list[Row]:
    """Return who serves which queue."""
    return dicts(tx, _MEMBERS)


def calendars(tx: Tx) -> dict[str, Any]:
    """Return calendar name to its written form."""
    return {str(name): load(config) for name, config in tx.run(_CALENDARS)}


def values(tx: Tx) -> dict[str, Any]:
    """Return the settings whose name begins with `routing.`, without that prefix."""
    return {str(name).removeprefix("routing."): load(value) for name, value in tx.run(_SETTINGS)}


def set_value(tx: Tx, name: str, value: Any, by: str) -> None:
    """Write one setting of routing; `name` without the prefix."""
    params = {"name": f"routing.{name}", "value": dump(value), "changed_by": by}
    tx.execute(_SET_VALUE, params)


def published_rules(tx: Tx) -> Row | None:
    """Return the rule set in force, or None."""
    return one_dict(tx, _PUBLISHED)


def rule_sets(tx: Tx) -> list[Row]:
    """Return rule sets, newest first."""
    return dicts(tx, _RULES)


def rule_set(tx: Tx, version: int) -> Row | None:
    """Return one rule set."""
    return one_dict(tx, _RULE_SET, {"of": version})


def add_rule_set(tx: Tx, tree: dict[str, Any], *, by: str, note: str, now: datetime) -> int:
    """Insert a draft under the next number; the tree's own `version` becomes that number."""
    row = tx.one(_TOP)
    version = int(row[0] or 0) + 1 if row else 1
    insert_row(
        tx,
        RuleSet,
        version=version,
        tree=dump({**tree, "version": version}),
        state="draft",
        note=note[:300],
        created_by=by[:40],
        created_at=to_micros(now),
    )
    return version


def publish_rule_set(tx: Tx, version: int, now: datetime) -> bool:
    """Put a draft in force and retire the one before; False when it is no draft."""
    tx.execute(_RETIRE)
    return tx.execute(_PUBLISH, {"of": version, "at": to_micros(now)}) == 1


def set_calendar(tx: Tx, name: str, config: Any) -> None:
    """Write a calendar."""
    tx.execute(_SET_CALENDAR, {"name": name, "config": dump(config)})


def first_unit(tx: Tx) -> str | None:
    """Return the organisation's root unit."""
    row = tx.one(_FIRST_UNIT)
    return None if row is None else str(row[0])


def add_queue(tx: Tx, *, id: str, name: str, unit_id: str, config: dict[str, Any]) -> None:
    """Insert a queue."""
    insert_row(tx, Queue, id=id, name=name, unit_id=unit_id, config=dump(config))
