"""`Tx`: what a unit of work may do, the same on both databases."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import orjson
from sqlalchemy import BigInteger, String, Text, bindparam, column, insert, table

from hub.model.clock import to_micros
from hub.model.events import NewEvent
from hub.store.statement import DialectName, Params, Stmt, stmt

EVENT_COLUMNS = (
    "kind", "at", "actor", "conversation_id", "customer_id", "message_id", "item_id", "queue_id",
    "agent_id", "data",
)  # fmt: skip
_TYPES = {"at": BigInteger, "data": Text}
_EVENT = table("event", *(column(c, _TYPES.get(c, String)) for c in EVENT_COLUMNS))
INSERT_EVENT = stmt(
    insert(_EVENT).values({c: bindparam(c) for c in EVENT_COLUMNS}), name="event.append"
)
_NOTHING: Mapping[str, Any] = {}


class Cursor(Protocol):
    """The part of a DBAPI cursor that both drivers share."""

    @property
    def description(self) -> Any:
        """None when the last statement gave no rows."""

    @property
    def rowcount(self) -> int:
        """Rows the last statement touched."""

    def execute(self, sql: Any, values: Any, /) -> Any:
        """Run one statement."""

    def executemany(self, sql: Any, values: Any, /) -> Any:
        """Run one statement for each set of values."""

    def fetchall(self) -> list[Any]:
        """Return the rows left."""

    def fetchone(self) -> Any:
        """Return the next row or None."""


class Tx:
    """One open transaction, handed to a unit; never kept after it.

    An error from the database ends the unit even when the unit catches it: PostgreSQL would refuse
    every later statement, and SQLite would run on half a unit.

    Attributes:
        dialect: "sqlite" or "postgresql", for the rare statement that differs.
        xid: PostgreSQL's 64-bit transaction id, 0 on SQLite.
        appended: how many events the unit wrote.
    """

    __slots__ = ("_cursor", "_error", "after", "appended", "dialect", "xid")

    def __init__(self, cursor: Cursor, dialect: DialectName, xid: int = 0) -> None:
        self._cursor = cursor
        self._error: BaseException | None = None
        self.dialect: DialectName = dialect
        self.xid = xid
        self.appended = 0
        self.after: list[Callable[[], None]] = []

    def run(self, statement: Stmt, params: Params = _NOTHING) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows; [] when it gives none."""
        cursor = self._execute(statement, params)
        return cursor.fetchall() if cursor.description is not None else []

    def one(self, statement: Stmt, params: Params = _NOTHING) -> tuple[Any, ...] | None:
        """Run a statement and return its first row, or None."""
        cursor = self._execute(statement, params)
        if cursor.description is None:
            return None
        rows = cursor.fetchall()  # all of them: an unfinished SELECT would hold SQLite's COMMIT
        return rows[0] if rows else None

    def execute(self, statement: Stmt, params: Params = _NOTHING) -> int:
        """Run a statement and return how many rows it touched."""
        return self._execute(statement, params).rowcount

    def many(self, statement: Stmt, rows: Sequence[Params]) -> None:
        """Run a statement once for each set of values."""
        if not rows:
            return
        bound = [statement.bound(self.dialect, row) for row in rows]
        if len({sql for sql, _ in bound}) != 1:
            raise ValueError("lists of different length do not go together in many()")
        self._check()
        try:
            self._cursor.executemany(bound[0][0], [values for _, values in bound])
        except Exception as error:
            self._error = error
            raise

    def append(self, events: Iterable[NewEvent]) -> None:
        """Write events to the log; their `seq` is drawn by the database, in this order."""
        rows = [_event_row(event) for event in events]
        if len(rows) == 1:
            self.execute(INSERT_EVENT, rows[0])
        else:
            self.many(INSERT_EVENT, rows)
        self.appended += len(rows)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have `call()` made on the event loop once this unit is committed, and only then."""
        self.after.append(call)

    def check(self) -> None:
        """Raise the database error a unit swallowed, if it did."""
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _execute(self, statement: Stmt, params: Params) -> Cursor:
        self._check()
        sql, values = statement.bound(self.dialect, params)
        try:
            self._cursor.execute(sql, values)
        except Exception as error:
            self._error = error
            raise
        return self._cursor


def _event_row(event: NewEvent) -> dict[str, str | int | None]:
    return {
        "kind": event.kind.value,
        "at": to_micros(event.at),
        "actor": event.actor,
        "conversation_id": event.conversation,
        "customer_id": event.customer,
        "message_id": event.message,
        "item_id": event.item,
        "queue_id": event.queue,
        "agent_id": event.agent,
        "data": orjson.dumps(dict(event.data)).decode(),
    }
