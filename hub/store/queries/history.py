"""What a viewer may see of a customer: the customer at all, and which of the conversations."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, bindparam, text

from hub.model.visibility import Viewer, sight_of
from hub.store.queries.lists import Key
from hub.store.queries.visibility import DIRECT, VISIBLE, sight_params
from hub.store.statement import stmt
from hub.store.tx import Tx

_LISTS = (
    bindparam("v_queues", expanding=True, type_=String()),
    bindparam("family", expanding=True, type_=String()),
)
_SEES = stmt(
    text(
        "SELECT 1 WHERE :v_everything = 1 OR EXISTS (SELECT 1 FROM conversation c"
        f" WHERE c.customer_id IN :family AND {DIRECT})"
    ).bindparams(*_LISTS),
    name="history.sees",
)
_PAGE = stmt(
    text(
        "SELECT c.last_message_at, c.id FROM conversation c WHERE c.customer_id IN :family"
        " AND (c.last_message_at, c.id) < (:after_value, :after_id)"
        f" AND {VISIBLE} ORDER BY c.last_message_at DESC, c.id DESC LIMIT :page"
    ).bindparams(*_LISTS),
    name="history.page",
)
_QUEUES = stmt(
    text(
        "SELECT DISTINCT queue_id FROM conversation"
        " WHERE customer_id IN :family AND queue_id IS NOT NULL"
    ).bindparams(_LISTS[1]),
    name="history.queues",
)
_NEWEST = stmt(
    text(
        "SELECT id FROM conversation WHERE customer_id IN :family AND merged_into IS NULL"
        " ORDER BY last_message_at DESC, id DESC LIMIT 1"
    ).bindparams(_LISTS[1]),
    name="history.newest",
)


def sees_customer(tx: Tx, viewer: Viewer, family: list[str], now: datetime) -> bool:
    """Tell whether the viewer sees a customer: some conversation of the family, directly."""
    params = {"family": family, **sight_params(sight_of(viewer), now)}
    del params["v_history"]
    return tx.one(_SEES, params) is not None


def page(
    tx: Tx, viewer: Viewer, family: list[str], now: datetime, after: Key | None, limit: int
) -> list[Key]:
    """Return the family's conversations the viewer may see, newest first, after a key."""
    edge = after or Key(2**62, "~")
    seek: dict[str, Any] = {
        "family": family,
        "after_value": edge.value,
        "after_id": edge.id,
        "page": limit,
    }
    rows = tx.run(_PAGE, {**seek, **sight_params(sight_of(viewer), now)})
    return [Key(int(row[0]), str(row[1])) for row in rows]


def queues_of(tx: Tx, family: list[str]) -> set[str]:
    """Return the queues of all conversations of a family."""
    return {str(row[0]) for row in tx.run(_QUEUES, {"family": family})}


def newest(tx: Tx, family: list[str]) -> str | None:
    """Return the family's conversation that was touched last."""
    row = tx.one(_NEWEST, {"family": family})
    return None if row is None else str(row[0])
