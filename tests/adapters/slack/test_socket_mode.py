"""Socket Mode against the simulator: acknowledged only when stored, repeated otherwise."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from hub.adapters.kit.http import HttpPool
from hub.adapters.slack import MANIFEST, SlackConfig
from hub.adapters.slack.adapter import SlackSocketChannel
from hub.demo.operations import OpOutcome
from hub.demo.sim_slack import Fault, SlackSim
from hub.model.channel import ChannelContext, InboundMessage, Pulled, Pulls
from hub.model.errors import SendError
from tests.adapters.slack.harness import APP_TOKEN, BOT_TOKEN, SECRETS

LI = "U0LI00001"


@pytest.fixture
def socket_config(sim: SlackSim) -> SlackConfig:
    sim.delivery.socket = True
    return SlackConfig.model_validate(
        {
            "mode": "socket",
            "bot_token": BOT_TOKEN,
            "app_token": APP_TOKEN,
            "team_id": sim.workspace.team_id,
            "api_base": sim.api_base,
        }
    )


@pytest.fixture
def channel(socket_config: SlackConfig, context: ChannelContext) -> SlackSocketChannel:
    built = MANIFEST.build(socket_config, context)
    assert isinstance(built, SlackSocketChannel)
    assert isinstance(built, Pulls)
    return built


class Puller:
    """The loop the hub's worker runs; `store` decides whether a thing is acknowledged."""

    def __init__(self, channel: SlackSocketChannel) -> None:
        self.channel = channel
        self.stop = asyncio.Event()
        self.seen: asyncio.Queue[Pulled] = asyncio.Queue()
        self.store: Callable[[Pulled], Awaitable[bool]] = self._keep
        self.task = asyncio.create_task(self._run())

    async def _keep(self, pulled: Pulled) -> bool:
        return True

    async def _run(self) -> None:
        async for pulled in self.channel.pull(None, self.stop):
            if await self.store(pulled) and pulled.ack is not None:
                await pulled.ack()
            await self.seen.put(pulled)

    async def next(self) -> Pulled:
        return await asyncio.wait_for(self.seen.get(), 10)


@pytest.fixture
async def puller(sim: SlackSim, channel: SlackSocketChannel) -> AsyncIterator[Puller]:
    made = Puller(channel)
    await sim.operations.until(lambda: len(sim.delivery.sockets) == 1 or made.task.done())
    yield made
    made.stop.set()
    await asyncio.wait_for(made.task, 10)
    await sim.operations.until(lambda: not sim.delivery.sockets)


def text_of(channel: SlackSocketChannel, pulled: Pulled) -> str:
    channel.verify(pulled.request)
    (item,) = channel.parse(pulled.request).items
    assert isinstance(item, InboundMessage)
    return item.content.text


async def test_an_event_is_acknowledged_once_it_is_stored(sim: SlackSim, puller: Puller) -> None:
    may_store = asyncio.Event()

    async def store(pulled: Pulled) -> bool:
        await may_store.wait()
        return True

    puller.store = store
    said = await sim.dm(LI, "你好")
    (operation,) = sim.operations
    await asyncio.sleep(0)
    assert operation.outcome is OpOutcome.PENDING
    may_store.set()
    pulled = await puller.next()
    await sim.settled()
    assert (operation.outcome, operation.statuses) == (OpOutcome.OK, [200])
    assert pulled.request.method == "SOCKET"
    assert text_of(puller.channel, pulled) == said.text


async def test_what_is_not_stored_comes_again(sim: SlackSim, puller: Puller) -> None:
    sim.delivery.time_limit_s = 0.1
    refused: list[Pulled] = []

    async def store(pulled: Pulled) -> bool:
        if refused:
            return True
        refused.append(pulled)
        sim.delivery.time_limit_s = 10  # the repeat may take as long as a busy machine needs
        return False

    puller.store = store
    await sim.dm(LI, "hello")
    first, second = await puller.next(), await puller.next()
    await sim.settled()
    assert "x-slack-retry-num" in second.request.headers
    parse = puller.channel.parse
    assert parse(first.request) == parse(second.request), "the same external id"
    (operation,) = sim.operations
    assert (operation.statuses[0], operation.statuses[-1]) == (0, 200)


async def test_presses_and_unknown_events_take_the_same_way(sim: SlackSim, puller: Puller) -> None:
    sim.tell({"type": "team_join", "user": {"id": LI}})
    pulled = await puller.next()
    intake = puller.channel.parse(pulled.request)
    assert (intake.items, intake.ignored) == ((), ("team_join",))
    said = await sim.dm(LI, "hello")
    await puller.next()
    said.blocks = [
        {
            "type": "actions",
            "elements": [
                {
                    "type": "button",
                    "action_id": "choice_0",
                    "value": "yes",
                    "text": {"type": "plain_text", "text": "Yes"},
                }
            ],
        }
    ]
    await sim.press(LI, said, "yes")
    pulled = await puller.next()
    await sim.settled()
    assert pulled.request.action == "interactivity"
    (item,) = puller.channel.parse(pulled.request).items
    assert isinstance(item, InboundMessage)
    assert item.content.chosen == "yes"
    assert {o.outcome for o in sim.operations} == {OpOutcome.OK}


async def test_many_at_once_all_arrive(sim: SlackSim, puller: Puller) -> None:
    for number in range(50):
        await sim.dm(LI, f"message {number}")
    texts = {text_of(puller.channel, await puller.next()) for _ in range(50)}
    await sim.settled()
    assert texts == {f"message {number}" for number in range(50)}
    assert {o.outcome for o in sim.operations} == {OpOutcome.OK}


async def test_a_refreshed_connection_goes_on(sim: SlackSim, puller: Puller) -> None:
    old = sim.delivery.sockets[0]
    await sim.delivery.refresh_sockets()
    await sim.operations.until(
        lambda: any(s is not old and not s.closed for s in sim.delivery.sockets)
    )
    await sim.dm(LI, "still there?")
    assert text_of(puller.channel, await puller.next()) == "still there?"
    await sim.settled()


async def test_a_cut_connection_is_opened_again(sim: SlackSim, puller: Puller) -> None:
    old = sim.delivery.sockets[0]
    await sim.delivery.cut_sockets()
    await sim.operations.until(
        lambda: any(s is not old and not s.closed for s in sim.delivery.sockets), timeout_s=20
    )
    await sim.dm(LI, "and now?")
    assert text_of(puller.channel, await puller.next()) == "and now?"
    await sim.settled()


async def test_a_refused_token_ends_the_pull(sim: SlackSim, channel: SlackSocketChannel) -> None:
    sim.fail("apps.connections.open", Fault(error="invalid_auth"))
    with pytest.raises(SendError) as caught:
        await anext(aiter(channel.pull(None, asyncio.Event())))
    assert caught.value.needs_auth


async def test_slack_away_ends_the_pull_and_is_worth_another_try(
    pool: HttpPool, context: ChannelContext, socket_config: SlackConfig
) -> None:
    config = socket_config.model_copy(update={"api_base": "http://127.0.0.1:1/api/"})
    context = replace(context, http=pool.port(frozenset({"127.0.0.1:1"})))
    away = SlackSocketChannel(MANIFEST, config, context)
    with pytest.raises(SendError) as caught:
        await anext(aiter(away.pull(None, asyncio.Event())))
    assert caught.value.retryable


async def test_the_sdk_logs_neither_text_nor_secrets(
    sim: SlackSim, puller: Puller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await sim.dm(LI, "my card is 4111")
    await puller.next()
    await sim.delivery.refresh_sockets()
    await sim.settled()
    assert "4111" not in caplog.text
    assert not [secret for secret in SECRETS if secret in caplog.text]
