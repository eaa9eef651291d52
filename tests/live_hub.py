"""A real `hub serve` in a process of its own: provisioned, started, killed, started again.

The kill harness and the benchmarks use it. Channels are written by the same services an
administrator's request uses, while no hub runs.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiohttp

from hub.app.build import House, opened, prepare_database
from hub.app.first_start import furnish
from hub.services.channels import ChannelChange, add_channel
from hub.settings import Settings
from hub.store import migrate

ROOT = Path(__file__).parents[1]
KEY = "k" * 40
T = TypeVar("T")


def free_port() -> int:
    """Return a loopback port nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class LiveHub:
    """One hub process with its own data folder and port; the port stays over restarts.

    Attributes:
        pin: a CPU the process is bound to (taskset); None: any.
        extra: further environment, e.g. HUB_REDIS_URL.
    """

    folder: Path
    database_url: str = ""
    pin: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> Settings:
        """Return the settings the process runs with, for work done while it does not run."""
        return Settings(
            data_dir=self.folder,
            database_url=self.database_url,
            host="127.0.0.1",
            port=self.port,
            public_url=self.url,
            secret_key=(KEY,),  # type: ignore[arg-type]
            log_level="warning",
        )

    async def offline(self, work: Callable[[House], Awaitable[T]]) -> T:
        """Open the hub's house in this process, do something, close it again."""
        settings = self.settings()
        if settings.on_sqlite:
            await asyncio.to_thread(prepare_database, settings)
        else:
            await asyncio.to_thread(migrate.migrate, settings.database)
        async with opened(settings) as house:
            await furnish(house)
            return await work(house)

    async def add_channels(self, channels: Mapping[str, tuple[str, bytes]]) -> dict[str, str]:
        """Write channels given as name to (kind, configuration JSON); return name to id."""

        async def work(house: House) -> dict[str, str]:
            return {
                name: await add_channel(house.deps, kind, ChannelChange(name, config), actor="test")
                for name, (kind, config) in channels.items()
            }

        return await self.offline(work)

    def start(self) -> None:
        """Start the process; `ready` waits for it."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
        # Compiled modules are kept, or each of many starts would compile the whole hub again.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment |= {
            "HUB_DATA_DIR": str(self.folder),
            "HUB_HOST": "127.0.0.1",
            "HUB_PORT": str(self.port),
            "HUB_PUBLIC_URL": self.url,
            "HUB_SECRET_KEY": KEY,
            "HUB_LOG_LEVEL": "warning",
            **self.extra,
        }
        if self.database_url:
            environment["HUB_DATABASE_URL"] = self.database_url
        command = [sys.executable, "-m", "hub", "serve"]
        if self.pin is not None:
            command = ["taskset", "-c", str(self.pin), *command]
        log = (self.folder / "hub.log").open("ab")
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    async def ready(self, timeout_s: float = 60.0) -> None:
        """Wait until /readyz answers 200."""
        async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as session:
            while True:
                assert self.process is not None
                if self.process.poll() is not None:
                    raise RuntimeError((self.folder / "hub.log").read_text()[-3000:])
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """Ask it to end (SIGTERM) and return its exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            return self.process.wait(timeout=30)
        finally:
            self.kill()
