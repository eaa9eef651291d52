"""Two people who merge the same two at once, each the other way round: one of them is first."""

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

from sqlalchemy import text

from hub.model.errors import Conflict, VersionMismatch
from hub.services import join, merge
from hub.store.statement import stmt
from tests.services.conftest import World
from tests.services.test_customers import ANN, BOB, rows, two_people
from tests.services.test_moves import talks


async def at_once(world: World, table: str, *merges: Awaitable[Any]) -> list[Any]:
    """Let the merges run up to their first write, held by a lock on every row, then go on."""
    held, release = threading.Event(), threading.Event()

    def hold(tx: Any) -> None:
        tx.execute(stmt(text(f"UPDATE {table} SET version = version")), {})
        held.set()
        release.wait(20)

    holding = asyncio.create_task(world.deps.db.run(hold))
    while not held.is_set():
        await asyncio.sleep(0.01)
    tasks = [asyncio.ensure_future(one) for one in merges]
    while await _waiting(world) < len(merges):
        await asyncio.sleep(0.01)
    release.set()
    await holding
    return await asyncio.gather(*tasks, return_exceptions=True)


async def _waiting(world: World) -> int:
    if world.deps.db.dialect == "sqlite":
        return world.deps.db.waiting
    found = await rows(
        world, "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    )
    return int(found[0][0])


def only_one(results: list[Any]) -> None:
    refused = [one for one in results if isinstance(one, BaseException)]
    assert len(refused) == 1
    # Whoever comes second finds it merged, or its head changed by that merge.
    assert isinstance(refused[0], Conflict | VersionMismatch), refused


async def test_customers_never_stand_for_each_other(world: World) -> None:
    ada, sms = await two_people(world)
    results = await at_once(
        world,
        "customer",
        merge.merge_customers(world.deps, ANN, sms, ada),
        merge.merge_customers(world.deps, BOB, ada, sms),
    )
    only_one(results)
    roots = await rows(world, "SELECT COUNT(*) FROM customer WHERE merged_into IS NULL")
    assert roots == [(1,)]


async def test_conversations_never_stand_for_each_other(world: World) -> None:
    (first, v1), (second, v2) = await talks(world)
    results = await at_once(
        world,
        "conversation",
        join.merge_conversations(world.deps, ANN, first, second, v1),
        join.merge_conversations(world.deps, BOB, second, first, v2),
    )
    only_one(results)
    roots = await rows(world, "SELECT COUNT(*) FROM conversation WHERE merged_into IS NULL")
    assert roots == [(1,)]


async def test_the_same_merge_twice_is_done_once(world: World) -> None:
    ada, sms = await two_people(world)
    results = await at_once(
        world,
        "customer",
        merge.merge_customers(world.deps, ANN, sms, ada),
        merge.merge_customers(world.deps, ANN, sms, ada),
    )
    only_one(results)
    assert await rows(world, "SELECT COUNT(*) FROM customer_merge") == [(1,)]
