"""Work: queues and who serves them, items, offers, assignments, timers, rules.

`work_item`, `offer`, `assignment`, `timer`, `agent_state`, `agent_load` are written by
`services/dispatch` alone (`receive` inserts items in state `new`). Columns are what claims, lists
and metrics look at; `body` holds the rest of the value of `model.work` as JSON.
"""

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import (
    at,
    json_text,
    key,
    long_text,
    maybe_at,
    maybe_ref,
    maybe_word,
    ref,
    word,
)


class Queue(SQLModel, table=True):
    """A queue. `config` holds the fields of `model.staff.Queue`."""

    __tablename__ = "queue"
    id: str = key()
    name: str = word(100, unique=True)
    unit_id: str = ref("org_unit.id")
    config: str = json_text()
    restricted: bool = False
    acknowledge: bool = False
    active: bool = True
    version: int = 1


class Membership(SQLModel, table=True):
    """An agent serves a queue on a staff tier."""

    __tablename__ = "membership"
    agent_id: str = Field(primary_key=True, max_length=36, foreign_key="agent.id")
    queue_id: str = Field(primary_key=True, max_length=36, foreign_key="queue.id", index=True)
    tier: int = 1
    position: int = 0
    delay_s: float = 0.0
    auto_accept: bool = True


class Skill(SQLModel, table=True):
    """Something an agent is able to do; rules name it."""

    __tablename__ = "skill"
    id: str = key()
    name: str = word(60, unique=True)


class AgentSkill(SQLModel, table=True):
    """An agent's level (1–5) in a skill."""

    __tablename__ = "agent_skill"
    agent_id: str = Field(primary_key=True, max_length=36, foreign_key="agent.id")
    skill_id: str = Field(primary_key=True, max_length=36, foreign_key="skill.id")
    level: int = 1


class AgentState(SQLModel, table=True):
    """Presence; `body` is `model.staff.AgentPresence`."""

    __tablename__ = "agent_state"
    agent_id: str = key()
    duty: str = word(20)
    readiness: str = word(20)
    link: str = word(20)
    pause_reason: str | None = maybe_word(60)
    since: int | None = maybe_at()
    body: str = json_text()


class AgentLoad(SQLModel, table=True):
    """What an agent holds; a copy kept in the same unit, for claims and lists."""

    __tablename__ = "agent_load"
    agent_id: str = key()
    used: int = 0
    capacity: int = 100
    routable: bool = False
    overcommitted: bool = False
    by_class: str = json_text()


class WorkItem(SQLModel, table=True):
    """One demand for human attention; `body` is `model.work.WorkItem`."""

    __tablename__ = "work_item"
    __table_args__ = (
        Index(
            "uq_work_item_live_contact",
            "conversation_id",
            "kind",
            unique=True,
            sqlite_where=text(
                "closed_at IS NULL AND kind IN ('contact','call','callback')"
                " AND conversation_id IS NOT NULL"
            ),
            postgresql_where=text(
                "closed_at IS NULL AND kind IN ('contact','call','callback')"
                " AND conversation_id IS NOT NULL"
            ),
        ),
        Index(
            "ix_work_item_live",
            "state",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_work_item_handler", "handler_agent_id", "closed_at"),
    )
    id: str = key()
    kind: str = word(20)
    work_class: str = word(20)
    state: str = word(20)
    version: int = 0
    conversation_id: str | None = maybe_ref(index=True)
    customer_id: str | None = maybe_ref()
    case_id: str | None = maybe_ref(index=True)
    queue_id: str | None = maybe_ref(index=True)
    handler_agent_id: str | None = maybe_ref()
    severity: int = 3
    created_at: int = at()
    vstart: int | None = maybe_at()
    due_at: int | None = maybe_at()
    closed_at: int | None = maybe_at()
    body: str = json_text()


class Offer(SQLModel, table=True):
    """An agent asked to take an item; `body` is `model.work.Offer`."""

    __tablename__ = "offer"
    __table_args__ = (
        Index(
            "uq_offer_single_live",
            "item_id",
            unique=True,
            sqlite_where=text("state = 'offered' AND mode IN ('single','direct')"),
            postgresql_where=text("state = 'offered' AND mode IN ('single','direct')"),
        ),
        Index(
            "uq_offer_accepted",
            "item_id",
            unique=True,
            sqlite_where=text("state = 'accepted'"),
            postgresql_where=text("state = 'accepted'"),
        ),
        Index(
            "ix_offer_live_agent",
            "agent_id",
            sqlite_where=text("state = 'offered'"),
            postgresql_where=text("state = 'offered'"),
        ),
    )
    id: str = key()
    item_id: str = ref("work_item.id", index=True)
    agent_id: str = ref("agent.id")
    state: str = word(20)
    mode: str = word(20)
    created_at: int = at()
    expires_at: int = at()
    body: str = json_text()


class Assignment(SQLModel, table=True):
    """An agent works on an item; `body` is `model.work.Assignment`."""

    __tablename__ = "assignment"
    __table_args__ = (
        Index(
            "uq_assignment_handler",
            "item_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL AND role = 'handler'"),
            postgresql_where=text("ended_at IS NULL AND role = 'handler'"),
        ),
        Index("ix_assignment_agent", "agent_id", "ended_at"),
        Index("ix_assignment_conversation", "conversation_id", "agent_id"),
    )
    id: str = key()
    item_id: str = ref("work_item.id")
    conversation_id: str | None = maybe_ref()
    agent_id: str = ref("agent.id")
    role: str = word(20)
    since: int = at()
    ended_at: int | None = maybe_at()
    body: str = json_text()


class Timer(SQLModel, table=True):
    """Something that becomes due; unique by kind and subject."""

    __tablename__ = "timer"
    __table_args__ = (Index("ix_timer_due", "due_at"),)
    kind: str = Field(primary_key=True, max_length=30)
    subject_id: str = Field(primary_key=True, max_length=80)
    due_at: int = at()
    epoch: int = 0


class RuleSet(SQLModel, table=True):
    """A version of the routing rules. Published ones never change."""

    __tablename__ = "rule_set"
    version: int = Field(primary_key=True)
    tree: str = long_text()
    state: str = word(20)
    note: str = word(300, default="")
    created_by: str = word(40)
    created_at: int = at()
    published_at: int | None = maybe_at()


class Calendar(SQLModel, table=True):
    """Opening hours by name; `config` is what `routing.calendar` reads."""

    __tablename__ = "calendar"
    name: str = Field(primary_key=True, max_length=60)
    config: str = json_text()
    version: int = 1


class RouterCommand(SQLModel, table=True):
    """A command for the router of another process, and its outcome."""

    __tablename__ = "router_command"
    __table_args__ = (Index("ix_router_command_open", "outcome", "created_at"),)
    id: str = key()
    command: str = long_text()
    created_at: int = at()
    outcome: str | None = Field(default=None, nullable=True, max_length=400)
    done_at: int | None = maybe_at()
