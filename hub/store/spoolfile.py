"""One spool file: records appended and fsynced, readable after a kill at any byte.

A record is `length (4) | crc32 (4) | kind (1) | serial (8) | content`, big-endian; `length` and
`crc32` cover what follows them. Kind 1 keeps a request (its channel's id, a NUL, the sealed body);
kind 2 says that the request of that serial is done. A tail that does not add up is a write that was
cut off: nobody was told that it is kept.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from hub.store.filelock import FileLock

_HEAD = struct.Struct(">II")
_BODY = struct.Struct(">BQ")
_KEPT, _DONE = 1, 2


class SpoolFile:
    """A locked, open spool file. Not safe for several threads at once.

    Attributes:
        name: the file's name without suffix.
        next_serial: what the next request gets.
        broken: a failed write could not be taken back; nothing more may be appended.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self._path = path
        self._lock = lock
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._size = 0
        self._pending: dict[int, tuple[str, int, int]] = {}
        self.name = path.stem
        self.next_serial = 1
        self.broken = False

    @classmethod
    def create(cls, path: Path) -> "SpoolFile":
        """Make a new file, held by this process.

        Raises:
            OSError: it cannot be made.
        """
        lock = FileLock(path)
        if not lock.take():
            raise FileExistsError(path.name)
        file = cls(path, lock)
        file._sync_folder()
        return file

    @classmethod
    def adopt(cls, path: Path) -> "SpoolFile | None":
        """Open a file whose process ended; None while that process lives."""
        lock = FileLock(path)
        if not lock.take():
            return None
        file = cls(path, lock)
        file._load()
        return file

    def entries(self) -> list[tuple[int, str]]:
        """Return (serial, channel id) of the requests still kept, in order."""
        return [(serial, channel) for serial, (channel, _, _) in self._pending.items()]

    def append(self, requests: Sequence[tuple[str, bytes]]) -> None:
        """Keep requests (channel id, sealed body); they are on disk when this returns.

        Raises:
            OSError: disk full, I/O error: none of them is kept.
        """
        data = bytearray()
        added: dict[int, tuple[str, int, int]] = {}
        for number, (channel, sealed) in enumerate(requests):
            serial = self.next_serial + number
            content = channel.encode() + b"\0" + sealed
            record = _record(_KEPT, serial, content)
            start = self._size + len(data) + len(record) - len(sealed)
            added[serial] = (channel, start, len(sealed))
            data += record
        try:
            self._write(bytes(data))
            os.fsync(self._handle)
        except OSError:
            self._take_back()
            raise
        self._size += len(data)
        self._pending.update(added)
        self.next_serial += len(requests)

    def read(self, serial: int) -> bytes:
        """Return the sealed body of a request.

        Raises:
            KeyError: it is not kept any more.
        """
        _, start, length = self._pending[serial]
        return os.pread(self._handle, length, start)

    def finish(self, serial: int) -> bool:
        """Note that a request is done; True when none is left. The note is not fsynced."""
        self._pending.pop(serial, None)
        try:
            if self._pending:
                record = _record(_DONE, serial, b"")
                self._write(record)
                self._size += len(record)
            else:
                os.ftruncate(self._handle, 0)
                self._size = 0
                self.broken = False
        except OSError:
            # Worst case it comes out once more after a restart, as a duplicate.
            self._take_back()
        return not self._pending

    def close(self) -> None:
        """Let the file go; what it keeps stays for whoever adopts it."""
        os.close(self._handle)
        self._lock.release()

    def remove(self) -> None:
        """Delete the file and let it go."""
        self._path.unlink(missing_ok=True)
        self.close()

    def _write(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += os.pwrite(self._handle, data[written:], self._size + written)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._handle, self._size)
        except OSError:
            self.broken = True

    def _load(self) -> None:
        data = self._path.read_bytes()
        at = 0
        while at + _HEAD.size + _BODY.size <= len(data):
            length, crc = _HEAD.unpack_from(data, at)
            start, end = at + _HEAD.size, at + _HEAD.size + length
            if length < _BODY.size or end > len(data) or zlib.crc32(data[start:end]) != crc:
                break
            kind, serial = _BODY.unpack_from(data, start)
            if kind == _KEPT:
                channel, _, sealed = data[start + _BODY.size : end].partition(b"\0")
                self._pending[serial] = (channel.decode(), end - len(sealed), len(sealed))
            else:
                self._pending.pop(serial, None)
            self.next_serial = max(self.next_serial, serial + 1)
            at = end
        self._size = at
        self._take_back()  # notes of what is done go behind the last whole record

    def _sync_folder(self) -> None:
        if os.name == "posix":
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _record(kind: int, serial: int, content: bytes) -> bytes:
    body = _BODY.pack(kind, serial) + content
    return _HEAD.pack(len(body), zlib.crc32(body)) + body
