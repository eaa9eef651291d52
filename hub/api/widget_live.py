"""The visitors' WebSocket: one frame to say who it is, then talk in both directions."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any

import structlog
from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from hub.api.bodies import parse_json
from hub.api.http import Id, checked
from hub.api.keys import DEPS, SOCKETS
from hub.api.widget_access import Visit, limit, origin_known, room_of, visit_of
from hub.api.widget_feed import FEED, Seat, WidgetFeed
from hub.api.widget_say import Saying, hold, look, say
from hub.api.widget_show import changes_since
from hub.model.errors import (
    BadInput,
    HubError,
    NotAllowed,
    NotAuthenticated,
    StoreUnavailable,
    TooMany,
)
from hub.services import widget_talk
from hub.services.signals import VisitorEnded, VisitorPage, VisitorTyping
from hub.services.widget import note_page

log = structlog.get_logger(__name__)

MAX_FRAME_BYTES = 64_000
AUTH_S = 10.0
PING_S = 25.0
WRITE_S = 15.0
HALF_OPEN_PER_ADDRESS = 50
HALF_OPEN_IN_ALL = 2_000
SOCKETS_PER_VISITOR = 10
BAD_FRAMES = 20

Socket = web.WebSocketResponse[bool]


class _Frame(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Auth(_Frame):
    """The first frame."""

    token: Annotated[str, Field(max_length=200)]
    after: Annotated[int, Field(ge=0)] | None = None


class Typing(_Frame):
    """The visitor types, or stopped."""

    on: bool = True


class Marked(_Frame):
    """Messages a browser holds."""

    ids: Annotated[tuple[str, ...], Field(max_length=200)]


class Looked(_Frame):
    """Up to which message the visitor has looked."""

    id: Id


class OnPage(_Frame):
    """Where the visitor is."""

    url: Annotated[str, Field(max_length=4_000)]
    title: Annotated[str, Field(max_length=300)] = ""


_AUTH = TypeAdapter(Auth)
_SAYING = TypeAdapter(Saying)
_TYPING = TypeAdapter(Typing)
_MARKED = TypeAdapter(Marked)
_LOOKED = TypeAdapter(Looked)
_PAGE = TypeAdapter(OnPage)


class Refused(Exception):
    """The socket is to be closed with this code before it was let in."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


async def live(request: web.Request) -> Socket:
    """Serve one socket until it ends.

    Raises:
        NotAllowed: `origin_refused`, before the upgrade; browsers always send an Origin.
        TooMany: too many sockets that have not said who they are.
    """
    if origin_known(request) is None:
        raise NotAllowed("origin_refused")
    feed = request.config_dict[FEED]
    ws: Socket = web.WebSocketResponse(
        heartbeat=PING_S, max_msg_size=MAX_FRAME_BYTES, compress=False, timeout=5.0
    )
    sockets = request.config_dict[SOCKETS]
    try:
        visit, after = await _let_in(request, ws, feed)
        await _serve(request, ws, visit, after)
    except Refused as refused:
        await ws.close(code=refused.code)
    finally:
        sockets.discard(ws)
    return ws


async def _let_in(request: web.Request, ws: Socket, feed: WidgetFeed) -> tuple[Visit, int | None]:
    """Upgrade and wait for the first frame; few sockets of one address may do so at a time."""
    waiting, address = feed.half_open, request.remote or ""
    most = HALF_OPEN_PER_ADDRESS * room_of(request)
    if waiting.get(address, 0) >= most or sum(waiting.values()) >= HALF_OPEN_IN_ALL:
        raise TooMany("too_many_sockets", retry_after_s=AUTH_S)
    waiting[address] += 1
    try:
        await ws.prepare(request)
        request.config_dict[SOCKETS].add(ws)
        try:
            async with asyncio.timeout(AUTH_S):
                message = await ws.receive()
        except TimeoutError:
            raise Refused(4408) from None
        return await _authenticate(request, message.type, message.data)
    finally:
        waiting[address] -= 1
        if not waiting[address]:
            del waiting[address]


async def _authenticate(
    request: web.Request, kind: WSMsgType, data: object
) -> tuple[Visit, int | None]:
    if kind is not WSMsgType.TEXT or not isinstance(data, str):
        raise Refused(4400)
    try:
        document = parse_json(data.encode())
        if not isinstance(document, dict) or document.get("type") != "auth":
            raise Refused(4400)
        auth: Auth = checked(_AUTH, document, "body")
        visit = await visit_of(request, auth.token)
    except BadInput:
        raise Refused(4400) from None
    except NotAuthenticated:
        raise Refused(4401) from None
    except NotAllowed:
        raise Refused(4403) from None
    except StoreUnavailable:
        raise Refused(1013) from None
    if request.config_dict[FEED].sockets_of(visit.session) >= SOCKETS_PER_VISITOR:
        raise Refused(1013)
    return visit, auth.after


async def _serve(request: web.Request, ws: Socket, visit: Visit, after: int | None) -> None:
    feed = request.config_dict[FEED]
    seat = feed.take_seat(visit.session)
    writer = asyncio.create_task(_write(ws, seat), name="widget-writer")
    try:
        await _catch_up(request, visit, seat, after)
        await Talk(request, ws, visit, seat).run()
    except StoreUnavailable:
        seat.end(1013)
    finally:
        feed.leave(seat)
        seat.end(1000)
        try:
            async with asyncio.timeout(WRITE_S):
                await writer
        except TimeoutError:
            writer.cancel()


async def _catch_up(request: web.Request, visit: Visit, seat: Seat, after: int | None) -> None:
    """Say hello and tell what changed; live frames wait until that is out."""
    feed, deps, session = request.config_dict[FEED], request.config_dict[DEPS], visit.session
    standing = await widget_talk.standing(deps, session)
    feed.join(seat, standing.threads)
    seat.seen.update(standing.seen)
    seat.push_now(feed.hello(session, standing))
    while after is not None:
        found = await changes_since(request, session, after)
        if found["reset"]:
            seat.push_now({"type": "reset", **{k: found[k] for k in _RESET}})
            break
        for message in found["messages"]:
            seat.push_now({"type": "message", "cursor": after, "message": message})
        after = found["cursor"]
        if not found["more"]:
            seat.push_now({"type": "caught_up", "cursor": after})
            break
    seat.live()


_RESET = ("messages", "before", "cursor")


async def _write(ws: Socket, seat: Seat) -> None:
    """Write what is queued; whoever does not read for 15 s is closed."""
    with suppress(ConnectionError, RuntimeError):
        while (raw := await seat.queue.get()) is not None:
            try:
                async with asyncio.timeout(WRITE_S):
                    await ws.send_str(raw.decode())
            except TimeoutError:
                seat.close_code = 1013
                break
    code = seat.close_code or 1000
    with suppress(ConnectionError, RuntimeError, TimeoutError):
        async with asyncio.timeout(WRITE_S):
            await ws.close(code=code)


class Talk:
    """The visitor's side of one socket: frames in, each answered or passed on."""

    def __init__(self, request: web.Request, ws: Socket, visit: Visit, seat: Seat) -> None:
        self._request = request
        self._ws = ws
        self._visit = visit
        self._seat = seat
        self._deps = request.config_dict[DEPS]
        self._feed = request.config_dict[FEED]
        self._bad = 0
        self._handlers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "message": self._message,
            "typing": self._typing,
            "delivered": self._delivered,
            "read": self._read,
            "page": self._page,
            "end": self._end,
            "ping": self._ping,
        }

    async def run(self) -> None:
        """Read until the socket ends or talks nonsense."""
        async for message in self._ws:
            if message.type is not WSMsgType.TEXT:
                self._nonsense("frame_not_text")
            else:
                await self._take(message.data)
            if self._bad >= BAD_FRAMES:
                self._seat.end(4400)
                return

    async def _take(self, data: str) -> None:
        document: Any = None
        try:
            document = parse_json(data.encode("utf-8", "surrogatepass"))
            kind = document.get("type") if isinstance(document, dict) else None
            handler = self._handlers.get(kind) if isinstance(kind, str) else None
            if handler is None:
                self._nonsense("frame_unknown", type=kind[:40] if isinstance(kind, str) else "")
                return
            await handler(document)
        except TooMany as error:
            self._error(error, document)
        except BadInput as error:
            self._bad += 1
            self._error(error, document)
        except HubError as error:
            self._error(error, document)
        except Exception:
            log.exception("widget.frame_crashed")
            self._error(HubError("internal_error"), document)

    def _nonsense(self, code: str, **params: str) -> None:
        self._bad += 1
        self._seat.push({"type": "error", "code": code, "params": params})

    def _error(self, error: HubError, document: object) -> None:
        code = "unavailable" if isinstance(error, StoreUnavailable) else error.code
        frame: dict[str, Any] = {"type": "error", "code": code, "params": error.params}
        client_id = document.get("client_id") if isinstance(document, dict) else None
        if isinstance(client_id, str):
            frame["client_id"] = client_id[:36]
        self._seat.push(frame)

    async def _message(self, document: dict[str, Any]) -> None:
        saying: Saying = checked(_SAYING, document, "body")
        said = await say(self._request, self._visit, saying)
        if said.message is not None:
            self._feed.join(self._seat, (said.message.thread,))
        self._seat.push({"type": "ack", **said.wire()})

    async def _typing(self, document: dict[str, Any]) -> None:
        typing: Typing = checked(_TYPING, document, "body")
        await self._limit("typing", rate_per_s=1.0, burst=5)
        for thread in self._threads():
            self._deps.signals.publish(VisitorTyping(thread, typing.on))

    async def _delivered(self, document: dict[str, Any]) -> None:
        marked: Marked = checked(_MARKED, document, "body")
        await hold(self._request, self._visit, marked.ids)

    async def _read(self, document: dict[str, Any]) -> None:
        looked: Looked = checked(_LOOKED, document, "body")
        await look(self._request, self._visit, looked.id)

    async def _page(self, document: dict[str, Any]) -> None:
        page: OnPage = checked(_PAGE, document, "body")
        await self._limit("page", rate_per_s=0.2, burst=10)
        await note_page(self._deps, self._visit.session, page.url)
        for thread in self._threads():
            self._deps.signals.publish(VisitorPage(thread, page.url, page.title))

    async def _end(self, document: dict[str, Any]) -> None:
        await self._limit("end", rate_per_s=0.1, burst=3)
        for thread in self._threads():
            self._deps.signals.publish(VisitorEnded(thread))
        self._feed.to_visitor(self._visit.session, {"type": "ended", "by": "visitor"})

    async def _ping(self, document: dict[str, Any]) -> None:
        self._seat.push({"type": "pong"})

    def _threads(self) -> tuple[str, ...]:
        """Return the newest conversation: ids grow with time."""
        return (max(self._seat.threads),) if self._seat.threads else ()

    async def _limit(self, what: str, *, rate_per_s: float, burst: float) -> None:
        key = f"{what}:{self._visit.session.visitor_id}"
        await limit(self._request, key, rate_per_s=rate_per_s, burst=burst)
