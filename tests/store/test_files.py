"""File stores: a folder and obstore's own in-memory store keep the same promises."""

from collections.abc import AsyncIterator
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from hub.model.errors import NotFound, SettingsInvalid, StoreUnavailable
from hub.store.files import FileStore, FolderStore, ObjectStore, new_key, open_files


@pytest.fixture(params=["folder", "object"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    if request.param == "folder":
        return open_files(str(tmp_path / "files"))
    return ObjectStore(MemoryStore(), obstore)


async def joined(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_bytes_come_back(files: FileStore):
    key, data = new_key(), bytes(range(256)) * 4_000
    assert not await files.exists(key)
    await files.put(key, data)
    assert await files.exists(key)
    assert await files.size(key) == len(data)
    assert await files.get(key) == data
    assert await joined(files.open(key)) == data
    assert await joined(files.open(key, 300_000, 600_001)) == data[300_000:600_001]
    assert [k async for k, _ in files.listing()] == [key]
    await files.put(key, b"")
    assert await files.get(key) == b""
    await files.delete(key)
    await files.delete(key)
    assert await files.size(key) is None
    assert [k async for k, _ in files.listing()] == []


async def test_what_is_not_there_is_said(files: FileStore):
    with pytest.raises(NotFound):
        await files.get(new_key())
    with pytest.raises(NotFound):
        await joined(files.open(new_key()))


@pytest.mark.parametrize(
    "key", ["", "..", "../../etc/passwd", "a" * 31, "A" * 32, "a" * 32 + "\n", "/" + "a" * 31]
)
async def test_only_keys_become_paths(files: FileStore, key: str):
    for call in (files.get, files.size, files.delete):
        with pytest.raises(ValueError):
            await call(key)
    with pytest.raises(ValueError):
        await files.put(key, b"x")
    with pytest.raises(ValueError):
        await joined(files.open(key))


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        await FolderStore(tmp_path / "file").put(new_key(), b"x")


async def test_no_half_file_is_left(tmp_path: Path):
    store = FolderStore(tmp_path)
    await store.put(new_key(), b"x" * 10)
    assert not list(tmp_path.rglob(".*"))


def test_other_places_are_refused():
    with pytest.raises(SettingsInvalid):
        open_files("ftp://somewhere")
