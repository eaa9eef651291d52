"""The webhook way: the simulated Telegram calls a small hub that uses the channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from hub.adapters.telegram import TelegramConfig
from hub.demo.operations import OpKind, OpOutcome
from hub.demo.sim_telegram import TelegramSim
from hub.model.channel import InboundItem, InboundMessage, ItemOutcome, MessageChange, RawRequest
from hub.model.clock import utc_now
from hub.model.content import Choice, Content
from hub.model.errors import SignatureRejected
from tests.adapters.telegram.harness import CONFIG
from tests.adapters.telegram.sim_fixtures import part, world


@dataclass
class SmallHub:
    """Verifies, parses, keeps, responds; breaks as often as told."""

    channel: Any = None
    failures: list[int] = field(default_factory=list)
    items: list[InboundItem] = field(default_factory=list)
    refused: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        raw = RawRequest(
            method="POST",
            url=str(request.url),
            path=request.path,
            query="",
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            received_at=utc_now(),
        )
        try:
            self.channel.verify(raw)
        except SignatureRejected:
            self.refused += 1
            return web.Response(status=403)
        if self.failures:
            return web.Response(status=self.failures.pop())
        intake = self.channel.parse(raw)
        self.items += intake.items
        answer = self.channel.respond(intake, (ItemOutcome.STORED,) * len(intake.items))
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers={"Content-Type": answer.content_type},
        )


@asynccontextmanager
async def hub_behind(**options: Any) -> AsyncIterator[tuple[TelegramSim, SmallHub]]:
    hub = SmallHub()
    app = web.Application()
    app.router.add_post("/in/CH", hub.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/in/CH"
    try:
        async with world(retry_delays_s=(0.01, 0.02), **options) as w:
            hub.channel = w.channel(url)
            await hub.channel.subscribe()
            yield w.sim, hub
    finally:
        await runner.cleanup()


async def test_everything_a_customer_does_arrives() -> None:
    async with hub_behind() as (sim, hub):
        said = await sim.customer_says(5001, "你好")
        await sim.delivered()
        await sim.customer_sends(5001, "document", b"%PDF", filename="a.pdf")
        await sim.customer_sends(5001, "voice", b"OggS", content_type="audio/ogg")
        await sim.customer_shares_location(5001, 31.2, 121.4)
        await sim.customer_edits(5001, said.external_id, "你好!")
        await sim.customer_starts(5001)
        await sim.customer_blocks(5001)
        await sim.customer_unblocks(5001)
        await sim.delivered()
        assert len(hub.items) == 8
        first = hub.items[0]
        assert isinstance(first, InboundMessage)
        assert (first.external_id, first.content.text) == (said.external_id, "你好")
        assert (first.sender_name, first.language) == ("Wei Zhang", "zh-hans")
        (edit,) = [item for item in hub.items if isinstance(item, MessageChange)]
        assert edit.external_id == said.external_id
        assert {one.outcome for one in sim.log.of(OpKind.INBOUND)} == {OpOutcome.OK}


async def test_an_error_answer_is_repeated_until_it_is_taken() -> None:
    async with hub_behind() as (sim, hub):
        hub.failures = [500, 503, 400]
        operation = await sim.customer_says(5001, "hello")
        await sim.delivered()
        assert operation.statuses == [400, 503, 500, 200]
        assert len(hub.items) == 1


async def test_an_update_may_come_twice_with_the_same_ids() -> None:
    async with hub_behind(repeat_every=1) as (sim, hub):
        operation = await sim.customer_says(5001, "twice")
        await sim.until(lambda: operation.outcome is OpOutcome.OK)
        await sim.customer_says(5001, "twice")
        await sim.delivered()
        ids = [item.external_id for item in hub.items if isinstance(item, InboundMessage)]
        assert set(ids) == {"5001:1", "5001:2"}


async def test_a_wrong_secret_is_refused_and_counted() -> None:
    async with hub_behind() as (sim, hub):
        sim.feed.secret = "another_secret_0123456789"
        operation = await sim.customer_says(5001, "forged")
        await sim.until(lambda: hub.refused > 1)
        assert hub.items == []
        assert sim.log.of(OpKind.INBOUND, OpOutcome.PENDING) == [operation]
    assert sim.log.of(OpKind.INBOUND, OpOutcome.FAILED) == [operation]


async def test_a_button_is_answered_by_the_webhooks_own_answer() -> None:
    async with hub_behind() as (sim, hub):
        await hub.channel.send(part(Content(text="?", choices=(Choice(label="A", value="a"),))))
        await sim.customer_presses(5001, sim.sent[0], "a")
        await sim.until(lambda: bool(sim.state.answered))
        assert sim.state.answered == sim.state.pressed


async def test_customers_can_answer_what_they_receive() -> None:
    async with hub_behind() as (sim, hub):

        async def answer(sent: Any) -> None:
            await sim.customer_says(sent.chat_id, f"re: {sent.text}")

        sim.on_sent = answer
        await hub.channel.send(part(Content(text="Better?")))
        await sim.until(lambda: len(hub.items) == 1)
        assert isinstance(hub.items[0], InboundMessage)
        assert hub.items[0].content.text == "re: Better?"


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret_token": ""},
        {"secret_token": "short"},
        {"secret_token": "with space 0123456789"},
        {"bot_token": "110201543"},
        {"bot_token": "110201543:AAHdqTcvCH1vGW/../getMe"},
        {"api_base": "ftp://x"},
        {"mode": "both"},
        {"colour": "blue"},
    ],
)
def test_a_wrong_configuration_is_refused_without_repeating_it(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        TelegramConfig.model_validate({**CONFIG, **wrong})
