"""How Twilio signs, for the conformance suite."""

import base64
import dataclasses
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from hub.model.channel import RawRequest

AUTH_TOKEN = "not-a-real-token-0123456789abcdef"
CONFIG: dict[str, Any] = {
    "account_sid": "AC" + "0" * 31 + "1",
    "auth_token": AUTH_TOKEN,
    "from_number": "+15005550006",
}
SECRETS = (
    AUTH_TOKEN,
    base64.b64encode(f"{CONFIG['account_sid']}:{AUTH_TOKEN}".encode()).decode(),
)
REPLAY_WINDOW_S = None  # Twilio signs no time; a repeat meets its MessageSid


def signature_of(url: str, body: bytes, token: str) -> str:
    """Sign as documented (docs/usage/security): the URL, then every name and value, sorted.

    Written out rather than taken from the SDK, so that the tests do not check it against itself.
    """
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    signed = url + "".join(name + value for name, value in sorted(set(pairs)))
    digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def sign(request: RawRequest, config: Mapping[str, Any]) -> RawRequest:
    """Return the request as Twilio would send it."""
    signature = signature_of(request.url, request.body, str(config["auth_token"]))
    headers = {
        **request.headers,
        "x-twilio-signature": signature,
        "i-twilio-idempotency-token": "6f6c0c4e-0000-4000-8000-000000000001",
        "user-agent": "TwilioProxy/1.1",
    }
    return dataclasses.replace(request, headers=headers)


def forge(request: RawRequest) -> RawRequest:
    """Return the request with one bit of its signature wrong."""
    signature = request.headers["x-twilio-signature"]
    other = ("B" if signature[0] == "A" else "A") + signature[1:]
    return dataclasses.replace(request, headers={**request.headers, "x-twilio-signature": other})
