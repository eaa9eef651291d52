"""A real hub's HTTP side on loopback: SQLite, real deps, no loops."""

import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestClient, TestServer

from hub.api.application import Parts, Setup, make_application
from hub.api.http import Routes
from hub.ingress.live_channels import LiveChannels
from hub.model.channel import RawRequest, RawResponse
from hub.model.clock import SystemClock
from hub.model.router_commands import Command, Outcome
from hub.services.deps import Deps, Organisation
from hub.store.crypto import Keyring
from hub.store.engine import open_database
from hub.store.files import open_files
from hub.store.wake import open_wake
from tests.store.conftest import create_tables

PUBLIC_URL = "http://127.0.0.1:8080"


class NoRouter:
    """A hub without a router: commands are refused as a router without a leader would."""

    async def submit(self, command: Command) -> Outcome:
        raise RuntimeError("no router in this test")


@dataclass
class RecordingIngress:
    """Keeps the requests the webhook routes hand over."""

    taken: list[tuple[str, RawRequest]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def accept(self, channel_id: str, raw: RawRequest) -> RawResponse:
        self.taken.append((channel_id, raw))
        return RawResponse(200, b"<Response/>", "text/xml")

    def too_large(self, channel_id: str) -> None:
        self.refused.append(channel_id)


@dataclass
class AlwaysReady:
    parts: dict[str, str] = field(default_factory=dict)
    up: bool = True

    def ready(self) -> tuple[bool, dict[str, str]]:
        return self.up, self.parts


@dataclass
class House:
    """What a test needs: the deps, and a way to serve routes."""

    deps: Deps
    ingress: RecordingIngress
    channels: LiveChannels
    health: AlwaysReady
    folder: Path
    clients: list[TestClient[Any, Any]] = field(default_factory=list)

    async def serve(
        self, rooms: Sequence[Routes] = (), setups: Sequence[Setup] = ()
    ) -> TestClient[Any, Any]:
        parts = Parts(self.deps, self.ingress, self.channels, self.health)
        app = make_application(parts, rooms, setups)
        client: TestClient[Any, Any] = TestClient(
            TestServer(app), cookie_jar=CookieJar(unsafe=True)
        )
        await client.start_server()
        self.clients.append(client)
        return client


async def open_deps(url: str, folder: Path) -> Deps:
    return Deps(
        db=await open_database(url),
        clock=SystemClock(),
        files=open_files(str(folder / "files")),
        keyring=Keyring([secrets.token_bytes(32)]),
        public_url=PUBLIC_URL,
        kinds={},
        router=NoRouter(),
        wake=open_wake(None),
        organisation=Organisation(),
    )


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "hub.db"
    create_tables(f"sqlite:///{path}")
    return path


@pytest.fixture
async def house(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[House]:
    shutil.copy(sqlite_template, tmp_path / "hub.db")
    url = f"sqlite:///{tmp_path}/hub.db"
    deps = await open_deps(url, tmp_path)
    channels = LiveChannels({}, lambda config: None, lambda id: b"", PUBLIC_URL)  # type: ignore[arg-type,return-value]
    made = House(deps, RecordingIngress(), channels, AlwaysReady(), tmp_path)
    yield made
    for client in made.clients:
        await client.close()
    await deps.db.close()


Serve = Callable[..., Awaitable[TestClient[Any, Any]]]
__all__ = ["AlwaysReady", "ClientSession", "House", "RecordingIngress", "open_deps"]
