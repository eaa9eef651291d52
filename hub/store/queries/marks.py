"""What people put on conversations: tags, and how far they have read."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, select, text, update

from hub.store.queries.rows import insert_row
from hub.store.statement import Params, stmt
from hub.store.tables import Conversation, ConversationTag, ReadMark, Tag, table
from hub.store.tx import Tx

_c = table(Conversation)
_read = table(ReadMark)
_tag = table(Tag)
_on = table(ConversationTag)

_READ = stmt(
    select(_read.c.conversation_id, _read.c.number).where(
        _read.c.agent_id == bindparam("agent_id"),
        _read.c.conversation_id.in_(bindparam("ids", expanding=True)),
    ),
    name="read_mark.list",
)
# Marks only grow, whichever tab is later; `unread` sets one back on purpose.
_RAISE = stmt(
    text(
        "INSERT INTO read_mark (agent_id, conversation_id, number)"
        " VALUES (:agent_id, :conversation_id, :number)"
        " ON CONFLICT (agent_id, conversation_id) DO UPDATE SET number = excluded.number"
        " WHERE excluded.number > read_mark.number OR :back = 1"
    ),
    name="read_mark.raise",
)
_TAG_IDS = stmt(
    select(_tag.c.name, _tag.c.id).where(_tag.c.name.in_(bindparam("names", expanding=True))),
    name="tag.ids",
)
_HAS = stmt(
    select(func.count())
    .select_from(_on)
    .where(
        _on.c.conversation_id == bindparam("conversation_id"), _on.c.tag_id == bindparam("tag_id")
    ),
    name="conversation_tag.has",
)
_OFF = stmt(
    delete(_on).where(
        _on.c.conversation_id == bindparam("conversation_id"), _on.c.tag_id == bindparam("tag_id")
    ),
    name="conversation_tag.off",
)
_SUBJECT = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"), _c.c.version == bindparam("if_version"))
    .values(subject=bindparam("new_subject"), version=_c.c.version + 1),
    name="conversation.subject",
)


def read_marks(tx: Tx, agent_id: str, ids: Sequence[str]) -> dict[str, int]:
    """Return up to which number an agent has read each conversation; unread ones are left out."""
    if not ids:
        return {}
    rows = tx.run(_READ, {"agent_id": agent_id, "ids": list(ids)})
    return {str(row[0]): int(row[1]) for row in rows}


def mark_read(tx: Tx, agent_id: str, conversation_id: str, number: int, *, back: bool) -> None:
    """Set how far an agent has read; `back` allows a smaller number."""
    tx.execute(
        _RAISE,
        {
            "agent_id": agent_id,
            "conversation_id": conversation_id,
            "number": number,
            "back": int(back),
        },
    )


def tag_ids(tx: Tx, names: Sequence[str]) -> dict[str, str]:
    """Return the ids of tags by name."""
    if not names:
        return {}
    return {str(row[0]): str(row[1]) for row in tx.run(_TAG_IDS, {"names": list(names)})}


def put_on(tx: Tx, conversation_id: str, tag_id: str) -> bool:
    """Put a tag on a conversation; False when it was on."""
    row = tx.one(_HAS, {"conversation_id": conversation_id, "tag_id": tag_id})
    if row is not None and row[0]:
        return False
    insert_row(tx, ConversationTag, conversation_id=conversation_id, tag_id=tag_id)
    return True


def take_off(tx: Tx, conversation_id: str, tag_id: str) -> bool:
    """Take a tag off a conversation; False when it was not on."""
    return tx.execute(_OFF, {"conversation_id": conversation_id, "tag_id": tag_id}) > 0


def set_subject(tx: Tx, conversation_id: str, if_version: int, subject: str) -> bool:
    """Set the subject people see; False when the conversation has another version."""
    params: Params = {
        "conversation_id": conversation_id, "if_version": if_version, "new_subject": subject
    }  # fmt: skip
    return tx.execute(_SUBJECT, params) > 0
