"""Sessions, one-time links, tokens, and what a viewer is made of."""

from sqlalchemy import bindparam, delete, select, text, update

from hub.store.queries.rows import Row, dicts, one_dict
from hub.store.statement import stmt
from hub.store.tables import (
    Agent,
    AgentSession,
    ApiToken,
    Membership,
    OneTimeLink,
    table,
)
from hub.store.tx import Tx

_agent = table(Agent)
_session = table(AgentSession)
_token = table(ApiToken)
_link = table(OneTimeLink)
_member = table(Membership)

_VIEWER_AGENT = stmt(
    select(_agent.c.id, _agent.c.roles, _agent.c.unit_id, _agent.c.active).where(
        _agent.c.id == bindparam("id")
    ),
    name="viewer.agent",
)
_QUEUES_OF = stmt(
    select(_member.c.queue_id).where(_member.c.agent_id == bindparam("agent_id")),
    name="viewer.queues",
)
_UNIT_QUEUES = stmt(
    text(
        "SELECT q.id FROM queue q JOIN org_unit u ON u.id = q.unit_id"
        " JOIN org_unit mine ON mine.id = :unit_id"
        " WHERE u.path = mine.path OR u.path LIKE mine.path || '/%'"
    ),
    name="viewer.unit_queues",
)
_SESSION = stmt(
    select(_session).where(
        _session.c.token_hash == bindparam("token_hash"), _session.c.expires_at > bindparam("now")
    ),
    name="session.find",
)
_SESSIONS_OF = stmt(
    select(
        _session.c.id,
        _session.c.created_at,
        _session.c.seen_at,
        _session.c.expires_at,
        _session.c.user_agent,
    )
    .where(_session.c.agent_id == bindparam("agent_id"), _session.c.expires_at > bindparam("now"))
    .order_by(_session.c.seen_at.desc()),
    name="session.list",
)
_SESSION_SEEN = stmt(
    update(_session)
    .where(_session.c.id == bindparam("session_id"))
    .values(seen_at=bindparam("now"), expires_at=bindparam("until")),
    name="session.seen",
)
_SESSION_DROP = stmt(
    delete(_session).where(
        _session.c.id == bindparam("session_id"), _session.c.agent_id == bindparam("agent_id")
    ),
    name="session.drop",
)
_SESSIONS_DROP = stmt(
    delete(_session).where(
        _session.c.agent_id == bindparam("agent_id"), _session.c.id != bindparam("but")
    ),
    name="session.drop_others",
)
_SESSIONS_PRUNE = stmt(
    delete(_session).where(_session.c.expires_at <= bindparam("now")), name="session.prune"
)
_TOKEN = stmt(
    select(_token).where(
        _token.c.token_hash == bindparam("token_hash"), _token.c.revoked_at.is_(None)
    ),
    name="token.find",
)
_TOKENS = stmt(select(_token).order_by(_token.c.created_at), name="token.list")
_TOKEN_USED = stmt(
    update(_token).where(_token.c.id == bindparam("token_id")).values(used_at=bindparam("now")),
    name="token.used",
)
_TOKEN_REVOKE = stmt(
    update(_token)
    .where(_token.c.id == bindparam("token_id"), _token.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now")),
    name="token.revoke",
)
_LINK_USE = stmt(
    update(_link)
    .where(
        _link.c.token_hash == bindparam("hash"),
        _link.c.purpose == bindparam("for_purpose"),
        _link.c.used_at.is_(None),
        _link.c.expires_at > bindparam("now"),
    )
    .values(used_at=bindparam("now"))
    .returning(_link.c.agent_id),
    name="link.use",
)
_LINK = stmt(
    select(_link.c.agent_id).where(
        _link.c.token_hash == bindparam("hash"),
        _link.c.purpose == bindparam("for_purpose"),
        _link.c.used_at.is_(None),
        _link.c.expires_at > bindparam("now"),
    ),
    name="link.find",
)
_LINKS_CLOSE = stmt(
    update(_link)
    .where(
        _link.c.agent_id == bindparam("agent"),
        _link.c.purpose == bindparam("for_purpose"),
        _link.c.used_at.is_(None),
    )
    .values(used_at=bindparam("now")),
    name="link.close",
)


def viewer_row(tx: Tx, agent_id: str) -> Row | None:
    """Return id, roles (JSON), unit_id and active of an agent."""
    return one_dict(tx, _VIEWER_AGENT, {"id": agent_id})


def queues_of(tx: Tx, agent_id: str) -> frozenset[str]:
    """Return the queues an agent is a member of."""
    return frozenset(str(row[0]) for row in tx.run(_QUEUES_OF, {"agent_id": agent_id}))


def unit_queues(tx: Tx, unit_id: str) -> frozenset[str]:
    """Return the queues of a unit and of those below it."""
    return frozenset(str(row[0]) for row in tx.run(_UNIT_QUEUES, {"unit_id": unit_id}))


def session(tx: Tx, token_hash: str, now: int) -> Row | None:
    """Return a session that is not over."""
    return one_dict(tx, _SESSION, {"token_hash": token_hash, "now": now})


def sessions_of(tx: Tx, agent_id: str, now: int) -> list[Row]:
    """Return an agent's sessions, last used first; no token, no hash."""
    return dicts(tx, _SESSIONS_OF, {"agent_id": agent_id, "now": now})


def touch_session(tx: Tx, session_id: str, now: int, until: int) -> None:
    """Note that a session was used and move its end."""
    tx.execute(_SESSION_SEEN, {"session_id": session_id, "now": now, "until": until})


def drop_session(tx: Tx, session_id: str, agent_id: str) -> bool:
    """End one session of an agent; False when there is none."""
    return tx.execute(_SESSION_DROP, {"session_id": session_id, "agent_id": agent_id}) > 0


def drop_sessions(tx: Tx, agent_id: str, but: str = "") -> int:
    """End an agent's sessions, except one; returns how many."""
    return tx.execute(_SESSIONS_DROP, {"agent_id": agent_id, "but": but})


def prune_sessions(tx: Tx, now: int) -> int:
    """Remove sessions that are over."""
    return tx.execute(_SESSIONS_PRUNE, {"now": now})


def token(tx: Tx, token_hash: str) -> Row | None:
    """Return a token that was not revoked (it may be over)."""
    return one_dict(tx, _TOKEN, {"token_hash": token_hash})


def tokens(tx: Tx) -> list[Row]:
    """Return every token, oldest first."""
    return dicts(tx, _TOKENS)


def touch_token(tx: Tx, token_id: str, now: int) -> None:
    """Note that a token was used."""
    tx.execute(_TOKEN_USED, {"token_id": token_id, "now": now})


def revoke_token(tx: Tx, token_id: str, now: int) -> bool:
    """Revoke a token; False when it is none or was revoked."""
    return tx.execute(_TOKEN_REVOKE, {"token_id": token_id, "now": now}) > 0


def link_agent(tx: Tx, token_hash: str, purpose: str, now: int) -> str | None:
    """Return whom an unused link is for."""
    row = tx.one(_LINK, {"hash": token_hash, "for_purpose": purpose, "now": now})
    return None if row is None else str(row[0])


def use_link(tx: Tx, token_hash: str, purpose: str, now: int) -> str | None:
    """Use a link up; returns whom it is for, None when it is unknown, used or over."""
    row = tx.one(_LINK_USE, {"hash": token_hash, "for_purpose": purpose, "now": now})
    return None if row is None else str(row[0])


def close_links(tx: Tx, agent_id: str, purpose: str, now: int) -> None:
    """Make earlier links of a purpose worthless."""
    tx.execute(_LINKS_CLOSE, {"agent": agent_id, "for_purpose": purpose, "now": now})
