"""Messages and conversations that change places: pointers, numbers, heads, ways."""

from typing import Any

from sqlalchemy import bindparam, func, null, select, text, update

from hub.store.queries import conversations
from hub.store.queries.rows import Row, dicts, load_map, one_dict
from hub.store.statement import stmt
from hub.store.tables import Conversation, Delivery, Event, Mention, Message, table
from hub.store.tx import Tx

_c = table(Conversation)
_m = table(Message)
_d = table(Delivery)
_mention = table(Mention)
_e = table(Event)

_VERSION = stmt(select(_c.c.version).where(_c.c.id == bindparam("id")), name="moving.version")
_STATE = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(
        state=bindparam("new_state"),
        waiting_since=bindparam("new_waiting_since"),
        snoozed_until=null(),
        resolved_at=null(),
        version=_c.c.version + 1,
    ),
    name="moving.state",
)
_HEAD = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(
        preview=bindparam("new_preview"),
        last_channel_id=bindparam("new_channel"),
        last_identity_id=bindparam("new_identity"),
        last_message_at=bindparam("new_at"),
        last_inbound_at=bindparam("new_inbound_at"),
        version=_c.c.version + 1,
    ),
    name="moving.head",
)
_SUBJECT = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(subject=bindparam("new_subject")),
    name="moving.subject",
)
_CASE = stmt(
    update(_c).where(_c.c.id == bindparam("conversation_id")).values(case_id=bindparam("new_case")),
    name="moving.case",
)
_POINT = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"), _c.c.merged_into.is_(None))
    .values(merged_into=bindparam("into_id"), version=_c.c.version + 1),
    name="moving.point",
)
# Changes nothing, but no other unit may merge the root away until this one has ended.
_HOLD = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"), _c.c.merged_into.is_(None))
    .values(merged_into=null()),
    name="moving.hold",
)
_UNPOINT = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"), _c.c.merged_into == bindparam("from_id"))
    .values(merged_into=null(), version=_c.c.version + 1),
    name="moving.unpoint",
)
_ROOT = stmt(
    text(
        "WITH RECURSIVE up(id, parent) AS ("
        " SELECT u.id, u.merged_into FROM conversation u WHERE u.id = :id"
        " UNION SELECT u.id, u.merged_into FROM conversation u JOIN up ON u.id = up.parent)"
        " SELECT id FROM up WHERE parent IS NULL"
    ),
    name="moving.root",
)
_FAMILY = stmt(
    text(
        "WITH RECURSIVE down(id) AS ("
        " SELECT d.id FROM conversation d WHERE d.id = :id"
        " UNION SELECT d.id FROM conversation d JOIN down ON d.merged_into = down.id)"
        " SELECT id FROM down"
    ),
    name="moving.family",
)
_NEWEST = stmt(
    select(_m)
    .where(
        _m.c.conversation_id.in_(bindparam("ids", expanding=True)),
        _m.c.direction.in_(("in", "out")),
    )
    .order_by(_m.c.recorded_at.desc(), _m.c.id.desc())
    .limit(1),
    name="moving.newest",
)
_LAST_IN = stmt(
    select(_m.c.identity_id, _m.c.recorded_at)
    .where(
        _m.c.conversation_id.in_(bindparam("ids", expanding=True)),
        _m.c.direction == "in",
    )
    .order_by(_m.c.recorded_at.desc(), _m.c.id.desc())
    .limit(1),
    name="moving.last_in",
)
_FROM = stmt(
    select(_m)
    .where(
        _m.c.conversation_id == bindparam("conversation_id"),
        _m.c.number >= bindparam("number"),
        _m.c.direction != "system",
    )
    .order_by(_m.c.number)
    .limit(bindparam("limit")),
    name="moving.from",
)
_BEFORE = stmt(
    select(func.count())
    .select_from(_m)
    .where(
        _m.c.conversation_id == bindparam("conversation_id"),
        _m.c.number < bindparam("number"),
        _m.c.direction.in_(("in", "out")),
    ),
    name="moving.before",
)
_MOVE = stmt(
    update(_m)
    .where(_m.c.id == bindparam("message_id"))
    .values(
        conversation_id=bindparam("to_conversation"),
        number=bindparam("new_number"),
        case_id=bindparam("new_case"),
        version=_m.c.version + 1,
    ),
    name="moving.message",
)
_MOVE_DELIVERIES = stmt(
    update(_d)
    .where(_d.c.message_id == bindparam("of_message"))
    .values(conversation_id=bindparam("to_conversation"), position=bindparam("new_number")),
    name="moving.deliveries",
)
_MOVE_MENTIONS = stmt(
    update(_mention)
    .where(_mention.c.message_id == bindparam("of_message"))
    .values(conversation_id=bindparam("to_conversation")),
    name="moving.mentions",
)
_WAY = (
    'INSERT INTO conversation_channel ("conversation_id", "channel_id", "identity_id",'
    ' "provider_thread", "mail_subject", "display", "refs", "touched_at", "inbound_at")'
    " SELECT :to_conversation, w.channel_id, w.identity_id, w.provider_thread, w.mail_subject,"
    " w.display, w.refs, w.touched_at, w.inbound_at FROM conversation_channel w"
    " WHERE w.conversation_id = :from_conversation"
)
_COPY_WAYS = stmt(text(f"{_WAY} ON CONFLICT DO NOTHING"), name="moving.ways")
_COPY_WAY = stmt(
    text(
        f"{_WAY} AND w.channel_id = :channel_id AND w.identity_id = :identity_id"
        " ON CONFLICT DO NOTHING"
    ),
    name="moving.way",
)
_SPAM_OF = stmt(
    text(
        "SELECT DISTINCT c.id FROM conversation c JOIN conversation_channel w"
        " ON w.conversation_id = c.id WHERE w.identity_id = :identity_id AND c.spam"
    ),
    name="moving.spam_of",
)
_MERGE_EVENT = stmt(
    select(_e.c.data)
    .where(_e.c.conversation_id == bindparam("id"), _e.c.kind == "conversation.merged")
    .order_by(_e.c.seq.desc())
    .limit(1),
    name="moving.merge_event",
)


def version_of(tx: Tx, conversation_id: str) -> int:
    """Return a conversation's version as it is now in the unit."""
    row = tx.one(_VERSION, {"id": conversation_id})
    return 0 if row is None else int(row[0])


def set_state(tx: Tx, conversation_id: str, state: str, *, waiting_since: int | None) -> None:
    """Put a conversation into a live state; whatever was snoozed or resolved is so no more."""
    tx.execute(
        _STATE,
        {
            "conversation_id": conversation_id,
            "new_state": state,
            "new_waiting_since": waiting_since,
        },
    )


def set_subject(tx: Tx, conversation_id: str, subject: str) -> None:
    """Replace a conversation's subject."""
    tx.execute(_SUBJECT, {"conversation_id": conversation_id, "new_subject": subject})


def set_case(tx: Tx, conversation_id: str, case_id: str) -> None:
    """Make a case the one new messages belong to."""
    tx.execute(_CASE, {"conversation_id": conversation_id, "new_case": case_id})


def set_head(tx: Tx, conversation_id: str, values: dict[str, Any]) -> None:
    """Write preview, way and times of the newest message."""
    tx.execute(_HEAD, {"conversation_id": conversation_id, **values})


def point(tx: Tx, conversation_id: str, into_id: str) -> bool:
    """Set the pointer of a merge; False when there was one, or what it names was merged itself."""
    pointed = tx.execute(_POINT, {"conversation_id": conversation_id, "into_id": into_id})
    return bool(pointed and tx.execute(_HOLD, {"conversation_id": into_id}))


def unpoint(tx: Tx, conversation_id: str, from_id: str) -> bool:
    """Clear the pointer; False when it points elsewhere."""
    return tx.execute(_UNPOINT, {"conversation_id": conversation_id, "from_id": from_id}) > 0


def root_of(tx: Tx, conversation_id: str) -> str:
    """Return the conversation that stands for one after merges."""
    row = tx.one(_ROOT, {"id": conversation_id})
    return conversation_id if row is None else str(row[0])


def family_of(tx: Tx, conversation_id: str) -> list[str]:
    """Return a conversation and everything merged into it, directly or through others."""
    return [str(row[0]) for row in tx.run(_FAMILY, {"id": conversation_id})]


def newest(tx: Tx, family: list[str]) -> Row | None:
    """Return the newest message to or from the customer in a merged family."""
    return one_dict(tx, _NEWEST, {"ids": family})


def last_inbound(tx: Tx, family: list[str]) -> tuple[str | None, int] | None:
    """Return identity and instant of the customer's last message, None without one."""
    row = tx.one(_LAST_IN, {"ids": family})
    return None if row is None else (row[0], int(row[1]))


def last_sender(tx: Tx, conversation_id: str) -> str | None:
    """Return the identity whose message came in last."""
    found = last_inbound(tx, family_of(tx, conversation_id))
    return None if found is None else found[0]


def messages_from(tx: Tx, conversation_id: str, number: int, limit: int) -> list[Row]:
    """Return messages from a number on, in order; the hub's own remarks are left out."""
    params = {"conversation_id": conversation_id, "number": number, "limit": limit}
    return dicts(tx, _FROM, params)


def talk_before(tx: Tx, conversation_id: str, number: int) -> int:
    """Return how many messages to or from the customer stand before a number."""
    row = tx.one(_BEFORE, {"conversation_id": conversation_id, "number": number})
    return 0 if row is None else int(row[0])


def move_message(tx: Tx, message: Row, to_conversation: str, case_id: str | None) -> int:
    """Give a message the next number of another conversation; return it.

    Deliveries and mentions follow; revisions and files hang on the message itself.
    """
    row = tx.one(conversations.NEXT_NUMBER, {"conversation_id": to_conversation})
    assert row is not None  # the caller read or inserted it in this unit
    number = int(row[0])
    place: dict[str, Any] = {"to_conversation": to_conversation, "new_number": number}
    tx.execute(_MOVE, {**place, "message_id": message["id"], "new_case": case_id})
    tx.execute(_MOVE_DELIVERIES, {**place, "of_message": message["id"]})
    tx.execute(_MOVE_MENTIONS, {"to_conversation": to_conversation, "of_message": message["id"]})
    if message["channel_id"] and message["identity_id"]:
        tx.execute(
            _COPY_WAY,
            {
                "to_conversation": to_conversation,
                "from_conversation": message["conversation_id"],
                "channel_id": message["channel_id"],
                "identity_id": message["identity_id"],
            },
        )
    return number


def copy_ways(tx: Tx, from_conversation: str, to_conversation: str) -> None:
    """Let one conversation be answered by the ways another was held."""
    tx.execute(
        _COPY_WAYS, {"from_conversation": from_conversation, "to_conversation": to_conversation}
    )


def spam_of_identity(tx: Tx, identity_id: str) -> list[str]:
    """Return the conversations in the spam view that an address takes part in."""
    return [str(row[0]) for row in tx.run(_SPAM_OF, {"identity_id": identity_id})]


def merged_cases(tx: Tx, conversation_id: str) -> list[str]:
    """Return the cases that followed a conversation when it was merged last."""
    row = tx.one(_MERGE_EVENT, {"id": conversation_id})
    found = load_map(row[0]).get("cases") if row is not None else None
    return [str(one) for one in found] if isinstance(found, list) else []
