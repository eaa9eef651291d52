"""Queues, who serves them, and skills: configuration an administrator edits.

The router and every screen learn of a change from the events appended here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hub.model.errors import BadInput, Conflict, NotFound, VersionMismatch
from hub.model.events import EventKind, new_event
from hub.model.ids import QueueId, new_id
from hub.model.staff import Queue as QueueShape
from hub.services.deps import Deps
from hub.services.organisation import told
from hub.services.people import access_event
from hub.store.queries import people, queues
from hub.store.queries.rows import Row, dump, insert_row
from hub.store.tables import Queue, Skill
from hub.store.tx import Tx

_SHAPE = TypeAdapter(QueueShape)
_FIXED = {"id", "name"}


@dataclass(frozen=True, slots=True)
class QueueFields:
    """What an administrator sets. `config` holds fields of `model.staff.Queue`."""

    name: str
    unit_id: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    restricted: bool = False
    acknowledge: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True)
class Member:
    """An agent's place in a queue."""

    agent_id: str
    tier: int = 1
    position: int = 0
    delay_s: float = 0.0
    auto_accept: bool = True


async def list_queues(deps: Deps) -> list[Row]:
    """Return every queue by name, each with `members`."""

    def unit(tx: Tx) -> list[Row]:
        members = queues.members(tx)
        return [
            {**row, "members": [m for m in members if m["queue_id"] == row["id"]]}
            for row in queues.queues(tx)
        ]

    return await deps.db.read(unit)


async def queue_detail(deps: Deps, queue_id: str) -> Row:
    """Return one queue with `members`; raises NotFound."""

    def unit(tx: Tx) -> Row:
        return _detail(tx, queue_id)

    return await deps.db.read(unit)


def _detail(tx: Tx, queue_id: str) -> Row:
    row = queues.queue(tx, queue_id)
    if row is None:
        raise NotFound("queue_not_found")
    return {**row, "members": queues.members_of(tx, queue_id)}


async def create_queue(deps: Deps, fields: QueueFields, *, actor: str) -> Row:
    """Add a queue.

    Raises:
        Conflict: `name_taken`.
        BadInput: `unit_unknown`, `queue_config_invalid` (params say the field).
    """
    id_ = new_id()
    columns = _columns(fields)

    def unit(tx: Tx) -> Row:
        _require_free_name(tx, fields.name, "")
        columns["unit_id"] = _unit(tx, fields.unit_id)
        insert_row(tx, Queue, id=id_, **columns)
        _told_queue(tx, deps, id_, actor, ["created"])
        return _detail(tx, id_)

    return await deps.db.run(unit, name="queue.create")


async def change_queue(
    deps: Deps, queue_id: str, fields: QueueFields, *, if_version: int, actor: str
) -> Row:
    """Replace a queue's fields.

    Raises:
        NotFound, VersionMismatch, Conflict, BadInput: as `create_queue`.
    """
    columns = _columns(fields)

    def unit(tx: Tx) -> Row:
        before = _detail(tx, queue_id)
        _require_free_name(tx, fields.name, queue_id)
        columns["unit_id"] = _unit(tx, fields.unit_id or before["unit_id"])
        if not queues.change_queue(tx, queue_id, if_version, columns):
            raise VersionMismatch
        changed = [name for name, value in columns.items() if before[name] != value]
        _told_queue(tx, deps, queue_id, actor, changed)
        if {"unit_id", "restricted"} & set(changed):
            told(tx, deps, "visibility", actor)
        return _detail(tx, queue_id)

    return await deps.db.run(unit, name="queue.change")


async def set_members(
    deps: Deps, queue_id: str, members: Sequence[Member], *, if_version: int, actor: str
) -> Row:
    """Set who serves a queue; whoever comes or goes sees more or less at once.

    Raises:
        NotFound, VersionMismatch: as the names say.
        BadInput: `agent_unknown`, `member_twice`.
    """
    wanted = {member.agent_id: member for member in members}
    if len(wanted) != len(members):
        raise BadInput("member_twice")

    def unit(tx: Tx) -> Row:
        before = _detail(tx, queue_id)
        columns = {name: before[name] for name in _columns(QueueFields(""))}
        columns["unit_id"] = before["unit_id"]
        if not queues.change_queue(tx, queue_id, if_version, columns):
            raise VersionMismatch
        for agent_id in wanted:
            if people.agent(tx, agent_id) is None:
                raise BadInput("agent_unknown")
        queues.replace_members(tx, queue_id, [asdict(member) for member in members])
        _told_queue(tx, deps, queue_id, actor, ["members"])
        were = {row["agent_id"] for row in before["members"]}
        tx.append(
            [access_event(deps, one, actor, ["queues"]) for one in sorted(were ^ set(wanted))]
        )
        return _detail(tx, queue_id)

    return await deps.db.run(unit, name="queue.members")


async def list_skills(deps: Deps) -> list[Row]:
    """Return every skill by name."""

    def unit(tx: Tx) -> list[Row]:
        return queues.skills(tx)

    return await deps.db.read(unit)


async def add_skill(deps: Deps, name: str, *, actor: str) -> Row:
    """Add a skill; raises Conflict `name_taken`."""
    id_ = new_id()

    def unit(tx: Tx) -> Row:
        if any(row["name"] == name for row in queues.skills(tx)):
            raise Conflict("name_taken")
        insert_row(tx, Skill, id=id_, name=name)
        told(tx, deps, "skills", actor)
        return {"id": id_, "name": name}

    return await deps.db.run(unit, name="skill.add")


async def drop_skill(deps: Deps, skill_id: str, *, actor: str) -> None:
    """Remove a skill and everybody's level in it; raises NotFound."""

    def unit(tx: Tx) -> None:
        if not queues.drop_skill(tx, skill_id):
            raise NotFound("skill_not_found")
        told(tx, deps, "skills", actor)

    await deps.db.run(unit, name="skill.drop")


def _columns(fields: QueueFields) -> Row:
    wrong = set(fields.config) & _FIXED
    if wrong:
        raise BadInput("queue_config_invalid", field=sorted(wrong)[0])
    try:
        _SHAPE.validate_python({"id": "-", "name": fields.name, **fields.config}, extra="forbid")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        raise BadInput("queue_config_invalid", field=where, reason=first["type"]) from None
    return {
        "name": fields.name,
        "config": dump(dict(fields.config)),
        "restricted": fields.restricted,
        "acknowledge": fields.acknowledge,
        "active": fields.active,
    }


def _unit(tx: Tx, unit_id: str | None) -> str:
    tree = people.units(tx)
    if unit_id is None and tree:
        return str(tree[0]["id"])
    if unit_id is None or all(row["id"] != unit_id for row in tree):
        raise BadInput("unit_unknown")
    return unit_id


def _require_free_name(tx: Tx, name: str, but: str) -> None:
    if any(row["name"] == name and row["id"] != but for row in queues.queues(tx)):
        raise Conflict("name_taken")


def _told_queue(tx: Tx, deps: Deps, queue_id: str, actor: str, fields: list[str]) -> None:
    tx.append(
        [
            new_event(
                EventKind.QUEUE_CHANGED,
                deps.clock.now(),
                actor=actor,
                queue=QueueId(queue_id),
                data={"fields": fields, "by": actor},
            )
        ]
    )
