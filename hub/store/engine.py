"""`Database`: units of work in, committed results out, the same on SQLite and PostgreSQL.

    result = await db.run(unit)        # unit(tx) -> T, synchronous, may run twice
    rows = await db.read(unit)         # read-only, a snapshot, 5 s at most

A unit touches nothing but `tx` and its arguments; ids and `now` are made outside. Its result
reaches the caller only after COMMIT. What a caller may see raised: whatever the unit raised
(nothing of it is kept), `StoreBusy` (it never ran, or was too slow), `StoreUnavailable`, `Conflict`
`already_exists` (a unique violation that a second run did not resolve).
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hub.model.errors import SettingsInvalid, StoreBusy
from hub.store.lanes import Job, Lane, LaneQueue, Outcome
from hub.store.statement import DialectName
from hub.store.tx import Tx

__all__ = ["Database", "Lane", "StoreLimits", "Tx", "open_database", "parse_url"]

T = TypeVar("T")
log = structlog.get_logger(__name__)

_SWEEP_S = 0.1


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How much waits and how long; tests make them small.

    Attributes:
        queue: jobs waiting per lane before `StoreBusy`.
        wait_s: how long a unit may wait for a thread.
        read_s: how long a read may run; on PostgreSQL per statement.
        statement_s: PostgreSQL's statement_timeout for writing units.
        slow_unit_s: a unit over this is logged.
        batch: units per SQLite commit.
        batch_s: how long a SQLite commit may collect units that are already waiting.
        writers: PostgreSQL connections for units.
        readers: threads (and connections) for reads.
        checkpoint_s: pause between SQLite's PASSIVE checkpoints.
    """

    queue: int = 2_000
    wait_s: float = 2.0
    read_s: float = 5.0
    statement_s: float = 10.0
    slow_unit_s: float = 0.05
    batch: int = 64
    batch_s: float = 0.010
    writers: int = 8
    readers: int = 4
    checkpoint_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Queues:
    """What the store's threads take from, and where they report."""

    writes: LaneQueue
    reads: LaneQueue
    tail: LaneQueue
    report: Callable[[list[Outcome]], None]


class Backend(Protocol):
    """The threads and connections of one kind of database."""

    @property
    def dialect(self) -> DialectName:
        """Which SQL it speaks."""

    def start(self, queues: Queues) -> None:
        """Connect and start the threads; blocking.

        Raises:
            StoreUnavailable: it cannot be reached, or `database_in_use`.
        """

    def join(self) -> None:
        """Wait for the threads after the queues were closed; blocking."""


class Database:
    """One database, bound to the event loop it was opened in."""

    def __init__(self, backend: Backend, limits: StoreLimits) -> None:
        self._backend = backend
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._queues = Queues(
            LaneQueue(limits.queue), LaneQueue(limits.queue), LaneQueue(limits.queue), self._report
        )
        self._wakers: list[Callable[[], None]] = []
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def dialect(self) -> DialectName:
        """ "sqlite" or "postgresql"."""
        return self._backend.dialect

    @property
    def waiting(self) -> int:
        """How many units wait for a thread now."""
        return len(self._queues.writes)

    async def start(self) -> None:
        """Connect; `open_database` does this."""
        await asyncio.to_thread(self._backend.start, self._queues)

    async def run(self, unit: Callable[[Tx], T], *, lane: Lane = Lane.REQUEST, name: str = "") -> T:
        """Run a unit in a transaction and return its result after COMMIT.

        A cancelled caller's unit may still commit; its events and `after_commit` calls then happen
        all the same.
        """
        return await self._submit(self._queues.writes, unit, lane, name)

    async def read(self, unit: Callable[[Tx], T], *, lane: Lane = Lane.REQUEST) -> T:
        """Run a read-only unit on one snapshot; writing in it is an error."""
        return await self._submit(self._queues.reads, unit, lane, "")

    async def tail(self, unit: Callable[[Tx], T]) -> T:
        """As `read`, on the connection kept for the log's follower."""
        return await self._submit(self._queues.tail, unit, Lane.REQUEST, "")

    def on_commit(self, call: Callable[[], None]) -> None:
        """Have `call()` made on the loop after each COMMIT that wrote events; it must be quick."""
        self._wakers.append(call)

    async def close(self) -> None:
        """Finish the units that wait, end the threads, close the connections."""
        for queue in (self._queues.writes, self._queues.reads, self._queues.tail):
            queue.close()
        await asyncio.to_thread(self._backend.join)
        await asyncio.sleep(0)  # what the threads reported last reaches its callers
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    async def _submit(self, queue: LaneQueue, unit: Callable[[Tx], T], lane: Lane, name: str) -> T:
        future: asyncio.Future[Any] = self._loop.create_future()
        queue.put(Job(unit, future, name or getattr(unit, "__qualname__", "unit"), lane))
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        result: T = await future
        return result

    def _sweep(self) -> None:
        """Refuse the units that waited too long, also while every thread is stuck."""
        queues = (self._queues.writes, self._queues.reads, self._queues.tail)
        for queue in queues:
            for job in queue.expire(self._limits.wait_s):
                if not job.future.done():
                    job.future.set_exception(StoreBusy(waited_s=self._limits.wait_s))
        waiting = any(len(queue) for queue in queues)
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep) if waiting else None

    def _report(self, outcomes: list[Outcome]) -> None:
        # The loop may be gone when a process ends without close(): then nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._finish, outcomes)

    def _finish(self, outcomes: list[Outcome]) -> None:
        appended = 0
        for outcome in outcomes:
            appended += outcome.appended
            future = outcome.job.future
            if future.done():
                pass  # the caller was cancelled meanwhile; what was committed stays
            elif isinstance(outcome.error, StopIteration):  # asyncio refuses to carry it
                future.set_exception(RuntimeError("a unit raised StopIteration"))
            elif outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.result)
            for call in outcome.after:
                self._call(call)
        if appended:
            for call in self._wakers:
                self._call(call)

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            log.exception("store.callback_failed")


def parse_url(url: str) -> URL:
    """Return the parts of a database URL.

    Raises:
        SettingsInvalid: neither `sqlite:///FILE` nor `postgresql://…`.
    """
    try:
        parts = make_url(url)
    except ArgumentError:
        raise SettingsInvalid(key="database_url", reason="not a URL") from None
    backend = parts.get_backend_name()
    if backend == "sqlite" and parts.database and parts.database != ":memory:":
        return parts
    if backend == "postgresql":
        return parts
    raise SettingsInvalid(key="database_url", reason="use sqlite:///FILE or postgresql://…")


async def open_database(url: str, *, limits: StoreLimits | None = None) -> Database:
    """Open a database whose tables exist (see `hub.store.migrate`).

    Args:
        url: `sqlite:///FILE` or `postgresql://USER@HOST:PORT/NAME`.
        limits: queue and time limits.

    Raises:
        SettingsInvalid: the URL names no database we know.
        StoreUnavailable: it cannot be opened; `database_in_use`: another process has the file.
    """
    parts = parse_url(url)
    limits = limits or StoreLimits()
    backend: Backend
    if parts.get_backend_name() == "sqlite":
        from hub.store.sqlite import SqliteBackend  # only the driver in use is loaded

        backend = SqliteBackend(Path(parts.database or ""), limits)
    else:
        from hub.store.postgres import PostgresBackend

        backend = PostgresBackend(
            parts.set(drivername="postgresql").render_as_string(hide_password=False), limits
        )
    database = Database(backend, limits)
    await database.start()
    return database
