"""The log's follower: one per process, the only thing that decides how far the log may be read.

On PostgreSQL a number drawn early may be committed late, so `seq > n` skips events. The head moves
over consecutive numbers. At a missing number the follower draws `H = pg_current_xact_id()` in a
transaction of its own and waits until one later statement, which reads the rows too, shows
`pg_snapshot_xmin(pg_current_snapshot()) >= H`: every unit that could still bring a number below the
highest seen has ended, and what is missing then was rolled back. SQLite has one writer: its numbers
are complete when they are seen.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import structlog
from sqlalchemy import bindparam, func, select, text

from hub.model.clock import Clock, SystemClock, from_micros, to_micros
from hub.model.errors import StoreUnavailable
from hub.model.events import EventKind, LoggedEvent
from hub.store.engine import Database, Tx
from hub.store.statement import stmt
from hub.store.tables import Event, table
from hub.store.wake import EVENTS, LocalWake, Wake

log = structlog.get_logger(__name__)

_EVENT = table(Event)
_COLUMNS = (
    _EVENT.c.seq, _EVENT.c.kind, _EVENT.c.at, _EVENT.c.actor, _EVENT.c.conversation_id,
    _EVENT.c.customer_id, _EVENT.c.message_id, _EVENT.c.item_id, _EVENT.c.queue_id,
    _EVENT.c.agent_id, _EVENT.c.data,
)  # fmt: skip
_XMIN = text("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_AFTER = select(*_COLUMNS).where(_EVENT.c.seq > bindparam("after"))
_TAIL = stmt(_AFTER.order_by(_EVENT.c.seq).limit(bindparam("limit")), name="event.tail")
_TAIL_PG = stmt(
    _AFTER.add_columns(_XMIN).order_by(_EVENT.c.seq).limit(bindparam("limit")), name="event.tail"
)
_RANGE = stmt(
    _AFTER.where(_EVENT.c.seq <= bindparam("upto"))
    .order_by(_EVENT.c.seq)
    .limit(bindparam("limit")),
    name="event.range",
)
_TOP = stmt(select(func.max(_EVENT.c.seq)), name="event.top")
_FIRST = stmt(select(func.min(_EVENT.c.seq)), name="event.first")
_OLDER = stmt(
    select(_EVENT.c.seq)
    .where(_EVENT.c.at < bindparam("cut"))
    .order_by(_EVENT.c.at.desc(), _EVENT.c.seq.desc())
    .limit(1),
    name="event.older",
)
_DRAW = stmt(text("SELECT pg_current_xact_id()::text::bigint"), name="event.draw")
_OLDEST_RUNNING = stmt(text(f"SELECT {_XMIN.text}"), name="event.oldest_running")

_LIMIT = 500
_GAP_PAUSE_S = (0.002, 0.05)
_RETRY_S = 0.25
_FLOOR_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class _Gap:
    """A missing number being waited for: settled once no transaction older than `horizon` runs."""

    horizon: int
    top: int


class Follower:
    """Follows the log and hands its events to this process's subscribers.

    Attributes:
        head: the number up to which the log is complete; readers go no further.
        floor: from which number on the log may be replayed (7 days back).
    """

    def __init__(
        self,
        db: Database,
        *,
        wake: Wake | None = None,
        clock: Clock | None = None,
        poll_s: float = 1.0,
        replay: timedelta = timedelta(days=7),
    ) -> None:
        self._db = db
        self._wake = wake or LocalWake()
        self._clock = clock or SystemClock()
        self._poll_s = poll_s
        self._replay = replay
        self._poked = asyncio.Event()
        self._gap: _Gap | None = None
        self._subscriptions: set[Subscription] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.head = 0
        self.floor = 0
        db.on_commit(lambda: self._wake.notify(EVENTS))
        self._wake.listen(EVENTS, self._poked.set)

    async def start(self) -> None:
        """Find the head and begin to follow.

        Raises:
            StoreUnavailable: the database cannot be read.
        """
        top = await self._db.tail(lambda tx: tx.one(_TOP))
        if self._db.dialect == "postgresql":
            # Numbers below the highest may still be on their way: wait as for a gap.
            horizon = await self._draw()
            pause_s = _GAP_PAUSE_S[0]
            while await self._oldest_running() < horizon:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _GAP_PAUSE_S[1])
        self.head = (top[0] if top else None) or 0
        await self._find_floor()
        self._tasks = [
            asyncio.create_task(self._follow(), name="log-follower"),
            asyncio.create_task(self._raise_floor(), name="log-floor"),
        ]

    async def close(self) -> None:
        """Stop following; subscriptions end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for subscription in list(self._subscriptions):
            subscription.close()

    def poke(self) -> None:
        """Look at the log now."""
        self._poked.set()

    async def read(self, after: int, limit: int = _LIMIT) -> list[LoggedEvent]:
        """Return at most `limit` events with `after < seq <= head`, in order."""
        return (await self.page(after, limit))[0]

    async def page(self, after: int, limit: int = _LIMIT) -> tuple[list[LoggedEvent], int]:
        """As `read`, with the number the page reaches: `after` of the next one."""
        upto = self.head
        if after >= upto:
            return [], after
        params = {"after": after, "upto": upto, "limit": limit}
        rows = await self._db.read(lambda tx: tx.run(_RANGE, params))
        return _events(rows), rows[-1][0] if len(rows) == limit else upto

    def subscribe(self, after: int | None = None, *, limit: int = 1_000) -> "Subscription":
        """Return the events after a number (default: the head), in order, without end.

        A subscriber that leaves more than `limit` events waiting is not waited for: what it has not
        taken is dropped and it reads the log instead, from where it is.
        """
        subscription = Subscription(self, self.head if after is None else after, limit)
        self._subscriptions.add(subscription)
        return subscription

    def forget(self, subscription: "Subscription") -> None:
        """Hand nothing more to a subscription; its `close` does this."""
        self._subscriptions.discard(subscription)

    async def _follow(self) -> None:
        pause_s = _GAP_PAUSE_S[0]
        down = False
        while True:
            self._poked.clear()
            try:
                moved = await self._advance()
            except StoreUnavailable as error:
                if not down:
                    log.warning("follower.store_lost", code=error.code)
                down = True
                await asyncio.sleep(_RETRY_S)
                continue
            except Exception:
                log.exception("follower.failed")
                await asyncio.sleep(_RETRY_S)
                continue
            down = False
            if self._gap is None:
                pause_s = _GAP_PAUSE_S[0]
                await self._rest(0.0 if moved == _LIMIT else self._poll_s)
            else:
                pause_s = _GAP_PAUSE_S[0] if moved else min(pause_s * 2, _GAP_PAUSE_S[1])
                await asyncio.sleep(pause_s)

    async def _rest(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._poked.wait()

    async def _advance(self) -> int:
        """Read behind the head, move it as far as it may, publish; return how many rows it took."""
        params = {"after": self.head, "limit": _LIMIT}
        ready: Sequence[tuple[Any, ...]]
        if self._db.dialect == "sqlite":
            ready = await self._db.tail(lambda tx: tx.run(_TAIL, params))
        else:
            rows = await self._db.tail(lambda tx: tx.run(_TAIL_PG, params))
            ready = self._ready(rows)
            if len(ready) == len(rows):
                self._gap = None
            elif self._gap is None or rows[0][-1] >= self._gap.horizon:
                # The highest number was seen before the horizon is drawn: the order matters.
                self._gap = _Gap(await self._draw(), rows[-1][0])
        if ready:
            self.head = ready[-1][0]
            batch = _events(ready)
            for subscription in list(self._subscriptions):
                subscription.offer(batch)
        return len(ready)

    def _ready(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        """Return the rows the head may move over; each row's last column is the snapshot's xmin."""
        gap, last = self._gap, self.head
        for number, row in enumerate(rows):
            settled = gap is not None and row[-1] >= gap.horizon and row[0] <= gap.top
            if row[0] != last + 1 and not settled:
                return rows[:number]
            last = row[0]
        return rows

    async def _draw(self) -> int:
        return _number(await self._db.tail(lambda tx: tx.one(_DRAW)))

    async def _oldest_running(self) -> int:
        return _number(await self._db.tail(lambda tx: tx.one(_OLDEST_RUNNING)))

    async def _raise_floor(self) -> None:
        while True:
            await asyncio.sleep(_FLOOR_EVERY_S)
            with contextlib.suppress(StoreUnavailable):
                await self._find_floor()

    async def _find_floor(self) -> None:
        cut = to_micros(self._clock.now() - self._replay)

        def unit(tx: Tx) -> int:
            older = tx.one(_OLDER, {"cut": cut})
            if older is not None:
                return int(older[0])
            first = tx.one(_FIRST)
            return int(first[0]) - 1 if first is not None and first[0] is not None else 0

        self.floor = max(self.floor, await self._db.read(unit))


class Subscription:
    """One reader's place in the log: `async for batch in subscription`.

    Attributes:
        position: the number of the last event handed out.
        lagged: how often it was too slow and had to read the log.
    """

    def __init__(self, follower: Follower, after: int, limit: int) -> None:
        self._follower = follower
        self._limit = limit
        self._live: deque[list[LoggedEvent]] = deque()
        self._waiting = 0
        self._behind = after < follower.head
        self._some = asyncio.Event()
        self._closed = False
        self.position = after
        self.lagged = 0

    def offer(self, batch: list[LoggedEvent]) -> None:
        """Take a batch from the follower; never blocks."""
        if not self._behind and batch:
            if self._waiting + len(batch) > self._limit:
                self._live.clear()
                self._waiting = 0
                self._behind = True
                self.lagged += 1
            else:
                self._live.append(batch)
                self._waiting += len(batch)
        self._some.set()

    def close(self) -> None:
        """End the subscription; whoever iterates it stops."""
        self._closed = True
        self._follower.forget(self)
        self._some.set()

    def __aiter__(self) -> AsyncIterator[list[LoggedEvent]]:
        return self

    async def __anext__(self) -> list[LoggedEvent]:
        while not self._closed:
            if self._live:
                batch = self._live.popleft()
                self._waiting -= len(batch)
                reached = batch[-1].seq
            elif self._behind:
                batch, reached = await self._follower.page(self.position)
                # No await between this comparison and leaving: what comes now is queued.
                self._behind = reached < self._follower.head
            else:
                self._some.clear()
                await self._some.wait()
                continue
            batch = [event for event in batch if event.seq > self.position]
            self.position = max(self.position, reached)
            if batch:
                return batch
        raise StopAsyncIteration


def _number(row: tuple[Any, ...] | None) -> int:
    assert row is not None
    return int(row[0])


def _events(rows: Sequence[tuple[Any, ...]]) -> list[LoggedEvent]:
    """Return rows as events, leaving out kinds that a newer process writes and we do not know."""
    found: list[LoggedEvent] = []
    for row in rows:
        seq, kind, at, actor, conversation, customer, message, item, queue, agent, data = row[:11]
        try:
            known = EventKind(kind)
        except ValueError:
            log.debug("follower.kind_unknown", kind=kind)
            continue
        found.append(
            LoggedEvent(
                seq, known, from_micros(at), actor, conversation, customer, message, item, queue,
                agent, orjson.loads(data),
            )
        )  # fmt: skip
    return found
