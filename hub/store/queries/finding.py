"""Search hits with the visibility predicate in the same query, newest first.

The index gives hits in order of time (`store.search`), so a page is sought in windows of hits that
grow: its time does not depend on how many hits there are, nor on how few of them may be seen.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import String, bindparam, select, text

from hub.store import search
from hub.store.queries.rows import Row, dicts
from hub.store.queries.visibility import DIRECT, VISIBLE
from hub.store.statement import DialectName, Stmt, stmt
from hub.store.tables import Case, Conversation, Customer, Identity, Message, table
from hub.store.tx import Tx

_m = table(Message)
_c = table(Conversation)
_k = table(Case)
_i = table(Identity)
_cu = table(Customer)

KINDS = ("message", "customer", "case")
NEWEST = 2**63 - 1
WINDOWS = (400, 600)
"""Hits looked at, one window after another, until a page is full; then the page ends short."""

_WINDOW: dict[DialectName, str] = {
    "sqlite": (
        "SELECT f.rowid AS id FROM search_fts f WHERE f.search_fts MATCH :match"
        " AND f.rowid < :before ORDER BY f.rowid DESC LIMIT :window"
    ),
    "postgresql": (
        "SELECT x.id FROM search_doc x WHERE to_tsvector('simple', x.grams)"
        " @@ to_tsquery('simple', :match) AND x.id < :before ORDER BY x.id DESC LIMIT :window"
    ),
}
# Whoever sees one conversation of a customer sees the customer; merged ones count as one.
_CUSTOMER = f"""(:v_everything = 1 OR EXISTS (
  SELECT 1 FROM conversation c WHERE c.customer_id IN (
      WITH RECURSIVE up(id, parent) AS (
        SELECT u.id, u.merged_into FROM customer u WHERE u.id = d.customer_id
        UNION SELECT u.id, u.merged_into FROM customer u JOIN up ON u.id = up.parent
      ), down(id) AS (
        SELECT up.id FROM up WHERE up.parent IS NULL
        UNION SELECT e.id FROM customer e JOIN down ON e.merged_into = down.id
      ) SELECT down.id FROM down) AND {DIRECT}))"""


def _hits(dialect: DialectName) -> Stmt:
    sql = f"""SELECT d.id, d.kind, d.ref, d.at, c.id, COALESCE(c.customer_id, d.customer_id)
      FROM ({_WINDOW[dialect]}) w JOIN search_doc d ON d.id = w.id
      LEFT JOIN message m ON d.kind = 'message' AND m.id = d.ref
      LEFT JOIN "case" k ON d.kind = 'case' AND k.id = d.ref
      LEFT JOIN conversation c ON c.id = COALESCE(m.conversation_id, k.conversation_id)
     WHERE d.kind IN :kinds AND (
        (c.id IS NOT NULL AND m.redacted_at IS NULL AND m.deleted_at IS NULL AND {VISIBLE})
        OR (d.kind = 'customer' AND {_CUSTOMER}))
     ORDER BY d.id DESC LIMIT :page"""
    core = text(sql).bindparams(
        bindparam("v_queues", expanding=True, type_=String),
        bindparam("kinds", expanding=True, type_=String),
    )
    return stmt(core, name="search.hits")


def _reached(dialect: DialectName) -> Stmt:
    sql = f"SELECT MIN(w.id), COUNT(*) FROM ({_WINDOW[dialect]}) w"
    return stmt(text(sql), name="search.reached")


_HITS: dict[DialectName, Stmt] = {name: _hits(name) for name in _WINDOW}
_REACHED: dict[DialectName, Stmt] = {name: _reached(name) for name in _WINDOW}
_MESSAGES = stmt(
    select(_m.c.id, _m.c.direction, _m.c.content).where(
        _m.c.id.in_(bindparam("ids", expanding=True))
    ),
    name="search.messages",
)
_CASES = stmt(
    select(_k.c.id, _k.c.number, _k.c.title).where(_k.c.id.in_(bindparam("ids", expanding=True))),
    name="search.cases",
)
_NAMES = stmt(
    select(_cu.c.id, _cu.c.name).where(_cu.c.id.in_(bindparam("ids", expanding=True))),
    name="search.names",
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found and may be seen. `place` is where a page goes on after it."""

    place: int
    kind: str
    ref: str
    at: int
    conversation_id: str | None
    customer_id: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """One page. `before` is where the next one begins, None at the end of all hits."""

    hits: list[Hit]
    before: int | None


def find(
    tx: Tx,
    match: str,
    kinds: tuple[str, ...],
    sight: dict[str, Any],
    *,
    before: int = NEWEST,
    limit: int = 50,
) -> Found:
    """Return hits older than `before`, newest first, that `sight` may see.

    A page may be short although more follows: at most the sum of `WINDOWS` hits are looked at.

    Args:
        tx: a transaction.
        match: what `search.match_text` gave.
        kinds: some of `KINDS`.
        sight: `visibility.sight_params`.
        before: place of the last hit of the page before.
        limit: hits wanted.
    """
    if len(kinds) == 1 and kinds[0] != "message":
        match = search.only_kind(match, kinds[0], tx.dialect)
    hits: list[Hit] = []
    for window in WINDOWS:
        seek: dict[str, Any] = {"match": match, "before": before, "window": window}
        params = {**seek, **sight, "kinds": list(kinds), "page": limit - len(hits)}
        hits += [Hit(*row) for row in tx.run(_HITS[tx.dialect], params)]
        if len(hits) >= limit:
            return Found(hits, hits[-1].place)
        row = tx.one(_REACHED[tx.dialect], seek)
        if row is None or row[1] < window:
            return Found(hits, None)
        before = int(row[0])
    return Found(hits, before)


def messages_of(tx: Tx, ids: list[str]) -> dict[str, Row]:
    """Return id, direction and content of messages, by id."""
    return {row["id"]: row for row in dicts(tx, _MESSAGES, {"ids": ids})} if ids else {}


def cases_of(tx: Tx, ids: list[str]) -> dict[str, Row]:
    """Return id, number and title of cases, by id."""
    return {row["id"]: row for row in dicts(tx, _CASES, {"ids": ids})} if ids else {}


def names_of(tx: Tx, customers: list[str]) -> dict[str, str]:
    """Return the names of customers, by id."""
    return {row[0]: row[1] for row in tx.run(_NAMES, {"ids": customers})} if customers else {}
