"""What takes the store away: full disks, second processes, restarts, deadlocks, slow reads."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import bindparam, insert, select, text, update

from hub.model.errors import StoreBusy, StoreUnavailable
from hub.store.engine import Database, Tx, open_database
from hub.store.follower import Follower
from hub.store.statement import stmt
from hub.store.tables import Counter, Setting, table
from tests.servers import PostgresServer
from tests.store.test_follower import numbers_of, take, telling

ROOT = Path(__file__).resolve().parents[2]
COUNTER = table(Counter)
ADD = stmt(insert(COUNTER).values(name=bindparam("name"), value=0))
NAMES = stmt(select(COUNTER.c.name).order_by(COUNTER.c.name))
RAISE = stmt(
    update(COUNTER).where(COUNTER.c.name == bindparam("of")).values(value=COUNTER.c.value + 1)
)
SLEEP = stmt(text("SELECT pg_sleep(:s)"))
COUNT_LONG = stmt(
    text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000)"
        " SELECT count(*) FROM n"
    )
)


def adding(name: str):
    return lambda tx: tx.execute(ADD, {"name": name})


async def names(db: Database) -> list[str]:
    return [row[0] for row in await db.read(lambda tx: tx.run(NAMES))]


async def test_a_second_process_is_refused(sqlite_url: str, opened):
    db: Database = await opened(sqlite_url)
    with pytest.raises(StoreUnavailable) as caught:
        await open_database(sqlite_url)
    assert caught.value.code == "database_in_use"
    await db.run(adding("still"))
    assert await names(db) == ["still"]


@pytest.mark.parametrize("url", ["sqlite:////proc/nowhere/hub.db", "postgresql://127.0.0.1:1/x"])
async def test_a_database_that_is_not_there_is_said(url: str):
    with pytest.raises(StoreUnavailable):
        await open_database(url)


FULL = """
import asyncio, resource, signal, sys
from sqlalchemy import bindparam, func, insert, select
from hub.model.errors import StoreUnavailable
from hub.store.engine import StoreLimits, open_database
from hub.store.statement import stmt
from hub.store.tables import Setting, table
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
T = table(Setting)
ADD = stmt(insert(T).values(name=bindparam("name"), value="x" * 4000, version=1))
NAMES = stmt(select(T.c.name))
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
async def main():
    db = await open_database(sys.argv[1], limits=StoreLimits(checkpoint_s=0.01))
    def adding(name):
        return lambda tx: tx.execute(ADD, {"name": name})
    kept, lost = set(), 0
    async def add(name):
        nonlocal lost
        try:
            await db.run(adding(name))
            kept.add(name)
        except StoreUnavailable:
            lost += 1
    async def same():
        names = {row[0] for row in await db.read(lambda tx: tx.run(NAMES))}
        assert names == kept, (len(names), len(kept))
    for turn in range(3):
        before = lost
        limit(int(sys.argv[2]) + 200_000 * turn)
        for batch in range(40):
            await asyncio.gather(*(add(f"{turn}-{batch}-{n}") for n in range(20)))
        assert lost > before, "the disk never filled"
        await same()
        limit(resource.RLIM_INFINITY)
        before = lost
        await asyncio.gather(*(add(f"{turn}-again-{n}") for n in range(20)))
        assert lost == before, "no recovery without a restart"
        await same()
    await db.close()
    db = await open_database(sys.argv[1])
    await same()
    await db.close()
asyncio.run(main())
"""


def test_a_full_disk_loses_whole_batches_only_and_is_recovered_from(sqlite_url: str):
    size = Path(sqlite_url.removeprefix("sqlite:///")).stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", FULL, sqlite_url, str(size + 300_000)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


KILLED = """
import asyncio, sys
from sqlalchemy import bindparam, insert
from hub.store.engine import open_database
from hub.store.statement import stmt
from hub.store.tables import Counter, Setting, table
ADD = stmt(insert(table(Counter)).values(name=bindparam("name"), value=0))
async def main():
    db = await open_database(sys.argv[1])
    n = 0
    while True:
        batch = [f"{n + i:06d}" for i in range(8)]
        await asyncio.gather(
            *(db.run(lambda tx, name=name: tx.execute(ADD, {"name": name})) for name in batch)
        )
        n += 8
        print(n, flush=True)
asyncio.run(main())
"""


async def test_kill_9_keeps_everything_that_was_answered(any_url: str, opened):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, any_url], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    for _ in range(25):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    answered = [int(line) for line in process.stdout.read().split() if line]
    process.wait()
    db = await opened(any_url)
    kept = await names(db)
    promised = max([*answered, 200])
    assert kept[:promised] == [f"{n:06d}" for n in range(promised)]


async def test_a_read_over_its_limit_is_cut(any_url: str, opened):
    db: Database = await opened(any_url, read_s=0.2, readers=1)
    started = time.monotonic()
    with pytest.raises(StoreBusy) as caught:
        await db.read(lambda tx: tx.run(COUNT_LONG))
    assert caught.value.code == "read_timeout"
    assert time.monotonic() - started < 5
    assert await names(db) == []


async def test_deadlocked_units_both_succeed(postgres_url: str, opened):
    db: Database = await opened(postgres_url)
    await db.run(adding("x"))
    await db.run(adding("y"))
    both = threading.Barrier(2, timeout=5)
    runs: list[str] = []

    def crossing(first: str, second: str):
        def unit(tx: Tx) -> None:
            tx.execute(RAISE, {"of": first})
            if runs.count(first) == 0:
                runs.append(first)
                both.wait()
            else:
                runs.append(first)
            tx.execute(RAISE, {"of": second})

        return unit

    await asyncio.gather(db.run(crossing("x", "y")), db.run(crossing("y", "x")))
    assert len(runs) == 3
    values = stmt(select(COUNTER.c.value))
    assert await db.read(lambda tx: tx.run(values)) == [(2,), (2,)]


@pytest.mark.parametrize("immediate", [False, True])
async def test_postgres_restarts(
    postgres_server: PostgresServer, postgres_url: str, opened, immediate: bool
):
    db: Database = await opened(postgres_url, writers=3, readers=1)
    follower = Follower(db, poll_s=0.05)
    await follower.start()
    reader = follower.subscribe()
    await asyncio.gather(*(db.run(telling(n)) for n in range(3)))
    stop = postgres_server.stop_immediately if immediate else postgres_server.stop
    during = asyncio.create_task(db.run(lambda tx: tx.run(SLEEP, {"s": 5})))
    await asyncio.sleep(0)
    while db.waiting:
        await asyncio.sleep(0.005)
    await asyncio.to_thread(stop)
    with pytest.raises(StoreUnavailable):
        await during
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            await db.run(telling(99))
    await asyncio.to_thread(postgres_server.start)
    async with asyncio.timeout(15):
        while True:
            try:
                await db.run(telling(3))
                break
            except StoreUnavailable:
                await asyncio.sleep(0.02)
    assert set(numbers_of(await take(reader, 4))) == {0, 1, 2, 3}
    await follower.close()


async def test_connections_that_died_while_idle_are_replaced_unseen(
    postgres_server: PostgresServer, postgres_url: str, opened
):
    db: Database = await opened(postgres_url)
    await asyncio.gather(*(db.run(adding(f"{n}")) for n in range(20)))
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (postgres_url.rsplit("/", 1)[1],),
        )
    await asyncio.gather(*(db.run(adding(f"later-{n}")) for n in range(20)))
    assert len(await names(db)) == 40


async def test_sqlite_full_in_the_middle_of_a_batch(sqlite_url: str, opened):
    """SQLITE_FULL throws the whole transaction away, also inside a savepoint."""
    db: Database = await opened(sqlite_url)
    await db.run(adding("before"))
    blob = stmt(insert(table(Setting)).values(name=bindparam("n"), value="x" * 50_000, version=1))
    entered, go = threading.Event(), threading.Event()

    def first(tx: Tx) -> None:
        pages = tx.one(stmt(text("PRAGMA page_count")))
        assert pages is not None
        tx.run(stmt(text(f"PRAGMA max_page_count={pages[0] + 30}")))  # the writer's connection
        entered.set()
        assert go.wait(10)

    def filling(number: int):
        def unit(tx: Tx) -> int:
            tx.execute(blob, {"n": f"{number}"})
            return number

        return unit

    opening = asyncio.create_task(db.run(first))
    await asyncio.to_thread(entered.wait, 5)
    tasks = [asyncio.create_task(db.run(filling(n))) for n in range(10)]
    await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(opening, *tasks, return_exceptions=True)
    assert any(isinstance(result, StoreUnavailable) for result in results)
    kept = await db.read(lambda tx: tx.run(stmt(select(table(Setting).c.name))))
    assert {int(row[0]) for row in kept} == {r for r in results if isinstance(r, int)}
    assert await db.run(filling(99)) == 99  # the reopened connection has no such limit
    assert await names(db) == ["before"]
