"""Our own door for mail: SMTP or LMTP in the running loop. Takes for its recipients, never relays.

250 is said when the mail is stored (or safely spooled), 451 when that failed: the other side then
keeps it and comes again. A second delivery of a stored mail is a duplicate by its external id.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from typing_extensions import override

from hub.adapters.email.config import ListenerConfig
from hub.adapters.email.domains import same_mailbox
from hub.model.errors import SendError

SESSION_TIMEOUT_S = 60.0
STORE_TIMEOUT_S = 90.0
LAST_WORD_S = 2.0
MAX_SESSIONS = 100
MAX_RECIPIENTS = 50
MAX_WAITING = 20

# It writes every command, so addresses, at INFO.
logging.getLogger("mail.log").setLevel(logging.ERROR)
logging.getLogger("mail.debug").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail and its envelope."""

    raw: bytes
    envelope_from: str
    recipients: tuple[str, ...]


Sink = Callable[[ReceivedMail], Awaitable[bool]]
"""Stores a mail; true when it is safe. May raise: that is a no."""


class MailListener:
    """A server for one mailbox; `start` it in the loop that `sink` belongs to."""

    def __init__(self, config: ListenerConfig, own: Callable[[str], bool], sink: Sink) -> None:
        self._config = config
        self._own = own
        self._sink = sink
        self._named = frozenset(same_mailbox(one) for one in config.recipients)
        self._server: asyncio.Server | None = None
        self._sessions: set[SMTP] = set()
        self._waiting = 0
        self._quiet = asyncio.Event()
        self._closing = False

    async def start(self) -> None:
        """Listen. Raises SendError `cannot_listen` (the port is taken, the address is not ours)."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._session, self._config.bind, self._config.port
            )
        except OSError:
            raise SendError("cannot_listen", retryable=True) from None

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening and end every session; what is not stored was not acknowledged."""
        server, self._server = self._server, None
        self._closing = True
        if server is None:
            return
        server.close()
        if self._waiting:
            # Whoever waits for an answer shall hear it: 451 is friendlier than a cut line.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), LAST_WORD_S)
        for one in list(self._sessions):
            transport = one.transport
            if transport is not None:
                transport.close()
        await server.wait_closed()

    def takes(self, address: str) -> bool:
        """Tell whether mail for this address is ours."""
        given = same_mailbox(address)
        return (
            self._own(address)
            or given in self._named
            or f"@{given.rpartition('@')[2]}" in self._named
        )

    def _session(self) -> SMTP:
        kind = _CountedLmtp if self._config.protocol == "lmtp" else _CountedSmtp
        handler = _Handler(self, full=len(self._sessions) >= MAX_SESSIONS)
        made = kind(
            handler,
            data_size_limit=self._config.max_bytes,
            enable_SMTPUTF8=True,
            hostname="hub",
            ident="hub",
            timeout=SESSION_TIMEOUT_S,
            command_call_limit={"*": 200},
            loop=asyncio.get_running_loop(),
        )
        made.ended = self._sessions.discard
        self._sessions.add(made)
        return made

    @property
    def one_recipient(self) -> bool:
        """LMTP answers for each recipient; aiosmtpd gives one answer, so there must be one."""
        return self._config.protocol == "lmtp"

    async def store(self, mail: ReceivedMail) -> bool:
        """Hand a mail on; false when it is not safe in time or too many wait already."""
        if self._closing or self._waiting >= MAX_WAITING:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                return await self._sink(mail)
        except Exception:
            return False
        finally:
            self._waiting -= 1
            if self._closing and not self._waiting:
                self._quiet.set()


class _CountedSmtp(SMTP):
    """A session that says when it is over."""

    ended: Callable[[SMTP], None] | None = None

    @override
    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self.ended is not None:
            self.ended(self)


class _CountedLmtp(_CountedSmtp, LMTP):
    """The same, speaking LMTP."""


class _Handler:
    """What aiosmtpd asks at each command; the names are its."""

    def __init__(self, listener: MailListener, *, full: bool) -> None:
        self._listener = listener
        self._full = full

    async def handle_MAIL(  # noqa: N802, PLR0913 - aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._full:
            return "421 4.3.2 too many connections"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802, PLR0913 - aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self._listener.takes(address):
            return "550 5.1.1 no such recipient here"
        limit = 1 if self._listener.one_recipient else MAX_RECIPIENTS
        if len(envelope.rcpt_tos) >= limit:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        raw: Any = envelope.original_content
        if not isinstance(raw, bytes):
            return "451 4.3.0 try again later"
        mail = ReceivedMail(raw, envelope.mail_from or "", tuple(envelope.rcpt_tos))
        if await self._listener.store(mail):
            return "250 2.0.0 stored"
        return "451 4.3.0 try again later"
