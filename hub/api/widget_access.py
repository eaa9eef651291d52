"""Who may use the widget's API: origins, CORS without credentials, tokens, rates."""

from dataclasses import dataclass
from ipaddress import ip_address

from aiohttp import web

from hub.api.keys import CHANNELS, DEPS, ORIGINS
from hub.ingress.live_channels import Live
from hub.model.errors import NotAllowed, NotAuthenticated, NotFound, TooMany
from hub.model.ids import is_id
from hub.model.widget import HasWidget
from hub.services.widget import Session, session_of

PREFIX = "/widget/v1/"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "authorization, content-type",
    "Access-Control-Max-Age": "600",
}
BEHIND_A_PROXY = 50
_EXPOSED = "Retry-After, X-Request-Id, Content-Disposition"


@dataclass(frozen=True, slots=True)
class Desk:
    """A chat channel that works now."""

    live: Live
    widget: HasWidget


@dataclass(frozen=True, slots=True)
class Visit:
    """A request or socket of a known visitor on a channel whose page may embed the widget."""

    session: Session
    desk: Desk


def desk_of(request: web.Request, channel_id: str) -> Desk:
    """Return a chat channel.

    Raises:
        NotFound: `channel_not_found`: none of that id, of another kind, or paused.
    """
    live = request.config_dict[CHANNELS].get(channel_id) if is_id(channel_id) else None
    if live is None or live.info.state != "active" or not isinstance(live.channel, HasWidget):
        raise NotFound("channel_not_found")
    return Desk(live, live.channel)


def require_origin(request: web.Request, desk: Desk) -> None:
    """Refuse a page the channel does not list; our own pages always may.

    A browser leaves `Origin` out of a same-origin GET only, and says so in `Sec-Fetch-Site`.

    Raises:
        NotAllowed: `origin_refused`.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        request.config_dict[ORIGINS].require(request)
    elif not _allowed(request, origin, desk):
        raise NotAllowed("origin_refused")


def _allowed(request: web.Request, origin: str, desk: Desk) -> bool:
    return origin in desk.widget.policy.allowed_origins or request.config_dict[ORIGINS].is_ours(
        origin
    )


def origin_known(request: web.Request) -> str | None:
    """Return the request's Origin if any chat channel, or we ourselves, may be its page."""
    origin = request.headers.get("Origin")
    if origin is None:
        return None
    if request.config_dict[ORIGINS].is_ours(origin):
        return origin
    for live in request.config_dict[CHANNELS]:
        channel = live.channel
        if isinstance(channel, HasWidget) and origin in channel.policy.allowed_origins:
            return origin
    return None


def bearer(request: web.Request) -> str:
    """Return the token of the Authorization header, empty without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def visit_of(request: web.Request, token: str | None = None) -> Visit:
    """Return the visit of a request's (or first frame's) token.

    Raises:
        NotAuthenticated: `session_unknown`.
        NotFound: the session's channel is gone.
        NotAllowed: `origin_refused`.
    """
    session = await session_of(
        request.config_dict[DEPS], bearer(request) if token is None else token
    )
    try:
        desk = desk_of(request, session.channel_id)
    except NotFound:
        raise NotAuthenticated("session_unknown") from None
    require_origin(request, desk)
    return Visit(session, desk)


def room_of(request: web.Request) -> int:
    """Return how many visitors an address may stand for.

    Forwarding headers are anybody's to write and are not read. A peer on this machine or in a
    private network is taken for a proxy with many visitors behind it.
    """
    try:
        peer = ip_address(request.remote or "")
    except ValueError:
        return 1
    return BEHIND_A_PROXY if peer.is_private or peer.is_loopback else 1


async def limit(request: web.Request, key: str, *, rate_per_s: float, burst: float) -> None:
    """Take a token of a bucket.

    Raises:
        TooMany: with `retry_after_s`.
    """
    limiter = request.config_dict[DEPS].limiter
    wait_s = await limiter.take(f"widget:{key}", rate_per_s=rate_per_s, burst=burst)
    if wait_s > 0:
        raise TooMany(retry_after_s=round(wait_s, 2))


async def preflight(request: web.Request) -> web.Response:
    """Answer a browser that asks whether it may; the channel is judged by the request itself."""
    if origin_known(request) is None:
        raise NotAllowed("origin_refused")
    return web.Response(status=204, headers=_PREFLIGHT)


async def add_cors(request: web.Request, response: web.StreamResponse) -> None:
    """Let the page read the answer (`on_response_prepare`); never with credentials."""
    if not request.path.startswith(PREFIX):
        return
    response.headers.add("Vary", "Origin")
    response.headers.setdefault("Cache-Control", "no-store")
    origin = origin_known(request)
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
