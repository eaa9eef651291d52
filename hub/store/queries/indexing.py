"""What the search index is written from, and how far the log has been read for it."""

from sqlalchemy import bindparam, select, text

from hub.store.queries.rows import Row, dicts, dump, load, upsert
from hub.store.statement import stmt
from hub.store.tables import Attachment, Case, Customer, Identity, Message, Setting, table
from hub.store.tx import Tx

_m = table(Message)
_k = table(Case)
_cu = table(Customer)
_i = table(Identity)
_a = table(Attachment)
_s = table(Setting)
_NAME = "search.cursor"

# Locked, so that an erasure running at the same time waits and then removes what we wrote.
_MESSAGES = stmt(
    select(
        _m.c.id,
        _m.c.conversation_id,
        _m.c.direction,
        _m.c.content,
        _m.c.recorded_at,
        _m.c.deleted_at,
        _m.c.redacted_at,
    )
    .where(_m.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_m.c.id)
    .with_for_update(read=True),
    name="indexing.messages",
)
_FILES = stmt(
    select(_a.c.message_id, _a.c.filename).where(
        _a.c.message_id.in_(bindparam("ids", expanding=True)),
        _a.c.filename != "",
        _a.c.kind != "original",
    ),
    name="indexing.files",
)
_CASES = stmt(
    select(_k.c.id, _k.c.conversation_id, _k.c.number, _k.c.title, _k.c.opened_at)
    .where(_k.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_k.c.id)
    .with_for_update(read=True),
    name="indexing.cases",
)
_CUSTOMERS = stmt(
    select(_cu.c.id, _cu.c.name, _cu.c.created_at)
    .where(_cu.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_cu.c.id)
    .with_for_update(read=True),
    name="indexing.customers",
)
_IDENTITIES = stmt(
    select(_i.c.customer_id, _i.c.kind, _i.c.scope, _i.c.value, _i.c.name).where(
        _i.c.customer_id.in_(bindparam("ids", expanding=True))
    ),
    name="indexing.identities",
)
_CURSOR = stmt(select(_s.c.value).where(_s.c.name == _NAME), name="indexing.cursor")
_SET_CURSOR = upsert(
    _s, keys=("name",), update=("value",), fixed={"version": "1"}, name="indexing.set_cursor"
)
_SQUEEZE = stmt(
    text("INSERT INTO search_fts(search_fts, rank) VALUES ('merge', :pages)"), name="index.squeeze"
)
_CHANGES = stmt(text("SELECT total_changes()"), name="index.changes")


def messages(tx: Tx, ids: list[str]) -> dict[str, Row]:
    """Return messages by id, locked against erasure until the unit ends."""
    return {row["id"]: row for row in dicts(tx, _MESSAGES, {"ids": ids})} if ids else {}


def filenames(tx: Tx, ids: list[str]) -> dict[str, list[str]]:
    """Return the names of the files of messages, by message."""
    out: dict[str, list[str]] = {}
    for message_id, name in tx.run(_FILES, {"ids": ids}) if ids else ():
        out.setdefault(message_id, []).append(name)
    return out


def cases(tx: Tx, ids: list[str]) -> dict[str, Row]:
    """Return cases by id, locked likewise."""
    return {row["id"]: row for row in dicts(tx, _CASES, {"ids": ids})} if ids else {}


def customers(tx: Tx, ids: list[str]) -> dict[str, Row]:
    """Return customers by id, locked likewise."""
    return {row["id"]: row for row in dicts(tx, _CUSTOMERS, {"ids": ids})} if ids else {}


def identities(tx: Tx, ids: list[str]) -> dict[str, list[Row]]:
    """Return the addresses of customers, by customer."""
    out: dict[str, list[Row]] = {}
    for row in dicts(tx, _IDENTITIES, {"ids": ids}) if ids else ():
        out.setdefault(row["customer_id"], []).append(row)
    return out


def cursor(tx: Tx) -> int:
    """Return the number of the last event the index is written from; 0 at the first start."""
    row = tx.one(_CURSOR)
    value = None if row is None else load(row[0])
    return value if isinstance(value, int) else 0


def set_cursor(tx: Tx, seq: int) -> None:
    """Move it on, in the unit that wrote the index."""
    tx.execute(_SET_CURSOR, {"name": _NAME, "value": dump(seq)})


def squeeze(tx: Tx, pages: int) -> bool:
    """Merge a part of SQLite's index, so that removed words leave the file; False at the end.

    FTS5 keeps removed words in older segments until these are merged. PostgreSQL has VACUUM.

    Args:
        tx: a writing transaction.
        pages: how much to merge; negative begins to merge everything into one segment.
    """
    if tx.dialect != "sqlite":
        return False
    before = tx.one(_CHANGES)
    tx.execute(_SQUEEZE, {"pages": pages})
    after = tx.one(_CHANGES)
    return before is not None and after is not None and after[0] - before[0] >= 2
