"""Attachments and originals: bytes under random keys, in a folder or in S3.

A key is 32 hex digits made by `new_key`; nothing else is taken, so that no name from outside ever
becomes a path. The file is written first, the row that names it second; what no row names is swept.
"""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from hub.model.clock import from_micros
from hub.model.errors import NotFound, SettingsInvalid, StoreUnavailable

_KEY = re.compile(r"\A[0-9a-f]{32}\Z")
_CHUNK = 256 * 1024


def new_key() -> str:
    """Return a fresh key: 128 random bits, not to be guessed."""
    return secrets.token_hex(16)


class FileStore(Protocol):
    """Where bytes are kept. All methods raise `ValueError` on anything that is not a key."""

    async def put(self, key: str, data: bytes) -> None:
        """Keep bytes; they are durable when this returns.

        Raises:
            StoreUnavailable: `files_unwritable`.
        """

    async def get(self, key: str) -> bytes:
        """Return all bytes.

        Raises:
            NotFound: `file_not_found`.
        """

    def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give the bytes from `start` up to `end` (exclusive) in chunks.

        Raises:
            NotFound: at the first chunk.
        """

    async def size(self, key: str) -> int | None:
        """Return the size in bytes; None when there is no such file."""

    async def exists(self, key: str) -> bool:
        """Tell whether there is such a file."""

    async def delete(self, key: str) -> None:
        """Remove a file; harmless when it is gone."""

    def listing(self) -> AsyncIterator[tuple[str, datetime]]:
        """Give every key and when it was written; for the sweep of orphans."""


class FolderStore:
    """Files in a folder: `ab/cd/abcd…`, written aside, fsynced and renamed into place."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, data: bytes) -> None:
        """Keep bytes; file and name are fsynced."""
        path = self._path(key)
        try:
            await asyncio.to_thread(_write, path, data)
        except OSError as error:
            raise StoreUnavailable("files_unwritable", reason=type(error).__name__) from error

    async def get(self, key: str) -> bytes:
        """Return all bytes."""
        path = self._path(key)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError as error:
            raise NotFound("file_not_found") from error

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give a part of the bytes in chunks."""
        path = self._path(key)
        try:
            handle = await asyncio.to_thread(os.open, path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise NotFound("file_not_found") from error
        try:
            at = start
            while end is None or at < end:
                wanted = _CHUNK if end is None else min(_CHUNK, end - at)
                chunk = await asyncio.to_thread(os.pread, handle, wanted, at)
                if not chunk:
                    return
                at += len(chunk)
                yield chunk
        finally:
            os.close(handle)

    async def size(self, key: str) -> int | None:
        """Return the size in bytes, or None."""
        path = self._path(key)
        try:
            return (await asyncio.to_thread(path.stat)).st_size
        except FileNotFoundError:
            return None

    async def exists(self, key: str) -> bool:
        """Tell whether there is such a file."""
        return await self.size(key) is not None

    async def delete(self, key: str) -> None:
        """Remove a file; harmless when it is gone."""
        path = self._path(key)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def listing(self) -> AsyncIterator[tuple[str, datetime]]:
        """Give every key and when it was written."""
        for folder in await asyncio.to_thread(lambda: sorted(self._root.glob("[0-9a-f][0-9a-f]"))):
            for key, micros in await asyncio.to_thread(_listed, folder):
                yield key, from_micros(micros)

    def _path(self, key: str) -> Path:
        _check(key)
        return self._root / key[:2] / key[2:4] / key


class ObjectStore:
    """Files in S3 or what speaks like it, by the optional `obstore`."""

    def __init__(self, store: Any, obstore: Any) -> None:
        self._store = store
        self._obstore = obstore

    async def put(self, key: str, data: bytes) -> None:
        """Keep bytes."""
        _check(key)
        try:
            await self._obstore.put_async(self._store, key, data)
        except Exception as error:
            raise StoreUnavailable("files_unwritable", reason=type(error).__name__) from error

    async def get(self, key: str) -> bytes:
        """Return all bytes."""
        _check(key)
        try:
            found = await self._obstore.get_async(self._store, key)
        except FileNotFoundError as error:
            raise NotFound("file_not_found") from error
        return bytes(await found.bytes_async())

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give a part of the bytes in chunks."""
        size = await self.size(key)
        if size is None:
            raise NotFound("file_not_found")
        at, last = start, size if end is None else min(end, size)
        while at < last:
            until = min(at + _CHUNK, last)
            yield bytes(await self._obstore.get_range_async(self._store, key, start=at, end=until))
            at = until

    async def size(self, key: str) -> int | None:
        """Return the size in bytes, or None."""
        _check(key)
        try:
            facts = await self._obstore.head_async(self._store, key)
        except FileNotFoundError:
            return None
        return int(facts["size"])

    async def exists(self, key: str) -> bool:
        """Tell whether there is such a file."""
        return await self.size(key) is not None

    async def delete(self, key: str) -> None:
        """Remove a file; harmless when it is gone."""
        if await self.exists(key):
            await self._obstore.delete_async(self._store, key)

    async def listing(self) -> AsyncIterator[tuple[str, datetime]]:
        """Give every key and when it was written."""
        async for page in self._obstore.list(self._store):
            for facts in page:
                if _KEY.match(facts["path"]):
                    yield facts["path"], facts["last_modified"]


def open_files(where: str) -> FileStore:
    """Return the store for `HUB_FILES`: a folder, or `s3://bucket/prefix` (needs the s3 extra).

    S3 credentials come from the usual AWS_* environment, which obstore reads.

    Raises:
        SettingsInvalid: an unknown scheme, or the extra is not installed.
    """
    if "://" not in where:
        return FolderStore(Path(where))
    if not where.startswith("s3://"):
        raise SettingsInvalid(key="files", reason="use a folder or s3://bucket/prefix")
    try:
        import obstore
        from obstore.store import from_url
    except ImportError as error:
        raise SettingsInvalid(key="files", reason="install the extra: omni-hub[s3]") from error
    return ObjectStore(from_url(where), obstore)


def _check(key: str) -> None:
    if _KEY.match(key) is None:
        raise ValueError("not a file key")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _listed(folder: Path) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for path in folder.glob("??/*"):
        try:
            if _KEY.match(path.name):
                found.append((path.name, path.stat().st_mtime_ns // 1_000))
        except FileNotFoundError:
            continue
    return found
