"""The queue between the event loop and the store's threads: bounded, two lanes, first come."""

import asyncio
import enum
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub.model.errors import StoreBusy
from hub.store.tx import Tx

_REQUESTS_IN_A_ROW = 64


class Lane(enum.IntEnum):
    """Requests somebody waits for go before background work."""

    REQUEST = 0
    BACKGROUND = 1


@dataclass(slots=True, eq=False)
class Job:
    """A unit on its way: what to run and whom to tell."""

    unit: Callable[[Tx], Any]
    future: asyncio.Future[Any]
    name: str
    lane: Lane
    queued_at: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Outcome:
    """What became of a job, told to the loop after COMMIT (or its failure)."""

    job: Job
    result: Any = None
    error: BaseException | None = None
    appended: int = 0
    after: list[Callable[[], None]] = field(default_factory=list)


class LaneQueue:
    """Jobs waiting for a thread. `put`, `expire` from the loop; `take`, `poll` from threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lanes: tuple[deque[Job], deque[Job]] = (deque(), deque())
        self._ready = threading.Condition(threading.Lock())
        self._closed = False
        self._requests = 0

    def __len__(self) -> int:
        return len(self._lanes[0]) + len(self._lanes[1])

    def put(self, job: Job) -> None:
        """Add a job.

        Raises:
            StoreBusy: the lane is full.
        """
        with self._ready:
            lane = self._lanes[job.lane]
            if self._closed or len(lane) >= self._limit:
                raise StoreBusy("store_closed" if self._closed else None, waiting=len(lane))
            lane.append(job)
            self._ready.notify()

    def take(self, timeout_s: float | None = None) -> Job | None:
        """Wait for a job; None when closed and empty, or after `timeout_s`."""
        with self._ready:
            while (job := self._next()) is None:
                if self._closed or not self._ready.wait(timeout_s):
                    return None
            return job

    def poll(self) -> Job | None:
        """Return a job that already waits, or None."""
        with self._ready:
            return self._next()

    def expire(self, waited_s: float) -> list[Job]:
        """Take out and return the jobs that have waited longer than `waited_s`."""
        limit = time.monotonic() - waited_s
        late: list[Job] = []
        with self._ready:
            for lane in self._lanes:
                while lane and lane[0].queued_at < limit:
                    late.append(lane.popleft())
        return late

    def close(self) -> None:
        """Take no more jobs; threads finish what waits and end."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        """Say whether `close` was called."""
        return self._closed

    def _next(self) -> Job | None:
        requests, background = self._lanes
        while requests or background:
            # Background work gets every 65th turn, so that a flood of requests cannot stop it.
            if requests and not (background and self._requests >= _REQUESTS_IN_A_ROW):
                self._requests += 1
                job = requests.popleft()
            else:
                self._requests = 0
                job = background.popleft()
            if not job.future.cancelled():
                return job
        return None
