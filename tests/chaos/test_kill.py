"""kill -9 at seeded moments under load from all five channels: nothing acknowledged is lost.

Ten moments here, two hundred with `scripts/test --long`; on SQLite and on PostgreSQL.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.app.build import House
from hub.store.statement import stmt
from hub.store.tx import Tx
from tests.chaos.desk import Desk, balance_answers, read_deliveries
from tests.chaos.load import Providers
from tests.live_hub import LiveHub
from tests.servers import PostgresServer

KILLS = 10
KILLS_LONG = 200
MESSAGES = stmt(
    text(
        "SELECT c.kind, m.content, m.conversation_id, m.number FROM message m"
        " JOIN channel c ON c.id = m.channel_id WHERE m.direction = 'in'"
    )
)
COUNTS = stmt(
    text(
        "SELECT c.kind, i.outcome, SUM(i.count) FROM intake_count i"
        " JOIN channel c ON c.id = i.channel_id GROUP BY c.kind, i.outcome"
    )
)


async def run(hub: LiveHub, seed: int, kills: int, note: Callable[..., None] | None = None) -> None:
    """Kill the hub at random moments while everybody writes; then balance the books."""
    rng = random.Random(seed)
    providers, desk = Providers(hub, rng), Desk(hub)
    await providers.begin()
    await desk.begin()
    began = time.monotonic()
    hub.start()
    try:
        await hub.ready()
        writers = [*providers.start(), asyncio.create_task(desk.answer(providers.stop))]
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(0.05, 1.0))  # the seeded moment itself
            hub.kill()
            hub.start()
            await hub.ready()
        await asyncio.sleep(0.5)
        providers.stop.set()
        await asyncio.wait(writers, timeout=90)
        await settled(hub)
        await quiet(providers)
        hub.stop()
    finally:
        hub.kill()
        await providers.end()
    await balance(hub, providers)
    rows = await hub.offline(lambda house: house.deps.db.read(read_deliveries))
    balance_answers(desk, rows, [message.body for message in providers.twilio.sent])
    assert len(desk.acked) >= 5, "hardly anything was answered"
    if note is not None:
        total = sum(len(said.acked) for said in providers.said.values())
        note(
            kills=kills,
            seed=seed,
            acknowledged=total,
            answered=len(desk.acked),
            said=sum(len(said.all) for said in providers.said.values()),
            seconds=round(time.monotonic() - began, 1),
        )


async def settled(hub: LiveHub) -> None:
    """Wait until the spool is empty."""
    folder = hub.folder / "spool"
    async with asyncio.timeout(60):
        while any(file.stat().st_size for file in folder.glob("*.spool")):
            await asyncio.sleep(0.2)


async def quiet(providers: Providers) -> None:
    """Wait until nothing was sent for three seconds: what was queued has left."""
    last, since = -1, time.monotonic()
    async with asyncio.timeout(90):
        while time.monotonic() - since < 3:
            if len(providers.twilio.sent) != last:
                last, since = len(providers.twilio.sent), time.monotonic()
            await asyncio.sleep(0.2)


async def balance(hub: LiveHub, providers: Providers) -> None:
    """Compare what the senders heard with what stands in the database."""

    async def read(house: House) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        def unit(tx: Tx) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
            return tx.run(MESSAGES), tx.run(COUNTS)

        return await house.deps.db.read(unit)

    rows, counts = await hub.offline(read)
    stored: Counter[str] = Counter()
    numbers: dict[object, list[int]] = {}
    for _kind, content, conversation, number in rows:
        numbers.setdefault(conversation, []).append(int(str(number)))
        for word in str(content).replace('"', " ").replace("\\n", " ").split():
            if word.startswith("mark-"):
                stored[word] += 1
                break
    for kind, said in providers.said.items():
        lost = [marker for marker in said.acked if stored[marker] != 1]
        assert not lost, f"{kind}: acknowledged but not stored once: {lost[:5]}"
        twice = [marker for marker in said.all if stored[marker] > 1]
        assert not twice, f"{kind}: stored twice: {twice[:5]}"
        # The hub is down for most of the time: what matters is that the test had something to lose.
        assert len(said.acked) >= 20, f"{kind}: hardly anything was acknowledged"
    for conversation, found in numbers.items():
        assert len(found) == len(set(found)), f"{conversation}: a number given twice"
    by_kind: dict[str, Counter[str]] = {}
    for channel, outcome, count in counts:
        by_kind.setdefault(str(channel), Counter())[str(outcome)] = int(str(count))
    for kind in ("twilio_sms", "telegram", "slack"):
        acked, unheard = providers.attempts(kind)
        kept = sum(by_kind[kind][name] for name in ("stored", "duplicate", "ignored"))
        assert acked <= kept <= acked + unheard, (kind, acked, unheard, by_kind[kind])


@pytest.mark.timeout(300)
async def test_killed_on_sqlite(tmp_path: Path) -> None:
    await run(LiveHub(tmp_path), seed=1, kills=KILLS)


@pytest.mark.timeout(300)
async def test_killed_on_postgresql(tmp_path: Path, postgres_server: PostgresServer) -> None:
    with postgres_server.fresh_database() as url:
        await run(LiveHub(tmp_path, database_url=url), seed=2, kills=KILLS)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_killed_two_hundred_times_on_sqlite(
    tmp_path: Path, long_report: Callable[..., None]
) -> None:
    await run(LiveHub(tmp_path), 3, KILLS_LONG, lambda **f: long_report("kill-sqlite", f))


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_killed_two_hundred_times_on_postgresql(
    tmp_path: Path, postgres_server: PostgresServer, long_report: Callable[..., None]
) -> None:
    with postgres_server.fresh_database() as url:
        hub = LiveHub(tmp_path, database_url=url)
        await run(hub, 4, KILLS_LONG, lambda **f: long_report("kill-postgresql", f))
