"""The house's own books: event log, audit, intake, leases, search, idempotency."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import (
    at,
    blob,
    json_text,
    key,
    long_text,
    maybe_ref,
    maybe_word,
    word,
)

_SEQ = BigInteger().with_variant(Integer(), "sqlite")


class Event(SQLModel, table=True):
    """The append-only log. `seq` is drawn at insertion (CACHE 1 on PostgreSQL)."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_at", "at"),
        Index("ix_event_conversation", "conversation_id", "seq"),
        {"sqlite_autoincrement": True},
    )
    seq: int = Field(sa_column=Column("seq", _SEQ, Identity(cache=1), primary_key=True))
    kind: str = word(40)
    at: int = at()
    actor: str = word(40)
    conversation_id: str | None = maybe_ref()
    customer_id: str | None = maybe_ref()
    message_id: str | None = maybe_ref()
    item_id: str | None = maybe_ref()
    queue_id: str | None = maybe_ref()
    agent_id: str | None = maybe_ref()
    data: str = json_text()


class Audit(SQLModel, table=True):
    """Who read or changed what, from which screen, and why. Kept 5 years."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"), Index("ix_audit_target", "target", "at"))
    id: str = key()
    at: int = at()
    actor: str = word(60)
    action: str = word(60)
    target: str = word(80)
    screen: str = word(60, default="")
    reason: str = word(300, default="")
    facts: str = json_text()


class IntakeLog(SQLModel, table=True):
    """What arrived and could not be used, or was; body encrypted, 14 days."""

    __tablename__ = "intake_log"
    __table_args__ = (
        Index("ix_intake_log_at", "at"),
        Index("ix_intake_log_channel", "channel_id", "at"),
    )
    id: str = key()
    channel_id: str | None = maybe_ref()
    at: int = at()
    outcome: str = word(20)
    code: str = word(60, default="")
    headers: str = json_text()
    request: bytes = blob()


class IntakeCount(SQLModel, table=True):
    """Counters per day, channel and outcome, raised in the unit that decides."""

    __tablename__ = "intake_count"
    day: str = Field(primary_key=True, max_length=10)
    channel_id: str = Field(primary_key=True, max_length=36)
    outcome: str = Field(primary_key=True, max_length=20)
    count: int = 0


class Lease(SQLModel, table=True):
    """Who acts: 5 s, epoch + 1 at each take-over."""

    __tablename__ = "lease"
    name: str = Field(primary_key=True, max_length=60)
    holder: str = word(80)
    epoch: int = 1
    until: int = at()


class SearchDoc(SQLModel, table=True):
    """Bigram text of one searchable thing; written by the follower, never in the unit."""

    __tablename__ = "search_doc"
    __table_args__ = (Index("uq_search_doc_ref", "kind", "ref", unique=True),)
    id: int = Field(sa_column=Column("id", _SEQ, Identity(cache=1), primary_key=True))
    kind: str = word(20)
    ref: str = word(36)
    conversation_id: str | None = maybe_ref(index=True)
    customer_id: str | None = maybe_ref(index=True)
    queue_id: str | None = maybe_ref()
    at: int = at()
    grams: str = long_text()


class ClientRequest(SQLModel, table=True):
    """The stored answer to a creating POST, by actor, route and client id."""

    __tablename__ = "client_request"
    actor: str = Field(primary_key=True, max_length=60)
    route: str = Field(primary_key=True, max_length=120)
    client_id: str = Field(primary_key=True, max_length=36)
    body_hash: str = word(64)
    answer: str = long_text()
    at: int = at(index=True)


class Counter(SQLModel, table=True):
    """Numbers people read out (case numbers), one row per series."""

    __tablename__ = "counter"
    name: str = Field(primary_key=True, max_length=40)
    value: int = 0


class Setting(SQLModel, table=True):
    """One value an administrator edits, as JSON."""

    __tablename__ = "setting"
    name: str = Field(primary_key=True, max_length=60)
    value: str = json_text()
    changed_by: str | None = maybe_word(40)
    version: int = 1
