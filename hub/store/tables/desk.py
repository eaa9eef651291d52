"""What agents keep on their desk: drafts, tags, canned replies, read marks."""

from sqlmodel import Field, SQLModel

from hub.store.tables.columns import at, json_text, key, long_text, maybe_ref, word


class Draft(SQLModel, table=True):
    """An unsent reply or note of one agent in one conversation."""

    __tablename__ = "draft"
    agent_id: str = Field(primary_key=True, max_length=36)
    conversation_id: str = Field(primary_key=True, max_length=36)
    kind: str = Field(primary_key=True, max_length=10)
    body: str = long_text()
    updated_at: int = at()
    version: int = 1


class Tag(SQLModel, table=True):
    """A word conversations are marked with."""

    __tablename__ = "tag"
    id: str = key()
    name: str = word(60, unique=True)
    colour: str = word(20, default="")
    version: int = 1


class ConversationTag(SQLModel, table=True):
    """A tag on a conversation."""

    __tablename__ = "conversation_tag"
    conversation_id: str = Field(primary_key=True, max_length=36, foreign_key="conversation.id")
    tag_id: str = Field(primary_key=True, max_length=36, foreign_key="tag.id", index=True)


class CannedReply(SQLModel, table=True):
    """A prepared wording; `texts` is a JSON object language to text."""

    __tablename__ = "canned_reply"
    id: str = key()
    shortcut: str = word(60, unique=True)
    title: str = word(200)
    texts: str = json_text()
    queue_id: str | None = maybe_ref()
    owner_agent_id: str | None = maybe_ref()
    version: int = 1


class ReadMark(SQLModel, table=True):
    """Up to which number an agent has read a conversation."""

    __tablename__ = "read_mark"
    agent_id: str = Field(primary_key=True, max_length=36)
    conversation_id: str = Field(primary_key=True, max_length=36, index=True)
    number: int = 0
