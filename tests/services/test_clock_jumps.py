"""The clock jumps an hour back or on: order, claims, retries, sessions and routing hold."""

import json

import pytest

from hub.model.channel import ItemOutcome, Receipt
from hub.model.delivery import DeliveryState
from hub.model.errors import SendError
from hub.services import deliver, sessions
from hub.services.access import session_login
from tests.services.conftest import World
from tests.services.test_receive import rows
from tests.services.test_reply import ZOE, answer, claimed, conversation_of, state

HOUR = 3600.0
BACK, ON = -HOUR, HOUR


@pytest.mark.parametrize("jumps", [(BACK, ON), (ON, BACK), (BACK, BACK), (ON, ON)])
async def test_messages_keep_the_order_they_came_in(
    world: World, jumps: tuple[float, float]
) -> None:
    first = world.sms("1", external="SM1")
    await world.receive("twilio_sms", first)
    for number, jump in enumerate(jumps, 2):
        world.clock.advance(seconds=jump)
        assert await world.receive("twilio_sms", world.sms(str(number))) == (ItemOutcome.STORED,)
        assert await world.receive("twilio_sms", first) == (ItemOutcome.DUPLICATE,)
    found = await rows(
        world, "SELECT conversation_id, number, content FROM message ORDER BY number"
    )
    assert len({conversation for conversation, _, _ in found}) == 1
    assert [(number, json.loads(str(content))["text"]) for _, number, content in found] == [
        (1, "1"), (2, "2"), (3, "3"),
    ]  # fmt: skip
    assert await rows(world, "SELECT count FROM intake_count WHERE outcome = 'duplicate'") == [(2,)]


async def test_a_claim_outlives_a_clock_that_goes_back_and_is_never_taken_twice(
    world: World,
) -> None:
    await answer(world, await conversation_of(world))
    row = await claimed(world)
    world.clock.advance(seconds=BACK)
    channels = [one.id for one in world.channels.values()]
    assert await deliver.due(world.deps, channels) == []
    assert await deliver.claim(world.deps, str(row["id"]), "another") is None
    assert await deliver.sweep_lapsed(world.deps) == 0
    await deliver.record_sent(world.deps, row, Receipt("SM1"))
    assert await state(world) == "sent"


async def test_a_claim_over_a_clock_that_goes_on_is_unknown_and_not_sent_again(
    world: World,
) -> None:
    await answer(world, await conversation_of(world))
    row = await claimed(world)
    world.clock.advance(seconds=ON)
    assert await deliver.sweep_lapsed(world.deps) == 1
    channels = [one.id for one in world.channels.values()]
    for jump in (BACK, ON, ON):
        world.clock.advance(seconds=jump)
        assert await deliver.due(world.deps, channels) == []
    assert await state(world) == "unknown"
    await deliver.record_sent(world.deps, row, Receipt("SM1"))
    assert await state(world) == "sent"


async def test_a_retry_waits_for_its_time_also_after_a_jump(world: World) -> None:
    await answer(world, await conversation_of(world))
    channels = [one.id for one in world.channels.values()]
    error = SendError("rate_limited", retryable=True, retry_after_s=900)
    row = await claimed(world)
    assert await deliver.record_failure(world.deps, row, error, live=False) is DeliveryState.QUEUED
    world.clock.advance(seconds=BACK)
    assert await deliver.due(world.deps, channels) == []
    world.clock.advance(seconds=ON + 901)
    assert len(await deliver.due(world.deps, channels)) == 1


async def test_a_session_neither_ends_nor_grows_by_a_clock_that_goes_back(world: World) -> None:
    await conversation_of(world)  # makes Zoe
    link = await sessions.make_link(world.deps, ZOE, sessions.LOG_IN)
    made = await sessions.use_login_link(world.deps, link.partition("#")[2], ip="a")
    expiry = await rows(world, "SELECT expires_at FROM agent_session")
    world.clock.advance(seconds=BACK)
    assert await session_login(world.deps, made.token) is not None
    assert await rows(world, "SELECT expires_at FROM agent_session") == expiry
    world.clock.advance(seconds=ON + 13 * HOUR)
    assert await session_login(world.deps, made.token) is None
    world.clock.advance(seconds=BACK)
    assert await session_login(world.deps, made.token) is None
