"""What the contract suite needs to know of Slack: a configuration, a signature, what is secret."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace

from hub.model.channel import RawRequest
from tests.adapters.scripted_http import Call

SIGNING_SECRET = "made-up-signing-secret-for-tests"
BOT_TOKEN = "xoxb-made-up-bot-token"
APP_TOKEN = "xapp-made-up-app-token"

CONFIG: dict[str, object] = {
    "bot_token": BOT_TOKEN,
    "signing_secret": SIGNING_SECRET,
    "app_token": APP_TOKEN,
    "team_id": "T0HUB0001",
    "bot_user_id": "U0HUBBOT1",
}
SECRETS = (SIGNING_SECRET, BOT_TOKEN, APP_TOKEN)
REPLAY_WINDOW_S: int | None = 300


def sign(request: RawRequest, config: object = None) -> RawRequest:
    """Return the request as Slack would send it at `received_at`."""
    stamp = str(int(request.received_at.timestamp()))
    secret = SIGNING_SECRET
    if isinstance(config, Mapping) and isinstance(config.get("signing_secret"), str):
        secret = config["signing_secret"]
    base = b"v0:" + stamp.encode() + b":" + request.body
    digest = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    headers = {
        **request.headers,
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": f"v0={digest}",
    }
    return replace(request, headers=headers)


def forge(request: RawRequest) -> RawRequest:
    """Return the request signed by somebody who does not know the secret."""
    return sign(request, {"signing_secret": "another-secret"})


def visible(call: Call) -> bool:
    """Tell whether the customer can notice a call; reserving, uploading and opening are unseen."""
    return call.url.endswith(("/chat.postMessage", "/files.completeUploadExternal"))
