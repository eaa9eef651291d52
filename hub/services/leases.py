"""Leases as use cases: take, renew and give back the right to act."""

from hub.services.deps import Deps
from hub.store.lease import LeaseView, claim_lease, release_lease
from hub.store.tx import Tx


async def claim(deps: Deps, name: str, holder: str, stale: LeaseView | None = None) -> LeaseView:
    """Take a lease when it is free, renew it when it is ours, else say who has it."""
    now = deps.clock.now()

    def unit(tx: Tx) -> LeaseView:
        return claim_lease(tx, name, holder, now, stale=stale)

    return await deps.db.run(unit, name="lease.claim")


async def release(deps: Deps, view: LeaseView, holder: str) -> None:
    """Give a lease back, so that another process need not wait for its end."""

    def unit(tx: Tx) -> None:
        release_lease(tx, view.name, holder, view.epoch)

    await deps.db.run(unit, name="lease.release")
