"""The e-mail channel: verify, parse, respond, send, probe (pull: pulling.py)."""

import asyncio
from importlib import import_module

from hub.adapters.email.compose import compose
from hub.adapters.email.config import EmailConfig
from hub.adapters.email.inbound import MAIL_METHODS, read_mail
from hub.model.channel import (
    ChannelContext,
    Intake,
    ItemOutcome,
    Manifest,
    OutgoingPart,
    ProbeReport,
    RawRequest,
    RawResponse,
    Receipt,
)
from hub.model.clock import utc_now
from hub.model.errors import PayloadInvalid, SendError, SignatureRejected


class EmailChannel:
    """One mailbox that can write; one that is read too is a `PullingEmailChannel`."""

    def __init__(self, manifest: Manifest, config: EmailConfig, context: ChannelContext) -> None:
        self.manifest = manifest
        self.config = config
        self.context = context

    # --- the way in ---------------------------------------------------------------------------
    def verify(self, request: RawRequest) -> None:
        """Take only what our own mailbox thread and listener made; nobody sends mail by HTTP."""
        if request.method not in MAIL_METHODS:
            raise SignatureRejected

    def parse(self, request: RawRequest) -> Intake:
        """Read one mail, as well as it can be read. Raises PayloadInvalid."""
        if request.method not in MAIL_METHODS:
            raise PayloadInvalid("method_unknown")
        try:
            return read_mail(self.config, self.context, request)
        except (ValueError, LookupError, ArithmeticError, RecursionError) as error:
            # None is known; one poison mail must not hold up the mails behind it.
            raise PayloadInvalid("mail_unreadable", reason=type(error).__name__) from None

    def respond(self, intake: Intake, outcomes: tuple[ItemOutcome, ...]) -> RawResponse:
        """Nobody waits for an HTTP answer."""
        return RawResponse()

    def lookup_txt(self, name: bytes, timeout: float) -> bytes | None:
        """Look a DKIM key up (blocking)."""
        from hub.adapters.email.dns_txt import lookup_txt

        return lookup_txt(name, timeout)

    # --- the way out --------------------------------------------------------------------------
    async def send(self, part: OutgoingPart) -> Receipt:
        """Hand one mail to the configured server. Raises SendError."""
        smtp = self.config.smtp
        if smtp is None:
            raise SendError("sending_not_configured")
        files = tuple([await media.read() for media in part.media])
        # In a thread: encoding many megabytes of files takes a while.
        mail = await asyncio.to_thread(compose, self.config, self.context, part, files, utc_now())
        await asyncio.to_thread(import_module, "hub.adapters.email.smtp_out")
        from hub.adapters.email.smtp_out import hand_over

        await hand_over(smtp, mail, self.config.id_domain)
        return Receipt(external_id=mail.message_id)

    async def probe(self) -> ProbeReport:
        """Log in to the mailbox and to the sending server; changes nothing on either."""
        from hub.adapters.email.probing import probe

        return await probe(self.config)
