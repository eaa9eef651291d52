"""Unsent answers and notes of one person."""

from sqlalchemy import bindparam, delete, select, text, update

from hub.store.queries.rows import Row, dicts, one_dict
from hub.store.statement import Params, stmt
from hub.store.tables import Draft, table
from hub.store.tx import Tx

_d = table(Draft)
_KEY = (
    _d.c.agent_id == bindparam("p_agent"),
    _d.c.conversation_id == bindparam("p_conversation"),
    _d.c.kind == bindparam("p_kind"),
)
_OF = stmt(
    select(_d).where(
        _d.c.agent_id == bindparam("p_agent"), _d.c.conversation_id == bindparam("p_conversation")
    ),
    name="draft.of",
)
_MINE = stmt(
    select(_d)
    .where(_d.c.agent_id == bindparam("p_agent"))
    .order_by(_d.c.updated_at.desc())
    .limit(200),
    name="draft.mine",
)
_ONE = stmt(select(_d).where(*_KEY), name="draft.one")
# Two tabs may both begin a draft: the second one's insert does nothing and is told the version.
_ADD = stmt(
    text(
        "INSERT INTO draft (agent_id, conversation_id, kind, body, updated_at, version)"
        " VALUES (:p_agent, :p_conversation, :p_kind, :new_body, :at, 1)"
        " ON CONFLICT (agent_id, conversation_id, kind) DO NOTHING"
    ),
    name="draft.add",
)
_CHANGE = stmt(
    update(_d)
    .where(*_KEY, _d.c.version == bindparam("if_version"))
    .values(body=bindparam("new_body"), updated_at=bindparam("at"), version=_d.c.version + 1),
    name="draft.change",
)
_DROP = stmt(delete(_d).where(*_KEY), name="draft.drop")


def _key(agent_id: str, conversation_id: str, kind: str) -> dict[str, str]:
    return {"p_agent": agent_id, "p_conversation": conversation_id, "p_kind": kind}


def drafts_of(tx: Tx, agent_id: str, conversation_id: str) -> list[Row]:
    """Return an agent's drafts in a conversation."""
    return dicts(tx, _OF, {"p_agent": agent_id, "p_conversation": conversation_id})


def drafts_by(tx: Tx, agent_id: str) -> list[Row]:
    """Return an agent's drafts everywhere, last changed first; at most 200."""
    return dicts(tx, _MINE, {"p_agent": agent_id})


def save_draft(  # noqa: PLR0913 - the columns of the row
    tx: Tx, agent_id: str, conversation_id: str, kind: str, body: str, at: int, if_version: int
) -> bool:
    """Write a draft over version `if_version` (0: there is none yet); False when it is another."""
    params: Params = {**_key(agent_id, conversation_id, kind), "new_body": body, "at": at}
    if if_version == 0:
        return tx.execute(_ADD, params) > 0
    return tx.execute(_CHANGE, {**params, "if_version": if_version}) > 0


def draft(tx: Tx, agent_id: str, conversation_id: str, kind: str) -> Row | None:
    """Return one draft."""
    return one_dict(tx, _ONE, _key(agent_id, conversation_id, kind))


def drop_draft(tx: Tx, agent_id: str, conversation_id: str, kind: str) -> bool:
    """Remove a draft; False when there is none."""
    return tx.execute(_DROP, _key(agent_id, conversation_id, kind)) > 0
