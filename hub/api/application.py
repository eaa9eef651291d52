"""The aiohttp application: middleware, routes, what handlers find in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from hub.api import docs, health, middleware, webhooks
from hub.api.http import Route, Routes
from hub.api.keys import (
    CHANNELS,
    CURSORS,
    DEPS,
    FOLLOWER,
    HEALTH,
    IDENTIFY,
    INGRESS,
    ORIGINS,
    SOCKETS,
    HealthPort,
    IngressPort,
)
from hub.api.origin import Origins
from hub.api.paging import Cursors
from hub.ingress.live_channels import LiveChannels
from hub.services.access import Identify
from hub.services.deps import Deps
from hub.store.follower import Follower

Setup = Callable[[web.Application], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made from."""

    deps: Deps
    ingress: IngressPort
    channels: LiveChannels
    health: HealthPort
    follower: Follower | None = None


def make_application(
    parts: Parts, rooms: Sequence[Routes], setups: Sequence[Setup] = ()
) -> web.Application:
    """Return the application.

    Args:
        parts: the composition root's.
        rooms: typed routes, in the order the documentation shows them.
        setups: called with the application for what is no typed route (WebSockets, files).
    """
    deps = parts.deps
    app = web.Application(
        middlewares=[middleware.edge], client_max_size=deps.max_upload_bytes + 1_000_000
    )
    app[DEPS] = deps
    app[INGRESS] = parts.ingress
    app[CHANNELS] = parts.channels
    app[HEALTH] = parts.health
    app[SOCKETS] = set()
    if parts.follower is not None:
        app[FOLLOWER] = parts.follower
    app[IDENTIFY] = Identify(deps)
    app[ORIGINS] = Origins(deps.public_url)
    app[CURSORS] = Cursors(deps.keyring.derive("cursor"))
    app.on_response_prepare.append(middleware.add_headers)
    routes = _typed_routes(rooms)
    for room in (*rooms, health.ROUTES):
        room.add_to(app)
    webhooks.add_webhooks(app)
    for setup in setups:
        setup(app)
    docs.add_docs(app, routes, deps.public_url)
    return app


def _typed_routes(rooms: Sequence[Routes]) -> list[Route]:
    routes = [route for room in (*rooms, health.ROUTES) for route in room.routes]
    names = [route.name for route in routes]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"routes registered twice: {sorted(twice)}")
    return routes
