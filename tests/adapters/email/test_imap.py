"""Reading a real mailbox (dovecot): order, cursor, cuts, UIDVALIDITY, limits, poison."""

import asyncio
import imaplib
import shutil
import threading

import pytest

from hub.adapters.email.imap import TRIES, Position
from hub.model.errors import PayloadInvalid, SendError
from tests.adapters.email.fetching import Pull, channel, imap, mail, pulling, until
from tests.adapters.email.proxy import CuttingProxy
from tests.servers import DovecotServer


def imap_threads() -> int:
    return sum(1 for one in threading.enumerate() if one.name == "imap")


async def test_mails_come_in_order_then_live_and_the_thread_ends(dovecot: DovecotServer) -> None:
    before = imap_threads()
    for number in range(1, 8):
        dovecot.deliver("order", mail(number))
    async with pulling(channel(imap=imap(dovecot, "order"))) as pull:
        assert await pull.subjects(7) == [str(n) for n in range(1, 8)]
        waiting = asyncio.ensure_future(pull.subjects(2))
        await asyncio.sleep(0)
        await asyncio.to_thread(dovecot.deliver, "order", mail(8))
        await asyncio.to_thread(dovecot.deliver, "order", mail(9))
        assert await waiting == ["8", "9"]
        assert imap_threads() == before + 1
    assert imap_threads() == before


async def test_the_cursor_goes_on_after_a_restart(dovecot: DovecotServer) -> None:
    for number in range(3):
        dovecot.deliver("restart", mail(number))
    async with pulling(channel(imap=imap(dovecot, "restart"))) as pull:
        assert await pull.subjects(2) == ["0", "1"]
        cursor = pull.cursor
    dovecot.deliver("restart", mail(3))
    async with pulling(channel(imap=imap(dovecot, "restart")), cursor) as pull:
        assert await pull.subjects(2) == ["2", "3"]


async def test_reading_leaves_no_trace_in_the_mailbox(dovecot: DovecotServer) -> None:
    dovecot.deliver("unseen", mail(1))
    async with pulling(channel(imap=imap(dovecot, "unseen"))) as pull:
        await pull.subjects(1)
    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as other:
        other.login("unseen", dovecot.password)
        other.select("INBOX", readonly=True)
        assert other.search(None, "UNSEEN") == ("OK", [b"1"])


async def test_a_kicked_session_goes_on_by_itself(dovecot: DovecotServer) -> None:
    dovecot.deliver("kicked", mail(1))
    async with pulling(channel(imap=imap(dovecot, "kicked"))) as pull:
        assert await pull.subjects(1) == ["1"]
        for number in (2, 3):
            await asyncio.to_thread(dovecot.kick, "kicked")
            await asyncio.to_thread(dovecot.deliver, "kicked", mail(number))
            assert await pull.subjects(1) == [str(number)]


async def test_a_cut_inside_a_mail_is_fetched_again(dovecot: DovecotServer) -> None:
    bodies = {n: f"{n}\r\n" + f"line {n}\r\n" * 20_000 for n in (1, 2, 3)}
    for number, body in bodies.items():
        dovecot.deliver("cut", mail(number, body))
    # Each connection dies 300 kB in: in the middle of the second mail of it.
    proxy = CuttingProxy(dovecot.imap_port, cut_after=300_000)
    async with proxy:
        config = imap(dovecot, "cut", port=proxy.port)
        async with pulling(channel(imap=config)) as pull:
            for number, body in bodies.items():
                pulled = await pull.next()
                assert pulled.request.body.endswith(body.encode() + b"\r\n"), number
        assert proxy.cuts >= 1


async def test_a_new_uidvalidity_rescans(dovecot: DovecotServer) -> None:
    for number in (1, 2):
        dovecot.deliver("validity", mail(number))
    async with pulling(channel(imap=imap(dovecot, "validity"))) as pull:
        await pull.subjects(2)
        cursor = pull.cursor
    old = Position.read(cursor)
    folder = dovecot.folder / "mail" / "validity"
    for path in folder.glob("dovecot*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    await asyncio.sleep(1.1)  # dovecot takes the second of the clock as UIDVALIDITY
    async with pulling(channel(imap=imap(dovecot, "validity")), cursor) as pull:
        assert sorted(await pull.subjects(2)) == ["1", "2"]
        assert Position.read(pull.cursor).validity != old.validity


async def test_only_new_mails_when_asked(dovecot: DovecotServer) -> None:
    dovecot.deliver("onlynew", mail(1))
    config = imap(dovecot, "onlynew", start="new")
    async with pulling(channel(imap=config)) as pull:
        mark = await pull.next()
        assert pull.channel.parse(mark.request).items == ()
        cursor = pull.cursor
    dovecot.deliver("onlynew", mail(2))
    async with pulling(channel(imap=config), cursor) as pull:
        assert await pull.subjects(1) == ["2"]


async def test_of_a_mail_over_the_limit_the_beginning_is_read(dovecot: DovecotServer) -> None:
    dovecot.deliver("large", mail(1, "x" * 60 + "\r\n" + ("y" * 60 + "\r\n") * 20_000))
    dovecot.deliver("large", mail(2))
    config = imap(dovecot, "large", max_bytes=100_000)
    async with pulling(channel(imap=config)) as pull:
        pulled = await pull.next()
        assert len(pulled.request.body) == 1_000_000
        [item] = pull.channel.parse(pulled.request).items
        assert item.content.unsupported == "mail_too_large"  # type: ignore[union-attr]
        assert await pull.subjects(1) == ["2"]


async def test_a_mail_that_always_cuts_the_line_is_passed_over(
    dovecot: DovecotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        body = "poison\r\n" if number == 2 else "text\r\n"
        dovecot.deliver("quarantine", mail(number, body))
    monkeypatch.setattr("hub.adapters.email.imap.RECONNECT_S", (0.02, 0.05))
    proxy = CuttingProxy(dovecot.imap_port, cut_at=b"poison")
    async with proxy, pulling(channel(imap=imap(dovecot, "quarantine", port=proxy.port))) as pull:
        assert await pull.subjects(1) == ["1"]
        quarantined = await pull.next()
        with pytest.raises(PayloadInvalid):
            pull.channel.parse(quarantined.request)
        assert await pull.subjects(1) == ["3"]
        assert proxy.cuts == TRIES


async def test_stored_mails_are_moved_when_asked(dovecot: DovecotServer) -> None:
    dovecot.deliver("moved", mail(1))
    config = imap(dovecot, "moved", processed_folder="Processed")

    def counts() -> tuple[bytes, bytes]:
        with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as other:
            other.login("moved", dovecot.password)
            inbox = other.select("INBOX", readonly=True)[1][0]
            processed = other.select("Processed", readonly=True)[1][0]
            return inbox or b"", processed or b""

    async with pulling(channel(imap=config)) as pull:
        assert await pull.subjects(1) == ["1"]
        waiting = asyncio.ensure_future(pull.next())
        await until(lambda: counts() == (b"0", b"1"))
        await asyncio.to_thread(dovecot.deliver, "moved", mail(2))
        assert (await waiting).request.body.count(b"Subject: 2") == 1


async def test_at_most_four_mails_wait_for_the_store(dovecot: DovecotServer) -> None:
    for number in range(8):
        dovecot.deliver("slow", mail(number))
    proxy = CuttingProxy(dovecot.imap_port)
    async with proxy, pulling(channel(imap=imap(dovecot, "slow", port=proxy.port))) as pull:
        await pull.next()
        await until(lambda: proxy.passed.count(b"BODY[] {") >= 4)
        await asyncio.sleep(0.3)  # a reader that does not wait would have fetched all of them
        assert proxy.passed.count(b"BODY[] {") <= 5
        assert await pull.subjects(7) == [str(n) for n in range(1, 8)]


async def _error_of(pull: Pull) -> SendError:
    with pytest.raises(SendError) as caught:
        await pull.next()
    return caught.value


async def test_refused_credentials_need_a_person(dovecot: DovecotServer) -> None:
    config = imap(dovecot, "login", password="wrong-made-up")
    async with pulling(channel(imap=config)) as pull:
        error = await _error_of(pull)
    assert (error.code, error.needs_auth) == ("auth_refused", True)
    assert "wrong-made-up" not in repr(error)


async def test_a_server_that_is_away_is_tried_again() -> None:
    config = {"host": "127.0.0.1", "port": 1, "security": "none", "user": "u", "password": "p"}
    async with pulling(channel(imap=config)) as pull:
        error = await _error_of(pull)
    assert (error.code, error.retryable, error.needs_auth) == ("connect_failed", True, False)


async def test_a_missing_folder_is_named(dovecot: DovecotServer) -> None:
    async with pulling(channel(imap=imap(dovecot, "folder", folder="No such"))) as pull:
        assert (await _error_of(pull)).code == "folder_missing"


async def test_a_server_without_tls_is_not_given_the_password(dovecot: DovecotServer) -> None:
    config = imap(dovecot, "starttls", security="starttls")
    async with pulling(channel(imap=config)) as pull:
        error = await _error_of(pull)
    assert (error.code, error.needs_auth) == ("security_not_offered", True)


async def test_probe_logs_in_everywhere(dovecot: DovecotServer) -> None:
    dovecot.deliver("probe", mail(1))
    report = await channel(imap=imap(dovecot, "probe")).probe()
    assert report.ok
    assert report.facts["mails"] == 1
    refused = await channel(imap=imap(dovecot, "probe", password="no")).probe()
    assert (refused.ok, refused.code, refused.facts["server"]) == (False, "auth_refused", "imap")
    away = {"host": "127.0.0.1", "port": 1, "security": "none"}
    report = await channel(imap=imap(dovecot, "probe"), smtp=away).probe()
    assert (report.ok, report.code, report.facts["server"]) == (False, "cannot_connect", "smtp")


@pytest.mark.parametrize("cursor", [None, "", "{}", "null", "[]", "7", '{"uid":"x"}', "not json"])
def test_a_cursor_that_cannot_be_read_starts_over(cursor: str | None) -> None:
    assert Position.read(cursor) == Position()


async def test_news_in_one_piece_with_the_answer_to_idle_are_seen(dovecot: DovecotServer) -> None:
    """A mail between SELECT and IDLE is announced right behind `+ idling`, often in one segment."""
    dovecot.deliver("piece", mail(1))
    arrived = asyncio.Event()

    async def before_idle(data: bytes) -> None:
        if data.endswith(b" IDLE\r\n") and not arrived.is_set():
            await asyncio.to_thread(dovecot.deliver, "piece", mail(2))
            arrived.set()

    proxy = CuttingProxy(dovecot.imap_port, asked=before_idle, lazy=b"+ idling\r\n")
    async with proxy, pulling(channel(imap=imap(dovecot, "piece", port=proxy.port))) as pull:
        assert await pull.subjects(2) == ["1", "2"]
