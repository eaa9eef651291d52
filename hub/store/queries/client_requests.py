"""The stored answers to creating requests."""

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy import text as sql_text

from hub.store.statement import stmt
from hub.store.tables import ClientRequest, table
from hub.store.tx import Tx

_t = table(ClientRequest)
_KEY = (
    _t.c.actor == bindparam("p_actor"),
    _t.c.route == bindparam("p_route"),
    _t.c.client_id == bindparam("p_client_id"),
)
CLAIM = stmt(
    sql_text(
        "INSERT INTO client_request (actor, route, client_id, body_hash, answer, at)"
        " VALUES (:p_actor, :p_route, :p_client_id, :body_hash, '', :at)"
        " ON CONFLICT (actor, route, client_id) DO NOTHING"
    ),
    name="client_request.claim",
)
FIND = stmt(select(_t.c.body_hash, _t.c.answer).where(*_KEY), name="client_request.find")
KEEP = stmt(
    update(_t).where(*_KEY).values(answer=bindparam("new_answer")), name="client_request.keep"
)
DROP = stmt(delete(_t).where(*_KEY, _t.c.answer == ""), name="client_request.drop")
PRUNE = stmt(delete(_t).where(_t.c.at < bindparam("before")), name="client_request.prune")


def claim(
    tx: Tx, actor: str, route: str, client_id: str, body_hash: str, at: int
) -> tuple[str, str] | None:
    """Insert a claim; None when it is ours, else (body hash, answer) of the one that stands."""
    key = {"p_actor": actor, "p_route": route, "p_client_id": client_id}
    if tx.execute(CLAIM, {**key, "body_hash": body_hash, "at": at}) > 0:
        return None
    row = tx.one(FIND, key)
    return (body_hash, "") if row is None else (str(row[0]), str(row[1]))


def keep(tx: Tx, actor: str, route: str, client_id: str, answer: str) -> None:
    """Write the answer into a claim."""
    key = {"p_actor": actor, "p_route": route, "p_client_id": client_id}
    tx.execute(KEEP, {**key, "new_answer": answer})


def drop(tx: Tx, actor: str, route: str, client_id: str) -> None:
    """Remove a claim that has no answer."""
    tx.execute(DROP, {"p_actor": actor, "p_route": route, "p_client_id": client_id})


def prune(tx: Tx, before: int) -> int:
    """Remove what is older; returns how many."""
    return tx.execute(PRUNE, {"before": before})
