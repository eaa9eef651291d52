"""The Slack channel: what the contract asks for, each part in the module that knows it."""

from collections.abc import AsyncIterator

from hub.adapters.slack import inbound, signature
from hub.adapters.slack.config import SlackConfig
from hub.model.channel import (
    ChannelContext,
    FetchedMedia,
    Intake,
    ItemOutcome,
    Manifest,
    OutgoingPart,
    ProbeReport,
    Pulled,
    RawRequest,
    RawResponse,
    Receipt,
    StopSignal,
)


class SlackChannel:
    """One installation of a Slack app that is called by webhook."""

    def __init__(self, manifest: Manifest, config: SlackConfig, context: ChannelContext) -> None:
        self.manifest = manifest
        self._config = config
        self._context = context

    def verify(self, request: RawRequest) -> None:
        """Raise SignatureRejected unless Slack signed it, or our own socket brought it.

        Nothing from outside has method SOCKET: webhooks are routed for POST alone. A channel that
        opens no socket refuses it even so.
        """
        if request.method != "SOCKET" or self._config.mode != "socket":
            signature.check(request, self._config.signing_secret.get_secret_value())

    def parse(self, request: RawRequest) -> Intake:
        """Read a verified body. Raises PayloadInvalid."""
        return inbound.parse(request, self._config)

    def respond(self, intake: Intake, outcomes: tuple[ItemOutcome, ...]) -> RawResponse:
        """Answer a challenge as it wants; everything else with an empty 200."""
        return intake.challenge or RawResponse()

    async def send(self, part: OutgoingPart) -> Receipt:
        """Hand one part over. Raises SendError."""
        from hub.adapters.slack import outgoing

        return await outgoing.send(part, self._config, self._context.http)

    async def fetch_media(self, ref: str, *, max_bytes: int) -> FetchedMedia:
        """Fetch one file. Raises HttpFailure, SendError or TooLarge."""
        from hub.adapters.slack import media

        return await media.fetch(
            ref, max_bytes=max_bytes, config=self._config, http=self._context.http
        )

    async def probe(self) -> ProbeReport:
        """Ask Slack who we are (`auth.test`), and in socket mode whether we may connect."""
        from hub.adapters.slack import probe

        return await probe.probe(self._config, self._context.http)


class SlackSocketChannel(SlackChannel):
    """The same without a public address: events come over a WebSocket we open."""

    def pull(self, cursor: str | None, stop: StopSignal) -> AsyncIterator[Pulled]:
        """Yield events as they come; Slack keeps no history, so the cursor means nothing."""
        from hub.adapters.slack import socket_mode

        return socket_mode.pull(self._config, self._context.http, stop)
