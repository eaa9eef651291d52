"""A hub with two chat channels on SQLite: real ingress, follower and sender, a real server."""

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, CookieJar, WSMsgType
from aiohttp.test_utils import TestClient, TestServer

from hub.adapters import manifest
from hub.api.application import Parts, make_application
from hub.api.widget import add_widget
from hub.ingress.live_channels import LiveChannels
from hub.ingress.pipeline import Ingress
from hub.model.clock import SystemClock
from hub.model.ids import new_id
from hub.services import channels as channel_rows
from hub.services.channels import ChannelChange
from hub.services.deps import Deps, KindFacts, Organisation
from hub.services.reply import Author, Reply, write_reply
from hub.store.crypto import Keyring
from hub.store.engine import open_database
from hub.store.files import open_files
from hub.store.follower import Follower
from hub.store.queries import conversations
from hub.store.queries.rows import insert_row
from hub.store.spool import open_spool
from hub.store.statement import stmt
from hub.store.tables import Agent, OrgUnit, ReadMark
from hub.store.wake import open_wake
from hub.workers.sender import Sender
from tests.api.conftest import PUBLIC_URL, AlwaysReady, NoRouter

SHOP = "https://shop.example"
BANK = "https://bank.example"
SECRET = "made-up-identity-secret-of-32-characters"
AGENT = "0192f0c0-0000-7000-8000-0000000000aa"
WAIT_S = 10.0


class Silent:
    """Counts nothing."""

    def intake(self, kind: str, outcome: str) -> None:
        pass

    def inbound_seconds(self, kind: str, seconds: float) -> None:
        pass


class Browser:
    """A visitor's browser: a session over HTTP, a socket, and what came over it."""

    def __init__(self, world: "World", origin: str = SHOP) -> None:
        self.world = world
        self.origin = origin
        self.token = ""
        self.visitor_id = ""
        self.ws: ClientWebSocketResponse[bool] | None = None
        self.frames: list[dict[str, Any]] = []
        self.cursor = 0

    def headers(self, **more: str) -> dict[str, str]:
        found = {"Origin": self.origin, **more}
        return {**found, "Authorization": f"Bearer {self.token}"} if self.token else found

    async def call(self, method: str, path: str, **more: Any) -> Any:
        headers = self.headers(**more.pop("headers", {}))
        return await self.world.client.request(
            method, f"/widget/v1/{path}", headers=headers, **more
        )

    async def open(self, *, status: int = 201, **body: Any) -> dict[str, Any]:
        told = {"channel_id": self.world.shop, "token": self.token or None, **body}
        answer = await self.world.client.post(
            "/widget/v1/session", json=told, headers={"Origin": self.origin}
        )
        assert answer.status == status, await answer.text()
        opened: dict[str, Any] = await answer.json()
        if "token" in opened:
            self.token, self.visitor_id = opened["token"], opened["visitor_id"]
            self.cursor = opened["cursor"]
        return opened

    async def connect(self, after: int | None = None) -> dict[str, Any]:
        self.ws = await self.world.socket(self.origin)
        auth: dict[str, Any] = {"type": "auth", "token": self.token}
        await self.send(auth if after is None else {**auth, "after": after})
        return await self.frame("hello")

    async def send(self, frame: Any) -> None:
        assert self.ws is not None
        await self.ws.send_str(frame if isinstance(frame, str) else orjson.dumps(frame).decode())

    async def say(self, text: str, **more: Any) -> dict[str, Any]:
        client_id = more.pop("client_id", None) or new_id()
        await self.send({"type": "message", "client_id": client_id, "text": text, **more})
        return await self.frame("ack", lambda frame: frame["client_id"] == client_id)

    async def frame(
        self, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda frame: True
    ) -> dict[str, Any]:
        """Return the first frame of a kind not returned before; others stay."""
        assert self.ws is not None
        async with asyncio.timeout(WAIT_S):
            while True:
                for frame in self.frames:
                    if frame["type"] == kind and fits(frame):
                        self.frames.remove(frame)
                        return frame
                message = await self.ws.receive()
                assert message.type is WSMsgType.TEXT, (message, self.ws.close_code, self.frames)
                self.frames.append(orjson.loads(message.data))
                self.cursor = max(self.cursor, self.frames[-1].get("cursor") or 0)

    async def text(self, text: str) -> dict[str, Any]:
        """Return the message frame of a text."""
        return (await self.frame("message", lambda f: f["message"]["text"] == text))["message"]

    async def closed(self) -> int | None:
        """Wait until the hub has closed the socket; returns its code."""
        assert self.ws is not None
        async with asyncio.timeout(WAIT_S):
            while (await self.ws.receive()).type is WSMsgType.TEXT:
                pass
        return self.ws.close_code

    async def leave(self) -> None:
        if self.ws is not None:
            await self.ws.close()
            self.ws, self.frames = None, []


@dataclass
class World:
    """The hub and its two channels, `shop` (with signed identities) and `bank`."""

    deps: Deps
    channels: LiveChannels
    client: TestClient[Any, Any]
    shop: str
    bank: str
    replies: int = 0
    sockets: list[ClientWebSocketResponse[bool]] = field(default_factory=list)

    def browser(self, origin: str = SHOP) -> Browser:
        return Browser(self, origin)

    async def socket(self, origin: str = SHOP) -> ClientWebSocketResponse[bool]:
        ws = await self.client.ws_connect("/widget/v1/live", headers={"Origin": origin})
        self.sockets.append(ws)
        return ws

    async def answer(self, thread: str, text: str, **more: Any) -> str:
        """Answer a conversation as the agent Li."""
        now, message_id = self.deps.clock.now(), new_id()

        def unit(tx: Any) -> str:
            row = conversations.conversation(tx, thread)
            assert row is not None
            author = Author("agent", AGENT, "Li")
            reply = Reply(new_id(), text, **more)
            return write_reply(tx, self.deps, row, author, reply, message_id, now)

        return await self.deps.db.run(unit)

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        from sqlalchemy import text

        return await self.deps.db.read(lambda tx: tx.run(stmt(text(sql))))

    async def until(self, sql: str, wanted: list[tuple[Any, ...]]) -> None:
        """Wait until a query gives what is wanted."""
        found: list[tuple[Any, ...]] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while (found := await self.rows(sql)) != wanted:
                    await asyncio.sleep(0.02)
        assert found == wanted

    async def mark_read(self, thread: str, number: int) -> None:
        """Have the agent read a conversation."""

        def unit(tx: Any) -> None:
            insert_row(tx, ReadMark, agent_id=AGENT, conversation_id=thread, number=number)

        await self.deps.db.run(unit)
        self.deps.wake.notify("read_marks")


async def reload(deps: Deps, channels: LiveChannels) -> None:
    assert channels.replace(await channel_rows.load_channels(deps)) == {}


def _config(origin: str, **more: Any) -> ChannelChange:
    config = {"allowed_origins": [origin], "title": "Help", **more}
    return ChannelChange("chat", orjson.dumps(config))


@pytest.fixture
async def world(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[World]:
    shutil.copy(sqlite_template, tmp_path / "hub.db")
    kind = manifest("webchat")
    async with contextlib.AsyncExitStack() as stack:
        db = await open_database(f"sqlite:///{tmp_path}/hub.db")
        stack.push_async_callback(db.close)
        deps = Deps(
            db=db, clock=SystemClock(), files=open_files(str(tmp_path / "files")),
            keyring=Keyring([secrets.token_bytes(32)]), public_url=PUBLIC_URL,
            kinds={"webchat": KindFacts("webchat", "webchat", "web", kind.capabilities)},
            router=NoRouter(), wake=open_wake(None), organisation=Organisation(),
            max_upload_bytes=2_000_000,
        )  # fmt: skip
        channels = LiveChannels({"webchat": kind}, lambda config: None, lambda id: b"k" * 32, "")  # type: ignore[arg-type,return-value]
        shop = await channel_rows.add_channel(
            deps, "webchat", _config(SHOP, identity_secret=SECRET), actor="test"
        )
        bank = await channel_rows.add_channel(deps, "webchat", _config(BANK), actor="test")
        await db.run(_add_agent)
        await reload(deps, channels)
        spool = await open_spool(tmp_path / "spool", deps.keyring)
        stack.push_async_callback(spool.close)
        follower = Follower(db, wake=deps.wake, clock=deps.clock)
        await follower.start()
        stack.push_async_callback(follower.close)
        stop = asyncio.Event()
        sender = asyncio.create_task(Sender(deps, channels, "test").run(stop))
        stack.push_async_callback(_ended, stop, sender)
        parts = Parts(deps, Ingress(deps, channels, spool, Silent()), channels, AlwaysReady(),
                      follower)  # fmt: skip
        app = make_application(parts, (), (add_widget,))
        client: TestClient[Any, Any] = TestClient(TestServer(app), cookie_jar=CookieJar())
        await client.start_server()
        stack.push_async_callback(client.close)
        made = World(deps, channels, client, shop, bank)
        yield made
        for ws in made.sockets:
            await ws.close()


async def _ended(stop: asyncio.Event, task: asyncio.Task[None]) -> None:
    stop.set()
    await task


def _add_agent(tx: Any) -> None:
    unit = new_id()
    insert_row(tx, OrgUnit, id=unit, name="All", path=unit)
    insert_row(tx, Agent, id=AGENT, email="li@example.com", name="Li Wei", display_name="Li",
               unit_id=unit, created_at=1)  # fmt: skip


__all__ = ["Browser", "ClientSession", "World", "reload", "world"]
