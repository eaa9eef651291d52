"""The customers' side of e-mail: their mail server on loopback, and mails they write.

Answers of the hub arrive at a real SMTP server (aiosmtpd). Customers' mails go by SMTP to the hub's
own listener, or by LMTP into a dovecot whose mailbox the hub watches.
"""

import asyncio
import email.policy
import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, formataddr, make_msgid, parseaddr
from typing import Any

import aiosmtplib
from aiosmtpd.smtp import SMTP, Envelope, Session

from hub.demo.lines import Ears, Heard
from hub.demo.people import MAILBOX, Person
from hub.demo.pictures import MadeFile
from hub.model.clock import utc_now

CHECKER = "mx.huaxin.example"
"""The name under which the organisation's mail server says what it checked."""
_TRIES_S = (0.5, 1.0, 1.0, 2.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Received:
    """What a person's mail program needs of a mail to answer it."""

    message_id: str
    references: str
    date: str
    text: str

    def quoted(self, language: str) -> str:
        """Return the mail as programs put it below an answer."""
        said = "写道：" if language.startswith("zh") else "wrote:"
        head = f"On {self.date}, Huaxin Telecom <{MAILBOX}> {said}"
        return "\n".join([head, *(f"> {line}" for line in self.text.strip().splitlines())])


class MailRoom:
    """The mail servers around the hub.

    Attributes:
        delivery_port: where mails to the hub are handed in.
        lmtp: that place speaks LMTP.
    """

    def __init__(self, ears: Ears) -> None:
        self.ears = ears
        self.delivery_port = 0
        self.lmtp = False
        self._server: asyncio.Server | None = None
        self._threads: dict[str, Received] = {}

    async def start(self) -> int:
        """Listen on a free port for mails to customers and return it."""
        loop = asyncio.get_running_loop()

        def session() -> SMTP:
            return SMTP(self, enable_SMTPUTF8=True, hostname="mail.example", loop=loop)

        self._server = await loop.create_server(session, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    def last_from_us(self, address: str) -> "Received | None":
        """Return the last mail the hub sent to an address."""
        return self._threads.get(address)

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail for customers."""
        raw: Any = envelope.original_content
        mail = BytesParser(policy=email.policy.default).parsebytes(raw or b"")
        body = mail.get_body(("plain", "html"))
        text = str(body.get_content()) if body is not None else ""
        for address in envelope.rcpt_tos:
            known = parseaddr(address)[1].lower()
            message_id = str(mail.get("Message-ID", ""))
            references = f"{mail.get('References', '')} {message_id}".strip()
            self._threads[known] = Received(message_id, references, str(mail["Date"]), text)
            self.ears.told(known, text)
        return "250 2.0.0 OK"

    async def deliver(self, mail: EmailMessage) -> None:
        """Hand a mail of a customer to the hub's side."""
        for wait_s in _TRIES_S:
            try:
                await self._hand_in(mail)
            except (OSError, aiosmtplib.SMTPException, smtplib.SMTPException):
                # The hub's door opens a moment after the hub, and a mail server tries again.
                await asyncio.sleep(wait_s)
            else:
                return
        await self._hand_in(mail)

    async def _hand_in(self, mail: EmailMessage) -> None:
        if self.lmtp:
            await asyncio.to_thread(_by_lmtp, self.delivery_port, mail)
            return
        await aiosmtplib.send(
            mail, hostname="127.0.0.1", port=self.delivery_port, start_tls=False, timeout=60
        )


def _by_lmtp(port: int, mail: EmailMessage) -> None:
    with smtplib.LMTP("127.0.0.1", port, timeout=60) as door:
        door.send_message(mail, from_addr=parseaddr(str(mail["From"]))[1], to_addrs=[MAILBOX])


class MailLine:
    """A person's mail program.

    Args:
        subject: of a new matter.
        confirmed: the organisation's server vouches for the sender (DMARC passed).
    """

    def __init__(  # noqa: PLR0913 - what a mail program is set up with
        self, room: MailRoom, person: Person, subject: str, heard: Heard, *, confirmed: bool = True
    ) -> None:
        self._room, self._person, self._confirmed = room, person, confirmed
        self._subject = subject
        self._answer: Received | None = None
        room.ears.listen(person.email, self._hear(heard))

    def _hear(self, heard: Heard) -> Heard:
        def call(text: str) -> None:
            self._answer = self._room.last_from_us(self._person.email)
            heard(text)

        return call

    async def say(self, text: str) -> None:
        """Write a mail."""
        await self._room.deliver(self._mail(text))

    async def send(self, file: MadeFile, text: str) -> None:
        """Write a mail with an attachment."""
        mail = self._mail(text)
        main, _, sub = file.content_type.partition("/")
        mail.add_attachment(file.data, maintype=main, subtype=sub, filename=file.filename)
        await self._room.deliver(mail)

    async def correct(self, text: str) -> None:
        """Write once more: a mail cannot be changed."""
        await self.say(text)

    async def types(self) -> None:
        """Nobody is shown that."""

    async def read(self) -> None:
        """Nobody is shown that."""

    async def close(self) -> None:
        """Stop listening."""
        self._room.ears.forget(self._person.email)

    def _mail(self, text: str) -> EmailMessage:
        person, mail = self._person, EmailMessage()
        verdict = "pass" if self._confirmed else "none"
        domain = person.email.partition("@")[2]
        mail["Authentication-Results"] = f"{CHECKER}; dmarc={verdict} header.from={domain}"
        mail["From"] = formataddr((person.name, person.email))
        mail["To"] = formataddr(("Huaxin Telecom", MAILBOX))
        mail["Date"] = format_datetime(utc_now())
        mail["Message-ID"] = make_msgid(domain=domain)
        answer = self._answer
        mail["Subject"] = self._subject if answer is None else f"Re: {self._subject}"
        farewell = "此致\n" if person.language.startswith("zh") else "Kind regards,\n"
        body = f"{text}\n\n{farewell}{person.name}\n"
        if answer is not None:
            mail["In-Reply-To"], mail["References"] = answer.message_id, answer.references
            body += f"\n{answer.quoted(person.language)}\n"
        mail.set_content(body)
        return mail
