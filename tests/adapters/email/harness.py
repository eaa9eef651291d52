"""What the contract suite needs to know of mail: a configuration, and that nothing is signed.

Mails are fetched (PULL) or come through our own listener (SMTP); a mail by HTTP is always refused.
Sending goes to a scripted server on loopback, which chooses its answer by the recipient's name.
"""

from typing import Any

from hub.model.channel import RawRequest
from tests.adapters.email.smtp_script import SmtpServer

SERVER = SmtpServer()

CONFIG: dict[str, Any] = {
    "address": "support@shop.example",
    "display_name": "Shop",
    "imap": {
        "host": "imap.shop.example",
        "user": "support",
        "password": "made-up-imap-password",
    },
    "smtp": {
        "host": "127.0.0.1",
        "port": SERVER.port,
        "security": "none",
        "user": "hub",
        "password": "hunter2",
    },
    "trusted_authserv_id": "mx.shop.example",
}
SECRETS: tuple[str, ...] = ("made-up-imap-password", "hunter2", "AGh1YgBodW50ZXIy")
REPLAY_WINDOW_S: int | None = None


def sign(request: RawRequest, config: object = None) -> RawRequest:
    """Return the request: the hub's own puller makes it, nothing is signed."""
    return request


def forge(request: RawRequest) -> RawRequest:
    """Return the request as somebody else would send it: by HTTP."""
    return RawRequest(
        "POST",
        request.url,
        request.path,
        request.query,
        request.headers,
        request.body,
        request.received_at,
    )
