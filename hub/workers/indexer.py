"""Writes the search index from the log: one process at a time, from where the last one stopped."""

import asyncio

import structlog

from hub.model.errors import Conflict, StoreUnavailable
from hub.services import indexing
from hub.services.deps import Deps
from hub.store.follower import Follower, Subscription
from hub.workers.leases import Leases
from hub.workers.supervisor import pause

log = structlog.get_logger(__name__)

IDLE_S = 1.0


class Indexer:
    """Follows the log while this process holds the lease.

    Attributes:
        position: the number of the last event the index was written from by this process.
    """

    def __init__(self, deps: Deps, follower: Follower, leases: Leases) -> None:
        self._deps = deps
        self._follower = follower
        self._leases = leases
        self.position = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Index until `stop`."""
        while not stop.is_set():
            try:
                if await self._leases.held(indexing.LEASE):
                    await self._follow(stop)
            except StoreUnavailable as error:
                log.debug("indexer.store_lost", code=error.code)
            except Conflict as error:
                log.info("indexer.replaced", code=error.code)
            await pause(stop, IDLE_S)

    async def _follow(self, stop: asyncio.Event) -> None:
        """Write batch after batch; return when the lease is lost or `stop` is set."""
        self.position = await indexing.load_cursor(self._deps)
        subscription = self._follower.subscribe(self.position)
        watch = asyncio.create_task(self._watch(stop, subscription))
        try:
            async for batch in subscription:
                epoch = self._leases.epoch(indexing.LEASE)
                if epoch is None:
                    return
                await indexing.index_events(self._deps, epoch, batch)
                self.position = batch[-1].seq
        finally:
            subscription.close()
            watch.cancel()

    async def _watch(self, stop: asyncio.Event, subscription: Subscription) -> None:
        """Close the subscription at the end, or when another process took over."""
        while not stop.is_set() and await self._leases.held(indexing.LEASE):
            await pause(stop, IDLE_S)
        subscription.close()
