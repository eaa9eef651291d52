"""Rows into the router's configuration: agents, queues, memberships, rules, calendars, values.

A row that cannot be read never stops the router: it is logged and a plain value stands in for it
(an unreadable rule set sends everything to the first queue). Values stand in `setting` as
`routing.policies`, `routing.capacity`, `routing.order`, `routing.limits`, `routing.phrases`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from hub.model.ids import AgentId, CaseId, ConversationId, QueueId
from hub.model.staff import Agent, AgentKind, Membership, Queue
from hub.model.work import WorkClass
from hub.routing.calendar import Calendar
from hub.routing.calendar_schema import load_calendar
from hub.routing.capacity import DEFAULTS, CapacityTable, with_overrides
from hub.routing.config import RouterConfig
from hub.routing.ordering import SHIPPED_ORDER, OrderTable
from hub.routing.rules import RuleSet, RulesInvalid, RuleWorld, load_rules
from hub.routing.sla import PolicySet, load_policies
from hub.services.deps import Deps
from hub.store.queries import outcomes, routing
from hub.store.queries.rows import Row, load, load_list, load_map
from hub.store.tx import Tx

log = structlog.get_logger(__name__)

_QUEUE = TypeAdapter(Queue)
_ORDER = TypeAdapter(OrderTable)
_LIMITS = ("owner_absence_s", "owner_absence_urgent_s", "suspect_s", "lost_s", "grace_s")


@dataclass(frozen=True, slots=True)
class Orphan:
    """A case whose owner was deactivated, and the supervisor it goes to (None: nobody)."""

    case_id: CaseId
    conversation_id: ConversationId
    owner: AgentId
    supervisor: AgentId | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The router's configuration as the rows are now."""

    config: RouterConfig
    orphans: tuple[Orphan, ...] = ()


async def load_config(deps: Deps) -> Loaded | None:
    """Return the configuration; None while there is no queue at all (nothing can be routed)."""
    return await deps.db.read(read_config)


def read_config(tx: Tx) -> Loaded | None:
    """Read the configuration inside a unit."""
    queue_rows = routing.queues(tx)
    if not queue_rows:
        return None
    values = routing.values(tx)
    calendars = _calendars(routing.calendars(tx))
    policies = load_policies(values["policies"]) if values.get("policies") else None
    queues = {QueueId(row["id"]): queue_of(row) for row in queue_rows}
    active = {key: queues[key] for key in queues if _is_active(queue_rows, key)}
    world = RuleWorld(active or queues, calendars, _names(policies))
    limits = values.get("limits") or {}
    config = RouterConfig(
        agents=_agents(tx),
        queues=queues,
        memberships=tuple(_member(row) for row in routing.memberships(tx)),
        rules=_rules(routing.published_rules(tx), world),
        calendars=calendars,
        policies=policies,
        capacity=_capacity(values.get("capacity")),
        order=_order(values.get("order")),
        **{name: float(limits[name]) for name in _LIMITS if name in limits},
    )
    return Loaded(config, _orphans(tx))


def _is_active(rows: list[Row], queue_id: str) -> bool:
    return any(bool(row["active"]) for row in rows if row["id"] == queue_id)


def queue_of(row: Row) -> Queue:
    """Return a queue's row as routing takes it; a config that cannot be read counts as empty."""
    config = load_map(row["config"])
    config.pop("texts", None)
    try:
        return _QUEUE.validate_python({**config, "id": row["id"], "name": row["name"]})
    except ValidationError as error:
        log.error("routing.queue_config_invalid", queue_id=row["id"], mistakes=error.error_count())
        return Queue(QueueId(row["id"]), row["name"])


def _agents(tx: Tx) -> dict[AgentId, Agent]:
    levels = routing.skills_by_agent(tx)
    return {
        AgentId(row["id"]): _agent(row, levels.get(row["id"], {})) for row in routing.agents(tx)
    }


def _agent(row: Row, skills: dict[str, int]) -> Agent:
    known = {cls.value: cls for cls in WorkClass}
    caps = {known[k]: int(v) for k, v in load_map(row["class_caps"]).items() if k in known}
    off = frozenset(known[k] for k in load_list(row["disabled_classes"]) if k in known)
    return Agent(
        id=AgentId(row["id"]),
        kind=AgentKind(row["kind"]),
        capacity=row["capacity"],
        class_caps=caps,
        disabled_classes=off,
        skills=skills,
        active=bool(row["active"]),
    )


def _member(row: Row) -> Membership:
    return Membership(
        agent_id=AgentId(row["agent_id"]),
        queue_id=QueueId(row["queue_id"]),
        tier=row["tier"],
        position=row["position"],
        delay_s=row["delay_s"],
        auto_accept=bool(row["auto_accept"]),
    )


def _calendars(trees: Mapping[str, Any]) -> dict[str, Calendar]:
    found = {}
    for name, tree in trees.items():
        try:
            found[name] = load_calendar({**tree, "name": name})
        except ValidationError as error:
            # The queue then counts as always open: better asked at night than never.
            log.error("routing.calendar_invalid", calendar=name, mistakes=error.error_count())
    return found


def _names(policies: PolicySet | None) -> frozenset[str]:
    return policies.names() if policies else frozenset()


def _rules(row: Row | None, world: RuleWorld) -> RuleSet:
    """Compile the published set; when it names what is gone, everything goes to the first queue."""
    if row is not None:
        try:
            return load_rules(load(row["tree"]), world)
        except RulesInvalid as error:
            log.error("routing.rules_invalid", version=row["version"], **error.params)
    first = next(iter(world.queues))
    plain = replace(world, queues={first: replace(world.queues[first], overflow="keep")})
    return load_rules(fallback_rules(str(first), row["version"] if row else 1), plain)


def fallback_rules(queue: str, version: int = 1) -> dict[str, Any]:
    """Return the plainest rule set: everything to one queue, tier after tier."""
    steps = [
        {"at": 0, "tiers": [1]},
        {"at": 300, "tiers": [1, 2]},
        {"at": 900, "tiers": [1, 2, 3], "notify": "supervisor"},
    ]
    route = {"queue": queue, "steps": steps}
    return {"version": version, "rules": [{"id": "default", "when": "always", "route": route}]}


def _capacity(overrides: Any) -> CapacityTable:
    if not isinstance(overrides, dict):
        return DEFAULTS
    try:
        return with_overrides({WorkClass(name): value for name, value in overrides.items()})
    except (TypeError, ValueError) as error:
        log.error("routing.capacity_invalid", error=type(error).__name__)
        return DEFAULTS


def _order(tree: Any) -> OrderTable:
    try:
        return _ORDER.validate_python(tree) if tree else SHIPPED_ORDER
    except ValidationError as error:
        log.error("routing.order_invalid", mistakes=error.error_count())
        return SHIPPED_ORDER


def _orphans(tx: Tx) -> tuple[Orphan, ...]:
    heirs: dict[str, str | None] = {}
    found = []
    for row in outcomes.left_behind(tx):
        owner = row["owner_agent_id"]
        if owner not in heirs:
            heirs[owner] = outcomes.supervisor_of(tx, owner)
        heir = heirs[owner]
        found.append(
            Orphan(
                CaseId(row["case_id"]),
                ConversationId(row["conversation_id"]),
                AgentId(owner),
                AgentId(heir) if heir else None,
            )
        )
    return tuple(found)


def world_of(tx: Tx) -> RuleWorld:
    """Return what rules may name now: active queues, calendars, policies, skills."""
    rows = [row for row in routing.queues(tx) if bool(row["active"])]
    values = routing.values(tx)
    policies = load_policies(values["policies"]) if values.get("policies") else None
    return RuleWorld(
        {QueueId(row["id"]): queue_of(row) for row in rows},
        _calendars(routing.calendars(tx)),
        _names(policies),
        routing.skill_names(tx),
    )
