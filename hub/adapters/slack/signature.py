"""Is a request from Slack? The SDK's verifier, with the time the request came as its clock."""

from slack_sdk.signature import Clock, SignatureVerifier
from typing_extensions import override

from hub.model.channel import RawRequest
from hub.model.errors import SignatureRejected


class _ReceivedAt(Clock):
    """Stands at one instant, so that a request spooled for an hour is no replay."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @override
    def now(self) -> float:
        return self._seconds


def check(request: RawRequest, signing_secret: str) -> None:
    """Raise SignatureRejected unless the request carries a valid, fresh signature.

    The signature is HMAC-SHA256 over `v0:timestamp:body`, compared in constant time; a timestamp
    more than five minutes from `request.received_at` is a replay.
    """
    if not signing_secret.strip():
        raise SignatureRejected(reason="no_secret")
    clock = _ReceivedAt(request.received_at.timestamp())
    verifier = SignatureVerifier(signing_secret, clock=clock)
    try:
        valid = verifier.is_valid_request(request.body, dict(request.headers))
    except (ValueError, TypeError, OverflowError):
        # A timestamp that is no number or too long a one, a body that is no UTF-8, odd characters.
        valid = False
    if not valid:
        raise SignatureRejected
