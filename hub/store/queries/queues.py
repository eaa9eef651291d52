"""Queues, who serves them, and skills."""

from sqlalchemy import bindparam, delete, select, update

from hub.store.queries.rows import Row, dicts, insert_row, one_dict
from hub.store.statement import stmt
from hub.store.tables import AgentSkill, Membership, Queue, Skill, table
from hub.store.tx import Tx

_queue = table(Queue)
_member = table(Membership)
_skill = table(Skill)
_has = table(AgentSkill)

_QUEUES = stmt(select(_queue).order_by(_queue.c.name, _queue.c.id), name="queue.list")
_QUEUE = stmt(select(_queue).where(_queue.c.id == bindparam("queue_id")), name="queue.one")
_FIELDS = ("name", "unit_id", "config", "restricted", "acknowledge", "active")
_CHANGE = stmt(
    update(_queue)
    .where(_queue.c.id == bindparam("queue_id"), _queue.c.version == bindparam("if_version"))
    .values(**{name: bindparam(f"new_{name}") for name in _FIELDS}, version=_queue.c.version + 1),
    name="queue.change",
)
_MEMBERS = stmt(
    select(_member).order_by(_member.c.tier, _member.c.position, _member.c.agent_id),
    name="membership.list",
)
_MEMBERS_OF = stmt(
    select(_member)
    .where(_member.c.queue_id == bindparam("of_queue"))
    .order_by(_member.c.tier, _member.c.position, _member.c.agent_id),
    name="membership.of_queue",
)
_MEMBERS_DROP = stmt(
    delete(_member).where(_member.c.queue_id == bindparam("of_queue")), name="membership.drop"
)
_SKILLS = stmt(select(_skill).order_by(_skill.c.name), name="skill.list")
_SKILL_DROP = stmt(delete(_skill).where(_skill.c.id == bindparam("skill_id")), name="skill.drop")
_SKILL_FORGET = stmt(
    delete(_has).where(_has.c.skill_id == bindparam("skill_id")), name="agent_skill.forget"
)
_SKILLS_OF = stmt(
    select(_has.c.skill_id, _has.c.level).where(_has.c.agent_id == bindparam("of_agent")),
    name="agent_skill.of_agent",
)
_SKILLS_DROP = stmt(
    delete(_has).where(_has.c.agent_id == bindparam("of_agent")), name="agent_skill.drop"
)


def queues(tx: Tx) -> list[Row]:
    """Return every queue by name."""
    return dicts(tx, _QUEUES)


def queue(tx: Tx, queue_id: str) -> Row | None:
    """Return one queue."""
    return one_dict(tx, _QUEUE, {"queue_id": queue_id})


def change_queue(tx: Tx, queue_id: str, if_version: int, row: Row) -> bool:
    """Write a queue's columns; False when the version is another."""
    values = {f"new_{name}": row[name] for name in _FIELDS}
    return tx.execute(_CHANGE, {"queue_id": queue_id, "if_version": if_version, **values}) > 0


def members(tx: Tx) -> list[Row]:
    """Return every membership."""
    return dicts(tx, _MEMBERS)


def members_of(tx: Tx, queue_id: str) -> list[Row]:
    """Return a queue's memberships by tier and position."""
    return dicts(tx, _MEMBERS_OF, {"of_queue": queue_id})


def replace_members(tx: Tx, queue_id: str, rows: list[Row]) -> None:
    """Set who serves a queue."""
    tx.execute(_MEMBERS_DROP, {"of_queue": queue_id})
    for row in rows:
        insert_row(tx, Membership, queue_id=queue_id, **row)


def skills(tx: Tx) -> list[Row]:
    """Return every skill by name."""
    return dicts(tx, _SKILLS)


def drop_skill(tx: Tx, skill_id: str) -> bool:
    """Remove a skill and everybody's level in it; False when there is none."""
    tx.execute(_SKILL_FORGET, {"skill_id": skill_id})
    return tx.execute(_SKILL_DROP, {"skill_id": skill_id}) > 0


def skills_of(tx: Tx, agent_id: str) -> dict[str, int]:
    """Return skill id to level of an agent."""
    return {str(row[0]): int(row[1]) for row in tx.run(_SKILLS_OF, {"of_agent": agent_id})}


def replace_skills(tx: Tx, agent_id: str, levels: dict[str, int]) -> None:
    """Set what an agent is able to do."""
    tx.execute(_SKILLS_DROP, {"of_agent": agent_id})
    for skill_id, level in levels.items():
        insert_row(tx, AgentSkill, agent_id=agent_id, skill_id=skill_id, level=level)
