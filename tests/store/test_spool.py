"""The spool: order, durability, kills, full disks, other processes' files."""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hub.model.errors import HubError, StoreUnavailable
from hub.store.crypto import Keyring
from hub.store.spool import Spool, open_spool

RING = Keyring([b"k" * 32])
ROOT = Path(__file__).resolve().parents[2]


async def drain(spool: Spool, channel: str) -> list[bytes]:
    got: list[bytes] = []
    while (request := await spool.oldest(channel)) is not None:
        got.append(request.body)
        await spool.done(request)
    return got


async def test_in_order_per_channel(tmp_path: Path):
    spool = await open_spool(tmp_path / "spool", RING)
    await asyncio.gather(*(spool.append("ab"[n % 2], b"%d" % n) for n in range(20)))
    assert (spool.waiting("a"), spool.waiting("b"), spool.waiting("c")) == (10, 10, 0)
    assert sorted(spool.channels()) == ["a", "b"]
    assert spool.total == 20
    assert await drain(spool, "a") == [b"%d" % n for n in range(0, 20, 2)]
    assert await spool.oldest("a") is None
    assert await drain(spool, "b") == [b"%d" % n for n in range(1, 20, 2)]
    assert spool.total == 0
    await spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_what_was_not_done_comes_out_after_a_restart(tmp_path: Path):
    spool = await open_spool(tmp_path, RING)
    for n in range(5):
        await spool.append("a", b"%d" % n)
    for _ in range(2):
        request = await spool.oldest("a")
        assert request is not None
        await spool.done(request)
    await spool.close()
    spool = await open_spool(tmp_path, RING)
    await spool.append("a", b"new")
    assert await drain(spool, "a") == [b"2", b"3", b"4", b"new"]
    await spool.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_living_process_keeps_its_file(tmp_path: Path):
    mine = await open_spool(tmp_path, RING)
    await mine.append("a", b"x")
    other = await open_spool(tmp_path, RING)
    assert other.total == 0
    await mine.close()
    assert await other.adopt() == 1
    assert await drain(other, "a") == [b"x"]
    await other.close()


async def test_nothing_readable_lies_on_the_disk(tmp_path: Path):
    spool = await open_spool(tmp_path, RING)
    await spool.append("a", b"a customer's words")
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"words" not in data
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
    await spool.close()
    other = await open_spool(tmp_path, Keyring([b"z" * 32]))
    with pytest.raises(HubError):
        await other.oldest("a")
    await other.skip("a")
    assert other.total == 0
    await other.close()


async def test_a_file_cut_off_anywhere_gives_whole_requests(tmp_path: Path):
    spool = await open_spool(tmp_path, RING)
    for n in range(6):
        await spool.append("a", b"%d" % n * 20)
    data = next(tmp_path.iterdir()).read_bytes()
    await spool.close()
    chance = random.Random(7)
    for cut in [0, 1, 11, len(data) - 1, *(chance.randrange(len(data)) for _ in range(12))]:
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir(exist_ok=True)
        (folder / "dead.spool").write_bytes(data[:cut] + bytes(chance.randrange(9)))
        again = await open_spool(folder, RING)
        whole = again.total
        assert whole == min(6, cut // (len(data) // 6))
        # Sealed under another file's name, so it cannot be opened: only the order counts here.
        for _ in range(whole):
            await again.skip("a")
        await again.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from hub.store.crypto import Keyring
from hub.store.spool import open_spool
async def main():
    spool = await open_spool(Path(sys.argv[1]), Keyring([b"k" * 32]))
    n = 0
    while True:
        names = [f"{n + i}" for i in range(3)]
        await asyncio.gather(*(spool.append("a", x.encode() * 50) for x in names))
        n += 3
        print(n, flush=True)
asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_promised(tmp_path: Path):
    chance = random.Random(11)
    for round_number in range(3):
        folder = tmp_path / str(round_number)
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        for _ in range(chance.randint(1, 30)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        promised = [line for line in process.stdout.read().split(b"\n") if line]
        process.wait()
        spool = await open_spool(folder, RING)
        got = await drain(spool, "a")
        assert got == [b"%d" % n * 50 for n in range(len(got))]
        assert len(got) >= (int(promised[-1]) if promised else 3)
        await spool.close()


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from hub.model.errors import StoreUnavailable
from hub.store.crypto import Keyring
from hub.store.spool import open_spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main():
    spool = await open_spool(Path(sys.argv[1]), Keyring([b"k" * 32]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    kept = 0
    try:
        for n in range(100):
            await spool.append("a", b"%d" % n + b"x" * 3_000)
            kept += 1
    except StoreUnavailable as error:
        assert error.code == "spool_unwritable", error
    assert 0 < kept < 100
    assert spool.waiting("a") == kept
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await spool.append("a", b"%d" % kept + b"x" * 3_000)
    for n in range(kept + 1):
        request = await spool.oldest("a")
        assert request.body.startswith(b"%dx" % n), (n, request.body[:5])
        await spool.done(request)
    assert spool.total == 0
    await spool.close()
asyncio.run(main())
"""


def test_a_full_disk_is_said_and_recovered_from(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "s")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


async def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        await open_spool(tmp_path / "file" / "spool", RING)
    spool = Spool(tmp_path / "file" / "spool", RING)
    with pytest.raises(StoreUnavailable) as caught:
        await spool.append("a", b"x")
    assert caught.value.code == "spool_unwritable"
    assert spool.waiting("a") == 0
    assert (tmp_path / "file").is_file()
    await spool.close()
