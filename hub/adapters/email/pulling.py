"""Mails as a stream: the mailbox's thread and our own listener behind one `pull`."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from hub.adapters.email.adapter import EmailChannel
from hub.adapters.email.config import EmailConfig
from hub.adapters.email.imap import MailboxReader, Position
from hub.adapters.email.imap_session import FetchedMail
from hub.adapters.email.inbound import (
    CUT_HEADER,
    DKIM_HEADER,
    MARK_HEADER,
    SENDER_HEADER,
    dkim_verdict,
    is_own_address,
    sender_of,
)
from hub.adapters.email.listener import MailListener, ReceivedMail
from hub.model.channel import Pulled, RawRequest, StopSignal
from hub.model.clock import utc_now

RECIPIENTS_HEADER = "hub-envelope-to"
_JOIN_S = 5.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One mail to be stored. `position` is None for what came through the listener."""

    method: str
    raw: bytes
    headers: dict[str, str]
    position: Position | None = None
    stored: "asyncio.Future[bool] | None" = None


@dataclass(slots=True)
class _Inbox:
    """What the two ways in put and `pull` takes; lives as long as one `pull`."""

    loop: asyncio.AbstractEventLoop
    queue: "asyncio.Queue[_Waiting | Exception]" = field(default_factory=asyncio.Queue)
    open: set["asyncio.Future[bool]"] = field(default_factory=set)

    def put_from_thread(self, what: "_Waiting | Exception") -> None:
        """Hand over from the mailbox's thread; a loop that is gone needs nothing more."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.queue.put_nowait, what)

    def refuse_all(self) -> None:
        """Tell every waiting sender that its mail is not stored."""
        for one in self.open:
            if not one.done():
                one.set_result(False)


class PullingEmailChannel(EmailChannel):
    """A mailbox that is read, by IMAP, by our own listener, or both."""

    async def pull(self, cursor: str | None, stop: StopSignal) -> AsyncGenerator[Pulled, None]:
        """Yield mails as they come. `cursor` tells how far the mailbox was read.

        A mail through the listener is acknowledged to its sender in `Pulled.ack`; when the caller
        ends without it the sender hears 451 and keeps the mail.

        Raises:
            SendError: see `imap_session.connect`, and `cannot_listen`.
        """
        inbox = _Inbox(asyncio.get_running_loop())
        position = Position.read(cursor)
        listener = self._listener(inbox)
        reader = self._reader(inbox, position, patient=listener is not None)
        try:
            if listener is not None:
                await listener.start()
            if reader is not None:
                reader.start()
            async with aclosing(_until_stopped(inbox, stop)) as waiting:
                async for mail in waiting:
                    # What came by the listener carries the mailbox's position on unchanged.
                    position = mail.position or position
                    yield Pulled(self._request(mail), position.cursor(), _ack(mail, reader))
                    if mail.position is not None and reader is not None:
                        reader.taken()
        finally:
            await _close(inbox, listener, reader)

    def _listener(self, inbox: _Inbox) -> MailListener | None:
        if self.config.listener is None:
            return None

        async def sink(mail: ReceivedMail) -> bool:
            headers = await asyncio.to_thread(self._check, mail.raw)
            headers[SENDER_HEADER] = mail.envelope_from
            headers[RECIPIENTS_HEADER] = ", ".join(mail.recipients)
            stored: asyncio.Future[bool] = inbox.loop.create_future()
            inbox.open.add(stored)
            try:
                inbox.queue.put_nowait(_Waiting("SMTP", mail.raw, headers, stored=stored))
                return await stored
            finally:
                inbox.open.discard(stored)

        return MailListener(self.config.listener, _own_of(self.config), sink)

    def _reader(self, inbox: _Inbox, position: Position, *, patient: bool) -> MailboxReader | None:
        if self.config.imap is None:
            return None

        def deliver(mail: FetchedMail | None, after: Position) -> None:
            if mail is None:
                inbox.put_from_thread(_Waiting("PULL", b"", {MARK_HEADER: "1"}, after))
                return
            headers = self._check(mail.raw) if not mail.cut_from else {DKIM_HEADER: "none"}
            if mail.cut_from:
                headers[CUT_HEADER] = str(mail.cut_from)
            inbox.put_from_thread(_Waiting("PULL", mail.raw, headers, after))

        return MailboxReader(
            self.config.imap, position, deliver, inbox.put_from_thread, patient=patient
        )

    def _check(self, raw: bytes) -> dict[str, str]:
        """Run the checks that need the network (blocking, in a thread)."""
        if not self.config.dkim_check:
            return {DKIM_HEADER: "none"}
        sender = sender_of(raw)
        # Imported here: a mailbox without the check needs no resolver.
        from hub.adapters.email.dkim_check import dkim_aligned

        try:
            passed = bool(sender) and dkim_aligned(raw, sender, self.lookup_txt)
        except Exception:  # a library met hostile bytes: that is no pass, and no reason to stop
            passed = False
        return {DKIM_HEADER: dkim_verdict(passed, sender)}

    def _request(self, mail: _Waiting) -> RawRequest:
        return RawRequest(
            method=mail.method,
            url=self.context.webhook_url,
            path="",
            query="",
            headers=mail.headers,
            body=mail.raw,
            received_at=utc_now(),
        )


def _ack(mail: _Waiting, reader: MailboxReader | None) -> Callable[[], Awaitable[None]]:
    async def ack() -> None:
        if mail.stored is not None and not mail.stored.done():
            mail.stored.set_result(True)
        # What could not be read stays where a person finds it.
        if mail.position is not None and reader is not None and mail.raw.strip():
            reader.processed(mail.position)

    return ack


def _own_of(config: EmailConfig) -> Callable[[str], bool]:
    return lambda address: is_own_address(config, address)


async def _until_stopped(inbox: _Inbox, stop: StopSignal) -> AsyncGenerator[_Waiting, None]:
    """Yield what comes until `stop`; raise what ended the mailbox's thread."""
    stopping = asyncio.ensure_future(_wait(stop))
    getting: asyncio.Future[_Waiting | Exception] | None = None
    try:
        while not stop.is_set():
            getting = asyncio.ensure_future(inbox.queue.get())
            await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                return
            what = getting.result()
            if isinstance(what, Exception):
                raise what
            yield what
    finally:
        stopping.cancel()
        if getting is not None:
            getting.cancel()


async def _wait(stop: StopSignal) -> None:
    await stop.wait()


async def _close(
    inbox: _Inbox, listener: MailListener | None, reader: MailboxReader | None
) -> None:
    """End both ways in. What was not acknowledged comes again."""
    if reader is not None:
        reader.stop()
    inbox.refuse_all()
    if listener is not None:
        await listener.close()
    if reader is not None:
        await asyncio.to_thread(reader.join, _JOIN_S)
