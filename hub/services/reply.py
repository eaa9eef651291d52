"""An answer to the customer: who may give it, by which way, cut to what the way can carry.

Message, deliveries and event are written in one unit; `workers.sender` takes it from there. Notes
are here as well: they are messages that no delivery is ever made for.
"""

from dataclasses import dataclass
from datetime import datetime

from hub.model.address import IdentityKind
from hub.model.channel import Capabilities
from hub.model.clock import to_micros
from hub.model.content import Choice, Content
from hub.model.conversation import Cause, ConversationState, next_state
from hub.model.errors import BadInput, Conflict, NotFound, RouterPending
from hub.model.events import EventKind, NewEvent, new_event
from hub.model.ids import AgentId, ConversationId, CustomerId, ItemId, MessageId, QueueId, new_id
from hub.model.router_commands import Take
from hub.model.visibility import Viewer, require_reply
from hub.services import metrics
from hub.services.deps import Deps
from hub.services.ways import Way, check_way, choose_way
from hub.store.queries import conversations, messages
from hub.store.queries.rows import Row, dump, insert_row, one_dict
from hub.store.queries.visibility import facts_of
from hub.store.tables import Delivery, Message
from hub.store.tx import Tx
from hub.unify.address import parse_address
from hub.unify.shape import MediaDescriptor, ShapedPart, shape

MAX_TEXT_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What an agent wrote.

    Attributes:
        client_id: made by the client; the same one again is the same message.
        channel_id, identity_id: the way to take; None: that of the customer's last message.
        attachments: ids of files uploaded before by the same person.
        take: whoever is not the handler takes the work over with this answer.
    """

    client_id: str
    text: str
    html: str | None = None
    subject: str | None = None
    channel_id: str | None = None
    identity_id: str | None = None
    cc: tuple[tuple[str, str, str], ...] = ()
    attachments: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    take: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes: an agent, a bot, a token, or the hub itself (`system`).

    `signature` goes under mails, not under chats, and is no part of the stored message.
    """

    kind: str
    id: str | None
    name: str = ""
    signature: str = ""


async def send_reply(
    deps: Deps, viewer: Viewer, author: Author, conversation_id: str, reply: Reply
) -> str:
    """Store an answer and queue its deliveries; return the message's id.

    Raises:
        NotFound: no such conversation, or not to be seen.
        NotAllowed: may only read.
        Conflict: `not_handler` without `take`; `already_taken`; `opted_out`, `window_closed`,
            `channel_unavailable`, `conversation_closed`, `no_way`, `wrong_network`;
            `router_pending`: with `take`, nobody answered whose work it is: nothing was kept.
        BadInput: `text_too_long`; `address_invalid` for a copy.
        ShapeRefused: the channel cannot carry it; says why.
    """
    if len(reply.text) > MAX_TEXT_CHARS:
        raise BadInput("text_too_long", limit=MAX_TEXT_CHARS)
    if reply.take:
        await _take(deps, viewer, conversation_id)
    now, message_id = deps.clock.now(), new_id()

    def unit(tx: Tx) -> str:
        known = known_message(tx, conversation_id, reply.client_id, author)
        if known is not None:
            return known
        conversation = _seen(tx, conversation_id, viewer, now, take=reply.take)
        return write_reply(tx, deps, conversation, author, reply, message_id, now)

    return await deps.db.run(unit, name="reply.send")


async def _take(deps: Deps, viewer: Viewer, conversation_id: str) -> None:
    """Have the router give the live item to the writer, if somebody else, or nobody, has it."""
    now = deps.clock.now()

    def unit(tx: Tx) -> Row | None:
        return _seen(tx, conversation_id, viewer, now, take=True)

    row = await deps.db.read(unit)
    if row is None or row["item_id"] is None or row["handler_agent_id"] == viewer.agent_id:
        return
    command = Take(ItemId(row["item_id"]), viewer.agent_id, reason="reply", from_handler=True)
    try:
        outcome = await deps.router.submit(command)
    except RouterPending as error:
        # Not "accepted": the words were not kept. The same client_id may be sent again.
        raise Conflict(error.code) from error
    if not outcome.ok and outcome.code != "item_gone":
        raise Conflict(outcome.code.value, holder=outcome.holder)


def _seen(tx: Tx, conversation_id: str, viewer: Viewer, now: datetime, *, take: bool) -> Row:
    facts = facts_of(tx, conversation_id, viewer, now)
    conversation = conversations.conversation(tx, conversation_id)
    if facts is None or conversation is None:
        raise NotFound
    require_reply(viewer, facts, take=take or facts.handler == viewer.agent_id)
    return conversation


def known_message(tx: Tx, conversation_id: str, client_id: str, author: Author) -> str | None:
    """Return the id of the message the author's client made before under this id, or None."""
    row = one_dict(
        tx,
        messages.BY_CLIENT,
        {
            "conversation_id": conversation_id,
            "client_id": client_id,
            "author_id": author.id,
        },
    )
    return None if row is None else str(row["id"])


@dataclass(frozen=True, slots=True)
class Written:
    """A message of ours about to be stored: under which number, by whom, saying what."""

    message_id: str
    conversation: Row
    author: Author
    client_id: str
    content: Content
    files: tuple[MediaDescriptor, ...]
    number: int
    now: datetime


def write_reply(  # noqa: PLR0913 - one answer, all of it
    tx: Tx,
    deps: Deps,
    conversation: Row,
    author: Author,
    reply: Reply,
    message_id: str,
    now: datetime,
) -> str:
    """Write an answer inside a unit; the caller has checked who may give it."""
    if conversation["state"] == ConversationState.CLOSED.value:
        raise Conflict("conversation_closed")
    way = choose_way(tx, conversation, reply.channel_id, reply.identity_id)
    kind = deps.kinds[way.channel["kind"]]
    capabilities = kind.capabilities
    check_way(way, kind, now)
    content = Content(
        text=reply.text, html=reply.html, subject=reply.subject, choices=reply.choices
    )
    files = check_files(tx, reply.attachments, author, message_id)
    parts = shape(_signed(content, author, capabilities), files, capabilities)
    number = next_number(tx, conversation["id"])
    written = Written(
        message_id, conversation, author, reply.client_id, content, tuple(files), number, now
    )
    insert_written(tx, written, "out", way)
    _queue(tx, written, reply, way, parts)
    _head(tx, conversation, way, content, now)
    tx.append([_sent(written, way)])
    tx.after_commit(metrics.MESSAGES.labels("out", way.channel["kind"]).inc)
    tx.after_commit(lambda: deps.wake.notify("sender"))
    return message_id


def _signed(content: Content, author: Author, capabilities: Capabilities) -> Content:
    """Put the signature under a mail, behind the "-- " that mail programs fold (RFC 3676, 4.3)."""
    signature = author.signature.strip()
    if not signature or not capabilities.subject or content.html is not None:
        return content
    return content.model_copy(update={"text": f"{content.text}\n\n-- \n{signature}"})


def insert_written(tx: Tx, written: Written, direction: str, way: Way | None) -> None:
    """Insert an answer or a note, and hang its files on it."""
    now = to_micros(written.now)
    insert_row(
        tx,
        Message,
        id=written.message_id,
        conversation_id=written.conversation["id"],
        number=written.number,
        direction=direction,
        author_kind=written.author.kind,
        author_id=written.author.id,
        channel_id=way.channel["id"] if way else None,
        identity_id=way.identity["id"] if way else None,
        case_id=written.conversation["case_id"],
        content=written.content.model_dump_json(exclude_defaults=True),
        recorded_at=now,
        occurred_at=now,
        client_id=written.client_id,
    )
    for file in written.files:
        # After the message's row: the file's column points at it.
        params = {
            "attachment_id": file.ref,
            "by": written.author.id,
            "message": written.message_id,
        }
        tx.execute(messages.ATTACH, params)


def _sent(written: Written, way: Way) -> NewEvent:
    conversation, author = written.conversation, written.author
    return new_event(
        EventKind.MESSAGE_SENT,
        written.now,
        actor=author.id or author.kind,
        conversation=ConversationId(conversation["id"]),
        customer=CustomerId(conversation["customer_id"]),
        message=MessageId(written.message_id),
        item=ItemId(conversation["item_id"]) if conversation["item_id"] else None,
        queue=QueueId(conversation["queue_id"]) if conversation["queue_id"] else None,
        agent=AgentId(author.id) if author.kind == "agent" and author.id else None,
        data={
            "number": written.number,
            "kind": way.channel["kind"],
            "channel": way.channel["id"],
            "by": "human" if author.kind == "agent" else author.kind,
            "case": conversation["case_id"],
        },
    )


def check_files(
    tx: Tx, ids: tuple[str, ...], author: Author, message_id: str
) -> list[MediaDescriptor]:
    """Return the uploads of a message: stored, the author's own, in no message yet.

    Raises:
        NotFound: `attachment_not_found`.
    """
    found = []
    for id_ in ids:
        row = one_dict(tx, messages.ATTACHMENT, {"id": id_})
        mine = row is not None and row["uploaded_by"] == author.id
        if row is None or not mine or row["message_id"] not in (None, message_id):
            raise NotFound("attachment_not_found")
        found.append(
            MediaDescriptor(row["kind"], row["content_type"], row["size_bytes"] or 0, row["id"])
        )
    return found


def next_number(tx: Tx, conversation_id: str) -> int:
    """Lock the conversation and draw the number of its next message."""
    row = tx.one(conversations.NEXT_NUMBER, {"conversation_id": conversation_id})
    assert row is not None  # the conversation was read in this unit
    return int(row[0])


def _queue(tx: Tx, written: Written, reply: Reply, way: Way, parts: list[ShapedPart]) -> None:
    now = to_micros(written.now)
    for part_no, part in enumerate(parts):
        made = {
            "content": part.content.model_dump(mode="json", exclude_defaults=True),
            "media": [file.ref for file in part.media],
            "sender_name": written.author.name,
            "automatic": written.author.kind == "system",
            "cc": [_copy(address) for address in reply.cc],
        }
        insert_row(
            tx,
            Delivery,
            id=new_id(),
            message_id=written.message_id,
            conversation_id=written.conversation["id"],
            channel_id=way.channel["id"],
            identity_id=way.identity["id"],
            part_no=part_no,
            position=written.number,
            part=dump(made),
            state="queued",
            due_at=now,
            created_at=now,
            updated_at=now,
        )


def _copy(typed: tuple[str, str, str]) -> list[str]:
    """Return who gets a copy, in normal form; what is no address never leaves as one."""
    kind, value, scope = typed
    address = parse_address(IdentityKind(kind), value, scope=scope)
    return [address.kind.value, address.value, address.scope]


def _head(tx: Tx, conversation: Row, way: Way, content: Content, now: datetime) -> None:
    state = ConversationState(conversation["state"])
    tx.execute(
        conversations.OUTBOUND,
        {
            "conversation_id": conversation["id"],
            "new_state": (next_state(state, Cause.ANSWERED) or state).value,
            "new_preview": content.preview(),
            "channel_id": way.channel["id"],
            "identity_id": way.identity["id"],
            "at": to_micros(now),
        },
    )
    tx.execute(
        conversations.CHANNEL_OUT,
        {
            "conversation_id": conversation["id"],
            "channel_id": way.channel["id"],
            "identity_id": way.identity["id"],
            "touched_at": to_micros(now),
        },
    )
