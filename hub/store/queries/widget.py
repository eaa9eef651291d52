"""The chat widget's rows: sessions, and what a visitor may see of the talk.

Visible is what a visitor's own identities said on their channel and what was answered to them
there, once it was released (its delivery is past `sending`). Notes and the hub's lines never are.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, func, or_, select, tuple_, update

from hub.model.events import EventKind
from hub.model.widget import UPLOADER_PREFIX
from hub.store.queries import customers
from hub.store.queries.rows import Row, dicts, one_dict
from hub.store.statement import stmt
from hub.store.tables import (
    Agent,
    Attachment,
    Conversation,
    Delivery,
    Event,
    Identity,
    Message,
    ReadMark,
    WidgetSession,
    table,
)
from hub.store.tx import Tx

_s = table(WidgetSession)
_i = table(Identity)
_m = table(Message)
_d = table(Delivery)
_c = table(Conversation)
_e = table(Event)
_a = table(Attachment)
_mark = table(ReadMark)
_agent = table(Agent)

Seen = dict[str, int]
RELEASED = ("sent", "delivered", "read", "unknown")
MAX_VISITORS = 50
MAX_CONVERSATIONS = 100
TALK_KINDS = (
    EventKind.MESSAGE_RECEIVED,
    EventKind.MESSAGE_CHANGED,
    EventKind.MESSAGE_MOVED,
    EventKind.MESSAGE_REDACTED,
    EventKind.DELIVERY_MOVED,
    EventKind.ATTACHMENT_STORED,
)
"""Events after which a visitor may see something new."""

SESSION = stmt(
    select(_s).where(
        _s.c.token_hash == bindparam("token_hash"), _s.c.expires_at > bindparam("now")
    ),
    name="widget.session",
)
RENEW = stmt(
    update(_s)
    .where(_s.c.id == bindparam("session_id"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "name", "subject_id", "verified_email", "verified_phone", "language", "page",
                "facts", "seen_at", "expires_at",
            )
        }
    ),
    name="widget.renew",
)  # fmt: skip
PAGE_SEEN = stmt(
    update(_s)
    .where(_s.c.id == bindparam("session_id"))
    .values(page=bindparam("new_page"), seen_at=bindparam("now")),
    name="widget.page_seen",
)
VISITORS = stmt(
    select(_s.c.visitor_id)
    .where(_s.c.channel_id == bindparam("channel_id"), _s.c.subject_id == bindparam("subject_id"))
    .group_by(_s.c.visitor_id)
    .order_by(func.max(_s.c.seen_at).desc())
    .limit(MAX_VISITORS),
    name="widget.visitors",
)
SUBJECTS = stmt(
    select(_s.c.channel_id, _s.c.visitor_id, _s.c.subject_id).where(
        _s.c.visitor_id.in_(bindparam("visitors", expanding=True)), _s.c.subject_id != ""
    ),
    name="widget.subjects",
)
IDENTITIES = stmt(
    select(_i.c.id, _i.c.customer_id).where(
        _i.c.kind == "web",
        _i.c.scope == bindparam("channel_id"),
        _i.c.value.in_(bindparam("visitors", expanding=True)),
    ),
    name="widget.identities",
)
CONVERSATIONS = stmt(
    select(_c.c.id)
    .where(_c.c.customer_id.in_(bindparam("customers", expanding=True)))
    .order_by(_c.c.last_message_at.desc())
    .limit(MAX_CONVERSATIONS),
    name="widget.conversations",
)
_released = exists(select(_d.c.id).where(_d.c.message_id == _m.c.id, _d.c.state.in_(RELEASED)))
_shown = or_(_m.c.direction == "in", and_(_m.c.direction == "out", _released))
_own = and_(
    _m.c.conversation_id.in_(bindparam("conversations", expanding=True)),
    _m.c.identity_id.in_(bindparam("identities", expanding=True)),
    _m.c.channel_id == bindparam("channel_id"),
    _shown,
)
PAGE = stmt(
    select(_m)
    .where(
        _own,
        tuple_(_m.c.recorded_at, _m.c.id) < tuple_(bindparam("before_at"), bindparam("before_id")),
    )
    .order_by(_m.c.recorded_at.desc(), _m.c.id.desc())
    .limit(bindparam("limit")),
    name="widget.page",
)
THREADS = stmt(select(_m.c.conversation_id).where(_own).distinct(), name="widget.threads")
OF_IDS = stmt(
    select(_m, _i.c.value.label("visitor_id"))
    .join(_i, _i.c.id == _m.c.identity_id)
    .where(
        _m.c.id.in_(bindparam("ids", expanding=True)),
        _i.c.kind == "web",
        _i.c.scope == _m.c.channel_id,
        _shown,
    ),
    name="widget.of_ids",
)
BY_EXTERNAL = stmt(
    select(_m).where(
        _m.c.channel_id == bindparam("channel_id"),
        _m.c.external_id == bindparam("external_id"),
        _m.c.direction == "in",
    ),
    name="widget.by_external",
)
CHANGED = stmt(
    select(_e.c.seq, _e.c.message_id)
    .where(
        _e.c.conversation_id.in_(bindparam("conversations", expanding=True)),
        _e.c.seq > bindparam("after"),
        _e.c.seq <= bindparam("upto"),
        _e.c.kind.in_([kind.value for kind in TALK_KINDS]),
    )
    .order_by(_e.c.seq)
    .limit(bindparam("limit")),
    name="widget.changed",
)
MARKS = stmt(
    select(_mark.c.conversation_id, func.max(_mark.c.number))
    .where(_mark.c.conversation_id.in_(bindparam("conversations", expanding=True)))
    .group_by(_mark.c.conversation_id),
    name="widget.marks",
)
ANSWERED = stmt(
    select(_m.c.conversation_id, func.max(_m.c.number))
    .where(
        _m.c.conversation_id.in_(bindparam("conversations", expanding=True)),
        _m.c.direction == "out",
        _m.c.author_kind == "agent",
    )
    .group_by(_m.c.conversation_id),
    name="widget.answered",
)
HANDLERS = stmt(
    select(_c.c.id, _agent.c.display_name, _agent.c.name, _c.c.state, _c.c.last_message_at)
    .join(_agent, _agent.c.id == _c.c.handler_agent_id)
    .where(_c.c.id.in_(bindparam("conversations", expanding=True)))
    .order_by(_c.c.last_message_at.desc()),
    name="widget.handlers",
)
DELIVERIES = stmt(
    select(_d.c.id, _i.c.value, _d.c.message_id)
    .join(_i, _i.c.id == _d.c.identity_id)
    .where(
        _d.c.message_id.in_(bindparam("ids", expanding=True)),
        _d.c.channel_id == bindparam("channel_id"),
        _d.c.state.in_(("sending", *RELEASED)),
        _i.c.kind == "web",
        _i.c.scope == bindparam("channel_id"),
        _i.c.value.in_(bindparam("visitors", expanding=True)),
    )
    .order_by(_d.c.position, _d.c.part_no),
    name="widget.deliveries",
)
FILE = stmt(
    select(_a, _m.c.channel_id.label("said_on"), _i.c.value.label("said_by"))
    .select_from(
        _a.outerjoin(
            _m, and_(_m.c.id == _a.c.message_id, _m.c.redacted_at.is_(None), _shown)
        ).outerjoin(_i, and_(_i.c.id == _m.c.identity_id, _i.c.kind == "web"))
    )
    .where(_a.c.id == bindparam("id")),
    name="widget.file",
)
SESSIONS_OVER = stmt(
    delete(_s).where(
        or_(
            and_(_s.c.subject_id == "", _s.c.expires_at < bindparam("anonymous_before")),
            _s.c.expires_at < bindparam("signed_before"),
        )
    ),
    name="widget.sessions_over",
)
UPLOADS_LOOSE = stmt(
    delete(_a)
    .where(
        _a.c.id.in_(
            select(_a.c.id)
            .where(
                _a.c.message_id.is_(None),
                _a.c.uploaded_by.like(f"{UPLOADER_PREFIX}%"),
                _a.c.state == "stored",
                _a.c.created_at < bindparam("before"),
            )
            .limit(200)
        )
    )
    .returning(_a.c.storage_key),
    name="widget.uploads_loose",
)
UPLOADS = stmt(
    select(_a).where(
        _a.c.id.in_(bindparam("ids", expanding=True)),
        _a.c.uploaded_by == bindparam("by"),
        _a.c.state == "stored",
    ),
    name="widget.uploads",
)


def session(tx: Tx, token_hash: str, now: int) -> Row | None:
    """Return the session of a token that is not over."""
    return one_dict(tx, SESSION, {"token_hash": token_hash, "now": now})


def visitors_of(tx: Tx, channel_id: str, visitor_id: str, subject_id: str) -> tuple[str, ...]:
    """Return the visitors a session speaks for: its own, and with a signature all its account's."""
    if not subject_id:
        return (visitor_id,)
    rows = tx.run(VISITORS, {"channel_id": channel_id, "subject_id": subject_id})
    return tuple(dict.fromkeys((visitor_id, *(str(row[0]) for row in rows))))


def scope_of(tx: Tx, channel_id: str, visitors: Sequence[str]) -> dict[str, Any] | None:
    """Return what `PAGE` and `THREADS` take: identities, conversations, channel; None without."""
    found = tx.run(IDENTITIES, {"channel_id": channel_id, "visitors": list(visitors)})
    if not found:
        return None
    family: set[str] = set()
    for customer_id in {str(row[1]) for row in found}:
        if customer_id not in family:
            family.update(customers.family_of(tx, customers.root_of(tx, customer_id)))
    rows = tx.run(CONVERSATIONS, {"customers": sorted(family)[:1000]})
    return {
        "identities": [str(row[0]) for row in found],
        "conversations": [str(row[0]) for row in rows],
        "channel_id": channel_id,
    }


def threads_of(tx: Tx, scope: Mapping[str, Any]) -> list[str]:
    """Return the conversations in which the visitor can see something."""
    return [str(row[0]) for row in tx.run(THREADS, scope)]


def page(tx: Tx, scope: Mapping[str, Any], before: tuple[int, str], limit: int) -> list[Row]:
    """Return messages before a point, newest first."""
    edge = {"before_at": before[0], "before_id": before[1], "limit": limit}
    return dicts(tx, PAGE, {**scope, **edge})


def seen_numbers(tx: Tx, conversations: Iterable[str], *, marks_only: bool = False) -> Seen:
    """Return up to which number a person of ours has read or answered each conversation.

    Args:
        marks_only: leave out the answers, for who hears of them otherwise and asks often.
    """
    found: Seen = {}
    ids = list(conversations)
    statements = (MARKS,) if marks_only else (MARKS, ANSWERED)
    for start in range(0, len(ids), 1000):
        params = {"conversations": ids[start : start + 1000]}
        for row in [row for one in statements for row in tx.run(one, params)]:
            found[str(row[0])] = max(found.get(str(row[0]), 0), int(row[1] or 0))
    return found


def handlers(tx: Tx, conversations: Iterable[str]) -> dict[str, str]:
    """Return the name customers see of whoever handles each conversation, newest talk first."""
    rows = dicts(tx, HANDLERS, {"conversations": list(conversations)[:1000]})
    return {row["id"]: row["display_name"] or row["name"] for row in rows}


def subjects(tx: Tx, visitors: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return the signed account of (channel, visitor), where there is one."""
    rows = tx.run(SUBJECTS, {"visitors": list(visitors)[:1000]})
    return {(str(row[0]), str(row[1])): str(row[2]) for row in rows}
