"""What an administrator enters for a Twilio number or messaging service."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from hub.model.channel import ChannelConfig


def _api_base(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("not an http(s) address")
    return text.rstrip("/")


class TwilioConfig(ChannelConfig):
    """One Twilio account and the sender to use.

    Attributes:
        account_sid: AC and 32 hexadecimal digits.
        auth_token: signs webhooks and opens the API. Not an API key: those sign nothing.
        from_number: +E.164, a short code or an alphanumeric sender id.
        messaging_service_sid: MG and 32 hexadecimal digits; Twilio then picks the sender, and
            keeps it for each customer. Wins over from_number.
        api_base: another region's API, or a simulator.
        callback_retries: how often Twilio repeats a status report that was not answered (0–5).
    """

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    auth_token: SecretStr = Field(min_length=16, max_length=200)
    from_number: str = Field(
        default="",
        max_length=16,
        pattern=r"^(\+[1-9][0-9]{4,14}|[0-9]{3,8}|[0-9 &+_-]*[A-Za-z][A-Za-z0-9 &+_-]*)?$",
    )
    messaging_service_sid: str = Field(default="", pattern=r"^(MG[0-9a-fA-F]{32})?$")
    api_base: Annotated[str, AfterValidator(_api_base)] = "https://api.twilio.com"
    callback_retries: int = Field(default=3, ge=0, le=5)

    @model_validator(mode="after")
    def _has_sender(self) -> "TwilioConfig":
        if not self.from_number and not self.messaging_service_sid:
            raise ValueError("from_number or messaging_service_sid is needed")
        return self
