"""What a Slack channel is configured with, and what Slack can carry."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from hub.model.channel import Capabilities, ChannelConfig

SLACK_API = "https://slack.com/api/"
METADATA_TYPE = "hub_delivery"
"""Name of the metadata on our messages; an app subscribes to it by this name."""

CAPABILITIES = Capabilities(
    # Slack takes 40,000 characters but shows messages over 4,000 badly and advises against them.
    max_text_chars=4_000,
    max_media=10,
    max_media_bytes=50_000_000,
    text_with_media=True,
    choices=True,
    can_start=True,
    # One message per second and conversation; several conversations share the account.
    rate_per_s=3.0,
)


class SlackConfig(ChannelConfig):
    """One installation of one Slack app in one workspace.

    Attributes:
        mode: events (Slack calls our webhook) or socket (we open a WebSocket; no public address
            needed).
        bot_token: xoxb-…; every call to Slack.
        signing_secret: of the app; needed in mode events.
        app_token: xapp-… with connections:write; needed in mode socket.
        team_id: the workspace (T…); events of other workspaces are ignored. Empty: all are taken.
        bot_user_id: the app's own user (U…); found in most events, told here to be sure.
        direct_messages: take direct messages to the app.
        channel_mode: in channels take all messages, those that mention the app, or none.
        channel_ids: the channels (C…) that are watched; empty: every one the app was invited to.
        show_sender_name: post under the agent's name (scope chat:write.customize).
        api_base: base of the Web API; simulators are reached by setting it.
    """

    mode: Literal["events", "socket"] = "events"
    bot_token: SecretStr
    signing_secret: SecretStr = SecretStr("")
    app_token: SecretStr = SecretStr("")
    team_id: str = Field(default="", pattern=r"^([TE][A-Z0-9]{2,30})?$")
    bot_user_id: str = Field(default="", pattern=r"^([UW][A-Z0-9]{2,30})?$")
    direct_messages: bool = True
    channel_mode: Literal["all", "mentions", "off"] = "all"
    channel_ids: tuple[str, ...] = ()
    show_sender_name: bool = False
    api_base: str = SLACK_API

    @field_validator("api_base")
    @classmethod
    def _is_base(cls, value: str) -> str:
        if origin_of(value) is None:
            raise ValueError("api_base must be an http(s) URL without credentials")
        return value if value.endswith("/") else value + "/"

    @model_validator(mode="after")
    def _has_secrets(self) -> "SlackConfig":
        if not self.bot_token.get_secret_value().strip():
            raise ValueError("bot_token is empty")
        if self.mode == "events" and not self.signing_secret.get_secret_value().strip():
            raise ValueError("mode events needs signing_secret")
        if self.mode == "socket" and not self.app_token.get_secret_value().strip():
            raise ValueError("mode socket needs app_token")
        return self

    def origin(self) -> tuple[str, str, int]:
        """Return scheme, host and port of `api_base`: the only place that is called trusted."""
        return origin_of(self.api_base) or ("", "", 0)


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Return (scheme, host, port) of an http(s) URL, or None for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        return None
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)
