"""The log's follower: complete, in order, never blocked by a slow reader."""

import asyncio
import threading

from sqlalchemy import delete, text

from hub.model.clock import ManualClock, utc_now
from hub.model.events import EventKind, LoggedEvent, new_event
from hub.store.engine import Database, Tx
from hub.store.follower import Follower, Subscription
from hub.store.statement import stmt
from hub.store.tables import Event, table

PAUSE = stmt(text("SELECT pg_sleep(:s)"))


def telling(*numbers: int):
    def unit(tx: Tx) -> None:
        tx.append(
            new_event(EventKind.MESSAGE_RECEIVED, utc_now(), data={"number": n}) for n in numbers
        )

    return unit


def numbers_of(events: list[LoggedEvent]) -> list[object]:
    return [event.data["number"] for event in events]


async def take(subscription: Subscription, count: int) -> list[LoggedEvent]:
    got: list[LoggedEvent] = []
    async with asyncio.timeout(10):
        async for batch in subscription:
            got += batch
            if len(got) >= count:
                break
    return got


async def test_events_arrive_once_and_in_order(db: Database):
    await db.run(telling(1, 2))
    follower = Follower(db, poll_s=60)
    await follower.start()
    assert follower.head == 2
    early = follower.subscribe(after=0)
    late = follower.subscribe()
    for n in range(3, 9):
        await db.run(telling(n))
    assert numbers_of(await take(early, 8)) == list(range(1, 9))
    assert numbers_of(await take(late, 6)) == list(range(3, 9))
    assert numbers_of(await follower.read(5)) == [6, 7, 8]
    assert await follower.read(8) == []
    await follower.close()


async def test_a_slow_reader_catches_up_from_the_log(db: Database):
    follower = Follower(db, poll_s=60)
    await follower.start()
    slow, quick = follower.subscribe(limit=5), follower.subscribe()
    for n in range(40):
        await db.run(telling(n))
    assert numbers_of(await take(quick, 40)) == list(range(40))
    assert slow.lagged == 1
    assert numbers_of(await take(slow, 40)) == list(range(40))
    await db.run(telling(40))
    assert numbers_of(await take(slow, 1)) == [40]
    assert slow.lagged == 1
    await follower.close()
    assert [batch async for batch in slow] == []


async def test_a_kind_of_a_newer_version_is_passed_over(db: Database):
    follower = Follower(db, poll_s=60)
    await follower.start()
    reader = follower.subscribe()
    strange = stmt(text("UPDATE event SET kind = 'future.came' WHERE seq <= 2"))

    def unit(tx: Tx) -> None:
        telling(1, 2, 3)(tx)
        tx.execute(strange)

    await db.run(unit)
    assert numbers_of(await take(reader, 1)) == [3]
    await follower.close()


async def test_the_floor_is_a_week_back(db: Database):
    clock = ManualClock(utc_now())

    def old(tx: Tx) -> None:
        at = clock.now()
        tx.append([new_event(EventKind.MESSAGE_RECEIVED, at, data={"number": 0})] * 3)

    await db.run(old)
    clock.advance(seconds=8 * 86_400)
    await db.run(old)
    follower = Follower(db, clock=clock)
    await follower.start()
    assert (follower.floor, follower.head) == (3, 6)
    await follower.close()
    await db.run(lambda tx: tx.execute(stmt(delete(table(Event)).where(table(Event).c.seq <= 4))))
    follower = Follower(db, clock=ManualClock(utc_now()))
    await follower.start()
    assert follower.floor == 4
    await follower.close()


async def test_a_late_commit_is_waited_for_and_a_rollback_passed(postgres_url: str, opened):
    db: Database = await opened(postgres_url)
    follower = Follower(db, poll_s=60)
    await follower.start()
    reader = follower.subscribe()
    drawn, go = threading.Event(), threading.Event()

    def late(tx: Tx) -> None:
        telling(1)(tx)
        drawn.set()
        assert go.wait(10)

    def lost(tx: Tx) -> None:
        telling(2)(tx)
        raise LookupError

    held = asyncio.create_task(db.run(late))
    await asyncio.to_thread(drawn.wait, 5)
    await asyncio.gather(db.run(lost), return_exceptions=True)
    await db.run(telling(3))
    await db.run(telling(4))
    assert follower.head == 0  # 3 and 4 are committed, 1 is not
    go.set()
    await held
    assert numbers_of(await take(reader, 3)) == [1, 3, 4]
    assert follower.head == 4
    await follower.close()


async def test_the_head_at_the_start_leaves_no_hole(postgres_url: str, opened):
    """A process that starts while a lower number is on its way must still see it."""
    db: Database = await opened(postgres_url)
    drawn, go = threading.Event(), threading.Event()

    def late(tx: Tx) -> None:
        telling(1)(tx)
        drawn.set()
        assert go.wait(10)

    held = asyncio.create_task(db.run(late))
    await asyncio.to_thread(drawn.wait, 5)
    await db.run(telling(2))
    follower = Follower(db)
    starting = asyncio.create_task(follower.start())
    done, _ = await asyncio.wait([starting], timeout=0.2)
    assert not done
    go.set()
    await held
    await starting
    assert numbers_of(await follower.read(0)) == [1, 2]
    await follower.close()
