"""Two processes on one PostgreSQL: first messages at once, Redis gone, slow sockets, SIGTERM."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.desk import Desk, at_desk, hire
from tests.e2e.stage import Account, Providers, count, outcomes, select, until
from tests.live_hub import LiveHub
from tests.servers import PostgresServer, RedisServer

KINDS = ("twilio_sms", "telegram", "slack")
POLLING_S = 2.0
"""A second by polling, and what this machine adds to it when everything runs at once."""


class Pair:
    """Two processes that share a database, a key and a public URL (the first one's)."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.a = LiveHub(folder / "a", database_url, extra={"HUB_REDIS_URL": redis_url})
        shared = {"HUB_REDIS_URL": redis_url, "HUB_PUBLIC_URL": self.a.url}
        self.b = LiveHub(folder / "b", database_url, extra=shared)
        for hub in (self.a, self.b):
            hub.folder.mkdir()
        self.providers = Providers(self.a, *KINDS)

    async def start(self) -> None:
        """Set up, and start both."""
        await self.providers.set_up()
        await hire(self.a, "lin")
        for hub in (self.a, self.b):
            hub.start()
        for hub in (self.a, self.b):
            await hub.ready()

    async def close(self) -> None:
        """End both."""
        await self.providers.close()
        for hub in (self.a, self.b):
            hub.kill()


@pytest.fixture(scope="module")
async def pair(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    redis_server: RedisServer,
) -> AsyncIterator[Pair]:
    with postgres_server.fresh_database() as url:
        if not redis_server.running:
            redis_server.start()
        made = Pair(tmp_path_factory.mktemp("pair"), url, redis_server.url)
        try:
            await made.start()
            yield made
        finally:
            await made.close()


async def test_two_first_messages_of_one_person_make_one_conversation(pair: Pair) -> None:
    """Fault 7: a new customer's first two messages, each to another process, at once."""
    talk = "SELECT COUNT(DISTINCT conversation_id) FROM message WHERE channel_id = ?"
    for account in pair.providers.accounts:
        people = range(100, 115)
        bodies = [
            (hub, account.message(person, f"first {person} {n}", f"{person}{n}"))
            for person in people
            for n, hub in enumerate((pair.a, pair.b))
        ]
        answers = await asyncio.gather(
            *(pair.providers.post(account, body, at=hub) for hub, body in bodies)
        )
        assert {a.status for a in answers} == {200}
        found = outcomes(pair.a, account.channel_id)
        assert found.get("stored", 0) == 2 * len(people), (account.kind, found)
        assert count(pair.a, talk, account.channel_id) == len(people), account.kind
    for table in ("customer", "identity", "conversation", '"case"', "work_item"):
        assert count(pair.a, f"SELECT COUNT(*) FROM {table}") == 45, table
    numbers = (
        "SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM message GROUP BY conversation_id, number) c"
    )
    assert count(pair.a, numbers) == 1


async def test_one_delivery_a_hundred_times_is_stored_once(pair: Pair) -> None:
    """Fault 4: the same request in parallel to both processes."""
    for account in pair.providers.accounts:
        before = outcomes(pair.a, account.channel_id)
        body = account.message(7, "the very same", "777")
        answers = await asyncio.gather(
            *(pair.providers.post(account, body, at=(pair.a, pair.b)[n % 2]) for n in range(100))
        )
        assert {a.status for a in answers} == {200}
        after = outcomes(pair.a, account.channel_id)
        assert after["stored"] - before.get("stored", 0) == 1
        assert after["duplicate"] - before.get("duplicate", 0) == 99


async def _known(pair: Pair, account: Account) -> None:
    """Let person 7 write once and wait until the conversation is in a queue, so in Lin's sight."""
    body = account.message(7, "the first word")
    assert (await pair.providers.post(account, body, at=pair.a)).status == 200
    waiting = "SELECT COUNT(*) FROM work_item WHERE state = 'new' OR queue_id IS NULL"

    async def queued() -> bool:
        return count(pair.a, waiting) == 0

    await until(queued, "everything is in a queue")


async def _latency(pair: Pair, desk: Desk, account: Account, text: str) -> float:
    """Post to the first process; return seconds until the second one's socket shows it."""
    body = account.message(7, text)
    assert (await pair.providers.post(account, body, at=pair.a)).status == 200
    began = time.monotonic()

    def fits(frame: dict[str, object]) -> bool:
        data = frame.get("data")
        return isinstance(data, dict) and data.get("text") == text

    await desk.hears(f"{text} on the other process", fits)
    return time.monotonic() - began


async def test_with_redis_flushed_restarted_and_gone_events_still_cross(
    pair: Pair, redis_server: RedisServer
) -> None:
    """Fault 8: hints may be lost; the other process sees events by polling within a second."""
    sms = pair.providers["twilio_sms"]
    shown = LiveHub(pair.b.folder, pair.b.database_url, port=pair.b.port)
    async with at_desk(shown, "lin", origin=pair.a.url) as lin:
        await _known(pair, sms)
        with_redis = [await _latency(pair, lin, sms, f"with {n}") for n in range(5)]
        redis_server.flush()
        flushed = [await _latency(pair, lin, sms, f"flushed {n}") for n in range(3)]
        await asyncio.to_thread(redis_server.stop)
        try:
            gone = [await _latency(pair, lin, sms, f"gone {n}") for n in range(3)]
        finally:
            await asyncio.to_thread(redis_server.start)
        again = [await _latency(pair, lin, sms, f"again {n}") for n in range(3)]
    assert max(gone) < POLLING_S, gone
    assert max(again) < POLLING_S, again
    assert sorted(with_redis)[2] < 0.5, with_redis
    assert sorted(flushed)[1] < 0.5, flushed


async def test_terminated_under_load_every_yes_is_stored(pair: Pair) -> None:
    """Fault 15: each process is ended by SIGTERM and started again while everybody writes."""
    acked: set[str] = set()
    stop = asyncio.Event()

    async def writes(account: Account, sender: int) -> None:
        number = sender * 100_000
        while not stop.is_set():
            number += 1
            text = f"roll-{account.kind}-{number}"
            body = account.message(sender, text, str(number))
            for hub in (pair.a, pair.b) * 20:  # a balancer tries the other one
                if (await pair.providers.post(account, body, at=hub)).status == 200:
                    acked.add(text)
                    break
                await asyncio.sleep(0.05)

    writers = [
        asyncio.create_task(writes(account, sender))
        for account in pair.providers.accounts
        for sender in (3, 4, 5)
    ]
    for hub in (pair.a, pair.b):
        at = len(acked)

        async def more(than: int = at + 30) -> bool:
            return len(acked) > than

        await until(more, "messages before the process is ended")
        assert await asyncio.to_thread(hub.stop) == 0, (hub.folder / "hub.log").read_text()[-2000:]
        hub.start()
        await hub.ready()
    stop.set()
    await asyncio.gather(*writers)

    async def stored() -> bool:
        rows = select(pair.a, "SELECT content FROM message WHERE direction = 'in'")
        found = Counter(json.loads(content)["text"] for (content,) in rows)
        assert not [text for text in acked if found[text] > 1]
        return all(found[text] == 1 for text in acked)

    await until(stored, "every acknowledged message is stored once", 30)


async def test_a_feed_catches_up_over_a_restart(pair: Pair) -> None:
    """Fault 12: a socket that did not read while much was said, and whose server then went."""
    sms = pair.providers["twilio_sms"]
    async with at_desk(pair.a, "lin") as lin:
        await _known(pair, sms)
        await _latency(pair, lin, sms, "before the silence")
        lin.frames.clear()
        lin.pause()
        texts = [f"silence-{n} {'x' * 1200}" for n in range(80)]
        for n, text in enumerate(texts):
            body = sms.message(7, text, str(900_000 + n))
            assert (await pair.providers.post(sms, body, at=(pair.a, pair.b)[n % 2])).status == 200
        assert await asyncio.to_thread(pair.a.stop) == 0
        pair.a.start()
        await pair.a.ready()
        lin.go_on()
        await lin.watch()

        def last(frame: dict[str, object]) -> bool:
            data = frame.get("data")
            return isinstance(data, dict) and str(data.get("text", "")).startswith("silence-79 ")

        await lin.hears("the last of them", last, 30)
        assert not [frame for frame in lin.frames if frame["type"] == "reset"]
        heard = [
            frame["data"]["text"] for frame in lin.frames if frame["type"] == "message.received"
        ]
        assert [text for text in heard if text.startswith("silence-")] == texts
