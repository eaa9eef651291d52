"""Agents, their units, and the one row of the organisation."""

from sqlalchemy import bindparam, func, select, text, update

from hub.store.queries.rows import Row, dicts, one_dict
from hub.store.statement import stmt
from hub.store.tables import Agent, AgentLoad, AgentState, Organisation, OrgUnit, table
from hub.store.tx import Tx

_agent = table(Agent)
_state = table(AgentState)
_load = table(AgentLoad)
_org = table(Organisation)
_unit = table(OrgUnit)

_SECRET = {"password_hash", "totp_secret", "totp_step"}
_OPEN = [column for column in _agent.columns if column.name not in _SECRET]
_WITH_PRESENCE = (
    select(
        *_OPEN,
        _state.c.duty,
        _state.c.readiness,
        _state.c.link,
        _state.c.pause_reason,
        _state.c.since,
        _load.c.used,
        _load.c.capacity.label("load_capacity"),
        _load.c.by_class,
    )
    .select_from(_agent)
    .outerjoin(_state, _state.c.agent_id == _agent.c.id)
    .outerjoin(_load, _load.c.agent_id == _agent.c.id)
)
_AGENTS = stmt(_WITH_PRESENCE.order_by(_agent.c.name, _agent.c.id), name="agent.list")
_AGENT = stmt(_WITH_PRESENCE.where(_agent.c.id == bindparam("agent_id")), name="agent.one")
_BY_EMAIL = stmt(
    select(_agent.c.id, _agent.c.password_hash, _agent.c.active).where(
        _agent.c.email == bindparam("email")
    ),
    name="agent.by_email",
)
_PASSWORD_OF = stmt(
    select(_agent.c.password_hash).where(_agent.c.id == bindparam("agent_id")),
    name="agent.password_of",
)
_SET_PASSWORD = stmt(
    update(_agent)
    .where(_agent.c.id == bindparam("agent_id"))
    .values(password_hash=bindparam("new_hash")),
    name="agent.set_password",
)
_FIELDS = (
    "email", "name", "display_name", "roles", "unit_id", "language", "signature", "capacity",
    "class_caps", "disabled_classes", "settings", "active",
)  # fmt: skip
_CHANGE = stmt(
    update(_agent)
    .where(_agent.c.id == bindparam("agent_id"), _agent.c.version == bindparam("if_version"))
    .values(**{name: bindparam(f"new_{name}") for name in _FIELDS}, version=_agent.c.version + 1),
    name="agent.change",
)
_ADMINISTRATORS = stmt(
    text(
        "SELECT count(*) FROM agent WHERE active AND roles LIKE '%\"administrator\"%'"
        " AND id <> :but"
    ),
    name="agent.administrators",
)
_ADMIN_PASSWORDS = stmt(
    select(_agent.c.id, _agent.c.password_hash)
    .where(_agent.c.active, _agent.c.roles.like('%"administrator"%'))
    .order_by(_agent.c.created_at),
    name="agent.administrator_passwords",
)
_COUNT = stmt(select(func.count()).select_from(_agent), name="agent.count")
_ORG = stmt(select(_org), name="organisation")
_ORG_CHANGE = stmt(
    update(_org)
    .where(_org.c.id == bindparam("org_id"), _org.c.version == bindparam("if_version"))
    .values(
        name=bindparam("new_name"),
        zone=bindparam("new_zone"),
        language=bindparam("new_language"),
        settings=bindparam("new_settings"),
        version=_org.c.version + 1,
    ),
    name="organisation.change",
)
_UNITS = stmt(select(_unit).order_by(_unit.c.path), name="unit.list")
_UNIT = stmt(select(_unit).where(_unit.c.id == bindparam("unit_id")), name="unit.one")
_UNIT_RENAME = stmt(
    update(_unit).where(_unit.c.id == bindparam("unit_id")).values(name=bindparam("new_name")),
    name="unit.rename",
)


def agents(tx: Tx) -> list[Row]:
    """Return every agent with presence, by name; never a password's hash."""
    return dicts(tx, _AGENTS)


def agent(tx: Tx, agent_id: str) -> Row | None:
    """Return one agent with presence."""
    return one_dict(tx, _AGENT, {"agent_id": agent_id})


def credentials(tx: Tx, email: str) -> Row | None:
    """Return id, password_hash and active of whoever has this address (lower case)."""
    return one_dict(tx, _BY_EMAIL, {"email": email})


def password_of(tx: Tx, agent_id: str) -> str | None:
    """Return an agent's password hash; None without one."""
    row = tx.one(_PASSWORD_OF, {"agent_id": agent_id})
    return None if row is None else row[0]


def set_password(tx: Tx, agent_id: str, new_hash: str) -> None:
    """Replace an agent's password hash."""
    tx.execute(_SET_PASSWORD, {"agent_id": agent_id, "new_hash": new_hash})


def change_agent(tx: Tx, agent_id: str, if_version: int, row: Row) -> bool:
    """Write an agent's editable columns; False when the version is another."""
    values = {f"new_{name}": row[name] for name in _FIELDS}
    return tx.execute(_CHANGE, {"agent_id": agent_id, "if_version": if_version, **values}) > 0


def administrators(tx: Tx, but: str = "") -> int:
    """Return how many active administrators there are beside one."""
    row = tx.one(_ADMINISTRATORS, {"but": but})
    return int(row[0]) if row else 0


def administrator_passwords(tx: Tx) -> list[Row]:
    """Return id and password_hash of every active administrator, oldest first."""
    return dicts(tx, _ADMIN_PASSWORDS)


def count_agents(tx: Tx) -> int:
    """Return how many agents there are."""
    row = tx.one(_COUNT)
    return int(row[0]) if row else 0


def organisation(tx: Tx) -> Row | None:
    """Return the organisation; None in an empty database."""
    return one_dict(tx, _ORG)


def change_organisation(tx: Tx, org_id: str, if_version: int, row: Row) -> bool:
    """Write the organisation's editable columns; False when the version is another."""
    values = {f"new_{name}": row[name] for name in ("name", "zone", "language", "settings")}
    return tx.execute(_ORG_CHANGE, {"org_id": org_id, "if_version": if_version, **values}) > 0


def units(tx: Tx) -> list[Row]:
    """Return the organisation's tree, parents before children."""
    return dicts(tx, _UNITS)


def unit(tx: Tx, unit_id: str) -> Row | None:
    """Return one unit."""
    return one_dict(tx, _UNIT, {"unit_id": unit_id})


def rename_unit(tx: Tx, unit_id: str, name: str) -> bool:
    """Rename a unit; False when there is none."""
    return tx.execute(_UNIT_RENAME, {"unit_id": unit_id, "new_name": name}) > 0
