"""A hub with people, queues and customers who write, over real HTTP and WebSockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import ClientWebSocketResponse, DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import text

from hub.api import live, looks
from hub.api.application import Parts, make_application
from hub.app.rooms import ROOMS
from hub.model.address import Address, Assurance, IdentityKind
from hub.model.channel import InboundMessage, Intake, RawRequest
from hub.model.clock import to_micros
from hub.model.content import Content
from hub.model.events import EventKind, new_event
from hub.model.ids import AgentId, ConversationId, QueueId, new_id
from hub.model.router_commands import Command, Outcome, OutcomeCode
from hub.services.access import fingerprint
from hub.services.channels import ChannelChange, add_channel
from hub.services.deps import ChannelInfo, Deps
from hub.services.receive import Arrival, receive
from hub.store.files import new_key
from hub.store.queries import conversations as talks
from hub.store.queries.rows import dump, insert_row
from hub.store.statement import stmt
from hub.store.tables import (
    Agent,
    AgentSession,
    Attachment,
    Membership,
    Offer,
    OrgUnit,
    Queue,
)
from tests.services.conftest import KINDS

PUBLIC_URL = "http://127.0.0.1:8080"


@dataclass
class RecordingRouter:
    """Takes commands and says yes; the router has tests of its own."""

    commands: list[Command] = field(default_factory=list)
    answer: OutcomeCode = OutcomeCode.OK

    async def submit(self, command: Command) -> Outcome:
        self.commands.append(command)
        return Outcome(self.answer)


@dataclass
class Socket:
    """A live feed as a client sees it; checks the chain of numbers as it reads."""

    ws: ClientWebSocketResponse
    cursor: int
    seen: list[dict[str, Any]] = field(default_factory=list)
    hello: dict[str, Any] = field(default_factory=dict)

    async def read(self, timeout_s: float = 5.0) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            frame = json.loads(await self.ws.receive_str())
        if frame["type"] == "hello":
            self.hello = frame
        elif frame["type"] == "reset":
            self.cursor = frame["cursor"]
        elif "seq" in frame:
            assert frame["prev"] == self.cursor, (frame["prev"], self.cursor, frame["type"])
            assert frame["seq"] > self.cursor or frame["type"] == "cursor"
            self.cursor = frame["seq"]
            self.seen.append(frame)
        return frame

    async def until(self, type_: str, **data: Any) -> dict[str, Any]:
        """Read on to a frame of a type whose data has these values."""
        while True:
            frame = await self.read()
            if frame["type"] != type_:
                continue
            inner = frame.get("data") or frame
            if all(inner.get(key) == value for key, value in data.items()):
                return frame

    async def until_shown(self, conversation_id: str) -> dict[str, Any]:
        """Read on to the first frame that shows a conversation's head; return the head."""
        while True:
            frame = await self.read()
            whole = frame["type"].startswith("conversation.")
            head = frame.get("data") if whole else frame.get("conversation")
            if head and head.get("id") == conversation_id and "state" in head:
                return head

    async def closed(self) -> int:
        """Read to the end; the close code."""
        async with asyncio.timeout(10):
            async for _ in self.ws:
                pass
        return self.ws.close_code or 0


@dataclass
class Person:
    """Somebody with a session."""

    town: "Town"
    agent_id: str
    session_id: str
    token: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Cookie": f"hub_session={self.token}",
            "X-CSRF-Token": self.csrf,
            "Origin": PUBLIC_URL,
        }

    async def call(self, method: str, path: str, body: Any = None, **more: str) -> Any:
        headers = {**self.headers, **{key.replace("_", "-"): value for key, value in more.items()}}
        url = f"/api/v1{path}"
        return await self.town.client.request(method, url, json=body, headers=headers)

    async def ok(self, method: str, path: str, body: Any = None, **more: str) -> Any:
        answer = await self.call(method, path, body, **more)
        body_text = await answer.text()
        assert answer.status < 300, f"{method} {path}: {answer.status} {body_text}"
        return json.loads(body_text) if body_text else None

    async def code(self, method: str, path: str, body: Any = None, **more: str) -> Any:
        """Return (status, code) of an answer."""
        answer = await self.call(method, path, body, **more)
        return answer.status, (await answer.json()).get("code")

    @asynccontextmanager
    async def live(self, after: int | None = None, **options: Any) -> AsyncIterator[Socket]:
        query = "" if after is None else f"?after={after}"
        url = f"/api/v1/live{query}"
        async with self.town.client.ws_connect(url, headers=self.headers, **options) as ws:
            socket = Socket(ws, after or 0)
            await socket.read()
            if after is None:
                socket.cursor = socket.hello["head"]
            yield socket


@dataclass
class Town:
    """Everything: deps, a server, two queues (the second restricted in `units[1]`)."""

    deps: Deps
    client: TestClient[Any, Any]
    router: RecordingRouter
    app: Any
    units: list[str]
    queues: list[str]
    channels: dict[str, ChannelInfo]

    async def person(
        self, name: str, *roles: str, queues: Sequence[int] = (0,), unit: int = 0
    ) -> Person:
        agent_id, session_id, token, csrf = new_id(), new_id(), new_id(), new_id()
        now = self.deps.clock.now()

        def unit_(tx: Any) -> None:
            insert_row(
                tx, Agent, id=agent_id, email=f"{name}-{agent_id}@example.com", name=name,
                roles=dump(list(roles or ("agent",))), unit_id=self.units[unit],
                created_at=to_micros(now),
            )  # fmt: skip
            insert_row(
                tx, AgentSession, id=session_id, agent_id=agent_id, token_hash=fingerprint(token),
                csrf=csrf, created_at=to_micros(now), seen_at=to_micros(now),
                expires_at=to_micros(now + timedelta(hours=1)),
            )  # fmt: skip
            for index in queues:
                insert_row(tx, Membership, agent_id=agent_id, queue_id=self.queues[index])

        await self.deps.db.run(unit_)
        return Person(self, agent_id, session_id, token, csrf)

    async def write(
        self, said: str = "hello", sender: str = "+8613800138000", kind: str = "twilio_sms"
    ) -> str:
        """Have a customer write; return the conversation's id."""
        deps = self.deps
        mail = kind == "email"
        address = Address(IdentityKind.EMAIL if mail else IdentityKind.PHONE, sender)
        content = Content(text=said, subject="Refund" if mail else None)
        assurance = Assurance.VERIFIED if mail else Assurance.NETWORK
        message = InboundMessage(new_id(), address, content, deps.clock.now(), assurance=assurance)
        request = RawRequest("POST", "http://hub/in/x", "/in/x", "", {}, b"", deps.clock.now())
        arrival = Arrival(self.channels[kind], request, Intake((message,)), new_id())
        await receive(deps, arrival)
        return await self.last_conversation()

    async def last_conversation(self) -> str:
        row = await self.one(
            "SELECT conversation_id FROM message ORDER BY recorded_at DESC, id DESC LIMIT 1"
        )
        return str(row[0])

    async def one(self, sql: str, **params: Any) -> Any:
        statement = stmt(text(sql))
        return await self.deps.db.read(lambda tx: tx.one(statement, params))

    async def run(self, sql: str, **params: Any) -> None:
        statement = stmt(text(sql))
        await self.deps.db.run(lambda tx: tx.run(statement, params))

    async def offer(self, conversation_id: str, to: "Person") -> str:
        """Offer a conversation's item, as the router would."""
        row = await self.one("SELECT item_id FROM conversation WHERE id = :i", i=conversation_id)
        offer_id, now = new_id(), to_micros(self.deps.clock.now())

        def unit(tx: Any) -> None:
            insert_row(
                tx, Offer, id=offer_id, item_id=row[0], agent_id=to.agent_id, state="offered",
                mode="single", created_at=now, expires_at=now + 60_000_000,
            )  # fmt: skip

        await self.deps.db.run(unit)
        return offer_id

    async def image(self, message_id: str, content_id: str, data: bytes) -> str:
        """Put a stored picture on a message."""
        key, id_ = new_key(), new_id()
        await self.deps.files.put(key, data)

        def unit(tx: Any) -> None:
            insert_row(
                tx, Attachment, id=id_, message_id=message_id, kind="image", filename="a.png",
                content_type="image/png", size_bytes=len(data), storage_key=key, state="stored",
                content_id=content_id, created_at=1,
            )  # fmt: skip

        await self.deps.db.run(unit)
        return id_

    async def hold(
        self, conversation_id: str, queue: int | None = 0, handler: Person | None = None
    ) -> None:
        """Put a conversation into a queue and a person's hands, as the router's copies would."""
        queue_id = None if queue is None else self.queues[queue]

        def unit(tx: Any) -> None:
            row = talks.conversation(tx, conversation_id)
            assert row is not None
            tx.execute(
                talks.HOLD,
                {
                    "conversation_id": conversation_id, "new_queue": queue_id,
                    "new_handler": handler.agent_id if handler else None,
                    "new_item": row["item_id"], "new_due": None,
                },
            )  # fmt: skip
            tx.append(
                [
                    new_event(
                        EventKind.ITEM_QUEUED, self.deps.clock.now(),
                        conversation=ConversationId(conversation_id), item=row["item_id"],
                        queue=QueueId(queue_id) if queue_id else None,
                        data={"from": row["queue_id"]},
                    )
                ]
            )  # fmt: skip

        await self.deps.db.run(unit)

    async def access(self, who: Person, **columns: Any) -> None:
        """Change an agent's row and say so in the log, as the administration does."""
        sets = ", ".join(f"{name} = :{name}" for name in columns)
        change = stmt(text(f"UPDATE agent SET {sets} WHERE id = :id"))

        def unit(tx: Any) -> None:
            if columns:
                tx.execute(change, {**columns, "id": who.agent_id})
            tx.append(
                [
                    new_event(
                        EventKind.ACCESS_CHANGED, self.deps.clock.now(),
                        agent=AgentId(who.agent_id), data={"fields": list(columns)},
                    )
                ]
            )  # fmt: skip

        await self.deps.db.run(unit)


async def build_town(house: Any, more: Sequence[Any] = ()) -> Town:
    """Serve a hub with two units, two queues and three channels; `more` are further routes."""
    deps: Deps = house.deps
    deps.kinds = KINDS
    router = deps.router = RecordingRouter()
    units, queues = [new_id(), new_id()], [new_id(), new_id()]

    def unit(tx: Any) -> None:
        for index in (0, 1):
            insert_row(tx, OrgUnit, id=units[index], name=f"u{index}", path=units[index])
            insert_row(
                tx, Queue, id=queues[index], name=f"q{index}", unit_id=units[index],
                restricted=bool(index),
            )  # fmt: skip

    await deps.db.run(unit)
    channels = {}
    for kind in KINDS:
        id_ = await add_channel(deps, kind, ChannelChange(kind, b"{}"), actor="test")
        channels[kind] = ChannelInfo(id_, kind, kind)
    parts = Parts(deps, house.ingress, house.channels, house.health, house.follower)
    app = make_application(parts, [*ROOMS, *more], [live.add_live, looks.add_trail])
    client: TestClient[Any, Any] = TestClient(TestServer(app), cookie_jar=DummyCookieJar())
    await client.start_server()
    house.clients.append(client)
    return Town(deps, client, router, app, units, queues, channels)
