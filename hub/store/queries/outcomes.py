"""What routing leaves on conversations and cases beside its own rows."""

from datetime import datetime

from sqlalchemy import bindparam, func, select, text, update

from hub.model.clock import to_micros
from hub.model.ids import MessageId, new_id
from hub.store.queries import conversations
from hub.store.queries.rows import Row, dicts, dump, insert_row, one_dict
from hub.store.statement import stmt
from hub.store.tables import Case, Conversation, Identity, Message, table
from hub.store.tx import Tx

_c = table(Conversation)
_case = table(Case)
_m = table(Message)
_i = table(Identity)

PROPOSE_SEVERITY = stmt(
    update(_case)
    .where(_case.c.id == bindparam("case_id"), _case.c.severity_by != "person")
    .values(severity=bindparam("new_severity"), severity_by="rule", version=_case.c.version + 1),
    name="case.propose_severity",
)
# An automatic message is no answer: the conversation goes on waiting for one.
STILL_OPEN = stmt(
    update(_c)
    .where(_c.c.id == bindparam("conversation_id"))
    .values(
        state=bindparam("old_state"),
        waiting_since=bindparam("old_waiting_since"),
        preview=bindparam("old_preview"),
        snoozed_until=bindparam("old_snoozed_until"),
    ),
    name="conversation.still_open",
)
_SYSTEM_SENT = stmt(
    select(func.count())
    .select_from(_m)
    .where(
        _m.c.conversation_id == bindparam("conversation_id"),
        _m.c.direction == "out",
        _m.c.author_kind == "system",
        _m.c.recorded_at >= bindparam("since"),
    ),
    name="message.system_sent",
)
_LAST_IN = stmt(
    select(_m)
    .where(_m.c.conversation_id == bindparam("conversation_id"), _m.c.direction == "in")
    .order_by(_m.c.number.desc())
    .limit(1),
    name="message.last_in",
)
_BLOCKED = stmt(
    select(_i.c.blocked_at, _i.c.opted_out_at).where(_i.c.id == bindparam("id")),
    name="identity.blocked",
)
_LEFT_BEHIND = stmt(
    text(
        'SELECT k.id AS case_id, k.owner_agent_id, k.conversation_id FROM "case" k'
        " WHERE k.owner_agent_id IN (SELECT id FROM agent WHERE active = :inactive)"
        " AND k.state <> 'closed' LIMIT 500"
    ),
    name="cases.left_behind",
)
_SUPERVISOR = stmt(
    text(
        "SELECT s.id FROM agent a JOIN org_unit mine ON mine.id = a.unit_id"
        " JOIN org_unit u ON mine.path = u.path OR mine.path LIKE u.path || '/%'"
        " JOIN agent s ON s.unit_id = u.id"
        " WHERE a.id = :agent_id AND s.id <> a.id AND s.active = :active"
        " AND s.roles LIKE '%\"supervisor\"%'"
        " ORDER BY length(u.path) DESC, s.id LIMIT 1"
    ),
    name="agent.supervisor",
)
_CASES_SOLVED = stmt(
    select(_case.c.id).where(
        _case.c.conversation_id == bindparam("conversation_id"), _case.c.state == "solved"
    ),
    name="cases.solved_of",
)

_CLOSE_CASE = stmt(
    update(_case)
    .where(_case.c.id == bindparam("case_id"), _case.c.state == "solved")
    .values(state="closed", version=_case.c.version + 1),
    name="case.close",
)


def add_line(
    tx: Tx, conversation_id: str, code: str, params: dict[str, object], at: datetime
) -> MessageId | None:
    """Write one of the hub's own remarks into a timeline; return the message's id.

    None when there is no such conversation.
    """
    row = tx.one(conversations.NEXT_NUMBER, {"conversation_id": conversation_id})
    if row is None:
        return None
    line_id = MessageId(new_id())
    facts = {name: value for name, value in params.items() if value is not None}
    insert_row(
        tx,
        Message,
        id=line_id,
        conversation_id=conversation_id,
        number=int(row[0]),
        direction="system",
        author_kind="system",
        author_id=None,
        content=dump({"code": code, **facts}),
        recorded_at=to_micros(at),
        occurred_at=to_micros(at),
    )
    return line_id


def system_sent_since(tx: Tx, conversation_id: str, since: datetime) -> bool:
    """Tell whether the hub itself wrote to the customer since an instant."""
    row = tx.one(_SYSTEM_SENT, {"conversation_id": conversation_id, "since": to_micros(since)})
    return row is not None and row[0] > 0


def last_inbound(tx: Tx, conversation_id: str) -> Row | None:
    """Return the customer's last message."""
    return one_dict(tx, _LAST_IN, {"conversation_id": conversation_id})


def wants_nothing(tx: Tx, identity_id: str | None) -> bool:
    """Tell whether an address is blocked or has opted out."""
    row = None if identity_id is None else tx.one(_BLOCKED, {"id": identity_id})
    return row is None or row[0] is not None or row[1] is not None


def left_behind(tx: Tx) -> list[Row]:
    """Return cases not closed whose owner was deactivated: case_id, owner, conversation."""
    names = ("case_id", "owner_agent_id", "conversation_id")
    rows = tx.run(_LEFT_BEHIND, {"inactive": False})
    return [dict(zip(names, row, strict=True)) for row in rows]


def supervisor_of(tx: Tx, agent_id: str) -> str | None:
    """Return an active supervisor of the agent's unit, else of the nearest unit above."""
    row = tx.one(_SUPERVISOR, {"agent_id": agent_id, "active": True})
    return None if row is None else str(row[0])


def solved_cases(tx: Tx, conversation_id: str) -> list[str]:
    """Return the solved cases of a conversation."""
    return [
        str(row["id"]) for row in dicts(tx, _CASES_SOLVED, {"conversation_id": conversation_id})
    ]


def close_case(tx: Tx, case_id: str) -> None:
    """Close a solved case: its window is over."""
    tx.execute(_CLOSE_CASE, {"case_id": case_id})
