"""Private notes: messages that no delivery is ever made for."""

from dataclasses import dataclass
from datetime import datetime

from hub.model.clock import to_micros
from hub.model.content import Content
from hub.model.errors import NotFound
from hub.model.events import EventKind, Fact, new_event
from hub.model.ids import ConversationId, MessageId, new_id
from hub.model.visibility import Viewer, require_note
from hub.services.deps import Deps
from hub.services.reply import (
    Author,
    Written,
    check_files,
    insert_written,
    known_message,
    next_number,
)
from hub.store.queries import conversations
from hub.store.queries.rows import Row, insert_row
from hub.store.queries.visibility import facts_of
from hub.store.tables import Mention
from hub.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Note:
    """A private note; `mentions` are agents told of it."""

    client_id: str
    text: str
    mentions: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()


async def write_note(
    deps: Deps, viewer: Viewer, author: Author, conversation_id: str, note: Note
) -> str:
    """Store a private note; it reaches no channel, ever. Returns the message's id.

    Raises:
        NotFound: no such conversation, or not to be seen.
        NotAllowed: may only read.
    """
    now, message_id = deps.clock.now(), new_id()

    def unit(tx: Tx) -> str:
        known = known_message(tx, conversation_id, note.client_id, author)
        if known is not None:
            return known
        facts = facts_of(tx, conversation_id, viewer, now)
        if facts is None:
            raise NotFound
        require_note(viewer, facts)
        conversation = conversations.conversation(tx, conversation_id)
        if conversation is None:
            raise NotFound
        return _write_note(tx, conversation, author, note, message_id, now)

    return await deps.db.run(unit, name="reply.note")


def _write_note(
    tx: Tx, conversation: Row, author: Author, note: Note, message_id: str, now: datetime
) -> str:
    files = check_files(tx, note.attachments, author, message_id)
    content = Content(text=note.text)
    number = next_number(tx, conversation["id"])
    written = Written(
        message_id, conversation, author, note.client_id, content, tuple(files), number, now
    )
    insert_written(tx, written, "note", None)
    for agent_id in dict.fromkeys(note.mentions):
        insert_row(
            tx,
            Mention,
            message_id=message_id,
            agent_id=agent_id,
            conversation_id=conversation["id"],
            at=to_micros(now),
        )
    facts: dict[str, Fact] = {
        "number": number,
        "mentions": list(note.mentions),
        "by": author.kind,
    }
    tx.append(
        [
            new_event(
                EventKind.MESSAGE_NOTED,
                now,
                actor=author.id or author.kind,
                conversation=ConversationId(conversation["id"]),
                message=MessageId(message_id),
                data=facts,
            )
        ]
    )
    return message_id
