"""Runs the channels that fetch: IMAP, long polling, sockets. One task per channel and process.

A lease per channel decides which process fetches. What is fetched goes the same way as a webhook;
its cursor is stored in the same unit, and only then the source is told (`ack`).
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import structlog

from hub.ingress.live_channels import Live, LiveChannels
from hub.ingress.pipeline import Ingress
from hub.model.channel import Pulled, Pulls
from hub.model.errors import HubError, PayloadInvalid, SendError, SignatureRejected
from hub.services import channels as channel_rows
from hub.services.deps import Deps
from hub.services.receive import log_refused
from hub.workers.supervisor import first_of, pause

log = structlog.get_logger(__name__)

RESTART_S = (0.5, 60.0)
POISON_AFTER = 3
"""So often a thing that cannot be stored is tried before it is kept in the log and passed over."""

Held = Callable[[str], Awaitable[bool]]
"""Tells whether this process holds a lease; asked before every (re)start of a fetch."""


class Puller:
    """Keeps one fetching task per active channel that fetches."""

    def __init__(self, deps: Deps, channels: LiveChannels, ingress: Ingress, held: Held) -> None:
        self._deps = deps
        self._channels = channels
        self._ingress = ingress
        self._held = held
        self._tasks: dict[str, tuple[Live, asyncio.Event, asyncio.Task[None]]] = {}
        self._strikes: dict[str, tuple[bytes, int]] = {}
        self._changed = asyncio.Event()
        channels.on_change(self._changed.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Start and stop fetches as channels come, change and go."""
        try:
            while not stop.is_set():
                self._changed.clear()
                await self._settle()
                await first_of(1.0, stop, self._changed)
        finally:
            await asyncio.gather(*(self._end(id_) for id_ in list(self._tasks)))

    async def _settle(self) -> None:
        wanted: dict[str, Live] = {
            live.info.id: live
            for live in self._channels
            if live.info.state == "active" and isinstance(live.channel, Pulls)
        }
        for channel_id, (live, _stop, task) in list(self._tasks.items()):
            if wanted.get(channel_id) is not live or task.done():
                await self._end(channel_id)
        for channel_id, live in wanted.items():
            if channel_id not in self._tasks and await self._held(f"pull:{channel_id}"):
                ended = asyncio.Event()
                task = asyncio.create_task(self._keep(live, ended), name=f"pull:{channel_id}")
                self._tasks[channel_id] = (live, ended, task)

    async def _end(self, channel_id: str) -> None:
        _live, ended, task = self._tasks.pop(channel_id)
        ended.set()
        _done, late = await asyncio.wait({task}, timeout=10.0)
        if late:
            task.cancel()
            await asyncio.wait(late, timeout=5.0)

    async def _keep(self, live: Live, stop: asyncio.Event) -> None:
        """Fetch until told to end; start again after an error, slower each time."""
        wait_s = RESTART_S[0]
        while not stop.is_set():
            if not await self._held(f"pull:{live.info.id}"):
                return
            try:
                await self._fetch(live, stop)
                wait_s = RESTART_S[0]
            except SendError as error:
                log.warning("pull.failed", channel_id=live.info.id, code=error.code)
                if error.needs_auth:
                    await channel_rows.move_channel(
                        self._deps, live.info.id, "needs_auth", error.code, "system"
                    )
                    return
                wait_s = max(wait_s, error.retry_after_s or 0.0)
            except HubError as error:
                log.warning("pull.failed", channel_id=live.info.id, code=error.code)
            except Exception:
                log.exception("pull.crashed", channel_id=live.info.id)
            await pause(stop, wait_s)
            wait_s = min(wait_s * 2, RESTART_S[1])

    async def _fetch(self, live: Live, stop: asyncio.Event) -> None:
        assert isinstance(live.channel, Pulls)
        cursor = await channel_rows.cursor_of(self._deps, live.info.id)
        async with aclosing(_closable(live.channel, cursor, stop)) as fetched:
            async for pulled in fetched:
                await self._take(live, pulled)

    async def _take(self, live: Live, pulled: Pulled) -> None:
        """Store one fetched thing; an unreadable one is kept in the log and passed over."""
        try:
            await self._ingress.take(live, pulled.request, cursor=pulled.cursor)
        except (PayloadInvalid, SignatureRejected) as error:
            log.warning("pull.unreadable", channel_id=live.info.id, code=error.code)
            await channel_rows.move_cursor(self._deps, live.info.id, pulled.cursor)
        except (HubError, OSError):
            raise  # store and spool are away: the same again later
        except Exception as error:
            if not self._is_poison(live.info.id, pulled):
                raise
            log.error("pull.poison", channel_id=live.info.id, error=type(error).__name__)
            await log_refused(self._deps, live.info.id, pulled.request, "cannot_store")
            await channel_rows.move_cursor(self._deps, live.info.id, pulled.cursor)
        if pulled.ack is not None:
            await pulled.ack()

    def _is_poison(self, channel_id: str, pulled: Pulled) -> bool:
        """Count the failures of one thing; others behind it must not wait for ever."""
        mark = hashlib.sha256(pulled.request.body).digest()
        last, strikes = self._strikes.get(channel_id, (b"", 0))
        strikes = strikes + 1 if last == mark else 1
        self._strikes[channel_id] = (mark, strikes)
        return strikes >= POISON_AFTER


async def _closable(
    channel: Pulls, cursor: str | None, stop: asyncio.Event
) -> AsyncGenerator[Pulled, None]:
    """Give the fetch an `aclose`, so that its connections end when the loop over it does."""
    fetched = channel.pull(cursor, stop)
    try:
        async for pulled in fetched:
            yield pulled
    finally:
        if isinstance(fetched, AsyncGenerator):
            await fetched.aclose()
