"""Keeps loops alive: restart with back-off, a metric, and an end when one dies all the time.

A store that is away is no fault of a loop: the hub goes on taking what it can spool, and every loop
begins anew when the store is back.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog

from hub.model.errors import StoreUnavailable

log = structlog.get_logger(__name__)

DEATHS_LIMIT = 5
DEATHS_WINDOW_S = 60.0
STORE_PAUSE_S = 0.5
STORE_SAID_EVERY_S = 30.0

Loop = Callable[[asyncio.Event], Awaitable[None]]


class LoopsDied(Exception):
    """A loop died five times in a minute: the process ends, so that somebody notices."""


class Supervisor:
    """Runs named loops until `stop` is set.

    Args:
        on_restart: told the name of a loop that is started again (for the metric).
    """

    def __init__(self, stop: asyncio.Event, on_restart: Callable[[str], None]) -> None:
        self._stop = stop
        self._on_restart = on_restart
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failed: LoopsDied | None = None

    def start(self, name: str, loop: Loop) -> None:
        """Start one loop."""
        self._tasks[name] = asyncio.create_task(self._keep(name, loop), name=f"loop:{name}")

    async def join(self, timeout_s: float = 20.0) -> None:
        """Wait for every loop to end after `stop` was set; cancel those that take too long."""
        if not self._tasks:
            return
        _done, late = await asyncio.wait(self._tasks.values(), timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=5.0)

    async def _keep(self, name: str, loop: Loop) -> None:
        deaths: deque[float] = deque(maxlen=DEATHS_LIMIT)
        pause_s, said = 0.2, -STORE_SAID_EVERY_S
        while not self._stop.is_set():
            try:
                await loop(self._stop)
                return
            except asyncio.CancelledError:
                raise
            except StoreUnavailable as error:
                if monotonic() - said >= STORE_SAID_EVERY_S:
                    said = monotonic()
                    log.warning("loop.waits_for_store", loop=name, code=error.code)
                await pause(self._stop, STORE_PAUSE_S)
                continue
            except Exception:
                log.exception("loop.died", loop=name)
            deaths.append(monotonic())
            if len(deaths) == DEATHS_LIMIT and deaths[-1] - deaths[0] < DEATHS_WINDOW_S:
                self.failed = LoopsDied(name)
                self._stop.set()
                return
            self._on_restart(name)
            await pause(self._stop, pause_s)
            pause_s = min(pause_s * 2, 10.0)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not past `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def first_of(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, or the time is over."""
    waits = {asyncio.create_task(event.wait()) for event in events}
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
