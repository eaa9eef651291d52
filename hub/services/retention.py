"""What leaves by age: requests after 14 days, events after 400, looks and changes after 5 years.

What was said stays until somebody erases it. Rows go in small units, so that nobody waits behind a
large one after the hub was away for long.
"""

from datetime import timedelta

from hub.model.clock import to_micros
from hub.services.deps import Deps
from hub.store.engine import Lane
from hub.store.queries import retention
from hub.store.statement import Stmt
from hub.store.tx import Tx

KEPT = {
    retention.INTAKE: timedelta(days=14),
    retention.EVENTS: timedelta(days=400),
    retention.AUDIT: timedelta(days=5 * 366),
}


async def prune(deps: Deps) -> int:
    """Remove rows past their time; returns how many. The daily counters of requests stay."""
    removed = 0
    for statement, kept in KEPT.items():
        before = to_micros(deps.clock.now() - kept)
        while (gone := await _remove(deps, statement, before)) > 0:
            removed += gone
    return removed


async def _remove(deps: Deps, statement: Stmt, before: int) -> int:
    def unit(tx: Tx) -> int:
        return tx.execute(statement, {"before": before, "limit": retention.BATCH})

    return await deps.db.run(unit, lane=Lane.BACKGROUND, name="retention")
