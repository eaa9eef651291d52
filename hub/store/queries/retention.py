"""Rows past their time, oldest first, a batch at a time."""

from sqlalchemy import Table, bindparam, delete, select

from hub.store.statement import Stmt, stmt
from hub.store.tables import Audit, Event, IntakeLog, table

BATCH = 500


def _older(target: Table, key: str, name: str) -> Stmt:
    old = (
        select(target.c[key])
        .where(target.c.at < bindparam("before"))
        .order_by(target.c.at)
        .limit(bindparam("limit"))
    )
    return stmt(delete(target).where(target.c[key].in_(old)), name=name)


INTAKE = _older(table(IntakeLog), "id", "retention.intake")
EVENTS = _older(table(Event), "seq", "retention.events")
AUDIT = _older(table(Audit), "id", "retention.audit")
