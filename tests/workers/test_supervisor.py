"""Loops that end, die, or meet a store that is away."""

import asyncio

from hub.model.errors import StoreUnavailable
from hub.workers import supervisor
from hub.workers.supervisor import DEATHS_LIMIT, Supervisor


async def test_a_store_that_is_away_is_no_death(monkeypatch):
    monkeypatch.setattr(supervisor, "STORE_PAUSE_S", 0.001)
    restarts: list[str] = []
    stop, tries = asyncio.Event(), 0

    async def loop(stop: asyncio.Event) -> None:
        nonlocal tries
        tries += 1
        if tries < 4 * DEATHS_LIMIT:
            raise StoreUnavailable
        stop.set()

    watched = Supervisor(stop, restarts.append)
    watched.start("one", loop)
    await asyncio.wait_for(stop.wait(), 10)
    await watched.join()
    assert (watched.failed, restarts) == (None, [])
