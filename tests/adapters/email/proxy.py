"""A TCP proxy on loopback that cuts connections where a test wants it."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Self


class CuttingProxy:
    """Passes bytes to a port of 127.0.0.1 and cuts what comes back.

    Args:
        cut_after: bytes from the server after which each connection dies.
        cut_at: a connection dies when the server says this.
        tls: what it shows to clients; the way to the server is plain.
        asked: awaited with what a client says, before it is passed on.
        lazy: the first time the server says this, it is held back for its next words.
    """

    def __init__(
        self,
        target: int,
        *,
        cut_after: int = 0,
        cut_at: bytes = b"",
        tls: ssl.SSLContext | None = None,
        asked: Callable[[bytes], Awaitable[None]] | None = None,
        lazy: bytes = b"",
    ) -> None:
        self._target = target
        self._cut_after = cut_after
        self._cut_at = cut_at
        self._tls = tls
        self._asked = asked
        self._lazy = lazy
        self.cuts = 0
        self.passed = bytearray()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        sending = asyncio.create_task(self._copy(reader, forth))
        try:
            await self._answers(back, writer)
        finally:
            sending.cancel()
            for one in (writer, forth):
                one.transport.abort()
            self._tasks.discard(task)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self._asked is not None:
                await self._asked(data)
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = 0
        while data := await reader.read(65_536):
            seen += len(data)
            if self._lazy and data.endswith(self._lazy):
                self._lazy = b""
                data += await reader.read(65_536)
            if (self._cut_after and seen > self._cut_after) or (
                self._cut_at and self._cut_at in data
            ):
                self.cuts += 1
                return
            self.passed += data
            writer.write(data)
            await writer.drain()
