"""The chat channel: frames in from the hub's own API, answers out through its own sockets."""

from datetime import datetime

from hub.adapters.webchat.config import WebchatConfig
from hub.adapters.webchat.inbound import parse
from hub.model.channel import (
    ChannelContext,
    Intake,
    ItemOutcome,
    Manifest,
    OutgoingPart,
    RawRequest,
    RawResponse,
    Receipt,
)
from hub.model.errors import NotAuthenticated, SignatureRejected
from hub.model.widget import SignedIdentity, WidgetPolicy


class WebchatChannel:
    """One widget. A `HasWidget`: the API asks it for its policy and for who a site signed in."""

    def __init__(self, manifest: Manifest, config: WebchatConfig, context: ChannelContext) -> None:
        self.manifest = manifest
        self.policy: WidgetPolicy = config.policy()
        self._secret = config.identity_secret
        self._channel_id = context.channel_id

    def verify(self, request: RawRequest) -> None:
        """Take frames of the hub's own widget API alone.

        That API has checked token, origin and rate and filled in who writes. Webhooks are routed
        for GET and POST, so nobody outside can make a request of method SOCKET.
        """
        if request.method != "SOCKET":
            raise SignatureRejected

    def parse(self, request: RawRequest) -> Intake:
        """Read one frame. Raises PayloadInvalid."""
        return parse(request, self._channel_id)

    def respond(self, intake: Intake, outcomes: tuple[ItemOutcome, ...]) -> RawResponse:
        """Say what became of each item, for the API that sent the frame."""
        body = ",".join(outcome.value for outcome in outcomes)
        return RawResponse(body=body.encode())

    async def send(self, part: OutgoingPart) -> Receipt:
        """Release a part: the record of it is what the visitors' sockets and history wait for."""
        return Receipt(external_id=part.delivery_id)

    def read_identity(self, token: str, now: datetime) -> SignedIdentity:
        """Read the site's signed token; raises NotAuthenticated."""
        from hub.adapters.webchat.identity import read_identity

        if self._secret is None:
            raise NotAuthenticated("identity_not_set_up")
        return read_identity(self._secret.get_secret_value(), token, now)
