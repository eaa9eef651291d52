"""Work items: the value of `model.work.WorkItem` as a row and back.

Columns repeat what claims, lists and metrics look at; `body` is the whole value. Written by
`services/dispatch`; `receive` only inserts items in state `new`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from pydantic import TypeAdapter
from sqlalchemy import bindparam, select, update

from hub.model.clock import to_micros
from hub.model.work import TERMINAL_STATES, ItemState, WorkItem
from hub.store.queries.rows import Row, insert_row
from hub.store.statement import stmt
from hub.store.tables import WorkItem as WorkItemRow
from hub.store.tables import table
from hub.store.tx import Tx

_w = table(WorkItemRow)
_codec: TypeAdapter[WorkItem] = TypeAdapter(WorkItem)

LIVE_CONTACT = stmt(
    select(_w.c.id).where(
        _w.c.conversation_id == bindparam("conversation_id"),
        _w.c.kind == "contact",
        _w.c.closed_at.is_(None),
    ),
    name="item.live_contact",
)
# Without ORDER BY: SQLite would walk every item there ever was in the order of the primary key.
LIVE = stmt(select(_w.c.id, _w.c.body).where(_w.c.closed_at.is_(None)), name="items.live")
NEW = stmt(
    select(_w.c.body).where(_w.c.state == ItemState.NEW.value).order_by(_w.c.id).limit(500),
    name="items.new",
)
ONE = stmt(select(_w.c.body).where(_w.c.id == bindparam("id")), name="item")
OF_CONVERSATION = stmt(
    select(_w).where(_w.c.conversation_id == bindparam("id")).order_by(_w.c.id.desc()),
    name="items.of_conversation",
)
# The fence: a row of another version was moved by somebody else, and nothing is written.
SAVE = stmt(
    update(_w)
    .where(_w.c.id == bindparam("item_id"), _w.c.version == bindparam("was_version"))
    .values(
        work_class=bindparam("new_work_class"),
        state=bindparam("new_state"),
        version=bindparam("new_version"),
        case_id=bindparam("new_case_id"),
        conversation_id=bindparam("new_conversation_id"),
        queue_id=bindparam("new_queue_id"),
        handler_agent_id=bindparam("new_handler_agent_id"),
        severity=bindparam("new_severity"),
        vstart=bindparam("new_vstart"),
        due_at=bindparam("new_due_at"),
        closed_at=bindparam("new_closed_at"),
        body=bindparam("new_body"),
    ),
    name="item.save",
)


def item_of(body: str) -> WorkItem:
    """Read the value out of a row's `body`."""
    return _codec.validate_json(body)


def body_of(item: WorkItem) -> str:
    """Return the JSON a row keeps."""
    return orjson.dumps(item, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: object) -> object:
    """Give orjson what it does not know: read-only mappings and sets."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(type(value).__name__)


def _columns(item: WorkItem) -> dict[str, Any]:
    def micros(at: datetime | None) -> int | None:
        return None if at is None else to_micros(at)

    closed = item.closed_at if item.state in TERMINAL_STATES else None
    return {
        "work_class": item.work_class.value,
        "state": item.state.value,
        "version": item.version,
        "case_id": item.case_id,
        "conversation_id": item.conversation_id,
        "queue_id": item.queue_id,
        "handler_agent_id": item.handler_agent_id,
        "severity": item.severity,
        "vstart": micros(item.vstart),
        "due_at": micros(item.due_at),
        "closed_at": micros(closed),
        "body": body_of(item),
    }


def add_item(tx: Tx, item: WorkItem) -> None:
    """Insert an item."""
    insert_row(
        tx,
        WorkItemRow,
        id=item.id,
        kind=item.kind.value,
        customer_id=item.customer_id,
        created_at=to_micros(item.created_at),
        **_columns(item),
    )


def save_item(tx: Tx, item: WorkItem, was_version: int) -> bool:
    """Write an item if its row still has `was_version`; False when it was moved meanwhile."""
    params = {f"new_{name}": value for name, value in _columns(item).items()}
    return tx.execute(SAVE, {"item_id": item.id, "was_version": was_version, **params}) == 1


def live_contact(tx: Tx, conversation_id: str) -> str | None:
    """Return the id of the conversation's live contact item, or None."""
    row = tx.one(LIVE_CONTACT, {"conversation_id": conversation_id})
    return None if row is None else str(row[0])


def live_items(tx: Tx) -> list[WorkItem]:
    """Return every item that still asks for something: what the router is rebuilt from."""
    return [item_of(row[1]) for row in sorted(tx.run(LIVE))]


def new_items(tx: Tx) -> list[WorkItem]:
    """Return up to 500 items no rule has been evaluated for, oldest first."""
    return [item_of(row[0]) for row in tx.run(NEW)]


def item(tx: Tx, item_id: str) -> WorkItem | None:
    """Return one item."""
    row = tx.one(ONE, {"id": item_id})
    return None if row is None else item_of(row[0])


def items_of(rows: list[Row]) -> list[WorkItem]:
    """Read the values of whole rows."""
    return [item_of(row["body"]) for row in rows]
