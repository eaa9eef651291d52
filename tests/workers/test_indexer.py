"""The search index follows the log: one process writes, another goes on where it stopped."""

import asyncio
from collections.abc import Awaitable, Callable

from hub.services import indexing
from hub.store.follower import Follower
from hub.workers.indexer import Indexer
from hub.workers.leases import Leases
from tests.services.conftest import (
    World,
    any_url,
    postgres_url,
    sqlite_template,
    sqlite_url,
    world,
)
from tests.services.test_search import find

__all__ = ["any_url", "postgres_url", "sqlite_template", "sqlite_url", "world"]


async def until(told: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await told():
            await asyncio.sleep(0.02)


async def found(world: World, word: str) -> int:
    return len((await find(world, word, kinds=("message",))).items)


async def run_for(world: World, holder: str, told: Callable[[], Awaitable[bool]]) -> None:
    """Run a process's leases and indexer until something is so."""
    stop = asyncio.Event()
    follower = Follower(world.deps.db, wake=world.deps.wake, clock=world.clock)
    await follower.start()
    leases = Leases(world.deps, holder)
    indexer = Indexer(world.deps, follower, leases)
    loops = [asyncio.create_task(leases.run(stop)), asyncio.create_task(indexer.run(stop))]
    try:
        await until(told)
    finally:
        stop.set()
        await asyncio.gather(*loops)
        await follower.close()


async def test_what_is_said_is_found_and_a_successor_goes_on(world: World):
    await world.receive("twilio_sms", world.sms("firstword"))

    async def first() -> bool:
        return await found(world, "firstword") == 1

    await run_for(world, "one", first)
    cursor = await indexing.load_cursor(world.deps)
    assert cursor > 0
    await world.receive("twilio_sms", world.sms("secondword"))
    assert await found(world, "secondword") == 0

    async def second() -> bool:
        return await found(world, "secondword") == 1

    await run_for(world, "two", second)
    assert await indexing.load_cursor(world.deps) > cursor
    assert await found(world, "firstword") == 1
