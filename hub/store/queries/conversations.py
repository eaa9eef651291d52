"""Conversations: candidates for threading, the row lock that orders messages, moves of state."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    String,
    and_,
    bindparam,
    case,
    func,
    null,
    select,
    update,
)

from hub.model.clock import from_micros, to_micros
from hub.model.conversation import ChannelTouch, ConversationBrief, ConversationState
from hub.model.ids import ChannelId, ConversationId, CustomerId
from hub.store.engine import Tx
from hub.store.queries.rows import Row, insert_row, one_dict, upsert
from hub.store.statement import Stmt, stmt
from hub.store.tables import Channel, Conversation, ConversationChannel, Customer, table

_c = table(Conversation)
_cc = table(ConversationChannel)
_channel = table(Channel)
_customer = table(Customer)

_BRIEF = select(
    _c.c.id,
    _c.c.customer_id,
    _c.c.state,
    _c.c.last_message_at,
    _c.c.resolved_at,
    _c.c.previous_id,
    _c.c.merged_into,
    _cc.c.channel_id,
    _cc.c.touched_at,
    _cc.c.mail_subject,
    _cc.c.provider_thread,
    _channel.c.separate,
).select_from(
    _c.join(_cc, _cc.c.conversation_id == _c.c.id).join(_channel, _channel.c.id == _cc.c.channel_id)
)
# The customer and everybody merged into them, directly or through others.
_family = (
    select(_customer.c.id).where(_customer.c.id == bindparam("root")).cte("family", recursive=True)
)
_family = _family.union(
    select(_customer.c.id).join(_family, _customer.c.merged_into == _family.c.id)
)
CANDIDATES = stmt(
    _BRIEF.where(
        _c.c.customer_id.in_(select(_family.c.id)),
        _c.c.spam.is_(False),
        _c.c.sender_confirmed.is_(True),
    )
    .order_by(_c.c.last_message_at.desc())
    .limit(60),
    name="conversation.candidates",
)
SPAM_CANDIDATES = stmt(
    _BRIEF.where(_c.c.customer_id.in_(select(_family.c.id)), _c.c.spam.is_(True))
    .order_by(_c.c.last_message_at.desc())
    .limit(60),
    name="conversation.spam_candidates",
)
CANDIDATE = stmt(_BRIEF.where(_c.c.id == bindparam("id")), name="conversation.candidate")
BY_THREAD = stmt(
    _BRIEF.where(
        _c.c.id.in_(
            select(_cc.c.conversation_id).where(
                _cc.c.channel_id == bindparam("channel_id"),
                _cc.c.provider_thread == bindparam("provider_thread"),
            )
        )
    ),
    name="conversation.by_thread",
)
ONE = stmt(select(_c).where(_c.c.id == bindparam("id")), name="conversation")
CHANNELS_OF = stmt(
    select(_cc).where(_cc.c.conversation_id == bindparam("id")).order_by(_cc.c.touched_at.desc()),
    name="conversation.channels",
)
# The one statement that gives a message its number: the row lock is what orders a conversation.
NEXT_NUMBER = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(last_number=_c.c.last_number + 1, version=_c.c.version + 1)
    .returning(_c.c.last_number, _c.c.state, _c.c.handler_agent_id, _c.c.item_id, _c.c.version),
    name="conversation.next_number",
)
INBOUND = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(
        state=bindparam("new_state"),
        preview=bindparam("new_preview"),
        subject=case((_c.c.subject == "", bindparam("new_subject")), else_=_c.c.subject),
        language=case(
            (bindparam("new_language", type_=String) == "", _c.c.language),
            else_=bindparam("new_language", type_=String),
        ),
        last_channel_id=bindparam("channel_id"),
        last_identity_id=bindparam("identity_id"),
        last_message_at=bindparam("at"),
        last_inbound_at=bindparam("at"),
        # The clock of an answer runs from the earliest message that has none.
        waiting_since=case(
            (bindparam("waits", type_=Boolean), func.coalesce(_c.c.waiting_since, bindparam("at"))),
            else_=_c.c.waiting_since,
        ),
        snoozed_until=case((_c.c.state == bindparam("new_state"), _c.c.snoozed_until), else_=None),
        resolved_at=case(
            (
                and_(
                    bindparam("keep_resolved", type_=Boolean),
                    bindparam("new_resolved_at", type_=BigInteger).is_not(None),
                ),
                _c.c.resolved_at,
            ),
            else_=bindparam("new_resolved_at", type_=BigInteger),
        ),
        case_id=func.coalesce(bindparam("new_case_id", type_=String), _c.c.case_id),
        item_id=func.coalesce(bindparam("new_item_id", type_=String), _c.c.item_id),
    ),
    name="conversation.inbound",
)
OUTBOUND = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(
        state=bindparam("new_state"),
        preview=bindparam("new_preview"),
        last_channel_id=bindparam("channel_id"),
        last_identity_id=bindparam("identity_id"),
        last_message_at=bindparam("at"),
        waiting_since=null(),
        snoozed_until=null(),
    ),
    name="conversation.outbound",
)
CHANNEL_OUT = upsert(
    _cc,
    keys=("conversation_id", "channel_id", "identity_id"),
    update=("touched_at",),
    fixed={"provider_thread": "", "display": "{}", "refs": "[]"},
    name="conversation_channel.out",
)
WAYS = stmt(
    select(_cc.c.channel_id, _cc.c.identity_id, _cc.c.inbound_at, _cc.c.touched_at).where(
        _cc.c.conversation_id == bindparam("id")
    ),
    name="conversation.ways",
)
CHANNEL_HEAD = stmt(
    select(_channel.c.id, _channel.c.kind, _channel.c.name, _channel.c.state).where(
        _channel.c.id == bindparam("id")
    ),
    name="channel.head",
)
CHANNEL_IN = upsert(
    _cc,
    keys=("conversation_id", "channel_id", "identity_id"),
    update=("provider_thread", "mail_subject", "display", "refs", "touched_at", "inbound_at"),
    name="conversation_channel.in",
)
MOVE = stmt(
    update(_c)
    .where(
        _c.c.id == bindparam("conversation_id"),
        _c.c.state.in_(bindparam("sources", expanding=True)),
    )
    .values(
        state=bindparam("new_state"),
        snoozed_until=bindparam("new_snoozed_until"),
        resolved_at=bindparam("new_resolved_at"),
        version=_c.c.version + 1,
    ),
    name="conversation.move",
)
HOLD = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(
        handler_agent_id=bindparam("new_handler"),
        queue_id=bindparam("new_queue"),
        item_id=bindparam("new_item"),
        due_at=bindparam("new_due"),
        version=_c.c.version + 1,
    ),
    name="conversation.hold",
)
BUMP = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(version=_c.c.version + 1)
    .returning(_c.c.version),
    name="conversation.bump",
)
SPAM = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(spam=bindparam("new_spam"), version=_c.c.version + 1),
    name="conversation.spam",
)
# Also what was merged into those: a pointer names the root of its time.
_under = select(_c.c.id).where(_c.c.merged_into == bindparam("id")).cte("under", recursive=True)
_under = _under.union(select(_c.c.id).join(_under, _c.c.merged_into == _under.c.id))
MERGED_INTO = stmt(select(_under.c.id), name="conversation.merged_into")
EXPIRED_WINDOWS = stmt(
    select(_c.c.id)
    .where(_c.c.state == ConversationState.RESOLVED.value, _c.c.resolved_at < bindparam("before"))
    .limit(200),
    name="conversation.expired_windows",
)


def briefs(
    tx: Tx, statement: Stmt, params: dict[str, Any], *, root: str | None, reopen_s: int
) -> list[ConversationBrief]:
    """Return candidates newest first; one brief per conversation, its rows folded together.

    `root` replaces the customer of every candidate: the statement asked for a whole family.
    """
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in tx.run(statement, params):
        found.setdefault(row[0], []).append(row)
    return [_brief(rows, root, reopen_s) for rows in found.values()]


def _brief(rows: list[tuple[Any, ...]], root: str | None, reopen_s: int) -> ConversationBrief:
    first = rows[0]
    touches: dict[str, ChannelTouch] = {}
    mail: tuple[int, str | None] = (-1, None)
    for row in rows:
        channel_id, touched, subject, thread = row[7], row[8], row[9], row[10]
        known = touches.get(channel_id)
        threads = (known.provider_threads if known else frozenset()) | (
            {thread} if thread else frozenset()
        )
        newest = max(touched, to_micros(known.touched_at)) if known else touched
        touches[channel_id] = ChannelTouch(
            ChannelId(channel_id), from_micros(newest), bool(row[11]), frozenset(threads)
        )
        if subject is not None and touched > mail[0]:
            mail = (touched, subject)
    resolved = first[4]
    return ConversationBrief(
        id=ConversationId(first[0]),
        customer_id=CustomerId(root or first[1]),
        state=ConversationState(first[2]),
        last_touched_at=from_micros(first[3]),
        touches=tuple(touches.values()),
        mail_subject=mail[1],
        reopen_until=None if resolved is None else from_micros(resolved + reopen_s * 1_000_000),
        previous_id=ConversationId(first[5]) if first[5] else None,
        merged_into=ConversationId(first[6]) if first[6] else None,
    )


def conversation(tx: Tx, conversation_id: str) -> Row | None:
    """Return one conversation row."""
    return one_dict(tx, ONE, {"id": conversation_id})


def add_conversation(
    tx: Tx, conversation_id: str, customer_id: str, at: datetime, **more: Any
) -> None:
    """Insert a new, open conversation without messages."""
    now = to_micros(at)
    insert_row(
        tx,
        Conversation,
        id=conversation_id,
        customer_id=customer_id,
        state=ConversationState.OPEN.value,
        last_message_at=now,
        created_at=now,
        **more,
    )
