"""An agent over the public API: logged in, on the live feed, working."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp

from hub.app.build import House
from hub.model.visibility import Role
from hub.services import people, sessions
from tests.e2e.stage import until
from tests.live_hub import LiveHub

PASSWORD = "correct horse battery 9"


async def hire(hub: LiveHub, name: str, *more: Role) -> str:
    """Write a person with a password into every queue while the hub does not run."""

    async def work(house: House) -> str:
        email = f"{name}@hub.test"
        fields = people.AgentFields(email, name.title(), roles=frozenset({Role.AGENT, *more}))
        agent_id = str((await people.create_agent(house.deps, fields, actor="test"))["id"])
        await people.join_first_queue(house.deps, agent_id)
        link = await sessions.make_link(house.deps, agent_id, sessions.SET_PASSWORD)
        secret = link.partition("#")[2]
        await sessions.use_password_link(house.deps, secret, PASSWORD, ip="127.0.0.1")
        return agent_id

    return await hub.offline(work)


class Desk:
    """One logged-in person; `frames` is everything the live feed said."""

    def __init__(self, hub: LiveHub, session: aiohttp.ClientSession, origin: str = "") -> None:
        self.hub = hub
        self._origin = origin or hub.url
        self._session = session
        self._csrf = ""
        self.agent_id = ""
        self.cursor: int | None = None
        self.frames: list[dict[str, Any]] = []
        self._reading = asyncio.Event()
        self._reading.set()
        self._reader: asyncio.Task[None] | None = None

    async def log_in(self, name: str) -> None:
        """Log in with the password."""
        told = await self.call(
            "POST", "/session", {"email": f"{name}@hub.test", "password": PASSWORD}
        )
        self._csrf, self.agent_id = told["csrf"], told["agent"]["id"]

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API; anything but success fails the test."""
        headers = {"Origin": self._origin, "X-CSRF-Token": self._csrf}
        async with self._session.request(
            method, f"{self.hub.url}/api/v1{path}", json=body, headers=headers
        ) as answer:
            text = await answer.text()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text}"
            return json.loads(text) if text else None

    async def watch(self) -> None:
        """Open the live feed where it was left, and read it in the background."""
        if self._reader is not None:
            await asyncio.wait({self._reader}, timeout=20)
        ready = asyncio.Event()
        self._reader = asyncio.create_task(self._read(ready))

        async def begun() -> bool:
            if self._reader is not None and self._reader.done():
                self._reader.result()
            return ready.is_set()

        await until(begun, "the feed says hello")

    async def _read(self, ready: asyncio.Event) -> None:
        after = "" if self.cursor is None else f"?after={self.cursor}"
        url = f"{self.hub.url.replace('http', 'ws', 1)}/api/v1/live{after}"
        async with self._session.ws_connect(url, headers={"Origin": self._origin}) as socket:
            async for message in socket:
                frame = json.loads(message.data)
                if frame["type"] == "hello":
                    self.cursor = frame["head"] if self.cursor is None else self.cursor
                    ready.set()
                elif frame["type"] == "reset":
                    self.cursor = frame["cursor"]
                elif "seq" in frame:
                    assert frame["prev"] == self.cursor, frame
                    self.cursor = frame["seq"]
                self.frames.append(frame)
                await self._reading.wait()

    def pause(self) -> None:
        """Stop reading the feed, as a browser whose tab sleeps."""
        self._reading.clear()

    def go_on(self) -> None:
        """Read again what is left in the old socket."""
        self._reading.set()

    async def hears(
        self, what: str, fits: Callable[[dict[str, Any]], object], timeout_s: float = 20.0
    ) -> dict[str, Any]:
        """Wait for a frame, among those that came already too."""

        async def look() -> dict[str, Any] | None:
            if self._reader is not None and self._reader.done():
                self._reader.result()
            return next((frame for frame in self.frames if fits(frame)), None)

        return await until(look, what, timeout_s)

    async def accept(self, conversation_id: str) -> None:
        """Wait for the offer of a conversation and take it.

        Work that is not live may have been accepted for the agent by their queue's settings.
        """

        def live(frame: dict[str, Any]) -> bool:
            data = frame.get("data") or {}
            return (
                frame["type"] == "offer.created"
                and data.get("conversation_id") == conversation_id
                and data.get("agent_id") == self.agent_id
            )

        offer = await self.hears("an offer", live)
        told = await self.call("POST", f"/offers/{offer['data']['id']}/accept", {})
        assert told["code"] in ("ok", "no_change"), told
        head = (await self.call("GET", f"/conversations/{conversation_id}"))["detail"]
        assert head["conversation"]["handler_agent_id"] == self.agent_id

    async def answer(self, conversation_id: str, text: str, **more: Any) -> dict[str, Any]:
        """Answer a conversation; return the message."""
        body = {"client_id": str(uuid4()), "text": text, **more}
        made = await self.call("POST", f"/conversations/{conversation_id}/messages", body)
        return dict(made)

    async def delivered(self, message: dict[str, Any], state: str) -> dict[str, Any]:
        """Wait until the live feed shows every part of a message in a state."""

        def fits(frame: dict[str, Any]) -> bool:
            data = frame.get("data") or {}
            if data.get("id") != message["id"] or not data.get("deliveries"):
                return False
            return all(part["state"] == state for part in data["deliveries"])

        return await self.hears(f"{message['text']!r} is {state}", fits, 30)

    async def close(self) -> None:
        """Leave the feed."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)


@asynccontextmanager
async def at_desk(hub: LiveHub, name: str, origin: str = "") -> AsyncIterator[Desk]:
    """Log a person in, open the feed and sign them in for work.

    Args:
        origin: of the public URL, where the process is not the one it names.
    """
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        desk = Desk(hub, session, origin)
        await desk.log_in(name)
        await desk.watch()
        try:
            await desk.call("POST", "/me/presence", {"move": "sign_in"})
            yield desk
        finally:
            await desk.close()
