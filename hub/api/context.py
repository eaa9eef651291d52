"""`Context`: what a handler is handed with its parsed arguments."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hub.api.keys import CURSORS, DEPS, FOLLOWER, IDENTIFY, ORIGINS
from hub.api.origin import Origins
from hub.api.paging import Cursors
from hub.api.problems import PreconditionMissing
from hub.model.errors import BadInput, NotAllowed, NotAuthenticated
from hub.model.visibility import Viewer
from hub.services.access import Login
from hub.services.deps import Deps

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "X-CSRF-Token"
_VERSION = re.compile(r'\A(?:W/)?"?(\d{1,15})"?\Z')


@dataclass(slots=True)
class Context:
    """One request: the use cases' dependencies, who asks, and headers for the answer.

    Attributes:
        login: None on public routes when nobody is logged in.
        headers: set on the answer.
        finish: called with the answer before it is sent (cookies).
        status: overrides the route's, when set.
    """

    request: web.Request
    login: Login | None = None
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    finish: Callable[[web.StreamResponse], None] | None = None

    @property
    def deps(self) -> Deps:
        """What use cases take."""
        return self.request.config_dict[DEPS]

    @property
    def viewer(self) -> Viewer:
        """Who asks, read from the store for this request.

        Raises:
            NotAuthenticated: nobody is logged in (only possible on public routes).
        """
        return self.who.viewer

    @property
    def who(self) -> Login:
        """The login behind the request; raises NotAuthenticated without one."""
        if self.login is None:
            raise NotAuthenticated
        return self.login

    @property
    def actor(self) -> str:
        """The id that stands in events, audit and idempotency rows."""
        return self.viewer.agent_id

    @property
    def cursors(self) -> Cursors:
        """Makes and reads list cursors."""
        return self.request.config_dict[CURSORS]

    @property
    def head(self) -> int:
        """The log's head: read it before the data of a snapshot that carries `cursor`."""
        return self.request.config_dict[FOLLOWER].head

    @property
    def ip(self) -> str:
        """The peer's address; forwarding headers are anybody's to write and are not read."""
        return self.request.remote or ""

    def if_match(self) -> int:
        """Return the version a change is made to.

        Raises:
            PreconditionMissing: no If-Match.
            BadInput: it holds no version of ours.
        """
        value = self.request.headers.get("If-Match")
        if value is None:
            raise PreconditionMissing
        found = _VERSION.match(value.strip())
        if found is None:
            raise BadInput("if_match_invalid")
        return int(found[1])

    def reply_version(self, version: int) -> None:
        """Set the ETag that If-Match takes."""
        self.headers["ETag"] = f'"{version}"'


async def identify(request: web.Request) -> Login | None:
    """Find out who asks: a bearer token when there is one, else the session cookie.

    Raises:
        NotAuthenticated: a token or cookie is there but worth nothing.
    """
    port = request.config_dict[IDENTIFY]
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        login = await port.bearer(token.strip()) if scheme.lower() == "bearer" else None
        if login is None:
            raise NotAuthenticated("token_invalid")
        return login
    cookie = request.cookies.get(cookie_name(request.config_dict[ORIGINS]))
    if not cookie:
        return None
    login = await port.session(cookie)
    if login is None:
        raise NotAuthenticated("session_over")
    return login


def require_same_site(request: web.Request, login: Login) -> None:
    """Refuse a write by cookie that our own page did not make.

    Raises:
        NotAllowed: `origin_refused` or `csrf_refused`.
    """
    if login.csrf is None or request.method in SAFE_METHODS:
        return
    request.config_dict[ORIGINS].require(request)
    if not login.csrf_matches(request.headers.get(CSRF_HEADER, "")):
        raise NotAllowed("csrf_refused")


def cookie_name(origins: Origins) -> str:
    """Return the session cookie's name: with the __Host- prefix wherever TLS is."""
    return "__Host-hub_session" if origins.secure else "hub_session"


def set_session_cookie(response: web.StreamResponse, origins: Origins, value: str) -> None:
    """Hand the browser its session; scripts cannot read it, other sites' requests lack it."""
    response.set_cookie(cookie_name(origins), value, **_cookie(origins))


def drop_session_cookie(response: web.StreamResponse, origins: Origins) -> None:
    """Have the browser forget its session."""
    response.del_cookie(cookie_name(origins), **_cookie(origins))


def _cookie(origins: Origins) -> dict[str, Any]:
    return {"path": "/", "secure": origins.secure, "httponly": True, "samesite": "Lax"}
