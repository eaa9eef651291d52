"""What an administrator enters for a Telegram bot, and what such a channel can do."""

import re
from typing import Literal, Self

from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from hub.model.channel import Capabilities, ChannelConfig

_BOT = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{8,100}")
"""`<bot id>:<secret>`, as BotFather hands it out."""
_SHARED = re.compile(r"([A-Za-z0-9_-]{16,256})?")
"""Telegram allows 1 to 256 of these characters; below 16 a guess is too cheap."""
TEXT_CHARS = 4_096
CAPTION_CHARS = 1_024
CALLBACK_BYTES = 64
PHOTO_BYTES = 10_000_000
FILE_BYTES = 50_000_000

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")
"""What we ask Telegram for; anything else that still comes is ignored by name."""


class TelegramConfig(ChannelConfig):
    """Configuration of one bot.

    Attributes:
        bot_token: from BotFather.
        secret_token: webhook mode: what Telegram repeats in every call (1). Chosen by us.
        mode: `webhook` (Telegram calls us) or `polling` (we call getUpdates).
        api_base: root of the Bot API; another one is a local Bot API server or the simulator.
        allow_groups: read group chats too. Off: a bot added to a group says and hears nothing.

    (1) https://core.telegram.org/bots/api#setwebhook, secret_token; read 2026-11.
    """

    bot_token: SecretStr
    secret_token: SecretStr = SecretStr("")
    mode: Literal["webhook", "polling"] = "webhook"
    api_base: HttpUrl = Field(default=HttpUrl("https://api.telegram.org"))
    allow_groups: bool = False

    @field_validator("bot_token")
    @classmethod
    def _token_has_its_shape(cls, value: SecretStr) -> SecretStr:
        if not _BOT.fullmatch(value.get_secret_value()):
            raise ValueError("a bot token reads 123456:ABC…")
        return value

    @field_validator("secret_token")
    @classmethod
    def _secret_has_its_shape(cls, value: SecretStr) -> SecretStr:
        if not _SHARED.fullmatch(value.get_secret_value()):
            raise ValueError("the secret token is 16 to 256 of A-Z a-z 0-9 _ -")
        return value

    @model_validator(mode="after")
    def _webhook_needs_a_secret(self) -> Self:
        if self.mode == "webhook" and not self.secret_token.get_secret_value():
            raise ValueError("webhook mode needs a secret_token")
        return self

    @property
    def base(self) -> str:
        """The API root without a slash at its end."""
        return str(self.api_base).rstrip("/")


CAPABILITIES = Capabilities(
    max_text_chars=TEXT_CHARS,
    max_media=1,
    max_media_bytes=FILE_BYTES,
    # A caption holds 1,024 characters and a text 4,096: apart, neither is cut.
    text_with_media=False,
    choices=True,
    typing=True,
    can_start=True,
    rate_per_s=25.0,
)
"""Telegram lets a bot send about 30 messages a second; it reports neither delivery nor reading."""
