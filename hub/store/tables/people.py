"""Who works here and who writes to us: organisation, agents, access, customers, identities."""

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import (
    at,
    blob,
    json_text,
    key,
    long_text,
    maybe_at,
    maybe_ref,
    maybe_word,
    ref,
    word,
)


class Organisation(SQLModel, table=True):
    """One row: whose hub this is. Reports and "same day" use its zone."""

    __tablename__ = "organisation"
    id: str = key()
    name: str = word(200)
    zone: str = word(60)
    language: str = word(20)
    demo: bool = False
    settings: str = json_text()
    created_at: int = at()
    version: int = 1


class OrgUnit(SQLModel, table=True):
    """A unit of the organisation tree; `path` is the ids from the root, slash-separated."""

    __tablename__ = "org_unit"
    id: str = key()
    parent_id: str | None = maybe_ref("org_unit.id")
    name: str = word(200)
    path: str = word(800)


class Agent(SQLModel, table=True):
    """Somebody who works here, or a bot. `email` is in lower case."""

    __tablename__ = "agent"
    id: str = key()
    email: str = word(320, unique=True)
    name: str = word(200)
    display_name: str = word(200, default="")
    kind: str = word(10, default="person")
    roles: str = json_text('["agent"]')
    unit_id: str = ref("org_unit.id")
    password_hash: str | None = maybe_word(200)
    totp_secret: bytes | None = blob(default=None, nullable=True)
    totp_step: int | None = Field(default=None, nullable=True)
    language: str = word(20, default="")
    signature: str = long_text(default="")
    capacity: int = 100
    class_caps: str = json_text()
    disabled_classes: str = json_text("[]")
    settings: str = json_text()
    active: bool = True
    created_at: int = at()
    version: int = 1


class AgentSession(SQLModel, table=True):
    """A login. The cookie's value is random; only its SHA-256 stands here."""

    __tablename__ = "agent_session"
    id: str = key()
    agent_id: str = ref("agent.id", index=True)
    token_hash: str = word(64, unique=True)
    csrf: str = word(64)
    created_at: int = at()
    seen_at: int = at()
    expires_at: int = at()
    user_agent: str = word(200, default="")


class OneTimeLink(SQLModel, table=True):
    """A link that works once: set a password, log in as a demo person."""

    __tablename__ = "one_time_link"
    token_hash: str = Field(primary_key=True, max_length=64)
    agent_id: str = ref("agent.id")
    purpose: str = word(20)
    expires_at: int = at()
    used_at: int | None = maybe_at()


class ApiToken(SQLModel, table=True):
    """A program's access. Shown once; only its SHA-256 stands here."""

    __tablename__ = "api_token"
    id: str = key()
    name: str = word(200)
    token_hash: str = word(64, unique=True)
    agent_id: str | None = maybe_ref("agent.id")
    scopes: str = json_text("[]")
    created_at: int = at()
    expires_at: int | None = maybe_at()
    used_at: int | None = maybe_at()
    revoked_at: int | None = maybe_at()


class Customer(SQLModel, table=True):
    """One person or firm who writes to us. `merged_into` points to the root that stands for it."""

    __tablename__ = "customer"
    id: str = key()
    name: str = word(300, default="")
    locale: str = word(20, default="")
    zone: str = word(60, default="")
    level: str = word(20, default="basic")
    care_group: str = word(40, default="")
    attributes: str = json_text()
    merged_into: str | None = maybe_ref("customer.id", index=True)
    created_at: int = at()
    updated_at: int = at()
    version: int = 1


class Identity(SQLModel, table=True):
    """An address of a customer on one network; unique in its normal form."""

    __tablename__ = "identity"
    __table_args__ = (UniqueConstraint("kind", "scope", "value"),)
    id: str = key()
    customer_id: str = ref("customer.id", index=True)
    kind: str = word(20)
    scope: str = word(100, default="")
    value: str = word(320)
    name: str = word(300, default="")
    verified_at: int | None = maybe_at()
    verified_how: str = word(40, default="")
    valid_until: int | None = maybe_at()
    opted_out_at: int | None = maybe_at()
    blocked_at: int | None = maybe_at()
    created_at: int = at()
    version: int = 1


class CustomerLink(SQLModel, table=True):
    """A suggestion that two customers may be one; an agent decides."""

    __tablename__ = "customer_link"
    __table_args__ = (UniqueConstraint("customer_id", "other_id", "reason"),)
    id: str = key()
    customer_id: str = ref("customer.id", index=True)
    other_id: str = ref("customer.id", index=True)
    reason: str = word(40)
    score: int = 0
    state: str = word(20, default="suggested")
    decided_by: str | None = maybe_ref()
    created_at: int = at()
    decided_at: int | None = maybe_at()


class CustomerMerge(SQLModel, table=True):
    """One merge; undone by clearing the pointer and dating `undone_at`."""

    __tablename__ = "customer_merge"
    __table_args__ = (
        Index(
            "uq_customer_merge_live",
            "from_id",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
    )
    id: str = key()
    from_id: str = ref("customer.id")
    into_id: str = ref("customer.id", index=True)
    merged_by: str = word(40)
    merged_at: int = at()
    undone_by: str | None = maybe_word(40)
    undone_at: int | None = maybe_at()
