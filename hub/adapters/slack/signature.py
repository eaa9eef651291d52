"""Is a request from Slack? The SDK's verifier, with the time the request came as its clock."""

from datetime import datetime

from typing_extensions import override

from hub.model.channel import RawRequest
from hub.model.errors import SignatureRejected

REPLAY_WINDOW_S = 300


def check(request: RawRequest, signing_secret: str) -> None:
    """Raise SignatureRejected unless the request carries a valid, fresh signature.

    The signature is HMAC-SHA256 over `v0:timestamp:body`, compared in constant time; a timestamp
    more than five minutes from `request.received_at` is a replay.
    """
    from slack_sdk.signature import Clock, SignatureVerifier

    class _ReceivedAt(Clock):
        def __init__(self, at: datetime) -> None:
            self._now = at.timestamp()

        @override
        def now(self) -> float:
            return self._now

    if not signing_secret.strip():
        raise SignatureRejected(reason="no_secret")
    verifier = SignatureVerifier(signing_secret, clock=_ReceivedAt(request.received_at))
    try:
        valid = verifier.is_valid_request(request.body, dict(request.headers))
    except (ValueError, TypeError, OverflowError):
        # A timestamp that is no number or too long a one, a body that is no UTF-8, odd characters.
        valid = False
    if not valid:
        raise SignatureRejected
