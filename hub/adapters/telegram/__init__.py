"""Telegram: webhook and long polling behind one parser, Bot API calls through the port."""

from hub.adapters.telegram.config import CAPABILITIES, TelegramConfig
from hub.model.address import IdentityKind
from hub.model.channel import Channel, ChannelConfig, ChannelContext, Manifest

__all__ = ["MANIFEST", "TelegramConfig"]


def _build(config: ChannelConfig, context: ChannelContext) -> Channel:
    # Imported here, so that reading the manifest costs nothing of the SDK.
    from hub.adapters.telegram.adapter import TelegramChannel
    from hub.adapters.telegram.polling import TelegramPollingChannel

    if not isinstance(config, TelegramConfig):
        raise TypeError("a Telegram channel is built from a TelegramConfig")
    kind = TelegramPollingChannel if config.mode == "polling" else TelegramChannel
    return kind(MANIFEST, config, context)


MANIFEST = Manifest(
    kind="telegram",
    work_class="messaging",
    identity_kind=IdentityKind.TELEGRAM,
    capabilities=CAPABILITIES,
    config=TelegramConfig,
    build=_build,
    deadline_s=20.0,
)
