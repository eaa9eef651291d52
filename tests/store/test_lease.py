"""Leases: one holder, a greater epoch at each take-over, clocks that jump."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from hub.model.errors import Conflict
from hub.store.engine import Database
from hub.store.lease import LeaseView, StaleWatch, check_lease, claim_lease, release_lease

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def claim(db: Database, holder: str, at_s: float, stale: LeaseView | None = None):
    now = NOW + timedelta(seconds=at_s)
    return await db.run(lambda tx: claim_lease(tx, "router", holder, now, stale=stale))


async def test_taken_renewed_and_taken_over(db: Database):
    first = await claim(db, "a", 0)
    assert (first.mine, first.epoch) == (True, 1)
    other = await claim(db, "b", 1)
    assert (other.mine, other.holder) == (False, "a")
    assert (await claim(db, "a", 4)).epoch == 1
    assert not (await claim(db, "b", 8)).mine
    taken = await claim(db, "b", 9.1)
    assert (taken.mine, taken.epoch) == (True, 2)
    await db.run(lambda tx: check_lease(tx, "router", 2))
    with pytest.raises(Conflict) as caught:
        await db.run(lambda tx: check_lease(tx, "router", 1))
    assert caught.value.code == "lease_lost"
    with pytest.raises(Conflict):
        await db.run(lambda tx: check_lease(tx, "nothing", 1))


async def test_released_it_is_free_at_once(db: Database):
    await claim(db, "a", 0)
    assert await db.run(lambda tx: release_lease(tx, "router", "a", 1))
    assert not await db.run(lambda tx: release_lease(tx, "router", "a", 7))
    assert (await claim(db, "b", 0.1)).epoch == 2
    assert not await db.run(lambda tx: release_lease(tx, "router", "a", 1))


async def test_the_same_holder_comes_back_with_a_greater_epoch(db: Database):
    await claim(db, "a", 0)
    await db.run(lambda tx: release_lease(tx, "router", "a", 1))
    assert (await claim(db, "a", 1)).epoch == 2


async def test_many_at_once_make_one_holder(db: Database):
    views = await asyncio.gather(*(claim(db, f"p{i}", 0) for i in range(8)))
    assert sum(view.mine for view in views) == 1
    assert len({view.holder for view in views}) == 1


async def test_a_clock_an_hour_back_takes_over_by_the_stopwatch(db: Database):
    await claim(db, "a", 3600)  # then the machine died, and our clock is an hour behind
    watch = StaleWatch()
    view = await claim(db, "b", 0)
    assert not view.mine
    assert not watch.observe(view, 100.0)
    assert not watch.observe(await claim(db, "b", 4), 104.0)
    view = await claim(db, "b", 6)
    assert watch.observe(view, 106.0)
    taken = await claim(db, "b", 6, stale=view)
    assert (taken.mine, taken.epoch) == (True, 2)


async def test_a_renewed_lease_is_not_stale(db: Database):
    await claim(db, "a", 3600)
    watch = StaleWatch()
    old = await claim(db, "b", 0)
    watch.observe(old, 0.0)
    await claim(db, "a", 3601)
    assert not watch.observe(await claim(db, "b", 6), 6.0)
    assert not (await claim(db, "b", 6, stale=old)).mine
