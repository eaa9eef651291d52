"""PostgreSQL: a pool of threads, one transaction per unit, what may be repeated is repeated.

A unit's transaction begins with `SELECT pg_current_xact_id()`, so that it has an id before its
first event draws a number: the follower's rule stands on that order. Units are not grouped: two
processes that hold grouped row locks would deadlock.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import structlog
from psycopg import errors

from hub.model.errors import Conflict, StoreBusy, StoreUnavailable
from hub.store.engine import Queues, StoreLimits
from hub.store.lanes import Job, LaneQueue, Outcome
from hub.store.statement import DialectName
from hub.store.tx import Tx

log = structlog.get_logger(__name__)

_CLASH_RUNS = 4
_UNIQUE_RUNS = 2
_BACK_OFF_S = (0.05, 1.0)
_BEGIN_WRITE = "BEGIN; SELECT pg_current_xact_id()::text::bigint"
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class _Connector:
    """Opens connections; while the server is away, only as often as the back-off allows."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._pause_s = 0.0
        self._not_before = 0.0

    def open(self, statement_s: float) -> psycopg.Connection:
        """Connect.

        Raises:
            StoreUnavailable: the server does not answer, or did not a moment ago.
        """
        with self._lock:
            if time.monotonic() < self._not_before:
                raise StoreUnavailable(reason="reconnecting")
        try:
            connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=5, application_name="hub",
                keepalives_idle=30, keepalives_interval=10, keepalives_count=3,
                tcp_user_timeout=20_000,
            )  # fmt: skip
            connection.execute("SET TIME ZONE 'UTC'")
            connection.execute(
                "SELECT set_config('statement_timeout', %s, false),"
                " set_config('idle_in_transaction_session_timeout', '60000', false)",
                (str(int(statement_s * 1000)),),
            )
        except psycopg.Error as error:
            with self._lock:
                first, most = _BACK_OFF_S
                self._pause_s = min(max(self._pause_s * 2, first), most)
                self._not_before = time.monotonic() + self._pause_s
            raise StoreUnavailable(reason=type(error).__name__) from error
        with self._lock:
            self._pause_s = 0.0
        return connection


class PostgresBackend:
    """Threads with a connection each."""

    def __init__(self, url: str, limits: StoreLimits) -> None:
        self._limits = limits
        self._connector = _Connector(url)
        self._threads: list[threading.Thread] = []

    @property
    def dialect(self) -> DialectName:
        """Which SQL it speaks."""
        return "postgresql"

    def start(self, queues: Queues) -> None:
        """See that the server answers, then start the threads; each connects when first needed."""
        self._connector.open(self._limits.statement_s).close()
        for number in range(self._limits.writers):
            self._spawn(f"writer-{number}", queues.writes, queues, reads=False)
        for number in range(self._limits.readers):
            self._spawn(f"reader-{number}", queues.reads, queues, reads=True)
        self._spawn("tail", queues.tail, queues, reads=True)

    def join(self) -> None:
        """Wait for the threads; each closes its connection."""
        for thread in self._threads:
            thread.join()

    def _spawn(self, name: str, queue: LaneQueue, queues: Queues, *, reads: bool) -> None:
        worker = _Worker(self._connector, self._limits, queue, queues.report, reads=reads)
        thread = threading.Thread(target=worker.work, name=f"hub-store-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)


@dataclass(slots=True)
class _Budget:
    """How often a unit may still be run."""

    unique: int = _UNIQUE_RUNS
    clash: int = _CLASH_RUNS


class _Worker:
    """One thread's connection and work."""

    def __init__(
        self,
        connector: _Connector,
        limits: StoreLimits,
        queue: LaneQueue,
        report: Callable[[list[Outcome]], None],
        *,
        reads: bool,
    ) -> None:
        self._connector = connector
        self._limits = limits
        self._queue = queue
        self._report = report
        self._reads = reads
        self._connection: psycopg.Connection | None = None

    def work(self) -> None:
        """Run job after job until the queue is closed and empty."""
        while (job := self._queue.take()) is not None:
            outcome: Outcome | None = None
            budget = _Budget()
            while outcome is None:
                outcome = self._attempt(job, budget)
            self._report([outcome])
        self._give_up()

    def _attempt(self, job: Job, budget: _Budget) -> Outcome | None:
        """Run the unit once; None when it is to run again."""
        try:
            tx = self._begin()
        except StoreUnavailable as error:
            return Outcome(job, error=error)
        except psycopg.Error as error:
            self._give_up()
            return Outcome(job, error=_away(error))
        started = time.monotonic()
        try:
            result = job.unit(tx)
            tx.check()
            self._execute("COMMIT")
        except psycopg.Error as error:
            return self._judge(job, error, budget)
        except BaseException as error:
            self._roll_back()
            return Outcome(job, error=error)
        took_s = time.monotonic() - started
        if took_s > self._limits.slow_unit_s and not self._reads:
            log.warning("store.unit_slow", unit=job.name, ms=round(took_s * 1000))
        return Outcome(job, result, None, tx.appended, tx.after)

    def _begin(self) -> Tx:
        """Open the transaction; a connection that died while idle is replaced once, unseen."""
        if self._connection is not None:
            try:
                return self._begin_on(self._connection)
            except psycopg.OperationalError:
                self._give_up()
        limit_s = self._limits.read_s if self._reads else self._limits.statement_s
        self._connection = self._connector.open(limit_s)
        return self._begin_on(self._connection)

    def _begin_on(self, connection: psycopg.Connection) -> Tx:
        cursor = connection.cursor()
        if self._reads:
            cursor.execute(_BEGIN_READ)
            return Tx(cursor, "postgresql")
        cursor.execute(_BEGIN_WRITE)
        cursor.nextset()
        row = cursor.fetchone()
        return Tx(cursor, "postgresql", row[0] if row else 0)

    def _judge(self, job: Job, error: psycopg.Error, budget: _Budget) -> Outcome | None:
        """Roll back and say whether the unit runs again or what its caller is told."""
        self._roll_back()
        if isinstance(error, errors.UniqueViolation):
            budget.unique -= 1
            if budget.unique:
                return None
            conflict = Conflict("already_exists")
            conflict.__cause__ = error
            return Outcome(job, error=conflict)
        if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure):
            budget.clash -= 1
            if budget.clash:
                return None
            return Outcome(job, error=_away(error, "store_contended"))
        if isinstance(error, errors.QueryCanceled | errors.LockNotAvailable):
            busy = StoreBusy("read_timeout" if self._reads else "statement_timeout")
            busy.__cause__ = error
            return Outcome(job, error=busy)
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return Outcome(job, error=_away(error))
        return Outcome(job, error=error)

    def _execute(self, sql: str) -> None:
        assert self._connection is not None
        self._connection.execute(sql.encode())

    def _roll_back(self) -> None:
        try:
            self._execute("ROLLBACK")
        except psycopg.Error:
            self._give_up()

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()


def _away(error: psycopg.Error, code: str | None = None) -> StoreUnavailable:
    away = StoreUnavailable(code, reason=type(error).__name__)
    away.__cause__ = error
    return away
