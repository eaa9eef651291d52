"""Hints and rate limits: in the process, through Redis, and with Redis gone."""

import asyncio
import time
import uuid

import pytest

from hub.store.engine import Database
from hub.store.follower import Follower
from hub.store.ratelimit import LocalLimiter, open_limiter
from hub.store.wake import LocalWake, RedisWake, open_wake
from tests.servers import RedisServer
from tests.store.test_follower import numbers_of, take, telling


async def test_local_hints_reach_listeners_even_past_a_bad_one():
    wake = open_wake(None)
    assert isinstance(wake, LocalWake)
    got: list[str] = []
    wake.listen("a", lambda: print(1 / 0))
    wake.listen("a", lambda: got.append("a"))
    wake.listen("b", lambda: got.append("b"))
    await wake.start()
    wake.notify("a")
    assert got == ["a"]
    await wake.close()


async def test_two_processes_see_each_others_events_at_once_and_survive_redis(
    postgres_url: str, opened, redis_server: RedisServer, redis_url: str
):
    here: Database = await opened(postgres_url, writers=2, readers=1)
    there: Database = await opened(postgres_url, writers=2, readers=1)
    wakes = [RedisWake(redis_url), RedisWake(redis_url)]
    # There polls once a minute: what it sees at once came by a hint.
    followers = [Follower(here, wake=wakes[0]), Follower(there, wake=wakes[1], poll_s=60)]
    for wake in wakes:
        await wake.start()
    for follower in followers:
        await follower.start()
    async with asyncio.timeout(10):
        for wake in wakes:
            await wake.connected.wait()
    reader = followers[1].subscribe()
    await here.run(telling(1))
    assert numbers_of(await take(reader, 1)) == [1]

    await asyncio.to_thread(redis_server.stop)
    async with asyncio.timeout(10):
        while wakes[1].connected.is_set():
            await asyncio.sleep(0.01)
    backward = followers[0].subscribe()
    started = time.monotonic()
    await there.run(telling(2))
    assert numbers_of(await take(backward, 1)) == [2]  # by polling
    assert time.monotonic() - started < 3  # 1 s, and room for a busy machine
    await here.run(telling(3))  # its hint is lost

    await asyncio.to_thread(redis_server.start)
    async with asyncio.timeout(15):
        assert numbers_of(await take(reader, 2)) == [2, 3]  # whoever comes back looks once
        await wakes[0].connected.wait()
    await here.run(telling(4))
    assert numbers_of(await take(reader, 1)) == [4]
    for follower in followers:
        await follower.close()
    for wake in wakes:
        await wake.close()


@pytest.mark.parametrize("shared", [False, True])
async def test_a_bucket_empties_and_fills(shared: bool, request: pytest.FixtureRequest):
    limiter = open_limiter(request.getfixturevalue("redis_url") if shared else None)
    key = uuid.uuid4().hex
    for _ in range(3):
        assert await limiter.take(key, rate_per_s=0.5, burst=3) == 0
    wait_s = await limiter.take(key, rate_per_s=0.5, burst=3)
    assert 1 < wait_s <= 2
    assert await limiter.take(f"{key}-other", rate_per_s=0.5, burst=3) == 0
    quick = f"{key}-quick"
    assert await limiter.take(quick, rate_per_s=200, burst=2, cost=2) == 0
    async with asyncio.timeout(5):
        while await limiter.take(quick, rate_per_s=200, burst=2, cost=2) > 0:
            await asyncio.sleep(0.002)
    await limiter.close()


async def test_with_redis_away_the_process_limits_alone(redis_server: RedisServer, redis_url: str):
    limiter = open_limiter(redis_url)
    key = uuid.uuid4().hex
    assert await limiter.take(key, rate_per_s=0.1, burst=1) == 0
    await asyncio.to_thread(redis_server.stop)
    assert await limiter.take(key, rate_per_s=0.1, burst=1) == 0  # its own, full bucket
    assert await limiter.take(key, rate_per_s=0.1, burst=1) > 0
    await asyncio.to_thread(redis_server.start)
    async with asyncio.timeout(5):  # back on Redis: the bucket there was forgotten, so it is full
        while await limiter.take(key, rate_per_s=0.1, burst=1) > 0:
            await asyncio.sleep(0.02)
    await limiter.close()


async def test_the_oldest_buckets_are_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hub.store.ratelimit._MAX_BUCKETS", 10)
    limiter = LocalLimiter()
    for number in range(30):
        await limiter.take(str(number), rate_per_s=0.001, burst=1)
    assert await limiter.take("29", rate_per_s=0.001, burst=1) > 0
    assert await limiter.take("0", rate_per_s=0.001, burst=1) == 0
