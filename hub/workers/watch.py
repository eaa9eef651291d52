"""Keeps what a process holds in memory like the rows: channels and the organisation."""

import asyncio
from collections.abc import Callable

import structlog

from hub.ingress.live_channels import LiveChannels
from hub.model.errors import HubError
from hub.model.events import EventKind
from hub.services import channels as channel_rows
from hub.services.deps import Deps
from hub.services.organisation import load_organisation
from hub.store.follower import Follower

log = structlog.get_logger(__name__)


class ConfigWatch:
    """Reloads channels and the organisation when the log says that they changed."""

    def __init__(self, deps: Deps, channels: LiveChannels, follower: Follower) -> None:
        self._deps = deps
        self._channels = channels
        self._follower = follower

    async def load(self) -> None:
        """Read everything once; a channel that cannot be built is marked `broken`."""
        self._deps.organisation = await load_organisation(self._deps)
        broken = self._channels.replace(await channel_rows.load_channels(self._deps))
        for channel_id, code in broken.items():
            await channel_rows.move_channel(self._deps, channel_id, "broken", code, "system")

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the log until `stop`."""
        subscription = self._follower.subscribe()
        ender = asyncio.create_task(_close_at(stop, subscription.close))
        try:
            await self.load()
            async for batch in subscription:
                kinds = {event.kind for event in batch}
                if kinds & {EventKind.CHANNEL_CHANGED, EventKind.CONFIG_CHANGED}:
                    await self._reload()
        finally:
            subscription.close()
            ender.cancel()

    async def _reload(self) -> None:
        try:
            await self.load()
        except HubError as error:
            log.warning("config.not_reloaded", code=error.code)


async def _close_at(stop: asyncio.Event, close: Callable[[], None]) -> None:
    await stop.wait()
    close()
