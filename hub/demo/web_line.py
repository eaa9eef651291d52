"""A visitor's browser: the chat widget's protocol, as docs/widget-protocol.md has it."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import structlog
from joserfc import jwt
from joserfc.jwk import OctKey

from hub.demo.lines import Heard
from hub.demo.people import Person
from hub.demo.pictures import MadeFile
from hub.model.clock import to_micros, utc_now

log = structlog.get_logger(__name__)

ACK_TIMEOUT_S = 20.0
SIGNED_FOR = timedelta(hours=8)
PAGES = ("/plans", "/broadband", "/account/bill", "/help", "/coverage")


@dataclass(frozen=True, slots=True)
class Shop:
    """The website the widget stands on.

    Attributes:
        hub: base URL of the hub.
        origin: of the site's pages; the channel lists it.
        identity_secret: signs the site's logged-in users.
    """

    http: aiohttp.ClientSession
    hub: str
    channel_id: str
    origin: str
    identity_secret: str

    def signed(self, person: Person) -> str | None:
        """Return the site's word on a logged-in person; None for whoever is not."""
        if not person.account:
            return None
        claims: dict[str, Any] = {
            "sub": person.account,
            "exp": to_micros(utc_now() + SIGNED_FOR) // 1_000_000,
            "name": person.name,
            "level": person.level,
        }
        if person.email:
            claims |= {"email": person.email, "email_verified": True}
        if person.phone:
            claims |= {"phone": person.phone, "phone_verified": True}
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self.identity_secret))


class WebLine:
    """One open chat. Made by `open_chat`."""

    def __init__(self, shop: Shop, token: str, heard: Heard) -> None:
        self._shop, self._token, self._heard = shop, token, heard
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._unread = ""
        self._seen: set[str] = set()
        self._cursor = 0

    async def connect(self, cursor: int) -> None:
        """Open the socket and say who it belongs to."""
        self._cursor = cursor
        shop = self._shop
        url = f"{shop.hub.replace('http', 'ws', 1)}/widget/v1/live"
        self._socket = await shop.http.ws_connect(
            url, headers={"Origin": shop.origin}, heartbeat=30
        )
        await self._socket.send_json({"type": "auth", "token": self._token, "after": cursor})
        self._reader = asyncio.create_task(self._listen(self._socket))

    async def say(self, text: str) -> None:
        """Write a message and wait until the hub has it."""
        await self._message(text)

    async def send(self, file: MadeFile, text: str) -> None:
        """Upload a file and send it with a text."""
        form = aiohttp.FormData()
        form.add_field("file", file.data, filename=file.filename, content_type=file.content_type)
        url = f"{self._shop.hub}/widget/v1/files"
        headers = {"Authorization": f"Bearer {self._token}", "Origin": self._shop.origin}
        async with self._shop.http.post(url, data=form, headers=headers) as answer:
            answer.raise_for_status()
            made = await answer.json()
        await self._message(text, attachments=[made["id"]])

    async def correct(self, text: str) -> None:
        """Write it again with a star: the widget knows no edits."""
        await self._message(f"*{text}")

    async def types(self) -> None:
        """Show that the visitor types."""
        await self._frame({"type": "typing", "on": True})

    async def read(self) -> None:
        """Show that everything so far was seen."""
        if self._unread:
            await self._frame({"type": "read", "id": self._unread})
            self._unread = ""

    async def close(self) -> None:
        """Close the tab."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    async def _message(self, text: str, **more: Any) -> None:
        client_id = str(uuid4())
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[client_id] = acknowledged
        try:
            await self._frame({"type": "message", "client_id": client_id, "text": text, **more})
            async with asyncio.timeout(ACK_TIMEOUT_S):
                await acknowledged
        finally:
            self._waiting.pop(client_id, None)

    async def _frame(self, frame: dict[str, Any]) -> None:
        if self._socket is None or self._socket.closed:
            # The hub closed it (restart, long silence): a browser comes back with its cursor.
            if self._reader is not None:
                self._reader.cancel()
            await self.connect(self._cursor)
        assert self._socket is not None
        await self._socket.send_json(frame)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._take(json.loads(message.data))

    async def _take(self, frame: dict[str, Any]) -> None:
        cursor = frame.get("cursor")
        if isinstance(cursor, int):
            self._cursor = max(self._cursor, cursor)
        kind = frame.get("type")
        if kind in {"ack", "error"}:
            waiting = self._waiting.get(str(frame.get("client_id")))
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
            if kind == "error":
                log.info("demo.widget_refused", code=frame.get("code"))
        elif kind == "message":
            await self._received(frame["message"])

    async def _received(self, message: dict[str, Any]) -> None:
        """Note a message of the hub's and say that it is here; the visitor's own come back too."""
        if message["from"] not in {"agent", "bot"} or message["id"] in self._seen:
            return
        self._seen.add(message["id"])
        self._unread = message["id"]
        with contextlib.suppress(ConnectionError):
            await self._frame({"type": "delivered", "ids": [message["id"]]})
        self._heard(message["text"])


async def open_chat(shop: Shop, person: Person, page: str, heard: Heard) -> WebLine:
    """Open the page, begin a session and connect."""
    body: dict[str, Any] = {
        "channel_id": shop.channel_id,
        "language": person.language,
        "page": shop.origin + page,
        "identity": shop.signed(person),
    }
    if not person.account:
        body["prechat"] = {"name": person.name}
    headers = {"Origin": shop.origin}
    url = f"{shop.hub}/widget/v1/session"
    async with shop.http.post(url, json=body, headers=headers) as answer:
        answer.raise_for_status()
        session = await answer.json()
    line = WebLine(shop, session["token"], heard)
    await line.connect(int(session["cursor"]))
    return line
