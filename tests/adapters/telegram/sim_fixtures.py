"""A simulated Telegram, and channels of it over the real HTTP port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from yarl import URL

from hub.adapters.kit.http import HttpPool
from hub.adapters.kit.target import host_port
from hub.adapters.telegram import MANIFEST, TelegramConfig
from hub.adapters.telegram.adapter import TelegramChannel
from hub.demo.sim_telegram import TelegramSim
from hub.model.address import Address, IdentityKind
from hub.model.channel import ChannelContext, OutgoingMedia, OutgoingPart
from hub.model.content import Content, MediaKind
from hub.model.ids import ChannelId, ConversationId, DeliveryId, MessageId
from tests.adapters.provider_contracts import FILES, FOLDER
from tests.adapters.telegram.harness import CONFIG


@dataclass
class World:
    """The simulator and the process's connections."""

    sim: TelegramSim
    pool: HttpPool

    def channel(self, webhook_url: str = "http://127.0.0.1:9/in/CH", **config: Any) -> Any:
        """Build a channel as the hub does, reaching the simulator as configured."""
        settings = TelegramConfig.model_validate(
            {**CONFIG, "api_base": self.sim.api_base, **config}
        )
        trusted = host_port(URL(settings.base))
        http = self.pool.port(frozenset({trusted} if trusted else ()))
        context = ChannelContext(ChannelId("CH"), webhook_url, http, b"k" * 32)
        channel = MANIFEST.build(settings, context)
        assert isinstance(channel, TelegramChannel)
        return channel


@asynccontextmanager
async def world(**options: Any) -> AsyncIterator[World]:
    """Start a simulator with one known customer, 5001."""
    sim = TelegramSim(contract=FOLDER / FILES["telegram"], **options)
    await sim.start()
    sim.customer(5001, "Wei", "Zhang", language="zh-hans")
    pool = HttpPool()
    try:
        yield World(sim, pool)
    finally:
        await sim.stop()
        await pool.close()
    assert sim.problems == []


def part(content: Content, *media: OutgoingMedia, to: str = "5001", **more: Any) -> OutgoingPart:
    """Make a part for the known customer."""
    return OutgoingPart(
        delivery_id=DeliveryId("D"),
        message_id=MessageId("M"),
        conversation_id=ConversationId("C"),
        part_no=1,
        to=Address(IdentityKind.TELEGRAM, to),
        content=content,
        media=media,
        **more,
    )


def media(kind: MediaKind, filename: str, content_type: str, data: bytes) -> OutgoingMedia:
    """Make a file to send."""

    async def read() -> bytes:
        return data

    return OutgoingMedia(kind, filename, content_type, len(data), "https://hub.example/m", read)
