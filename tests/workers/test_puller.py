"""Fetched mails through the real puller, ingress and services, from a real mailbox."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from hub.adapters import manifest
from hub.ingress import pipeline
from hub.ingress.live_channels import LiveChannels
from hub.ingress.pipeline import Ingress
from hub.model.ids import new_id
from hub.services import channels as channel_rows
from hub.services.channels import ChannelChange, add_channel, load_channels
from hub.services.receive import Arrival, receive
from hub.store.statement import Stmt, stmt
from hub.workers import puller
from hub.workers.puller import Puller
from tests.adapters.email.fetching import imap, mail
from tests.adapters.scripted_http import ScriptedHttp
from tests.servers import DovecotServer
from tests.services.conftest import World

_MESSAGES = stmt(
    text("SELECT content FROM message WHERE direction = 'in' ORDER BY recorded_at, id"),
    name="test.messages",
)
_LOGGED = stmt(text("SELECT outcome FROM intake_log"), name="test.logged")
KEY = b"k" * 32


@dataclass
class Held:
    """A spool that takes nothing and a meter that counts nothing."""

    counted: list[str] = field(default_factory=list)

    async def append(self, channel_id: str, record: bytes) -> None:
        """Refuse."""
        raise OSError("no spool in this test")

    def waiting(self, channel_id: str) -> int:
        """Nothing waits."""
        return 0

    def intake(self, kind: str, outcome: str) -> None:
        """Count."""
        self.counted.append(outcome)

    def inbound_seconds(self, kind: str, seconds: float) -> None:
        """Leave."""


async def add_mailbox(world: World, dovecot: DovecotServer, user: str, **more: Any) -> str:
    config = {
        "address": "support@shop.example",
        "dkim_check": False,
        "imap": imap(dovecot, user, **more),
    }
    change = ChannelChange(user, json.dumps(config).encode())
    return await add_channel(world.deps, "email", change, actor="test")


@asynccontextmanager
async def pulling(world: World) -> AsyncIterator[LiveChannels]:
    """Run the puller as the hub does."""
    email = manifest("email")
    channels = LiveChannels(
        {"email": email}, lambda _: ScriptedHttp(), lambda _: KEY, "http://hub.test"
    )
    channels.replace(await load_channels(world.deps))
    held = Held()
    ingress = Ingress(world.deps, channels, held, held)

    async def mine(_: str) -> bool:
        return True

    stop = asyncio.Event()
    running = asyncio.create_task(Puller(world.deps, channels, ingress, mine).run(stop))
    try:
        yield channels
    finally:
        stop.set()
        await running


async def column(world: World, statement: Stmt) -> list[str]:
    return [str(row[0]) for row in await world.deps.db.read(lambda tx: tx.run(statement, {}))]


async def wait_for_subjects(world: World, wanted: list[str]) -> None:
    async with asyncio.timeout(20):
        while [json.loads(one)["subject"] for one in await column(world, _MESSAGES)] != wanted:
            await asyncio.sleep(0.05)


async def test_mails_become_messages_once_also_over_a_restart(
    world: World, dovecot: DovecotServer
) -> None:
    user = new_id()
    channel_id = await add_mailbox(world, dovecot, user)
    for number in (1, 2):
        dovecot.deliver(user, mail(number))
    async with pulling(world):
        await wait_for_subjects(world, ["1", "2"])
    dovecot.deliver(user, mail(2))  # the same mail once more: another UID, the same mail
    dovecot.deliver(user, mail(3))
    async with pulling(world):
        await wait_for_subjects(world, ["1", "2", "3"])
    assert json.loads(await channel_rows.cursor_of(world.deps, channel_id) or "")["uid"] == 4


async def test_a_mail_that_cannot_be_stored_is_kept_in_the_log_and_the_others_pass(
    world: World,
    dovecot: DovecotServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refusing(deps: Any, arrival: Arrival) -> Any:
        if b"Subject: 2" in arrival.request.body:
            raise RuntimeError("a value no column takes")
        return await receive(deps, arrival)

    monkeypatch.setattr(pipeline, "receive", refusing)
    monkeypatch.setattr(puller, "RESTART_S", (0.02, 0.1))
    user = new_id()
    await add_mailbox(world, dovecot, user)
    for number in (1, 2, 3):
        dovecot.deliver(user, mail(number))
    async with pulling(world):
        await wait_for_subjects(world, ["1", "3"])
    assert (await column(world, _LOGGED)).count("invalid") == 1


async def test_refused_credentials_take_the_channel_out_of_use(
    world: World, dovecot: DovecotServer
) -> None:
    channel_id = await add_mailbox(world, dovecot, new_id(), password="wrong")

    async def state() -> str:
        return next(
            r.info.state for r in await load_channels(world.deps) if r.info.id == channel_id
        )

    async with pulling(world), asyncio.timeout(20):
        while await state() != "needs_auth":
            await asyncio.sleep(0.05)
