"""Our own door for mail: 250 only for what is stored, never a relay, no smuggling."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPRecipientRefused, SMTPSenderRefused

from hub.adapters.email.imap import Position
from hub.model.channel import InboundMessage
from hub.model.errors import SendError
from tests.adapters.email.fetching import WAIT_S, Pull, channel, imap, mail, pulling
from tests.servers import DovecotServer, free_port

TO = "support@shop.example"


class Door:
    """A pull with a listener; `outcomes` of mails offered from outside."""

    def __init__(self, pull: Pull, port: int) -> None:
        self.pull = pull
        self.port = port

    async def client(self) -> SMTP:
        """Connect."""
        client = SMTP(hostname="127.0.0.1", port=self.port, start_tls=False, timeout=WAIT_S)
        for _ in range(100):
            try:
                await client.connect()
            except SMTPException:
                await asyncio.sleep(0.02)
            else:
                break
        return client

    async def offer(self, raw: bytes, to: list[str] | None = None) -> Any:
        """Hand one mail in and return the answer to DATA."""
        client = await self.client()
        try:
            await client.mail("bounce@customer.example")
            for one in to or [TO]:
                await client.rcpt(one)
            return await client.data(raw)
        finally:
            client.close()


@asynccontextmanager
async def door(cursor: str | None = None, **config: Any) -> AsyncIterator[Door]:
    """Run a mailbox with a listener on a free port."""
    told = {"port": free_port(), **config.pop("listener", {})}
    async with pulling(channel(listener=told, **config), cursor) as pull:
        yield Door(pull, told["port"])


async def next_of(pull: Pull) -> Any:
    async with asyncio.timeout(WAIT_S):
        return await anext(pull.stream)


async def test_250_is_said_when_the_mail_is_stored_and_not_before() -> None:
    async with door() as it:
        taking = asyncio.ensure_future(next_of(it.pull))
        offering = asyncio.ensure_future(it.offer(mail(1)))
        pulled = await taking
        await asyncio.wait({offering}, timeout=0.2)
        assert not offering.done()
        assert pulled.request.method == "SMTP"
        assert pulled.request.headers["hub-envelope-from"] == "bounce@customer.example"
        assert pulled.request.headers["hub-envelope-to"] == TO
        await pulled.ack()
        assert (await offering).code == 250
        [item] = it.pull.channel.parse(pulled.request).items
        assert isinstance(item, InboundMessage)
        assert item.content.subject == "1"


async def test_451_when_the_mail_could_not_be_stored() -> None:
    async with door() as it:
        taking = asyncio.ensure_future(next_of(it.pull))
        offering = asyncio.ensure_future(it.offer(mail(1)))
        await taking
        await it.pull.stream.aclose()  # store and spool failed: the puller lets go
        with pytest.raises(SMTPDataError) as caught:
            await offering
        assert caught.value.code == 451


async def test_a_flood_of_connections_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.adapters.email.listener.MAX_SESSIONS", 3)
    async with door() as it:
        taking = asyncio.ensure_future(it.pull.next())
        held = [await it.client() for _ in range(3)]
        late = await it.client()
        with pytest.raises(SMTPSenderRefused) as caught:
            await late.mail("a@b.example")
        assert caught.value.code == 421
        for one in (*held, late):
            one.close()
        await taking_one_more(it)
        await taking


async def taking_one_more(it: Door) -> None:
    """Offer until the closed connections are forgotten."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await it.offer(mail(1))
            except SMTPSenderRefused:
                continue
            return


async def test_many_mails_at_once_are_each_answered() -> None:
    async with door() as it:
        first = asyncio.ensure_future(it.pull.next())
        offers = [asyncio.ensure_future(it.offer(mail(n))) for n in range(10)]
        await first
        for _ in range(9):
            await it.pull.next()
        assert [one.code for one in await asyncio.gather(*offers)] == [250] * 10


@pytest.mark.parametrize(
    "address",
    ["victim@elsewhere.example", "support@elsewhere.example", "support+x@shop.example",
     "other@shop.example", "support@shop.example@elsewhere.example", "@", "postmaster"],
)  # fmt: skip
async def test_it_never_relays(address: str) -> None:
    async with door() as it:
        taking = asyncio.ensure_future(next_of(it.pull))
        client = await it.client()
        await client.mail("a@b.example")
        with pytest.raises(SMTPRecipientRefused) as caught:
            await client.rcpt(address)
        assert caught.value.code in (550, 501, 553)
        client.close()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


async def test_further_recipients_and_whole_domains() -> None:
    told = {"recipients": ["Sales@shop.example", "@help.example"]}
    async with door(listener=told) as it:
        taking = asyncio.ensure_future(it.pull.next())
        answer = await it.offer(mail(1), ["sales@SHOP.example", "anyone@help.example"])
        assert answer.code == 250
        headers = (await taking).request.headers
        assert headers["hub-envelope-to"] == "sales@SHOP.example, anyone@help.example"


async def test_too_large_is_said_before_and_after_the_data() -> None:
    async with door(listener={"max_bytes": 10_000}) as it:
        taking = asyncio.ensure_future(next_of(it.pull))
        client = await it.client()
        with pytest.raises(SMTPSenderRefused) as early:
            await client.mail("a@b.example", options=["SIZE=20000"])
        assert early.value.code == 552
        client.close()
        with pytest.raises(SMTPDataError) as late:
            await it.offer(mail(1, ("z" * 70 + "\r\n") * 200))
        assert late.value.code == 552
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n"]
)
async def test_a_smuggled_second_mail_stays_text_of_the_first(end: bytes) -> None:
    smuggled = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<" + TO.encode() + b">\r\nDATA\r\n"
    async with door() as it:
        taking = asyncio.ensure_future(it.pull.next())
        client = await it.client()
        await client.mail("a@b.example")
        await client.rcpt(TO)
        # aiosmtplib would mend the line ends: the bytes go as they are
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        lines = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<" + TO.encode() + b">\r\nDATA\r\n"
        for line in lines.splitlines(keepends=True):
            writer.write(line)
            await writer.drain()
        writer.write(b"Subject: outer\r\n\r\ntext" + end + smuggled)
        writer.write(b"Subject: inner\r\n\r\nsecond\r\n.\r\nQUIT\r\n")
        async with asyncio.timeout(WAIT_S):
            answers = await reader.read()
        writer.close()
        client.close()
        # Either the whole is one mail, or aiosmtpd refused it; never two.
        if taking.done():
            pulled = await taking
            assert b"Subject: inner" in pulled.request.body
            assert answers.count(b"250 2.0.0 stored") == 1
        else:
            assert b"250 2.0.0 stored" not in answers
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)


async def test_lmtp_takes_one_recipient_a_mail() -> None:
    async with door(listener={"protocol": "lmtp", "recipients": ["@shop.example"]}) as it:
        taking = asyncio.ensure_future(it.pull.next())
        answers: list[tuple[int, bytes]] = []

        def deliver() -> None:
            lmtp = smtplib.LMTP("127.0.0.1", it.port, timeout=WAIT_S)
            lmtp.ehlo_or_helo_if_needed()
            lmtp.mail("a@b.example")
            answers.append(lmtp.rcpt(TO))
            answers.append(lmtp.rcpt("other@shop.example"))
            answers.append(lmtp.data(mail(1)))
            lmtp.quit()

        await asyncio.sleep(0.05)
        await asyncio.to_thread(deliver)
        assert [code for code, _ in answers] == [250, 452, 250]
        await taking


async def test_a_taken_port_is_named() -> None:
    async with door() as it:
        taking = asyncio.ensure_future(next_of(it.pull))
        (await it.client()).close()
        other = channel(listener={"port": it.port})
        async with pulling(other) as pull:
            with pytest.raises(SendError) as caught:
                await pull.next()
        assert (caught.value.code, caught.value.retryable) == ("cannot_listen", True)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


async def test_both_ways_in_share_one_cursor(dovecot: DovecotServer) -> None:
    dovecot.deliver("both", mail(1))
    async with door(imap=imap(dovecot, "both")) as it:
        assert await it.pull.subjects(1) == ["1"]
        after = Position.read(it.pull.cursor)
        taking = asyncio.ensure_future(it.pull.subjects(1))
        assert (await it.offer(mail(2))).code == 250
        assert await taking == ["2"]
        assert Position.read(it.pull.cursor) == after
        await asyncio.to_thread(dovecot.deliver, "both", mail(3))
        assert await it.pull.subjects(1) == ["3"]


async def test_the_door_stays_open_while_the_mailbox_is_away() -> None:
    away = {"host": "127.0.0.1", "port": 1, "security": "none", "user": "u", "password": "p"}
    async with door(imap=away) as it:
        taking = asyncio.ensure_future(it.pull.subjects(1))
        assert (await it.offer(mail(1))).code == 250
        assert await taking == ["1"]
