"""Eight writers with rollbacks: the follower misses nothing, the two obvious readers do."""

import asyncio
import random

from sqlalchemy import bindparam, literal_column, select, text

from hub.model.clock import utc_now
from hub.model.events import EventKind, new_event
from hub.store.engine import Database, Tx
from hub.store.follower import Follower
from hub.store.statement import Stmt, stmt
from hub.store.tables import Event, table

EVENT = table(Event)
PAUSE = stmt(text("SELECT pg_sleep(:s)"))
NAIVE = stmt(select(EVENT.c.seq).where(EVENT.c.seq > bindparam("after")).order_by(EVENT.c.seq))
HORIZON = stmt(
    select(EVENT.c.seq)
    .where(
        EVENT.c.seq > bindparam("after"),
        literal_column("event.xmin::text::bigint")
        < literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint"),
    )
    .order_by(EVENT.c.seq)
)


class RolledBack(Exception):
    """A unit gives up after it has drawn numbers."""


async def write(db: Database, seed: int, stop: asyncio.Event, committed: set[str]) -> None:
    chance = random.Random(seed)
    serial = 0
    while not stop.is_set():
        names = [f"{seed}-{serial + i}" for i in range(chance.randint(1, 3))]
        serial += len(names)
        pauses = [chance.choice([0, 0, 0.002, 0.01]) for _ in names]
        fails = chance.random() < 0.25

        def unit(tx: Tx, names=names, pauses=pauses, fails=fails) -> None:
            for name, pause in zip(names, pauses, strict=True):
                tx.run(PAUSE, {"s": pause / 2})
                tx.append([new_event(EventKind.CONFIG_CHANGED, utc_now(), data={"what": name})])
                tx.run(PAUSE, {"s": pause})
            if fails:
                raise RolledBack

        try:
            await db.run(unit)
            committed.update(names)
        except RolledBack:
            pass


def reading(statement: Stmt, after: int):
    return lambda tx: tx.run(statement, {"after": after})


async def poll(db: Database, statement: Stmt, stop: asyncio.Event, seen: list[int]) -> None:
    """Read the log as one would at first: everything after the highest number seen."""
    while not stop.is_set():
        after = seen[-1] if seen else 0
        seen += [row[0] for row in await db.read(reading(statement, after))]


async def follow(follower: Follower, seen: list[tuple[int, object]]) -> None:
    async for batch in follower.subscribe(after=0):
        seen += [(event.seq, event.data["what"]) for event in batch]


async def test_no_reader_of_the_log_misses_an_event(postgres_url: str, opened):
    here: Database = await opened(postgres_url, writers=4)
    there: Database = await opened(postgres_url, writers=4)  # as a second process would
    followers = [Follower(db, poll_s=0.05) for db in (here, there)]
    for follower in followers:
        await follower.start()
    stop, stop_polling = asyncio.Event(), asyncio.Event()
    committed: set[str] = set()
    seen: list[list[tuple[int, object]]] = [[], []]
    naive: list[int] = []
    horizon: list[int] = []
    writers = [
        asyncio.create_task(write(db, seed, stop, committed))
        for seed, db in enumerate([here, there] * 4)
    ]
    pollers = [
        asyncio.create_task(poll(here, NAIVE, stop_polling, naive)),
        asyncio.create_task(poll(there, HORIZON, stop_polling, horizon)),
    ]
    readers = [asyncio.create_task(follow(f, s)) for f, s in zip(followers, seen, strict=True)]

    async with asyncio.timeout(60):
        while len(committed) < 600:
            await asyncio.sleep(0.05)
        stop.set()
        await asyncio.gather(*writers)
        while any(len(each) < len(committed) for each in seen):
            await asyncio.sleep(0.01)
        while not naive or not horizon or min(naive[-1], horizon[-1]) < seen[0][-1][0]:
            await asyncio.sleep(0.01)
    stop_polling.set()
    await asyncio.gather(*pollers)
    for follower in followers:
        await follower.close()
    await asyncio.gather(*readers)

    for each in seen:
        numbers = [number for number, _ in each]
        assert numbers == sorted(set(numbers))
        assert {name for _, name in each} == committed
    everything = {number for number, _ in seen[0]}
    lost = len(everything - set(naive)), len(everything - set(horizon))
    print(f"of {len(everything)} events `seq > n` lost {lost[0]}, an xmin horizon {lost[1]}")
    assert lost[0] > 0
    assert lost[1] > 0
