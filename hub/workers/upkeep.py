"""Small things done now and then: gauges every second, what is over removed every ten minutes."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog

from hub.model.errors import StoreUnavailable
from hub.services import attachments, condition, metrics, once, sessions, widget_prune
from hub.services.deps import Deps
from hub.store.spool import Spool
from hub.workers.supervisor import pause

log = structlog.get_logger(__name__)

PRUNE_EVERY_S = 600.0
LOOK_EVERY_S = 1.0

Told = Callable[[bool], None]


class Upkeep:
    """Measures the loop and the spool, asks after the store, removes what is over.

    Args:
        told: called with whether the store answers.
        more: further pruning, called every ten minutes.
    """

    def __init__(
        self,
        deps: Deps,
        spool: Spool,
        told: Told,
        more: tuple[Callable[[Deps], Awaitable[int]], ...] = (),
    ) -> None:
        self._deps = deps
        self._spool = spool
        self._told = told
        self._prunes = (once.prune, sessions.prune, attachments.prune, widget_prune.prune, *more)

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second until `stop`."""
        pruned = monotonic() - PRUNE_EVERY_S + 5.0
        while not stop.is_set():
            began = monotonic()
            await pause(stop, LOOK_EVERY_S)
            metrics.LOOP_LAG.set(max(0.0, monotonic() - began - LOOK_EVERY_S))
            metrics.SPOOL_ITEMS.set(self._spool.total)
            await self._look()
            if monotonic() - pruned > PRUNE_EVERY_S:
                pruned = monotonic()
                await self._prune()

    async def _look(self) -> None:
        try:
            await condition.ping(self._deps)
        except StoreUnavailable:
            self._told(False)
        else:
            self._told(True)

    async def _prune(self) -> None:
        for prune in self._prunes:
            try:
                removed = await prune(self._deps)
            except StoreUnavailable:
                return
            if removed:
                log.info("upkeep.pruned", what=prune.__module__, rows=removed)
