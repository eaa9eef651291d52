"""This process's leases: claimed when first asked for, renewed every second, given back."""

import asyncio
from time import monotonic

import structlog

from hub.model.errors import StoreUnavailable
from hub.services import leases
from hub.services.deps import Deps
from hub.store.lease import LEASE_S, LeaseView, StaleWatch
from hub.workers.supervisor import pause

log = structlog.get_logger(__name__)

RENEW_EVERY_S = 1.0


class Leases:
    """Answers `held(name)` and keeps what it holds.

    Args:
        holder: a name no other process ever has.
    """

    def __init__(self, deps: Deps, holder: str) -> None:
        self._deps = deps
        self._holder = holder
        self._mine: dict[str, tuple[LeaseView, float]] = {}
        self._watches: dict[str, StaleWatch] = {}
        self._stale: dict[str, LeaseView] = {}

    async def held(self, name: str) -> bool:
        """Tell whether this process holds a lease, claiming it when it can."""
        if name not in self._watches:
            await self._claim(name)
        return self._good(name)

    def epoch(self, name: str) -> int | None:
        """Return the epoch of a lease held now, for `check_lease`."""
        return self._mine[name][0].epoch if self._good(name) else None

    async def run(self, stop: asyncio.Event) -> None:
        """Renew until `stop`, then give everything back."""
        while not stop.is_set():
            for name in list(self._watches):
                try:
                    await self._claim(name)
                except StoreUnavailable:
                    log.debug("lease.not_renewed", lease=name)
            await pause(stop, RENEW_EVERY_S)
        for view, _ in self._mine.values():
            try:
                await leases.release(self._deps, view, self._holder)
            except StoreUnavailable:
                break
        self._mine.clear()

    def _good(self, name: str) -> bool:
        """Hold a lease only as long as our own stopwatch says that it lasts."""
        found = self._mine.get(name)
        return found is not None and monotonic() - found[1] < LEASE_S

    async def _claim(self, name: str) -> None:
        watch = self._watches.setdefault(name, StaleWatch())
        asked = monotonic()
        view = await leases.claim(self._deps, name, self._holder, self._stale.pop(name, None))
        if view.mine:
            if name not in self._mine:
                log.info("lease.taken", lease=name, epoch=view.epoch)
            self._mine[name] = (view, asked)
            return
        if self._mine.pop(name, None) is not None:
            log.warning("lease.lost", lease=name, holder=view.holder)
        if watch.observe(view, monotonic()):
            self._stale[name] = view
