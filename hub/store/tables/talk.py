"""What is said: channels, conversations, cases, messages, files and their delivery."""

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


class Channel(SQLModel, table=True):
    """One configured account on one network. `config` is encrypted JSON."""

    __tablename__ = "channel"
    id: str = key()
    kind: str = word(40)
    name: str = word(200)
    config: bytes = blob()
    state: str = word(20, default="active")
    state_reason: str = word(100, default="")
    separate: bool = False
    language: str = word(20, default="")
    region: str = word(2, default="")
    settings: str = json_text()
    created_at: int = at()
    version: int = 1


class ChannelCursor(SQLModel, table=True):
    """How far a fetching channel has read; stored with what was read."""

    __tablename__ = "channel_cursor"
    channel_id: str = key()
    cursor: str = word(500)
    updated_at: int = at()


class Conversation(SQLModel, table=True):
    """The thread of talk. Spans channels. Handler and queue are copies of the live work item."""

    __tablename__ = "conversation"
    __table_args__ = (
        Index("ix_conversation_customer", "customer_id", "last_message_at"),
        # Lists read one branch per queue and state in the order asked for, so that their time does
        # not grow with what lies in other queues or is long resolved.
        Index("ix_conversation_queue_new", "queue_id", "state", "last_message_at", "id"),
        Index("ix_conversation_queue_due", "queue_id", "state", "due_at", "id"),
        Index("ix_conversation_queue_wait", "queue_id", "state", "waiting_since", "id"),
        Index("ix_conversation_handler_new", "handler_agent_id", "state", "last_message_at", "id"),
        Index("ix_conversation_all_new", "state", "last_message_at", "id"),
    )
    id: str = key()
    customer_id: str = ref("customer.id")
    state: str = word(20)
    subject: str = word(1000, default="")
    preview: str = word(200, default="")
    language: str = word(20, default="")
    handler_agent_id: str | None = maybe_ref()
    queue_id: str | None = maybe_ref()
    item_id: str | None = maybe_ref()
    case_id: str | None = maybe_ref()
    previous_id: str | None = maybe_ref()
    merged_into: str | None = maybe_ref(index=True)
    sender_confirmed: bool = True
    spam: bool = False
    last_number: int = 0
    last_channel_id: str | None = maybe_ref()
    last_identity_id: str | None = maybe_ref()
    last_message_at: int = at()
    last_inbound_at: int | None = maybe_at()
    waiting_since: int | None = maybe_at()
    due_at: int | None = maybe_at()
    snoozed_until: int | None = maybe_at()
    resolved_at: int | None = maybe_at()
    created_at: int = at()
    version: int = 1


class ConversationChannel(SQLModel, table=True):
    """One way a conversation is held: through which channel, with which identity.

    `display` is what the last inbound message carried for answers; `references` the Message-IDs.
    """

    __tablename__ = "conversation_channel"
    __table_args__ = (Index("ix_conversation_channel_thread", "channel_id", "provider_thread"),)
    conversation_id: str = Field(primary_key=True, max_length=36, foreign_key="conversation.id")
    channel_id: str = Field(primary_key=True, max_length=36, foreign_key="channel.id")
    identity_id: str = Field(primary_key=True, max_length=36, foreign_key="identity.id")
    provider_thread: str = word(255, default="")
    mail_subject: str | None = maybe_word(1000)
    display: str = json_text()
    refs: str = json_text("[]")
    touched_at: int = at()
    inbound_at: int | None = maybe_at()


class Case(SQLModel, table=True):
    """One matter, with the number people read out. The owner is who was first asked."""

    __tablename__ = "case"
    id: str = key()
    number: int = Field(unique=True)
    customer_id: str = ref("customer.id", index=True)
    conversation_id: str = ref("conversation.id", index=True)
    type: str = word(20)
    class_code: str = word(60, default="")
    severity: int = 3
    severity_by: str = word(10, default="rule")
    owner_agent_id: str | None = maybe_ref(index=True)
    owner_since: int | None = maybe_at()
    state: str = word(20)
    title: str = word(300, default="")
    deadlines: str = json_text()
    reopens: int = 0
    opened_at: int = at()
    solved_at: int | None = maybe_at()
    version: int = 1


class Message(SQLModel, table=True):
    """One thing said. `number` is the order inside its conversation."""

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("conversation_id", "number"),
        Index("ix_message_time", "conversation_id", "recorded_at", "id"),
        Index(
            "uq_message_external",
            "channel_id",
            "external_id",
            unique=True,
            sqlite_where=text("direction = 'in'"),
            postgresql_where=text("direction = 'in'"),
        ),
    )
    id: str = key()
    conversation_id: str = ref("conversation.id")
    number: int
    direction: str = word(10)
    author_kind: str = word(10)
    author_id: str | None = maybe_ref()
    channel_id: str | None = maybe_ref()
    identity_id: str | None = maybe_ref()
    case_id: str | None = maybe_ref()
    external_id: str | None = maybe_word(255)
    content: str = long_text()
    thread_rule: str = word(40, default="")
    assurance: str = word(20, default="")
    auto_reply: bool = False
    revision: str = word(60, default="")
    recorded_at: int = at()
    occurred_at: int = at()
    edited_at: int | None = maybe_at()
    deleted_at: int | None = maybe_at()
    redacted_at: int | None = maybe_at()
    client_id: str | None = maybe_ref()
    version: int = 1


class MessageRevision(SQLModel, table=True):
    """What a message said before it was edited or deleted."""

    __tablename__ = "message_revision"
    __table_args__ = (UniqueConstraint("message_id", "revision"),)
    id: str = key()
    message_id: str = ref("message.id")
    revision: str = word(60)
    kind: str = word(20)
    content: str = long_text()
    at: int = at()


class Mention(SQLModel, table=True):
    """A colleague named in a note."""

    __tablename__ = "mention"
    message_id: str = Field(primary_key=True, max_length=36)
    agent_id: str = Field(primary_key=True, max_length=36)
    conversation_id: str = ref(index=True)
    at: int = at()


class Attachment(SQLModel, table=True):
    """A file of a message. File first, row second; orphans are swept."""

    __tablename__ = "attachment"
    __table_args__ = (Index("ix_attachment_due", "state", "due_at"),)
    id: str = key()
    message_id: str | None = maybe_ref("message.id", index=True)
    channel_id: str | None = maybe_ref()
    uploaded_by: str | None = maybe_word(60)
    kind: str = word(20)
    filename: str = word(300, default="")
    content_type: str = word(150)
    size_bytes: int | None = Field(default=None, nullable=True)
    sha256: str = word(64, default="")
    storage_key: str = word(100, default="")
    state: str = word(20)
    source_ref: str = long_text(default="")
    content_id: str = word(300, default="")
    inline: bool = False
    attempts: int = 0
    due_at: int | None = maybe_at()
    error: str = word(60, default="")
    created_at: int = at()


class MediaToken(SQLModel, table=True):
    """A link a provider may fetch one file by; random, hashed here, 15 minutes."""

    __tablename__ = "media_token"
    token_hash: str = Field(primary_key=True, max_length=64)
    attachment_id: str = ref("attachment.id")
    expires_at: int = at()


class Delivery(SQLModel, table=True):
    """One part of one outgoing message to one address."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_due", "state", "due_at"),
        Index("ix_delivery_external", "channel_id", "external_id"),
        Index("ix_delivery_order", "conversation_id", "identity_id", "state"),
        UniqueConstraint("message_id", "part_no"),
    )
    id: str = key()
    message_id: str = ref("message.id")
    conversation_id: str = ref("conversation.id")
    channel_id: str = ref("channel.id")
    identity_id: str = ref("identity.id")
    part_no: int
    position: int  # number of the message: the order inside the conversation
    part: str = long_text()
    state: str = word(20)
    attempt: int = 0
    due_at: int = at()
    claimed_until: int | None = maybe_at()
    claimed_by: str | None = maybe_word(60)
    external_id: str | None = maybe_word(255)
    error_code: str = word(60, default="")
    provider_code: str = word(60, default="")
    maybe_sent: bool = False
    created_at: int = at()
    updated_at: int = at()


class DeliveryAttempt(SQLModel, table=True):
    """One call to a provider and how it ended."""

    __tablename__ = "delivery_attempt"
    delivery_id: str = Field(primary_key=True, max_length=36)
    attempt: int = Field(primary_key=True)
    started_at: int = at()
    ended_at: int | None = maybe_at()
    outcome: str = word(20, default="")
    code: str = word(60, default="")


class WidgetSession(SQLModel, table=True):
    """A visitor's chat. The token is random; only its SHA-256 stands here."""

    __tablename__ = "widget_session"
    __table_args__ = (Index("ix_widget_session_subject", "channel_id", "subject_id"),)
    id: str = key()
    channel_id: str = ref("channel.id", index=True)
    visitor_id: str = ref(index=True)
    token_hash: str = word(64, unique=True)
    name: str = word(300, default="")
    subject_id: str = word(320, default="")  # who the site's signed identity says it is
    verified_email: str = word(320, default="")
    verified_phone: str = word(40, default="")
    language: str = word(20, default="")
    page: str = word(1000, default="")
    facts: str = json_text()  # level and claimed addresses, as the visitor or the site said
    created_at: int = at()
    seen_at: int = at()
    expires_at: int = at()
