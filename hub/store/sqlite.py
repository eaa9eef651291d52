"""SQLite: one writer thread that commits in groups, readers of their own, checkpoints by a timer.

The writer takes the units that already wait (it never waits for more), runs each in a savepoint
inside one BEGIN IMMEDIATE and commits once with synchronous=FULL. SQLite may throw the whole
transaction away in the middle (disk full, I/O error): after any error `in_transaction` tells, and
then every unit of the batch has failed.
"""

import contextlib
import functools
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from hub.model.errors import Conflict, HubError, StoreBusy, StoreUnavailable
from hub.store.engine import Queues, StoreLimits
from hub.store.filelock import FileLock
from hub.store.lanes import Job, LaneQueue, Outcome
from hub.store.statement import DialectName
from hub.store.tx import Tx

log = structlog.get_logger(__name__)

_AWAY = frozenset(
    {
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_PERM,
    }
)  # fmt: skip
_UNIQUE = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
_TRUNCATE_BYTES = 256 << 20
_IDLE_S = 5.0
_STEPS_BETWEEN_LOOKS = 20_000


class _BatchLost(Exception):
    """The transaction around the batch is gone."""


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """Open a connection the way the hub needs it; it may move between threads.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        for pragma in (
            "busy_timeout=5000",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "case_sensitive_like=ON",  # as PostgreSQL's LIKE
        ):
            connection.execute(f"PRAGMA {pragma}")
        if writer:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute("PRAGMA secure_delete=ON")
        else:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_away(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _AWAY


class SqliteBackend:
    """Threads around one database file."""

    def __init__(self, path: Path, limits: StoreLimits) -> None:
        self._path = path
        self._limits = limits
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._writer: _Writer | None = None

    @property
    def dialect(self) -> DialectName:
        """Which SQL it speaks."""
        return "sqlite"

    def start(self, queues: Queues) -> None:
        """Lock the file, open it and start writer, readers and checkpoints."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._lock.take():
                raise StoreUnavailable("database_in_use", file=self._path.name)
            self._writer = _Writer(self._path, self._limits, queues)
            self._writer.open()
        except (OSError, sqlite3.Error) as error:
            self._lock.release()
            raise StoreUnavailable(reason=type(error).__name__) from error
        self._spawn("writer", self._writer.work)
        read = functools.partial(_read_loop, self._path, self._limits, queues)
        for number in range(self._limits.readers):
            self._spawn(f"reader-{number}", functools.partial(read, queues.reads))
        self._spawn("tail", functools.partial(read, queues.tail))
        self._spawn("checkpoint", self._checkpoint)

    def join(self) -> None:
        """Wait for the threads, empty the WAL and give the file back."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._writer is not None:
            self._writer.close()
        self._lock.release()

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"hub-store-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _checkpoint(self) -> None:
        """Carry the WAL into the file while the writer goes on."""
        connection: sqlite3.Connection | None = None
        while not self._stop.wait(self._limits.checkpoint_s):
            try:
                if connection is None:
                    connection = connect(self._path, writer=True)
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error as error:
                log.warning("store.checkpoint_failed", error=type(error).__name__)
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()


class _Writer:
    """The one connection that writes, and its thread's work."""

    def __init__(self, path: Path, limits: StoreLimits, queues: Queues) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._limits = limits
        self._queue = queues.writes
        self._report = queues.report
        self._connection: sqlite3.Connection | None = None

    def open(self) -> sqlite3.Connection:
        """Return the connection, opened anew when the last one was given up."""
        if self._connection is None:
            self._connection = connect(self._path, writer=True)
        return self._connection

    def close(self) -> None:
        """Close the connection after a last checkpoint."""
        self._truncate()
        self._give_up()

    def work(self) -> None:
        """Commit batch after batch until the queue is closed and empty."""
        dirty = False
        while True:
            job = self._queue.take(_IDLE_S)
            if job is not None:
                self._report(self._run_batch(job))
                dirty = True
            elif self._queue.closed:
                return
            if dirty and (job is None or self._wal_bytes() > _TRUNCATE_BYTES):
                self._truncate()
                dirty = False

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0

    def _truncate(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            connection = self.open()
            connection.execute("PRAGMA busy_timeout=100")  # a long read just postpones it
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.execute("PRAGMA busy_timeout=5000")

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _run_batch(self, job: Job) -> list[Outcome]:
        """Run this job and those that wait behind it; return what became of each."""
        done: list[Outcome] = []
        current: Job | None = job
        try:
            connection = self.open()
            connection.execute("BEGIN IMMEDIATE")
            deadline = time.monotonic() + self._limits.batch_s
            while current is not None:
                done.append(self._run_unit(connection, current))
                current = None
                if len(done) < self._limits.batch and time.monotonic() < deadline:
                    current = self._queue.poll()
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError, _BatchLost) as error:
            cause = error.__cause__ or error
            log.error("store.batch_lost", error=type(cause).__name__, units=len(done))
            self._give_up()
            lost = [outcome.job for outcome in done] + ([current] if current else [])
            return [
                Outcome(each, error=StoreUnavailable(reason=type(cause).__name__)) for each in lost
            ]
        return done

    def _run_unit(self, connection: sqlite3.Connection, job: Job) -> Outcome:
        """Run one unit in a savepoint, a second time after a unique violation.

        Raises:
            _BatchLost: the whole transaction is gone.
        """
        error: BaseException | None = None
        for _ in range(2):
            started = time.monotonic()
            tx = Tx(connection.cursor(), "sqlite")
            try:
                connection.execute("SAVEPOINT unit")
                result = job.unit(tx)
                tx.check()
                if not connection.in_transaction:
                    raise _BatchLost
                connection.execute("RELEASE unit")
            except BaseException as raised:
                error = self._undo(connection, raised)
            else:
                self._note_slow(job, started)
                return Outcome(job, result, None, tx.appended, tx.after)
            if getattr(error, "sqlite_errorcode", None) not in _UNIQUE:
                break
        else:
            conflict = Conflict("already_exists")
            conflict.__cause__ = error
            error = conflict
        return Outcome(job, error=error)

    def _undo(self, connection: sqlite3.Connection, error: BaseException) -> BaseException:
        if not connection.in_transaction:
            raise _BatchLost from error
        try:
            connection.execute("ROLLBACK TO unit")
            connection.execute("RELEASE unit")
        except sqlite3.Error as failure:
            raise _BatchLost from failure
        if _is_away(error):
            away = StoreUnavailable(reason=type(error).__name__)
            away.__cause__ = error
            return away
        return error

    def _note_slow(self, job: Job, started: float) -> None:
        took_s = time.monotonic() - started
        if took_s > self._limits.slow_unit_s:
            log.warning("store.unit_slow", unit=job.name, ms=round(took_s * 1000))


def _read_loop(path: Path, limits: StoreLimits, queues: Queues, queue: LaneQueue) -> None:
    """A reader thread's work: one snapshot per job."""
    connection: sqlite3.Connection | None = None
    while (job := queue.take()) is not None:
        error: BaseException
        try:
            if connection is None:
                connection = connect(path, writer=False)
            result = _read_one(connection, job, limits.read_s)
        except sqlite3.OperationalError as raised:
            error = _read_error(raised)
            if connection is not None and isinstance(error, StoreUnavailable):
                connection.close()
                connection = None
        except BaseException as raised:
            error = raised
        else:
            queues.report([Outcome(job, result)])
            continue
        queues.report([Outcome(job, error=error)])
    if connection is not None:
        connection.close()


def _read_one(connection: sqlite3.Connection, job: Job, limit_s: float) -> object:
    deadline = time.monotonic() + limit_s
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS_BETWEEN_LOOKS)
    tx = Tx(connection.cursor(), "sqlite")
    connection.execute("BEGIN")
    try:
        result = job.unit(tx)
        tx.check()
    finally:
        connection.set_progress_handler(None, 0)
        connection.execute("ROLLBACK")
    return result


def _read_error(error: sqlite3.OperationalError) -> HubError | sqlite3.OperationalError:
    if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
        return StoreBusy("read_timeout")
    if error.sqlite_errorcode == sqlite3.SQLITE_READONLY:
        return error  # a reading unit that writes is a mistake of ours, not a store that is away
    if _is_away(error):
        return StoreUnavailable(reason=type(error).__name__)
    return error
