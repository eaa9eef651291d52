"""`hub serve --demo`: the demo's world beside the hub, in the same process.

The demo's routes exist only in a process started like this, and only on data that bears the mark.
"""

from pathlib import Path
from urllib.parse import urlsplit

import structlog

from hub.api import demo as demo_api
from hub.api.http import Routes
from hub.app.build import House
from hub.app.first_start import SHIPPED
from hub.demo import mark
from hub.demo.customers import Pace
from hub.demo.world import World
from hub.model.channel import Subscribes
from hub.model.errors import HubError
from hub.settings import Settings

log = structlog.get_logger(__name__)

DATA_DIR = mark.FOLDER


class Demo:
    """What stands around the hub while the demo runs.

    Args:
        pace: how many times as lively as usual customers are.

    Raises:
        SettingsInvalid: `demo_refused`: another folder's data, another database, another host.
    """

    rooms: tuple[Routes, ...] = (demo_api.ROUTES,)

    def __init__(self, settings: Settings, pace: float = 1.0) -> None:
        check(settings)
        mark.prepare(settings.data_dir)
        self._world = World(settings.data_dir, settings.url, SHIPPED, Pace().times(pace))
        self._house: House | None = None

    async def prepare(self, house: House) -> None:
        """Start simulators, set channels up, seed; before anything else fills the database."""
        self._house = house
        await self._world.prepare(house.deps, house.watch.load, lambda: house.follower.head)

    def begin(self) -> None:
        """Let the customers write; HTTP is served now."""
        self._world.begin(self._subscribe)

    async def close(self) -> None:
        """Stop everything that was started."""
        await self._world.close()

    async def _subscribe(self, channel_id: str) -> None:
        """Have a Telegram channel tell its provider where updates go, as an operator would."""
        assert self._house is not None
        channel = self._house.channels.get(channel_id).channel
        assert isinstance(channel, Subscribes)
        try:
            await channel.subscribe()
        except HubError as error:
            log.warning("demo.not_subscribed", code=error.code)


def check(settings: Settings) -> None:
    """Refuse settings under which a demo could touch real data or be reached from outside."""
    own_files = settings.data_dir / "files"
    mark.check(
        settings.data_dir,
        host=settings.host,
        public_host=urlsplit(settings.url).hostname or "",
        elsewhere={
            "HUB_DATABASE_URL": settings.database_url,
            "HUB_REDIS_URL": settings.redis_url,
            "HUB_FILES": "" if Path(settings.files_place) == own_files else settings.files,
        },
    )
