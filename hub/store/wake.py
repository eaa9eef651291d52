"""Wake-ups: hints that something is worth looking at, in this process or through Redis.

A hint carries a topic and nothing else, and may be lost: whoever waits for one also polls. With
Redis gone, polling carries on and the subscription comes back by itself.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError
from typing_extensions import override

log = structlog.get_logger(__name__)

EVENTS = "events"
"""Topic: the log has grown."""

_PREFIX = "hub:wake:"
_TIMEOUT_S = 2.0
_BACK_OFF_S = (0.05, 1.0)


class Wake(Protocol):
    """Carries hints to every listener, here and in other processes."""

    def listen(self, topic: str, call: Callable[[], None]) -> None:
        """Have `call()` made on the loop at each hint; hints may be merged, repeated or lost."""

    def notify(self, topic: str) -> None:
        """Send a hint; never blocks and never fails."""

    async def start(self) -> None:
        """Begin to carry hints."""

    async def close(self) -> None:
        """Stop; what was not sent yet is dropped."""


class LocalWake:
    """Hints inside one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Callable[[], None]]] = defaultdict(list)

    def listen(self, topic: str, call: Callable[[], None]) -> None:
        """Have `call()` made on the loop at each hint."""
        self._listeners[topic].append(call)

    def notify(self, topic: str) -> None:
        """Call this process's listeners."""
        for call in self._listeners.get(topic, ()):
            try:
                call()
            except Exception:
                log.exception("wake.listener_failed", topic=topic)

    async def start(self) -> None:
        """Nothing to begin."""

    async def close(self) -> None:
        """Forget the listeners."""
        self._listeners.clear()


class RedisWake(LocalWake):
    """Hints to this process at once and to the others through Redis publish/subscribe."""

    def __init__(self, url: str) -> None:
        super().__init__()
        # Two clients: a subscription waits long on its own connection.
        self._out = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )
        self._in = redis.Redis.from_url(url, socket_connect_timeout=_TIMEOUT_S)
        self._due: set[str] = set()
        self._some = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.connected = asyncio.Event()

    @override
    def notify(self, topic: str) -> None:
        """Call this process's listeners and tell the others; hints not yet sent are merged."""
        super().notify(topic)
        self._due.add(topic)
        self._some.set()

    @override
    async def start(self) -> None:
        """Begin to publish and to listen; does not wait for Redis."""
        self._tasks = [
            asyncio.create_task(self._publish(), name="wake-publish"),
            asyncio.create_task(self._subscribe(), name="wake-subscribe"),
        ]

    @override
    async def close(self) -> None:
        """Stop both tasks and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in (self._out, self._in):
            with contextlib.suppress(RedisError, OSError):
                await client.aclose()
        await super().close()

    async def _publish(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            due, self._due = self._due, set()
            for topic in due:
                try:
                    await self._out.publish(_PREFIX + topic, b"")
                except (RedisError, OSError):
                    # Lost: the other processes poll within a second. No retry, no queue.
                    log.debug("wake.hint_lost", topic=topic)

    async def _subscribe(self) -> None:
        pause_s = 0.0
        while True:
            try:
                async with self._in.pubsub(ignore_subscribe_messages=False) as channel:
                    await channel.psubscribe(_PREFIX + "*")
                    async for message in channel.listen():
                        pause_s = 0.0
                        self._hear(message)
            except (RedisError, OSError) as error:
                if self.connected.is_set():
                    log.warning("wake.redis_lost", error=type(error).__name__)
            self.connected.clear()
            pause_s = min(max(pause_s * 2, _BACK_OFF_S[0]), _BACK_OFF_S[1])
            await asyncio.sleep(pause_s)

    def _hear(self, message: dict[str, object]) -> None:
        if message["type"] == "psubscribe":
            self.connected.set()
            for topic in list(self._listeners):  # hints of the gap are lost: everybody looks once
                super().notify(topic)
        elif message["type"] == "pmessage":
            channel = message["channel"]
            name = channel.decode() if isinstance(channel, bytes) else str(channel)
            super().notify(name.removeprefix(_PREFIX))


def open_wake(redis_url: str | None) -> Wake:
    """Return wake-ups through Redis when a URL is given, else inside the process."""
    return RedisWake(redis_url) if redis_url else LocalWake()
