"""`GET /api/v1/live?after=N`: the live feed over a WebSocket.

Frames to the client are what `services.live` gives, and `typing`, `viewers`, `pong` and `error`
without a number. The client may send `{type: viewing, conversation_id | null}`, `{type: typing,
conversation_id}` and `{type: ping}`. Close codes: 1001 the server goes, 1003 not text, 1008 too
much or too wrong, 1009 too large, 1013 too slow (come back with the last cursor), 4401 signed out,
4403 access changed (come back).
"""

import asyncio
import contextlib
from collections.abc import Awaitable
from time import monotonic
from typing import Annotated, Any, Literal

import orjson
import structlog
from aiohttp import WSMessage, WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hub.api.context import identify
from hub.api.http import Id
from hub.api.keys import DEPS, FOLLOWER, ORIGINS, SOCKETS
from hub.model.errors import BadInput, HubError, NotAuthenticated
from hub.model.ids import AgentId
from hub.model.router_commands import Presence, PresenceMove
from hub.model.visibility import STAFF, Viewer
from hub.services import offers
from hub.services.access import Login, fingerprint
from hub.services.company import Company
from hub.services.deps import Deps
from hub.services.feed import Feed, Ticket
from hub.services.live import LiveHub
from hub.services.reading import author_of

log = structlog.get_logger(__name__)

LIVE = web.AppKey("live", LiveHub)
COMPANY = web.AppKey("company", Company)
PATH = "/api/v1/live"
FRAME_BYTES = 65_536
PING_S = 15.0
SILENT_S = 40.0
BEAT_S = 10.0
_CLOSE_S = 2.0
_ABORT_S = 30.0
_SEND_S = 30.0
_WRONG = 20
_BURST, _PER_S = 40.0, 10.0


class Heartbeats:
    """Tells the router that an agent's sockets answer: once in `BEAT_S` however many there are."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._last: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def beat(self, agent_id: str) -> None:
        """Pass a sign of life on, unless one was passed on just now; never blocks."""
        now = monotonic()
        if now - self._last.get(agent_id, -BEAT_S) < BEAT_S:
            return
        self._last[agent_id] = now
        self._spawn(self._deps.router.submit(Presence(AgentId(agent_id), PresenceMove.HEARTBEAT)))

    def opened(self, viewer: Viewer, conversation_id: str) -> None:
        """Pass on that somebody looks at a conversation, which may be work they were given."""
        self._spawn(offers.opened(self._deps, viewer, conversation_id))

    async def close(self) -> None:
        """Drop what is on its way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, order: Awaitable[object]) -> None:
        task = asyncio.create_task(self._send(order), name="live-order")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, order: Awaitable[object]) -> None:
        try:
            await order
        except HubError as error:
            log.debug("live.order_late", code=error.code)
        except Exception:
            log.exception("live.order_failed")


BEATS = web.AppKey("beats", Heartbeats)


def add_live(app: web.Application) -> None:
    """Add the route, and the hub's start and end with the application's; needs the follower."""
    hub = app[LIVE] = LiveHub(app[DEPS], app[FOLLOWER])
    app[COMPANY] = Company(hub)
    app[BEATS] = Heartbeats(app[DEPS])
    app.router.add_get(PATH, live)
    app.on_startup.append(_start)
    app.on_shutdown.append(_stop)


async def _start(app: web.Application) -> None:
    await app[LIVE].start()


async def _stop(app: web.Application) -> None:
    await app[LIVE].close()
    await app[BEATS].close()


class Viewing(BaseModel):
    """The client shows a conversation, or none."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: Literal["viewing"]
    conversation_id: Id | None


class Typing(BaseModel):
    """The person types in a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: Literal["typing"]
    conversation_id: Id


class Ping(BaseModel):
    """Asks for a `pong`; protocol pings of the server do the real work."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: Literal["ping"]


_FRAME: TypeAdapter[Viewing | Typing | Ping] = TypeAdapter(
    Annotated[Viewing | Typing | Ping, Field(discriminator="type")]
)
_END = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})


async def live(request: web.Request) -> web.StreamResponse:
    """Admit a socket and serve it until either side goes.

    Raises:
        NotAuthenticated, NotAllowed: nobody, or a page of another site.
        BadInput: `after_invalid`, `websocket_expected`.
        TooMany: this person has too many sockets.
    """
    request.config_dict[ORIGINS].require(request)
    login = await identify(request)
    if login is None:
        raise NotAuthenticated
    after = _after(request)
    ws = web.WebSocketResponse(
        autoping=False, compress=False, max_msg_size=FRAME_BYTES, timeout=_CLOSE_S
    )
    if not ws.can_prepare(request).ok:
        raise BadInput("websocket_expected")
    hub = request.config_dict[LIVE]
    name = (await author_of(request.config_dict[DEPS], login.viewer)).name
    feed = hub.open(_ticket(request, login), login.viewer, after, name)
    sockets = request.config_dict[SOCKETS]
    try:
        await ws.prepare(request)
        sockets.add(ws)
        await _Socket(request, ws, feed).serve()
    finally:
        sockets.discard(ws)
        hub.leave(feed)
    return ws


def _after(request: web.Request) -> int | None:
    text = request.query.get("after")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadInput("after_invalid")
    return int(text)


def _ticket(request: web.Request, login: Login) -> Ticket:
    who = login.viewer.agent_id
    if login.session_id is not None:
        return Ticket(who, session_id=login.session_id)
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    return Ticket(who, token_hash=fingerprint(token))


class _Socket:
    """One open WebSocket: writes its feed, reads the client, pings."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse, feed: Feed) -> None:
        self._app = request.config_dict
        self._transport = request.transport
        self._ws = ws
        self._feed = feed
        self._heard = monotonic()
        self._wrong = 0
        self._allowed = _BURST
        self._counted = monotonic()

    async def serve(self) -> None:
        """Run until the socket is closed by whomever."""
        tasks = [
            asyncio.create_task(self._write(), name="live-write"),
            asyncio.create_task(self._ping(), name="live-ping"),
            asyncio.create_task(self._close_when_over(), name="live-end"),
        ]
        self._beat()
        try:
            while (message := await self._ws.receive()).type not in _END:
                await self._take(message)
        finally:
            # Nothing is awaited first: a handler whose client is gone may be cancelled right here.
            self._feed.end(1000, "gone")
            self._app[COMPANY].leave(self._feed)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self) -> None:
        try:
            async for frame in self._feed.frames():
                async with asyncio.timeout(_SEND_S):
                    await self._ws.send_frame(frame, WSMsgType.TEXT)
        except TimeoutError:
            self._feed.end(1013, "too_slow")
        except ConnectionError:
            self._feed.end(1000, "gone")
        except HubError as error:
            log.warning("live.feed_failed", code=error.code)
            self._feed.end(1013, "try_again")
        except Exception:
            log.exception("live.feed_crashed")
            self._feed.end(1011, "internal_error")

    async def _close_when_over(self) -> None:
        await self._feed.ended.wait()
        code, reason = self._feed.over or (1000, "")
        # The close frame goes behind what waits; who does not read it for long is cut off.
        if self._transport is not None:
            transport = self._transport
            asyncio.get_running_loop().call_later(_ABORT_S, transport.abort)
        with contextlib.suppress(ConnectionError):
            await self._ws.close(code=code, message=reason.encode(), drain=False)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            if monotonic() - self._heard > SILENT_S:
                self._feed.end(1001, "silent")
                return
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(PING_S):
                    await self._ws.ping()

    async def _take(self, message: WSMessage) -> None:
        self._heard = monotonic()
        match message.type:
            case WSMsgType.PONG:
                self._beat()
            case WSMsgType.PING:
                await self._ws.pong(message.data)
            case WSMsgType.TEXT:
                await self._read(message.data)
            case _:
                self._feed.end(1003, "text_expected")

    async def _read(self, text: str) -> None:
        if not self._within_rate():
            self._feed.end(1008, "too_many_frames")
            return
        try:
            frame = _FRAME.validate_json(text)
        except ValidationError:
            await self._refuse()
            return
        try:
            match frame:
                case Viewing():
                    seen = await self._app[COMPANY].view(self._feed, frame.conversation_id)
                    if seen and frame.conversation_id and self._works():
                        self._app[BEATS].opened(self._feed.viewer, frame.conversation_id)
                case Typing():
                    seen = await self._app[COMPANY].typing(self._feed, frame.conversation_id)
                case Ping():
                    seen = True
                    await self._say({"type": "pong"})
        except HubError as error:
            await self._say({"type": "error", "code": error.code})
            return
        if not seen:
            await self._say({"type": "error", "code": "not_found"})

    async def _refuse(self) -> None:
        self._wrong += 1
        if self._wrong >= _WRONG:
            self._feed.end(1008, "frames_invalid")
        else:
            await self._say({"type": "error", "code": "frame_invalid"})

    async def _say(self, value: dict[str, Any]) -> None:
        if self._feed.joined:
            self._feed.push(orjson.dumps(value))

    def _within_rate(self) -> bool:
        now = monotonic()
        self._allowed = min(_BURST, self._allowed + (now - self._counted) * _PER_S) - 1
        self._counted = now
        return self._allowed >= 0

    def _beat(self) -> None:
        if self._works():
            self._app[BEATS].beat(self._feed.ticket.agent_id)

    def _works(self) -> bool:
        return bool(self._feed.viewer.roles & STAFF) and self._feed.ticket.session_id is not None
