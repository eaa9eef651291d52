"""Units of work: what callers may rely on, on both databases."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import bindparam, delete, func, insert, select, update

from hub.model.clock import utc_now
from hub.model.errors import Conflict, NotFound, SettingsInvalid, StoreBusy, StoreUnavailable
from hub.model.events import EventKind, new_event
from hub.store.engine import Database, Lane, Tx, open_database
from hub.store.statement import stmt
from hub.store.tables import Counter, Event, Setting, table

COUNTER = table(Counter)
ADD = stmt(
    insert(COUNTER).values(name=bindparam("name"), value=bindparam("value")), name="counter.add"
)
VALUE = stmt(select(COUNTER.c.value).where(COUNTER.c.name == bindparam("name")))
LOCKED = stmt(select(COUNTER.c.value).where(COUNTER.c.name == bindparam("name")).with_for_update())
RAISE = stmt(
    update(COUNTER)
    .where(COUNTER.c.name == bindparam("of"))
    .values(value=COUNTER.c.value + 1)
    .returning(COUNTER.c.value)
)
ANY_OF = stmt(
    select(COUNTER.c.name)
    .where(COUNTER.c.name.in_(bindparam("names", expanding=True)))
    .order_by(COUNTER.c.name)
)
NONE_OF = stmt(
    select(COUNTER.c.name).where(COUNTER.c.name.not_in(bindparam("names", expanding=True)))
)
REMOVE = stmt(delete(COUNTER).where(COUNTER.c.name == bindparam("name")))
COUNT = stmt(select(func.count()).select_from(COUNTER))
SET = stmt(
    insert(table(Setting)).values(
        name=bindparam("name"), value=bindparam("value"), version=bindparam("version")
    )
)
EVENTS = stmt(select(table(Event)).order_by(table(Event).c.seq))


def adding(name: str, value: int = 0):
    def unit(tx: Tx) -> str:
        tx.execute(ADD, {"name": name, "value": value})
        return name

    return unit


def names(*wanted: str):
    return lambda tx: [row[0] for row in tx.run(ANY_OF, {"names": list(wanted)})]


async def test_a_committed_unit_is_seen_by_readers(db: Database):
    assert await db.run(adding("a", 7)) == "a"
    assert await db.read(lambda tx: tx.one(VALUE, {"name": "a"})) == (7,)


async def test_lists_of_every_length(db: Database):
    for name in "abcde":
        await db.run(adding(name))
    for wanted in ("", "a", "ab", "abc", "abcde"):
        assert await db.read(names(*wanted)) == list(wanted)
    rest = await db.read(lambda tx: {r[0] for r in tx.run(NONE_OF, {"names": []})})
    assert rest == set("abcde")


async def test_a_failing_unit_keeps_nothing_and_harms_no_other(db: Database):
    def failing(tx: Tx) -> None:
        tx.execute(ADD, {"name": "lost", "value": 1})
        raise NotFound("no_such_thing")

    results = await asyncio.gather(
        db.run(adding("a")), db.run(failing), db.run(adding("b")), return_exceptions=True
    )
    assert results[0] == "a"
    assert isinstance(results[1], NotFound)
    assert results[2] == "b"
    assert await db.read(names("a", "b", "lost")) == ["a", "b"]


async def test_a_unique_violation_runs_the_unit_once_more(db: Database):
    await db.run(adding("taken"))
    runs: list[int] = []

    def take_or_find(tx: Tx) -> str:
        runs.append(1)
        if len(runs) == 1:
            tx.execute(ADD, {"name": "taken", "value": 0})
            return "added"
        return "found"

    assert await db.run(take_or_find) == "found"
    with pytest.raises(Conflict) as caught:
        await db.run(adding("taken"))
    assert caught.value.code == "already_exists"


async def test_a_swallowed_database_error_ends_the_unit_all_the_same(db: Database):
    await db.run(adding("taken"))

    def swallowing(tx: Tx) -> str:
        tx.execute(ADD, {"name": "half", "value": 0})
        try:
            tx.execute(SET, {"name": "x", "value": None, "version": 1})  # NOT NULL
        except Exception:
            return "as if nothing had been"
        return "unexpected"

    with pytest.raises(Exception, match=r"(?i)null"):
        await db.run(swallowing)
    assert await db.read(names("half")) == []


async def test_increments_of_many_callers_all_count(db: Database):
    await db.run(adding("n"))

    def raising(tx: Tx) -> int:
        assert tx.one(LOCKED, {"name": "n"}) is not None
        raised = tx.one(RAISE, {"of": "n"})
        assert raised is not None
        return raised[0]

    values = await asyncio.gather(*(db.run(raising) for _ in range(200)))
    assert sorted(values) == list(range(1, 201))


async def test_rows_touched_and_many(db: Database):
    def unit(tx: Tx) -> tuple[int, int, tuple | None]:
        tx.many(ADD, [{"name": f"m{i}", "value": i} for i in range(10)])
        tx.many(ADD, [])
        return (
            tx.execute(REMOVE, {"name": "m3"}),
            tx.execute(REMOVE, {"name": "nobody"}),
            tx.one(COUNT),
        )

    assert await db.run(unit) == (1, 0, (9,))


async def test_events_wake_after_the_commit_and_only_then(db: Database):
    woken: list[str] = []
    db.on_commit(lambda: woken.append("event"))

    def silent(tx: Tx) -> None:
        tx.after_commit(lambda: woken.append("after"))

    def telling(tx: Tx) -> None:
        tx.append(
            [new_event(EventKind.MESSAGE_RECEIVED, utc_now(), data={"number": n}) for n in range(3)]
        )

    def failing(tx: Tx) -> None:
        telling(tx)
        silent(tx)
        raise NotFound

    await db.run(silent)
    assert woken == ["after"]
    with pytest.raises(NotFound):
        await db.run(failing)
    assert woken == ["after"]
    await db.run(telling)
    assert woken == ["after", "event"]
    rows = await db.read(lambda tx: tx.run(EVENTS))
    assert [row[1] for row in rows] == ["message.received"] * 3
    assert [row[0] for row in rows] == sorted({row[0] for row in rows})


async def test_readers_cannot_write(db: Database):
    with pytest.raises(Exception, match=r"(?i)readonly|read-only"):
        await db.read(adding("x"))
    assert await db.read(names("x")) == []


async def test_a_read_stands_on_one_snapshot(db: Database):
    first_done, written = threading.Event(), threading.Event()

    def twice(tx: Tx) -> tuple:
        before = tx.one(COUNT)
        first_done.set()
        assert written.wait(5)
        return before, tx.one(COUNT)

    reading = asyncio.create_task(db.read(twice))
    await asyncio.to_thread(first_done.wait, 5)
    await db.run(adding("later"))
    written.set()
    before, after = await reading
    assert before == after


async def test_a_cancelled_caller_leaves_a_whole_unit(db: Database):
    entered, go = threading.Event(), threading.Event()
    called: list[int] = []

    def slow(tx: Tx) -> None:
        entered.set()
        assert go.wait(5)
        tx.execute(ADD, {"name": "kept", "value": 1})
        tx.after_commit(lambda: called.append(1))

    task = asyncio.create_task(db.run(slow))
    await asyncio.to_thread(entered.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    await db.run(adding("next"))
    while not called:
        await asyncio.sleep(0.005)
    assert await db.read(names("kept", "next")) == ["kept", "next"]


async def test_a_unit_that_waits_too_long_is_refused(any_url: str, opened):
    db = await opened(any_url, wait_s=0.15, writers=1, queue=4)
    entered, go = threading.Event(), threading.Event()

    def stuck(tx: Tx) -> str:
        entered.set()
        assert go.wait(10)
        return "done"

    task = asyncio.create_task(db.run(stuck))
    await asyncio.to_thread(entered.wait, 5)
    with pytest.raises(StoreBusy):
        await db.run(adding("late"))
    waiting = [asyncio.create_task(db.run(adding(f"w{i}"))) for i in range(4)]
    await asyncio.sleep(0)
    assert db.waiting == 4
    with pytest.raises(StoreBusy):  # the queue is full: refused at once
        await db.run(adding("over"))
    assert all(
        isinstance(e, StoreBusy) for e in await asyncio.gather(*waiting, return_exceptions=True)
    )
    go.set()
    assert await task == "done"
    assert await db.run(adding("again")) == "again"
    assert await db.read(names("late", "over", "w0", "again")) == ["again"]


async def test_requests_go_before_background_work(any_url: str, opened):
    db = await opened(any_url, writers=1)
    entered, go = threading.Event(), threading.Event()
    order: list[str] = []

    def stuck(tx: Tx) -> None:
        entered.set()
        assert go.wait(10)

    def noting(name: str):
        return lambda tx: order.append(name)

    first = asyncio.create_task(db.run(stuck))
    await asyncio.to_thread(entered.wait, 5)
    tasks = [
        asyncio.create_task(db.run(noting("background"), lane=Lane.BACKGROUND)),
        asyncio.create_task(db.run(noting("request"))),
    ]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, *tasks)
    assert order == ["request", "background"]


async def test_close_finishes_what_waits(any_url: str):
    db = await open_database(any_url)
    tasks = [asyncio.create_task(db.run(adding(f"c{i}"))) for i in range(20)]
    await asyncio.sleep(0)
    await db.close()
    assert await asyncio.gather(*tasks) == [f"c{i}" for i in range(20)]
    with pytest.raises(StoreUnavailable):
        await db.run(adding("after"))


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "sqlite://", "sqlite:///:memory:"])
async def test_other_databases_are_refused(url: str):
    with pytest.raises(SettingsInvalid):
        await open_database(url)


async def test_an_idle_writer_empties_the_wal(
    sqlite_url: str, opened, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hub.store.sqlite._IDLE_S", 0.05)
    db = await opened(sqlite_url, checkpoint_s=0.02)
    await asyncio.gather(*(db.run(adding(f"n{i}")) for i in range(50)))
    wal = Path(sqlite_url.removeprefix("sqlite:///") + "-wal")
    async with asyncio.timeout(10):
        while wal.stat().st_size > 0:
            await asyncio.sleep(0.01)
    assert len(await db.read(names(*(f"n{i}" for i in range(50))))) == 50


async def test_background_work_gets_its_turn_in_a_flood(any_url: str, opened):
    db = await opened(any_url, writers=1)
    done: list[str] = []

    def noting(name: str):
        return lambda tx: done.append(name)

    flood = [db.run(noting("request")) for _ in range(300)]
    await asyncio.gather(*flood, db.run(noting("background"), lane=Lane.BACKGROUND))
    assert done.index("background") <= 130


async def test_what_a_unit_must_not_raise_still_reaches_its_caller(db: Database):
    def unit(tx: Tx) -> None:
        raise StopIteration

    with pytest.raises(RuntimeError):
        await db.run(unit)


async def test_a_callback_that_fails_stops_nobody(db: Database):
    called: list[int] = []

    def unit(tx: Tx) -> str:
        tx.after_commit(lambda: called.append(1 // 0))
        tx.after_commit(lambda: called.append(2))
        return "done"

    assert await db.run(unit) == "done"
    assert called == [2]
