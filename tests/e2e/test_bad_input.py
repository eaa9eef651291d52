"""What is forged, broken, too large, unknown or in the way of a full disk meets a running hub."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.e2e.stage import Account, Providers, count, outcomes, select, until
from tests.live_hub import KEY, ROOT, LiveHub
from tests.servers import DovecotServer, PostgresServer

KINDS = ("twilio_sms", "telegram", "slack")
STORED = "SELECT COUNT(*) FROM message WHERE direction = 'in'"
MALFORMED = {
    "twilio_sms": [
        b"",
        urlencode({"MessageSid": "SM1", "AccountSid": "AC" + "0" * 32}).encode(),
        urlencode({"MessageSid": "SM" + "1" * 32, "From": "", "Body": "x"}).encode(),
    ],
    "telegram": [b"{", b"[]", b"null", b'{"update_id": "x"}', b'{"update_id": 1, "message": 7}'],
    "slack": [b"{", b"[]", b"null", b"1" * 5_000, b'{"type": 7}', b'{"type": "event_callback"}'],
}


@pytest.fixture(scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Providers]:
    """A hub on SQLite with two accounts at each of the three providers."""
    extra = {"HUB_LOG_LEVEL": "info"}
    hub = LiveHub(tmp_path_factory.mktemp("bad-input"), extra=extra)
    providers = Providers(hub, *KINDS, *KINDS)
    await providers.set_up()
    hub.start()
    try:
        await hub.ready()
        yield providers
    finally:
        await providers.close()
        hub.kill()


async def rises(town: Providers, account: Account, outcome: str, to: int) -> None:
    """Wait until a channel's counter of an outcome stands at `to`."""

    async def there() -> bool:
        return outcomes(town.hub, account.channel_id).get(outcome, 0) == to

    await until(there, f"{account.kind}: {outcome} = {to}")


@pytest.mark.parametrize("kind", KINDS)
async def test_forged_requests_leave_a_counter_and_nothing_else(town: Providers, kind: str) -> None:
    account = town[kind]
    other = next(a for a in town.accounts if a.kind == kind and a is not account)
    before = count(town.hub, STORED), count(town.hub, "SELECT COUNT(*) FROM intake_log")
    forged = outcomes(town.hub, account.channel_id).get("refused", 0)
    series = f'hub_intake_total{{kind="{kind}",outcome="refused"}}'
    seen = await town.metric(series)
    body = account.message(1, "forged")
    plain = {"Content-Type": account.headers("", body)["Content-Type"]}
    answers = [
        await town.post(account, body, headers=plain),
        await town.post(account, body, secret="x" * 32),
        await town.post(account, body, secret=other.secret),
        await town.post(account, body + b" ", headers=account.headers("http://elsewhere", body))
        if kind != "telegram"
        else await town.post(account, body, secret=""),
    ]
    assert {(a.status, a.code) for a in answers} == {(403, "signature_rejected")}
    await rises(town, account, "refused", forged + len(answers))
    assert await town.metric(series) == seen + len(answers)
    after = count(town.hub, STORED), count(town.hub, "SELECT COUNT(*) FROM intake_log")
    assert after == before


@pytest.mark.parametrize("kind", KINDS)
async def test_malformed_requests_are_refused_and_kept(town: Providers, kind: str) -> None:
    account = town[kind]
    before = count(town.hub, STORED)
    for body in MALFORMED[kind]:
        answer = await town.post(account, body)
        assert (answer.status, answer.code) == (400, "payload_invalid"), body[:60]
    sql = "SELECT code, request, headers FROM intake_log WHERE channel_id = ? AND outcome = ?"
    kept = select(town.hub, sql, account.channel_id, "invalid")
    assert [code for code, _, _ in kept] == ["payload_invalid"] * len(MALFORMED[kind])
    assert not any(account.secret in str(headers) for _, _, headers in kept)
    assert all(bytes(request)[:1] not in (b"{", b"[") for _, request, _ in kept)
    await rises(town, account, "invalid", len(kept))
    assert count(town.hub, STORED) == before


async def test_oversized_requests_are_not_read(town: Providers) -> None:
    for account in town.accounts[:3]:
        answer = await town.post(account, b"x" * 2_500_000)
        # Whoever goes on sending after the answer may find the connection closed.
        assert answer.status in (413, 0), account.kind
        assert answer.code in ("too_large", "")
        await rises(town, account, "too_large", 1)


async def test_unknown_events_are_taken_and_said_once(town: Providers) -> None:
    slack, telegram = town["slack"], town["telegram"]
    for _ in range(5):
        answer = await town.post(slack, slack.event({"type": "team_join", "user": {"id": "U1"}}))
        assert answer.status == 200
    for number in range(3):
        update = {"update_id": 900 + number, "poll": {"id": "1"}}
        assert (await town.post(telegram, json.dumps(update).encode())).status == 200
    log = (town.hub.folder / "hub.log").read_text()
    assert log.count("intake.unknown_event") == 2
    assert "team_join" in log
    await rises(town, slack, "ignored", 5)


async def test_unknown_channels_and_methods(town: Providers) -> None:
    nowhere = Account("slack", "01920000-0000-7000-8000-000000000000")
    assert (await town.post(nowhere, b"{}")).status == 404
    assert (await town.post(Account("slack", "../api"), b"{}")).status == 404
    assert (await town.get(f"/in/{town['twilio_sms'].channel_id}")).status == 403


SETTINGS: list[tuple[dict[str, str], str, tuple[str, ...]]] = [
    ({"HUB_PORT": "99999"}, "", ("environment", "HUB_PORT", "less than or equal to 65535")),
    ({}, 'lenght = 4\nhost = "::1"', ("hub.toml", "lenght", "no such setting")),
    ({"HUB_SECRET_KEY": "tooshort"}, "", ("HUB_SECRET_KEY", "32")),
]


def test_bad_settings_end_the_start(tmp_path: Path) -> None:
    """Every refusal names the place, the key and the reason, and repeats no secret."""
    started = [_start_wrong(tmp_path / str(n), *one[:2]) for n, one in enumerate(SETTINGS)]
    for process, (_, _, words) in zip(started, SETTINGS, strict=True):
        said, _ = process.communicate(timeout=100)
        assert process.returncode not in (0, None)
        assert all(word in said for word in words), said
        assert "Traceback" not in said
        assert "tooshort" not in said


def _start_wrong(folder: Path, environment: dict[str, str], file: str) -> "subprocess.Popen[str]":
    (folder / "config").mkdir(parents=True)
    if file:
        (folder / "config" / "hub.toml").write_text(file)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
    return subprocess.Popen(
        [sys.executable, "-m", "hub", "serve"],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), "HUB_DATA_DIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# --- the store away, too slow, full -------------------------------------------------------------
async def test_a_store_that_is_away_or_slow_loses_nothing(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    with postgres_server.fresh_database() as url:
        hub = LiveHub(tmp_path, database_url=url)
        providers = Providers(hub, *KINDS)
        await providers.set_up()
        hub.start()
        try:
            await hub.ready()
            await _slow_store(providers)
            await _stopped_store(providers, postgres_server)
        finally:
            await providers.close()
            hub.kill()


async def _slow_store(providers: Providers) -> None:
    """Hold the tables for longer than Slack waits."""
    import psycopg

    hub, slack = providers.hub, providers["slack"]
    with psycopg.connect(hub.database_url) as held:
        held.execute("LOCK TABLE message, intake_count IN ACCESS EXCLUSIVE MODE")
        bodies = [slack.message(n, f"slow {n}", str(1000 + n)) for n in range(4)]
        answers = await asyncio.gather(*(providers.post(slack, body) for body in bodies))
        held.rollback()
    assert [a.status for a in answers] == [200] * 4
    assert max(a.seconds for a in answers) < 3
    await _stored(hub, slack, 4)
    again = [await providers.post(slack, body) for body in bodies]  # Slack heard us, but never mind
    assert [a.status for a in again] == [200] * 4
    await _stored(hub, slack, 4)


async def _stopped_store(providers: Providers, server: PostgresServer) -> None:
    """Crash the database while everybody writes; start it again a little later."""
    hub = providers.hub
    acked: dict[str, int] = {}
    stop = asyncio.Event()

    async def writes(account: Account, sender: int) -> None:
        number = sender * 10_000
        while not stop.is_set():
            number += 1
            text = f"mark-{account.kind}-{number}"
            answer = await providers.post(account, account.message(sender, text, str(number)))
            assert answer.status in (200, 0), (account.kind, answer)
            assert account.kind != "slack" or answer.seconds < 3, answer.seconds
            if answer.status == 200:
                acked[text] = acked.get(text, 0) + 1
            await asyncio.sleep(0.1)

    async def more_than(number: int) -> bool:
        for one in writers:
            if one.done():
                one.result()
        return len(acked) > number

    writers = [asyncio.create_task(writes(a, n)) for a in providers.accounts for n in (1, 2)]
    try:
        await until(lambda: more_than(20), "some messages")
        await asyncio.to_thread(server.stop_immediately)
        at = len(acked)
        try:
            await until(lambda: more_than(at + 20), "messages taken while the store is away")
            await until(lambda: _degraded(providers), "/readyz says so")
            # Longer than a loop that fails at once would be allowed to die five times.
            await asyncio.sleep(6)
        finally:
            await asyncio.to_thread(server.start)
        at = len(acked)
        await until(lambda: more_than(at + 20), "messages after the store came back")
    finally:
        stop.set()
        await asyncio.gather(*writers)

    async def drained() -> bool:
        parts = json.loads((await providers.get("/readyz")).body)["parts"]
        return parts["spool"] == "writable" and parts["store"] == "up"

    await until(drained, "the spool is empty", 60)
    sql = "SELECT content FROM message WHERE direction = 'in'"
    stored = [json.loads(content)["text"] for (content,) in select(hub, sql)]
    assert [text for text in acked if stored.count(text) != 1] == []
    _in_order(hub)


async def _degraded(providers: Providers) -> bool:
    told = await providers.get("/readyz")
    parts = json.loads(told.body)["parts"]
    return told.status == 200 and parts["store"] == "away" and "waiting" in parts["spool"]


def _in_order(hub: LiveHub) -> None:
    """Check that every conversation tells its sender's messages in the order they were written."""
    sql = "SELECT conversation_id, content FROM message WHERE direction = 'in' ORDER BY 1, number"
    talks: dict[str, list[int]] = {}
    for conversation, content in select(hub, sql):
        text = json.loads(content)["text"]
        if text.startswith("mark-"):
            talks.setdefault(conversation, []).append(int(text.rpartition("-")[2]))
    assert len(talks) >= 6
    for numbers in talks.values():
        assert numbers == sorted(numbers)


async def _stored(hub: LiveHub, account: Account, number: int) -> None:
    async def there() -> bool:
        found = count(hub, STORED + " AND channel_id = ?", account.channel_id)
        assert found <= number
        waiting = sum(f.stat().st_size for f in (hub.folder / "spool").glob("*.spool"))
        return found == number and not waiting

    await until(there, f"{number} stored")


async def test_a_full_disk_and_then_room_again(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = _mount(disk, "12m")
    hub = LiveHub(disk)
    providers = Providers(hub, *KINDS)
    try:
        await providers.set_up()
        hub.start()
        await hub.ready()
        await _fill_and_free(providers, disk, full_disk=mounted)
        assert hub.stop() == 0
    finally:
        await providers.close()
        hub.kill()
        if mounted:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def _mount(folder: Path, size: str) -> bool:
    """Put a small file system of its own under a folder, where this machine allows it."""
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


async def _fill_and_free(providers: Providers, disk: Path, *, full_disk: bool) -> None:
    import resource

    hub, sms = providers.hub, providers["twilio_sms"]
    acked: list[str] = []

    async def write(number: int) -> int:
        text = f"mark-{number} {'x' * 1000}"
        answer = await providers.post(sms, sms.message(number % 7, text, str(number)))
        if answer.status == 200:
            acked.append(text)
        return answer.status

    assert await write(1) == 200
    assert hub.process is not None
    filler = disk / "filler"
    if full_disk:
        with filler.open("wb") as out:
            while True:
                try:
                    out.write(b"\0" * 65_536)
                    out.flush()
                except OSError:
                    break
    else:
        limit = (4096, resource.RLIM_INFINITY)
        resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, limit)
    said = [await write(number) for number in range(2, 60)]
    assert 503 in said, said
    assert set(said) <= {200, 503}
    if full_disk:

        async def refused() -> bool:
            return (await providers.get("/readyz")).status == 503

        await until(refused, "/readyz says 503")
        filler.unlink()
    else:
        limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, limit)

    async def taken() -> bool:
        return await write(60 + len(acked)) == 200

    await until(taken, "a message is taken again")
    await hub.ready()
    assert hub.process.poll() is None

    async def whole() -> bool:
        sql = "SELECT content FROM message WHERE direction = 'in'"
        stored = [json.loads(content)["text"] for (content,) in select(hub, sql)]
        assert len(stored) == len(set(stored))
        return set(acked) <= set(stored)

    await until(whole, "everything acknowledged is stored")


# --- mails --------------------------------------------------------------------------------------
async def test_poison_mails_are_kept_and_the_next_passes(
    tmp_path: Path, dovecot: DovecotServer
) -> None:
    mailbox = "poison@hub.test"
    hub = LiveHub(tmp_path)
    imap = {
        "host": dovecot.host,
        "port": dovecot.imap_port,
        "security": "none",
        "user": mailbox,
        "password": dovecot.password,
    }
    config = {"address": mailbox, "imap": imap, "dkim_check": False}
    ids = await hub.add_channels({"mail": ("email", json.dumps(config).encode())})
    mails = [*_poison(), _good_mail(mailbox)]
    for mail in mails:
        await asyncio.to_thread(dovecot.deliver, mailbox, mail)
    hub.start()
    try:
        await hub.ready()

        async def all_there() -> bool:
            return outcomes(hub, ids["mail"]).get("stored", 0) == len(mails)

        await until(all_there, "every mail is stored", 30)
        sql = "SELECT content FROM message WHERE direction = 'in' ORDER BY recorded_at, id"
        texts = [json.loads(content)["text"] for (content,) in select(hub, sql)]
        assert "the mail behind them" in texts[-1]
        originals = "SELECT COUNT(*) FROM attachment WHERE kind = 'original' AND state = 'stored'"

        async def kept() -> bool:
            return count(hub, originals) == len(mails)

        await until(kept, "every original is kept")
        assert hub.process is not None
        assert hub.process.poll() is None
        log = (tmp_path / "hub.log").read_text()
        assert "Traceback" not in log, log[-2000:]
    finally:
        hub.kill()


def _good_mail(mailbox: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ada <ada@example.net>", mailbox, "Fine"
    mail["Message-ID"] = "<fine@example.net>"
    mail.set_content("the mail behind them")
    return mail.as_bytes()


def _poison() -> list[bytes]:
    head = b"From: m@example.net\r\nTo: poison@hub.test\r\nMessage-ID: <%d@example.net>\r\n"
    deep = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n)
        for n in range(1000)
    )
    return [
        head % 1 + b"Subject: nul\r\n\r\nbefore\0after\0\r\n",
        head % 2 + deep + b"\r\nthe bottom\r\n",
        head % 3 + b"Content-Type: text/plain; charset=no-such\r\n\r\n\xff\xfe\x80\r\n",
        head % 4 + b"Content-Type: multipart/mixed\r\n\r\n--x\r\nno boundary\r\n",
        head % 5 + b"Content-Transfer-Encoding: base64\r\n\r\n!!!!not base64====\r\n",
        b"no headers at all\r\n\r\n\xc3\x28\r\n",
        b"From: \xff\xfe <>\r\nSubject: =?gb18030?B?////?=\r\n\r\nx\r\n",
        head % 6 + KEY.encode() * 2000 + b": x\r\n\r\nlong header\r\n",
    ]
