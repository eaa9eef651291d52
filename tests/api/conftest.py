"""A real hub's HTTP side on loopback: SQLite, real deps, no loops."""

import json
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from hub.api.application import Parts, Setup, make_application
from hub.api.http import Routes
from hub.ingress.live_channels import LiveChannels
from hub.model.channel import RawRequest, RawResponse
from hub.model.clock import SystemClock
from hub.model.router_commands import Command, Outcome
from hub.model.visibility import Role
from hub.services import organisation, people, sessions
from hub.services.deps import Deps, Organisation
from hub.store.crypto import Keyring
from hub.store.engine import open_database
from hub.store.files import open_files
from hub.store.follower import Follower
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
    follower: Follower
    health: AlwaysReady
    folder: Path
    clients: list[TestClient[Any, Any]] = field(default_factory=list)

    async def serve(
        self, rooms: Sequence[Routes] = (), setups: Sequence[Setup] = ()
    ) -> TestClient[Any, Any]:
        parts = Parts(self.deps, self.ingress, self.channels, self.health, self.follower)
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
    follower = Follower(deps.db, wake=deps.wake)
    await follower.start()
    made = House(deps, RecordingIngress(), channels, follower, AlwaysReady(), tmp_path)
    yield made
    for client in made.clients:
        await client.close()
    await follower.close()
    await deps.db.close()


PASSWORD = "correct horse 7"


@dataclass
class Person:
    """Somebody logged in, with a cookie jar of their own."""

    agent_id: str
    email: str
    client: TestClient[Any, Any]
    csrf: str = ""

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Make a request as this person's page would; `if_match` becomes the header."""
        sent = {"X-CSRF-Token": self.csrf, "Origin": PUBLIC_URL}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=sent)

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = await self.call(method, path, body, **headers)
        text = await answer.text()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text}"
        return json.loads(text) if text else None

    async def log_in(self, password: str = PASSWORD) -> None:
        body = {"email": self.email, "password": password}
        self.csrf = (await self.ok("POST", "/session", body))["csrf"]


async def make_person(
    house: House, name: str, *roles: Role, rooms: Sequence[Routes], unit_id: str | None = None
) -> Person:
    """Add an agent with a password and log them in."""
    deps = house.deps
    fields = people.AgentFields(
        f"{name}@example.com", name, roles=frozenset(roles or {Role.AGENT}), unit_id=unit_id
    )
    row = await people.create_agent(deps, fields, actor="test")
    link = await sessions.make_link(deps, row["id"], sessions.SET_PASSWORD)
    secret = link.partition("#")[2]
    await sessions.use_password_link(deps, secret, PASSWORD, ip="test")
    person = Person(row["id"], fields.email, await house.serve(rooms))
    await person.log_in()
    return person


@pytest.fixture
async def seeded(house: House) -> House:
    """The house with its organisation, unit and first queue."""
    await organisation.seed(house.deps)
    return house
