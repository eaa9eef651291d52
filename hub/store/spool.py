"""The spool: verified requests kept on disk, encrypted, while the store is away or too slow.

`append` returns once the request is fsynced. A channel's requests come out in the order they went
in; one is gone only after `done`. A request may come out twice (a kill between its commit and
`done`): the duplicate check of `receive` meets that. Each process has a file of its own; files of
processes that ended are adopted at the start and by `adopt`.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import structlog

from hub.model.errors import HubError, StoreUnavailable
from hub.model.ids import new_id
from hub.store.crypto import Keyring, place
from hub.store.spoolfile import SpoolFile

log = structlog.get_logger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_SUFFIX = ".spool"


@dataclass(frozen=True, slots=True)
class _Ref:
    file: SpoolFile
    serial: int


@dataclass(frozen=True, slots=True)
class SpooledRequest:
    """One request out of the spool; hand it to `done` when it is stored."""

    channel_id: str
    body: bytes
    ref: _Ref


class Spool:
    """This process's spool. Bound to the loop it is used in; files are touched in one thread."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self._folder = folder
        self._keyring = keyring
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hub-spool")
        self._own: SpoolFile | None = None
        self._files: dict[str, SpoolFile] = {}
        self._waiting: dict[str, deque[_Ref]] = defaultdict(deque)
        self._coming: list[tuple[str, bytes, asyncio.Future[None]]] = []
        self._pump: asyncio.Task[None] | None = None

    @property
    def total(self) -> int:
        """How many requests wait, of all channels."""
        return sum(len(refs) for refs in self._waiting.values()) + len(self._coming)

    def waiting(self, channel_id: str) -> int:
        """How many requests of a channel wait, those being written included."""
        coming = sum(1 for channel, _, _ in self._coming if channel == channel_id)
        refs = self._waiting.get(channel_id)
        return coming + (len(refs) if refs else 0)

    def channels(self) -> list[str]:
        """Return the channels that have requests to drain."""
        return [channel for channel, refs in self._waiting.items() if refs]

    async def append(self, channel_id: str, body: bytes) -> None:
        """Keep a request; it is on disk when this returns.

        Raises:
            StoreUnavailable: `spool_unwritable`; the request was not kept.
        """
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._coming.append((channel_id, body, written))
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._write_all(), name="spool-write")
        # A cancelled caller must not undo what is being written for it.
        await asyncio.shield(written)

    async def oldest(self, channel_id: str) -> SpooledRequest | None:
        """Return the channel's first request, which stays until `done`; None when none waits.

        Raises:
            HubError: `secret_unreadable`: its key is gone or the file was tampered with.
        """
        found = await self.first(channel_id, 1)
        return found[0] if found else None

    async def first(self, channel_id: str, limit: int) -> list[SpooledRequest]:
        """Return up to `limit` of a channel's requests in order, up to one that cannot be opened.

        Raises:
            HubError: `secret_unreadable`: that is the first one (see `skip`).
        """
        found: list[SpooledRequest] = []
        for ref in list(islice(self._waiting.get(channel_id, ()), limit)):
            sealed = await self._in_thread(ref.file.read, ref.serial)
            try:
                body = self._keyring.decrypt(sealed, _place(ref))
            except HubError:
                if not found:
                    raise
                break
            found.append(SpooledRequest(channel_id, body, ref))
        return found

    async def done(self, request: SpooledRequest) -> None:
        """Let a request go: it is stored, or it will never be."""
        await self.drop(request.channel_id, request.ref)

    async def skip(self, channel_id: str) -> None:
        """Let a channel's first request go unread, when `oldest` cannot open it."""
        refs = self._waiting.get(channel_id)
        if refs:
            await self.drop(channel_id, refs[0])

    async def drop(self, channel_id: str, ref: _Ref) -> None:
        """Let one request go; its file goes with its last request."""
        refs = self._waiting.get(channel_id)
        if not refs or ref not in refs:
            return
        refs.remove(ref)
        if not refs:
            del self._waiting[channel_id]
        empty = await self._in_thread(ref.file.finish, ref.serial)
        if empty and ref.file is not self._own:
            self._files.pop(ref.file.name, None)
            await self._in_thread(ref.file.remove)

    async def adopt(self) -> int:
        """Take over the files of processes that ended; return how many requests they hold.

        Raises:
            StoreUnavailable: `spool_unwritable`: the folder cannot be used.
        """
        try:
            found = await self._in_thread(self._find_orphans)
        except OSError as error:
            raise StoreUnavailable("spool_unwritable", reason=type(error).__name__) from error
        count = 0
        for file in found:
            entries = file.entries()
            for serial, channel in entries:
                self._waiting[channel].append(_Ref(file, serial))
            count += len(entries)
            self._files[file.name] = file
        if count:
            log.info("spool.adopted", requests=count, files=len(found))
        return count

    async def close(self) -> None:
        """Finish writing; files with requests stay for the next start."""
        if self._pump is not None:
            await self._pump
        for file in self._files.values():
            await self._in_thread(file.close if file.entries() else file.remove)
        self._files.clear()
        self._thread.shutdown()

    async def _write_all(self) -> None:
        """Write what is coming, batch after batch, one fsync for each."""
        while self._coming:
            batch = list(self._coming)
            try:
                refs = await self._in_thread(self._write, [(c, body) for c, body, _ in batch])
            except OSError as error:
                log.error("spool.write_failed", error=type(error).__name__)
                del self._coming[: len(batch)]
                for _, _, written in batch:
                    if not written.done():
                        written.set_exception(
                            StoreUnavailable("spool_unwritable", reason=type(error).__name__)
                        )
                        written.exception()  # its caller may have been cancelled
                continue
            del self._coming[: len(batch)]
            for (channel, _, written), ref in zip(batch, refs, strict=True):
                self._waiting[channel].append(ref)
                if not written.done():
                    written.set_result(None)

    def _write(self, batch: Sequence[tuple[str, bytes]]) -> list[_Ref]:
        file = self._own
        if file is None or file.broken:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = SpoolFile.create(self._folder / f"{new_id()}{_SUFFIX}")
            self._own = file
            self._files[file.name] = file
        refs = [_Ref(file, file.next_serial + n) for n in range(len(batch))]
        sealed = [
            (channel, self._keyring.encrypt(body, _place(ref)))
            for (channel, body), ref in zip(batch, refs, strict=True)
        ]
        file.append(sealed)
        return refs

    def _find_orphans(self) -> list[SpoolFile]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found: list[SpoolFile] = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if path.stem in self._files:
                continue
            file = SpoolFile.adopt(path)
            if file is not None and not file.entries():
                file.remove()
            elif file is not None:
                found.append(file)
        return found

    async def _in_thread(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _place(ref: _Ref) -> str:
    return place("spool", ref.file.name, str(ref.serial))


async def open_spool(folder: Path, keyring: Keyring) -> Spool:
    """Open the spool in a folder and adopt what ended processes left.

    Raises:
        StoreUnavailable: `spool_unwritable`.
    """
    spool = Spool(folder, keyring)
    await spool.adopt()
    return spool
