"""`hub serve` and `hub worker`: start in order, work, drain on SIGTERM, end.

Order: settings, tables, store, follower, channels, loops, HTTP. The other way round at the end:
/readyz says 503, WebSockets are closed with 1001, running requests finish, loops end, the store
closes.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import web

from hub.api.http import Routes
from hub.api.keys import SOCKETS
from hub.app.build import House, opened, prepare_database
from hub.app.control import listening
from hub.app.first_start import administrator_link, furnish
from hub.app.loops import start_loops
from hub.app.rooms import make_app
from hub.model.errors import HubError
from hub.services import metrics
from hub.settings import Settings
from hub.workers.supervisor import Supervisor

log = structlog.get_logger(__name__)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Mode:
    """What a process does.

    Attributes:
        http: serve requests (`hub worker` does not).
        work: run the loops that do the hub's work (`--no-loops` does not).
    """

    http: bool = True
    work: bool = True


class Companion(Protocol):
    """What lives in the process beside the hub (the demo's world) and ends with it."""

    rooms: tuple[Routes, ...]

    async def prepare(self, house: House) -> None:
        """Fill an empty database; nothing else has yet."""

    def begin(self) -> None:
        """Begin to act; HTTP is served."""

    async def close(self) -> None:
        """Stop; the store is still open."""


async def serve(
    settings: Settings,
    say: Say,
    *,
    mode: Mode | None = None,
    stop: asyncio.Event | None = None,
    companion: Companion | None = None,
) -> None:
    """Run until SIGTERM or SIGINT, or until `stop` is set.

    Args:
        say: tells a person what matters at the start.
        companion: acts beside the hub from before the first loop to the end.

    Raises:
        HubError: it could not start, or a loop died five times in a minute.
    """
    mode = mode or Mode()
    stop = stop or asyncio.Event()
    await asyncio.to_thread(prepare_database, settings)
    async with opened(settings) as house, accompanied(house, companion), listening(house):
        await furnish(house)
        await house.watch.load()
        supervisor = Supervisor(stop, lambda name: metrics.LOOP_RESTARTS.labels(name).inc())
        _listen_to_signals(stop)
        start_loops(house, supervisor, work=mode.work)
        try:
            if mode.http:
                await _serve_http(house, say, stop, companion)
            else:
                house.health.state = "running"
                say("worker: running")
                await stop.wait()
        finally:
            house.health.state = "draining"
            stop.set()
            await supervisor.join(settings.shutdown_s)
        if supervisor.failed is not None:
            raise HubError("loop_died", loop=str(supervisor.failed))
    log.info("process.ended")


@asynccontextmanager
async def accompanied(house: House, companion: Companion | None) -> AsyncIterator[None]:
    """Prepare a companion and close it in the end."""
    if companion is None:
        yield
        return
    try:
        await companion.prepare(house)
        yield
    finally:
        await companion.close()


async def _serve_http(
    house: House, say: Say, stop: asyncio.Event, companion: Companion | None
) -> None:
    settings = house.settings
    app = make_app(house, companion.rooms if companion is not None else ())
    app.on_shutdown.append(close_sockets)
    runner = web.AppRunner(
        app, handle_signals=False, access_log=None, shutdown_timeout=settings.shutdown_s
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
        house.health.state = "running"
        say(f"hub: {settings.url}")
        link = await administrator_link(house)
        if link is not None:
            say(f"hub: set the administrator's password (works once): {link}")
        if companion is not None:
            companion.begin()
        await stop.wait()
        house.health.state = "draining"
    finally:
        await runner.cleanup()


async def close_sockets(app: web.Application) -> None:
    """Close every WebSocket with 1001, so that browsers come back to another process at once."""
    sockets = app[SOCKETS]
    closing = [socket.close(code=1001, message=b"going away") for socket in list(sockets)]
    await asyncio.gather(*closing, return_exceptions=True)


def _listen_to_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except (NotImplementedError, RuntimeError, ValueError):
            # Windows, or a loop outside the main thread (tests): whoever started us sets `stop`.
            log.debug("signals.not_heard", signal=number.name)
