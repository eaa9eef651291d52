"""Requests leave the intake log after fourteen days; what they brought stays."""

from datetime import timedelta

from hub.model.clock import to_micros
from hub.services.deps import Deps
from hub.store.engine import Lane
from hub.store.queries import intake
from hub.store.tx import Tx

KEPT = timedelta(days=14)


async def prune(deps: Deps) -> int:
    """Remove requests older than `KEPT`; returns how many. The daily counters stay."""
    before = to_micros(deps.clock.now() - KEPT)

    def unit(tx: Tx) -> int:
        return tx.execute(intake.LOG_PRUNE, {"before": before})

    return await deps.db.run(unit, lane=Lane.BACKGROUND, name="intake_log.prune")
