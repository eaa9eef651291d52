"""Agents: who works here, their roles, and the end of their access."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.model.clock import to_micros
from hub.model.errors import BadInput, Conflict, NotFound, VersionMismatch
from hub.model.events import EventKind, NewEvent, new_event
from hub.model.ids import AgentId, new_id
from hub.model.visibility import Role
from hub.services.deps import Deps
from hub.store.queries import access, people, queues
from hub.store.queries.rows import Row, dump, insert_row, load_list, load_map
from hub.store.tables import Agent, Membership
from hub.store.tx import Tx

PERSONS_ROLES = frozenset(Role) - {Role.INTEGRATION}
"""Tokens are integrations; people and bots are not."""


@dataclass(frozen=True, slots=True)
class AgentFields:
    """What an administrator sets. `skills`: skill id to level 1-5; None leaves them."""

    email: str
    name: str
    display_name: str = ""
    roles: frozenset[Role] = frozenset({Role.AGENT})
    unit_id: str | None = None
    language: str = ""
    signature: str = ""
    capacity: int = 100
    class_caps: Mapping[str, int] = field(default_factory=dict)
    disabled_classes: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    skills: Mapping[str, int] | None = None
    active: bool = True


async def list_agents(deps: Deps) -> list[Row]:
    """Return every agent with presence, by name."""

    def unit(tx: Tx) -> list[Row]:
        return people.agents(tx)

    return await deps.db.read(unit)


async def agent_detail(deps: Deps, agent_id: str) -> Row:
    """Return one agent with `skills` (id to level) and `queue_ids`.

    Raises:
        NotFound: there is none.
    """

    def unit(tx: Tx) -> Row:
        return _detail(tx, agent_id)

    return await deps.db.read(unit)


def _detail(tx: Tx, agent_id: str) -> Row:
    row = people.agent(tx, agent_id)
    if row is None:
        raise NotFound("agent_not_found")
    queue_ids = sorted(access.queues_of(tx, agent_id))
    return {**row, "skills": queues.skills_of(tx, agent_id), "queue_ids": queue_ids}


def agent_fields(row: Row, changes: Mapping[str, Any]) -> AgentFields:
    """Return an agent's fields as they are, with changes: what a PATCH means."""
    now: dict[str, Any] = {
        "email": row["email"],
        "name": row["name"],
        "display_name": row["display_name"],
        "roles": frozenset(Role(one) for one in load_list(row["roles"])),
        "unit_id": row["unit_id"],
        "language": row["language"],
        "signature": row["signature"],
        "capacity": row["capacity"],
        "class_caps": load_map(row["class_caps"]),
        "disabled_classes": tuple(load_list(row["disabled_classes"])),
        "settings": load_map(row["settings"]),
        "skills": None,
        "active": bool(row["active"]),
    }
    return AgentFields(**{**now, **changes})


async def create_agent(deps: Deps, fields: AgentFields, *, actor: str, kind: str = "person") -> Row:
    """Add somebody; without a password until a one-time link sets one.

    Raises:
        Conflict: `email_taken`.
        BadInput: `unit_unknown`, `skill_unknown`, `roles_invalid`, `email_invalid`.
    """
    id_ = new_id()
    columns = _columns(fields)

    def unit(tx: Tx) -> Row:
        if people.credentials(tx, columns["email"]) is not None:
            raise Conflict("email_taken")
        columns["unit_id"] = _unit(tx, fields.unit_id)
        insert_row(tx, Agent, id=id_, kind=kind, created_at=to_micros(deps.clock.now()), **columns)
        _set_skills(tx, id_, fields.skills)
        tx.append([_event(deps, EventKind.AGENT_CHANGED, id_, actor, ["created"])])
        return _detail(tx, id_)

    return await deps.db.run(unit, name="agent.create")


async def change_agent(
    deps: Deps, agent_id: str, fields: AgentFields, *, if_version: int, actor: str
) -> Row:
    """Replace an agent's fields; roles, unit and activity take effect at once.

    Deactivating ends every session and closes every socket in the same unit; the router gives the
    work back when it reads the event.

    Raises:
        NotFound, VersionMismatch, BadInput: as the names say.
        Conflict: `email_taken`, `last_administrator`.
    """
    columns = _columns(fields)

    def unit(tx: Tx) -> Row:
        before = people.agent(tx, agent_id)
        if before is None:
            raise NotFound("agent_not_found")
        other = people.credentials(tx, columns["email"])
        if other is not None and other["id"] != agent_id:
            raise Conflict("email_taken")
        columns["unit_id"] = _unit(tx, fields.unit_id or before["unit_id"])
        _keep_an_administrator(tx, before, fields)
        if not people.change_agent(tx, agent_id, if_version, columns):
            raise VersionMismatch
        _set_skills(tx, agent_id, fields.skills)
        changed = _changed(before, columns)
        tx.append([_event(deps, EventKind.AGENT_CHANGED, agent_id, actor, changed)])
        if {"roles", "unit_id", "active"} & set(changed):
            if not fields.active:
                access.drop_sessions(tx, agent_id)
            tx.append([access_event(deps, agent_id, actor, changed)])
        return _detail(tx, agent_id)

    return await deps.db.run(unit, name="agent.change")


async def administrators_without_password(deps: Deps) -> str | None:
    """Return whom a first link is for: an id, "" when nobody works here yet, None: nobody needs it.

    Once any administrator has a password, the others get their links from them.
    """

    def unit(tx: Tx) -> str | None:
        if people.count_agents(tx) == 0:
            return ""
        rows = people.administrator_passwords(tx)
        if not rows or any(row["password_hash"] for row in rows):
            return None
        return str(rows[0]["id"])

    return await deps.db.read(unit)


async def join_first_queue(deps: Deps, agent_id: str) -> None:
    """Make an agent a member of every queue there is; for the first person of a new hub."""

    def unit(tx: Tx) -> None:
        for queue in queues.queues(tx):
            insert_row(tx, Membership, agent_id=agent_id, queue_id=queue["id"])

    await deps.db.run(unit, name="queue.join_first")


def access_event(deps: Deps, agent_id: str, actor: str, fields: list[str]) -> NewEvent:
    """Return the event that makes every process judge an agent's sockets anew."""
    return _event(deps, EventKind.ACCESS_CHANGED, agent_id, actor, fields)


def _event(deps: Deps, kind: EventKind, agent_id: str, actor: str, fields: list[str]) -> NewEvent:
    data: dict[str, str | list[str]] = {"fields": fields}
    if kind is EventKind.ACCESS_CHANGED:
        data["by"] = actor
    return new_event(kind, deps.clock.now(), actor=actor, agent=AgentId(agent_id), data=data)


def _columns(fields: AgentFields) -> Row:
    email = fields.email.strip().lower()
    local, at, host = email.rpartition("@")
    if not (local and at and host) or len(email) > 320 or any(c.isspace() for c in email):
        raise BadInput("email_invalid")
    if not fields.roles or not fields.roles <= PERSONS_ROLES:
        raise BadInput("roles_invalid")
    return {
        "email": email,
        "name": fields.name,
        "display_name": fields.display_name,
        "roles": dump(sorted(fields.roles)),
        "language": fields.language,
        "signature": fields.signature,
        "capacity": fields.capacity,
        "class_caps": dump(dict(fields.class_caps)),
        "disabled_classes": dump(sorted(fields.disabled_classes)),
        "settings": dump(dict(fields.settings)),
        "active": fields.active,
    }


def _unit(tx: Tx, unit_id: str | None) -> str:
    if unit_id is None:
        tree = people.units(tx)
        if not tree:
            raise BadInput("unit_unknown")
        return str(tree[0]["id"])
    if people.unit(tx, unit_id) is None:
        raise BadInput("unit_unknown")
    return unit_id


def _set_skills(tx: Tx, agent_id: str, levels: Mapping[str, int] | None) -> None:
    if levels is None:
        return
    known = {row["id"] for row in queues.skills(tx)}
    if not levels.keys() <= known:
        raise BadInput("skill_unknown")
    queues.replace_skills(tx, agent_id, dict(levels))


def _keep_an_administrator(tx: Tx, before: Row, fields: AgentFields) -> None:
    """Refuse to lock everybody out of the configuration."""
    was = bool(before["active"]) and Role.ADMINISTRATOR in load_list(before["roles"])
    stays = fields.active and Role.ADMINISTRATOR in fields.roles
    if was and not stays and people.administrators(tx, but=before["id"]) == 0:
        raise Conflict("last_administrator")


def _changed(before: Row, columns: Row) -> list[str]:
    changed = []
    for name, value in columns.items():
        old = before[name]
        if name in {"class_caps", "settings"}:
            old, value = load_map(old), load_map(value)
        elif name in {"roles", "disabled_classes"}:
            old, value = sorted(load_list(old)), load_list(value)
        elif name == "active":
            old = bool(old)
        if old != value:
            changed.append(name)
    return changed
