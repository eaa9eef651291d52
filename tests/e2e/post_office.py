"""Mail around the hub: a relay that takes SMTP and delivers into dovecot, and a sink for answers.

The relay does what the organisation's mail server does: it checks DKIM (dkimpy, with the zone
given here), removes what others wrote under its name and writes its own Authentication-Results.
"""

import asyncio
import base64
import email.policy
import smtplib
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Any

import dkim
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hub.model.clock import utc_now
from tests.servers import DovecotServer

CHECKER = "mx.hub.test"
SELECTOR = "day"


class Domain:
    """A customer's mail provider: signs what its own users send."""

    def __init__(self, name: str) -> None:
        self.name = name
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)

    def sign(self, mail: bytes) -> bytes:
        """Return a mail with the provider's signature on top."""
        headers = [b"from", b"to", b"subject", b"date", b"message-id"]
        line = dkim.sign(
            mail, SELECTOR.encode(), self.name.encode(), self._private, include_headers=headers
        )
        return bytes(line) + mail


class PostOffice:
    """The relay on `port`, and the sink on `sink_port` with what the hub sent."""

    def __init__(self, dovecot: DovecotServer, *domains: Domain) -> None:
        self._dovecot = dovecot
        self._zone = {f"{SELECTOR}._domainkey.{one.name}.".encode(): one.record for one in domains}
        self._servers: list[asyncio.Server] = []
        self.port = self.sink_port = 0
        self.sent: list[EmailMessage] = []

    async def start(self) -> None:
        """Listen on both ports."""
        self.port = await self._listen(_Relay(self))
        self.sink_port = await self._listen(_Sink(self))

    async def stop(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()

    async def post(self, mail: bytes, sender: str, recipient: str) -> None:
        """Send a mail by SMTP to the relay, as any server on the internet may."""

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as server:
                server.sendmail(sender, [recipient], mail)

        await asyncio.to_thread(send)

    async def _listen(self, handler: object) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(handler, hostname=CHECKER, loop=loop, enable_SMTPUTF8=True),
            "127.0.0.1",
            0,
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def checked(self, raw: bytes) -> bytes:
        """Return a mail with the relay's word on it, and nobody else's under its name."""
        head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
        fields: list[bytes] = []
        for line in head.split(b"\n"):
            if line[:1] in (b" ", b"\t") and fields:
                fields[-1] += b"\n" + line
            else:
                fields.append(line)
        kept = [f for f in fields if not f.lower().startswith(b"authentication-results:")]
        sender = parseaddr(str(BytesParser(policy=email.policy.default).parsebytes(raw)["From"]))[1]
        domain = sender.partition("@")[2]
        verdict = "pass" if self._signed_by(raw, domain) else "fail"
        word = f"Authentication-Results: {CHECKER}; dmarc={verdict} header.from={domain}"
        return b"\r\n".join([word.encode(), *kept, b"", body.replace(b"\n", b"\r\n")])

    def _signed_by(self, raw: bytes, domain: str) -> bool:
        checker = dkim.DKIM(raw)
        try:
            good = checker.verify(dnsfunc=lambda name, timeout=5: self._zone.get(name))
        except dkim.DKIMException:
            return False
        return bool(good) and checker.domain == domain.encode()

    def deliver(self, recipient: str, mail: bytes, sender: str) -> None:
        """Hand a checked mail to dovecot by LMTP."""
        self._dovecot.deliver(recipient, mail, sender)


class _Relay:
    def __init__(self, office: PostOffice) -> None:
        self._office = office

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        raw: Any = envelope.original_content
        mail = await asyncio.to_thread(self._office.checked, bytes(raw))
        for recipient in envelope.rcpt_tos:
            await asyncio.to_thread(self._office.deliver, recipient, mail, envelope.mail_from or "")
        return "250 2.0.0 OK"


class _Sink:
    def __init__(self, office: PostOffice) -> None:
        self._office = office

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        raw: Any = envelope.original_content
        mail = BytesParser(policy=email.policy.default).parsebytes(bytes(raw))
        assert isinstance(mail, EmailMessage)
        self._office.sent.append(mail)
        return "250 2.0.0 OK"


def write(sender: str, recipient: str, subject: str, text: str, answers: str = "") -> bytes:
    """Return a mail as a program writes it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, recipient, subject
    mail["Date"] = format_datetime(utc_now())
    mail["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].partition("@")[2])
    if answers:
        mail["In-Reply-To"] = mail["References"] = answers
    mail.set_content(text)
    return mail.as_bytes(policy=email.policy.SMTP)
