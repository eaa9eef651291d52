"""An answer to the customer: who may give it, by which way, cut to what the way can carry.

Message, deliveries and event are written in one unit; `workers.sender` takes it from there. Notes
are here as well: they are messages that no delivery is ever made for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.model.channel import Capabilities
from hub.model.clock import from_micros, to_micros
from hub.model.content import Choice, Content
from hub.model.conversation import Cause, ConversationState, next_state
from hub.model.errors import BadInput, Conflict, NotFound
from hub.model.events import EventKind, new_event
from hub.model.ids import AgentId, ConversationId, CustomerId, ItemId, MessageId, QueueId, new_id
from hub.model.router_commands import Take
from hub.model.visibility import Viewer, require_note, require_reply
from hub.services.deps import Deps
from hub.store.queries import conversations, customers, messages
from hub.store.queries.rows import Row, dicts, dump, insert_row, one_dict
from hub.store.queries.visibility import facts_of
from hub.store.tables import Delivery, Mention, Message
from hub.store.tx import Tx
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
    """Who writes: an agent, a bot, a token, or the hub itself (`system`)."""

    kind: str
    id: str | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """A channel and an address to answer by."""

    channel: Row
    identity: Row
    last_inbound_at: int | None


async def send_reply(
    deps: Deps, viewer: Viewer, author: Author, conversation_id: str, reply: Reply
) -> str:
    """Store an answer and queue its deliveries; return the message's id.

    Raises:
        NotFound: no such conversation, or not to be seen.
        NotAllowed: may only read.
        Conflict: `not_handler` without `take`; `already_taken`; `opted_out`, `window_closed`,
            `channel_unavailable`, `conversation_closed`, `no_way`.
        ShapeRefused: the channel cannot carry it; says why.
    """
    if len(reply.text) > MAX_TEXT_CHARS:
        raise BadInput("text_too_long", limit=MAX_TEXT_CHARS)
    if reply.take:
        await _take(deps, viewer, conversation_id)
    now, message_id = deps.clock.now(), new_id()

    def unit(tx: Tx) -> str:
        known = _known(tx, conversation_id, reply.client_id, author)
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
    outcome = await deps.router.submit(
        Take(ItemId(row["item_id"]), viewer.agent_id, reason="reply", from_handler=True)
    )
    if not outcome.ok and outcome.code != "item_gone":
        raise Conflict(outcome.code.value, holder=outcome.holder)


def _seen(tx: Tx, conversation_id: str, viewer: Viewer, now: datetime, *, take: bool) -> Row:
    facts = facts_of(tx, conversation_id, viewer, now)
    conversation = conversations.conversation(tx, conversation_id)
    if facts is None or conversation is None:
        raise NotFound
    require_reply(viewer, facts, take=take or facts.handler == viewer.agent_id)
    return conversation


def _known(tx: Tx, conversation_id: str, client_id: str, author: Author) -> str | None:
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
    capabilities = deps.kinds[way.channel["kind"]].capabilities
    check_way(way, capabilities, now)
    content = Content(
        text=reply.text, html=reply.html, subject=reply.subject, choices=reply.choices
    )
    files = _files(tx, reply.attachments, author, message_id)
    parts = shape(content, files, capabilities)
    number = _number(tx, conversation["id"])
    insert_row(
        tx,
        Message,
        id=message_id,
        conversation_id=conversation["id"],
        number=number,
        direction="out",
        author_kind=author.kind,
        author_id=author.id,
        channel_id=way.channel["id"],
        identity_id=way.identity["id"],
        case_id=conversation["case_id"],
        content=content.model_dump_json(exclude_defaults=True),
        recorded_at=to_micros(now),
        occurred_at=to_micros(now),
        client_id=reply.client_id,
    )
    for file in files:
        # After the message's row: the file's column points at it.
        tx.execute(
            messages.ATTACH,
            {"attachment_id": file.ref, "by": author.id, "message": message_id},
        )
    _queue(tx, conversation, author, reply, way, parts, message_id, number, now)
    _head(tx, conversation, way, content, now)
    tx.append(
        [
            new_event(
                EventKind.MESSAGE_SENT,
                now,
                actor=author.id or author.kind,
                conversation=ConversationId(conversation["id"]),
                customer=CustomerId(conversation["customer_id"]),
                message=MessageId(message_id),
                item=ItemId(conversation["item_id"]) if conversation["item_id"] else None,
                queue=QueueId(conversation["queue_id"]) if conversation["queue_id"] else None,
                agent=AgentId(author.id) if author.kind == "agent" and author.id else None,
                data={
                    "number": number,
                    "kind": way.channel["kind"],
                    "channel": way.channel["id"],
                    "by": "human" if author.kind == "agent" else author.kind,
                    "case": conversation["case_id"],
                },
            )
        ]
    )
    tx.after_commit(lambda: deps.wake.notify("sender"))
    return message_id


def choose_way(tx: Tx, conversation: Row, channel_id: str | None, identity_id: str | None) -> Way:
    """Return the way an answer takes: the one asked for, else that of the customer's last message.

    Raises:
        Conflict: `no_way`: there is no such way for this customer.
    """
    ways = dicts(tx, conversations.WAYS, {"id": conversation["id"]})
    ways.sort(key=lambda way: way["inbound_at"] or 0, reverse=True)
    for way in ways:
        if channel_id in (None, way["channel_id"]) and identity_id in (None, way["identity_id"]):
            return _way(tx, way["channel_id"], way["identity_id"], way["inbound_at"])
    if channel_id is None or identity_id is None:
        raise Conflict("no_way")
    # Another of the customer's addresses: a way this conversation did not take so far.
    identity = one_dict(tx, customers.IDENTITY, {"id": identity_id})
    if identity is None:
        raise Conflict("no_way")
    same = customers.root_of(tx, identity["customer_id"]) == customers.root_of(
        tx, conversation["customer_id"]
    )
    if not same:
        raise Conflict("no_way")
    return _way(tx, channel_id, identity_id, None)


def _way(tx: Tx, channel_id: str, identity_id: str, inbound_at: int | None) -> Way:
    channel = one_dict(tx, conversations.CHANNEL_HEAD, {"id": channel_id})
    identity = one_dict(tx, customers.IDENTITY, {"id": identity_id})
    if channel is None or identity is None:
        raise Conflict("no_way")
    return Way(channel, identity, inbound_at)


def check_way(way: Way, capabilities: Capabilities, now: datetime) -> None:
    """Raise Conflict with the reason when nothing may be sent by this way now."""
    if way.channel["state"] != "active":
        raise Conflict("channel_unavailable", state=way.channel["state"])
    if way.identity["opted_out_at"] is not None:
        raise Conflict("opted_out")
    hours = capabilities.reply_window_h
    if hours is not None:
        last = way.last_inbound_at
        if last is None or from_micros(last) + timedelta(hours=hours) < now:
            raise Conflict("window_closed", hours=hours)
    if way.last_inbound_at is None and not capabilities.can_start:
        raise Conflict("cannot_start")


def _files(tx: Tx, ids: tuple[str, ...], author: Author, message_id: str) -> list[MediaDescriptor]:
    """Check the uploads of a reply: stored, the author's own, in no message yet."""
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


def _number(tx: Tx, conversation_id: str) -> int:
    row = tx.one(conversations.NEXT_NUMBER, {"conversation_id": conversation_id})
    assert row is not None  # the conversation was read in this unit
    return int(row[0])


def _queue(  # noqa: PLR0913 - the columns of the row
    tx: Tx,
    conversation: Row,
    author: Author,
    reply: Reply,
    way: Way,
    parts: list[ShapedPart],
    message_id: str,
    number: int,
    now: datetime,
) -> None:
    for part_no, part in enumerate(parts):
        made = {
            "content": part.content.model_dump(mode="json", exclude_defaults=True),
            "media": [file.ref for file in part.media],
            "sender_name": author.name,
            "cc": [list(address) for address in reply.cc],
        }
        insert_row(
            tx,
            Delivery,
            id=new_id(),
            message_id=message_id,
            conversation_id=conversation["id"],
            channel_id=way.channel["id"],
            identity_id=way.identity["id"],
            part_no=part_no,
            position=number,
            part=dump(made),
            state="queued",
            due_at=to_micros(now),
            created_at=to_micros(now),
            updated_at=to_micros(now),
        )


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
        known = _known(tx, conversation_id, note.client_id, author)
        if known is not None:
            return known
        facts = facts_of(tx, conversation_id, viewer, now)
        if facts is None:
            raise NotFound
        require_note(viewer, facts)
        return _write_note(tx, conversation_id, author, note, message_id, now)

    return await deps.db.run(unit, name="reply.note")


def _write_note(  # noqa: PLR0913 - one note, all of it
    tx: Tx, conversation_id: str, author: Author, note: Note, message_id: str, now: datetime
) -> str:
    files = _files(tx, note.attachments, author, message_id)
    number = _number(tx, conversation_id)
    insert_row(
        tx,
        Message,
        id=message_id,
        conversation_id=conversation_id,
        number=number,
        direction="note",
        author_kind=author.kind,
        author_id=author.id,
        content=Content(text=note.text).model_dump_json(exclude_defaults=True),
        recorded_at=to_micros(now),
        occurred_at=to_micros(now),
        client_id=note.client_id,
    )
    for file in files:
        tx.execute(
            messages.ATTACH,
            {"attachment_id": file.ref, "by": author.id, "message": message_id},
        )
    for agent_id in dict.fromkeys(note.mentions):
        insert_row(
            tx,
            Mention,
            message_id=message_id,
            agent_id=agent_id,
            conversation_id=conversation_id,
            at=to_micros(now),
        )
    tx.append(
        [
            new_event(
                EventKind.MESSAGE_NOTED,
                now,
                actor=author.id or author.kind,
                conversation=ConversationId(conversation_id),
                message=MessageId(message_id),
                data={"number": number, "mentions": list(note.mentions), "by": author.kind},
            )
        ]
    )
    return message_id
