"""The way out under trouble: a provider that hangs, a store that is away, words taken back."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy import text

from hub.adapters import MANIFESTS
from hub.ingress.live_channels import Live, LiveChannels
from hub.model.channel import (
    Channel,
    Intake,
    ItemOutcome,
    Manifest,
    OutgoingPart,
    RawRequest,
    RawResponse,
    Receipt,
)
from hub.model.delivery import DeliveryState
from hub.model.errors import SendError
from hub.services import deliver
from hub.services.deps import ChannelInfo
from hub.store.statement import stmt
from hub.store.tx import Tx
from hub.workers.sender import PER_CHANNEL, Sender
from tests.services.conftest import World
from tests.services.test_reply import answer, conversation_of
from tests.workers.desk import rows, until

Send = Callable[[OutgoingPart], Awaitable[Receipt]]


class ScriptedChannel:
    """A network whose `send` a test writes."""

    def __init__(self, manifest: Manifest, send: Send) -> None:
        self.manifest = manifest
        self._send = send

    def verify(self, request: RawRequest) -> None:
        """Believe everything."""

    def parse(self, request: RawRequest) -> Intake:
        """Hear nothing."""
        return Intake(())

    def respond(self, intake: Intake, outcomes: tuple[ItemOutcome, ...]) -> RawResponse:
        """Say thanks."""
        return RawResponse(200)

    async def send(self, part: OutgoingPart) -> Receipt:
        """Do what the test says."""
        return await self._send(part)


def scripted(info: ChannelInfo, send: Send) -> Live:
    [manifest] = [one for one in MANIFESTS if one.kind == info.kind]
    channel: Channel = ScriptedChannel(manifest, send)
    return Live(info, manifest, channel, 1)


@asynccontextmanager
async def sending(world: World, *live: Live) -> AsyncIterator[Sender]:
    channels = LiveChannels({}, lambda _config: None, lambda _id: b"", "")  # type: ignore[arg-type,return-value]
    channels._live = {one.info.id: one for one in live}
    sender, stop = Sender(world.deps, channels, "test"), asyncio.Event()
    task = asyncio.create_task(sender.run(stop))
    try:
        yield sender
    finally:
        stop.set()
        await task


async def execute(world: World, sql: str, **params: str) -> None:
    def unit(tx: Tx) -> None:
        tx.execute(stmt(text(sql)), params)

    await world.deps.db.run(unit)


async def states(world: World, channel: ChannelInfo) -> list[str]:
    found = await rows(world, "SELECT state FROM delivery WHERE channel_id = :c", c=channel.id)
    return sorted(row[0] for row in found)


async def test_a_network_that_hangs_holds_up_no_other(world: World) -> None:
    sms, chat = world.channels["twilio_sms"], world.channels["webchat"]
    for number in range(40):
        await world.receive("twilio_sms", world.sms("hi", sender=f"+86138001380{number:02}"))
    one = await conversation_of(world)
    for (conversation,) in await rows(world, "SELECT id FROM conversation"):
        await answer(world, conversation)
    await execute(
        world,
        "UPDATE delivery SET channel_id = :c, due_at = due_at + 1 WHERE conversation_id = :id",
        c=chat.id,
        id=one,
    )
    world.clock.advance(seconds=1)
    release = asyncio.Event()
    hanging = 0

    async def hang(_part: OutgoingPart) -> Receipt:
        nonlocal hanging
        hanging += 1
        await release.wait()
        raise SendError("gone")

    async def take(_part: OutgoingPart) -> Receipt:
        return Receipt("chat-1")

    async def arrived() -> bool:
        return await states(world, chat) == ["sent"]

    async with sending(world, scripted(sms, hang), scripted(chat, take)):
        await until(arrived)
        assert hanging <= PER_CHANNEL
        release.set()


async def test_what_the_provider_took_is_known_when_the_store_is_back(world: World) -> None:
    sms = world.channels["twilio_sms"]
    await answer(world, await conversation_of(world))
    release = threading.Event()
    stuck: list[asyncio.Task[bool]] = []

    async def take(_part: OutgoingPart) -> Receipt:
        # Every writer is busy for longer than a unit waits.
        stuck.extend(
            asyncio.create_task(world.deps.db.run(lambda tx: release.wait(20))) for _ in range(8)
        )
        return Receipt("SM1")

    async def refused() -> bool:
        return bool(stuck) and world.deps.db.waiting > 0

    async def sent() -> bool:
        found = await rows(world, "SELECT state, external_id FROM delivery")
        return found == [("sent", "SM1")]

    async with sending(world, scripted(sms, take)):
        await until(refused)
        while world.deps.db.waiting:  # the record is refused: it waited too long
            await asyncio.sleep(0.02)
        release.set()
        await until(sent)
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_an_answer_after_the_claim_ran_out_is_still_the_providers_word(world: World) -> None:
    sms = world.channels["twilio_sms"]
    await answer(world, await conversation_of(world))
    [due] = await deliver.due(world.deps, [sms.id])
    row = await deliver.claim(world.deps, due.id, "test")
    assert row is not None
    world.clock.advance(seconds=3600)  # or the clock jumped
    assert await deliver.sweep_lapsed(world.deps) == 1
    assert await states(world, sms) == ["unknown"]
    await deliver.record_sent(world.deps, row, Receipt("SM1", DeliveryState.SENT))
    assert await states(world, sms) == ["sent"]


async def test_a_redacted_answer_never_leaves(world: World) -> None:
    sms = world.channels["twilio_sms"]
    await answer(world, await conversation_of(world))
    attempts = 0

    async def busy(_part: OutgoingPart) -> Receipt:
        nonlocal attempts
        attempts += 1
        await execute(world, "UPDATE message SET redacted_at = 1, content = '{}'")
        raise SendError("busy", retryable=True)

    async def failed() -> bool:
        world.clock.advance(seconds=5)
        found = await rows(world, "SELECT state, error_code FROM delivery")
        return found == [("failed", "redacted")]

    async with sending(world, scripted(sms, busy)):
        await until(failed)
    assert attempts == 1
