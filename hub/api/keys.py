"""What handlers find in the application, by typed keys; `hub.app` puts it there."""

from typing import Protocol

from aiohttp import web

from hub.api.origin import Origins
from hub.api.paging import Cursors
from hub.ingress.live_channels import LiveChannels
from hub.model.channel import RawRequest, RawResponse
from hub.services.access import Login
from hub.services.deps import Deps
from hub.store.follower import Follower


class IngressPort(Protocol):
    """The way of a provider's request through the house (`hub.ingress.pipeline.Ingress`)."""

    async def accept(self, channel_id: str, raw: RawRequest) -> RawResponse:
        """Verify, parse, store (or spool) and say what the provider is answered."""
        ...

    def too_large(self, channel_id: str) -> None:
        """Count a request whose body was over the limit."""
        ...


class IdentifyPort(Protocol):
    """Finds out who asks."""

    async def session(self, token: str) -> Login | None:
        """Return the login a cookie's value belongs to."""
        ...

    async def bearer(self, token: str) -> Login | None:
        """Return the login an API token belongs to."""
        ...


class HealthPort(Protocol):
    """What the process knows about itself."""

    def ready(self) -> tuple[bool, dict[str, str]]:
        """Tell whether requests should come here, and the state of each part."""
        ...


DEPS = web.AppKey("deps", Deps)
CHANNELS = web.AppKey("channels", LiveChannels)
INGRESS = web.AppKey("ingress", IngressPort)
IDENTIFY = web.AppKey("identify", IdentifyPort)
HEALTH = web.AppKey("health", HealthPort)
ORIGINS = web.AppKey("origins", Origins)
CURSORS = web.AppKey("cursors", Cursors)
FOLLOWER = web.AppKey("follower", Follower)
"""The log's follower, in processes that have one: whoever feeds sockets subscribes to it."""
SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse[bool]])
"""Open WebSockets: handlers add theirs and discard it; shutdown closes what is left."""
