"""The whole process: starts on an empty folder, says what to do, drains on SIGTERM."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """`python -m hub …` in a folder of its own; its lines as they come."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.port = free_port()
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("HUB_")},
            "HUB_DATA_DIR": str(folder / "data"), "HUB_PORT": str(self.port), **env,
        }  # fmt: skip
        self.lines: list[str] = []
        self.url = f"http://127.0.0.1:{self.port}"

    async def start(self, *arguments: str) -> "Process":
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub", *arguments, cwd=ROOT, env=self.env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        return self

    async def line(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while raw := await self.process.stdout.readline():
                self.lines.append(raw.decode())
                found = re.search(pattern, self.lines[-1])
                if found:
                    return found
        raise AssertionError(f"no {pattern!r} in {''.join(self.lines)}")

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(how)
        rest, _ = await self.process.communicate()
        self.lines.append(rest.decode())
        assert self.process.returncode is not None
        return self.process.returncode


@pytest.fixture
async def process(tmp_path):
    made = Process(tmp_path)
    yield made
    if made.process.returncode is None:
        made.process.kill()
        await made.process.wait()


async def test_an_empty_folder_becomes_a_hub_and_ends_cleanly(process):
    await process.start("serve")
    link = (await process.line(r"works once\): (\S+)"))[1]
    assert link.startswith(f"{process.url}/link/set-password#")
    async with aiohttp.ClientSession() as http:
        ready = await http.get(f"{process.url}/readyz")
        assert ready.status == 200
        page = await http.get(link)
        assert page.status == 200
        assert (await http.get(f"{process.url}/openapi.json")).status == 200
        unknown = await http.post(f"{process.url}/in/00000000-0000-7000-8000-000000000000")
        assert unknown.status == 404
    data = Path(process.env["HUB_DATA_DIR"])
    assert (data / "secret.key").stat().st_mode & 0o077 == 0
    second = Process(data.parent, HUB_DATA_DIR=str(data))
    await second.start("serve")
    assert await second.end(signal.SIGCONT) == 2
    assert "database_in_use" in "".join(second.lines)
    assert await process.end() == 0
    assert "Traceback" not in "".join(process.lines)


async def test_wrong_settings_end_with_one_line(tmp_path):
    process = await Process(tmp_path, HUB_PROT="1").start("serve")
    assert await process.end(signal.SIGCONT) == 2
    assert "HUB_PROT" in "".join(process.lines)
    assert "Traceback" not in "".join(process.lines)
