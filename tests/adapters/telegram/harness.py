"""What the conformance suite needs to know about Telegram: configuration, signing, secrets."""

from dataclasses import replace
from typing import Any

from hub.model.channel import RawRequest

CONFIG: dict[str, Any] = {
    "bot_token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",  # the documentation's example
    "secret_token": "fake_secret-token_0123456789",
}
SECRETS: tuple[str, ...] = (
    CONFIG["bot_token"],
    CONFIG["bot_token"].partition(":")[2],
    CONFIG["secret_token"],
)
# The secret token proves who calls, not when: a replay is caught by the external id.
REPLAY_WINDOW_S: int | None = None
SIGNS_BODY = False

_HEADER = "x-telegram-bot-api-secret-token"


def sign(request: RawRequest, config: Any) -> RawRequest:
    """Return the request as Telegram sends it; our own poll's requests bear no secret."""
    if request.method == "PULL":
        return request
    secret = config["secret_token"] if isinstance(config, dict) else _revealed(config)
    return replace(request, headers={**request.headers, _HEADER: secret})


def forge(request: RawRequest) -> RawRequest:
    """Return the request with a secret of the right length and shape, but not ours."""
    return replace(request, headers={**request.headers, _HEADER: "Fake_secret-token_0123456789"})


def _revealed(config: Any) -> str:
    secret: str = config.secret_token.get_secret_value()
    return secret
