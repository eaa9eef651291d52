"""Long polling: cursor, confirmation, stop, conflicts."""

import asyncio
import json

import pytest

from hub.demo.operations import OpKind, OpOutcome
from hub.model.channel import InboundMessage, Pulled, Pulls
from hub.model.content import Choice, Content
from hub.model.errors import SendError
from tests.adapters.telegram.sim_fixtures import World, part, world


def polling(w: World):
    channel = w.channel(mode="polling", secret_token="")
    assert isinstance(channel, Pulls)
    return channel


async def take(channel, cursor: str | None, count: int, stop: asyncio.Event) -> list[Pulled]:
    """Store `count` updates as the puller does, then end."""
    taken: list[Pulled] = []
    async for pulled in channel.pull(cursor, stop):
        taken.append(pulled)
        if pulled.ack is not None:
            await pulled.ack()
        if len(taken) == count:
            stop.set()
    return taken


def texts(channel, taken: list[Pulled]) -> list[str]:
    items = [item for one in taken for item in channel.parse(one.request).items]
    return [item.content.text for item in items if isinstance(item, InboundMessage)]


async def test_updates_come_in_order_once_and_survive_a_restart() -> None:
    async with world() as w:
        channel = polling(w)
        for n in range(3):
            await w.sim.customer_says(5001, f"n{n}")
        first = await take(channel, None, 2, asyncio.Event())
        assert texts(channel, first) == ["n0", "n1"]
        assert all(one.request.method == "PULL" for one in first)
        assert first[1].cursor == str(json.loads(first[1].request.body)["update_id"])
        # Nothing was confirmed yet: Telegram still keeps all three for the next process.
        assert w.sim.feed.waiting == 3
        again = polling(w)
        rest = await take(again, first[-1].cursor, 1, asyncio.Event())
        assert texts(again, rest) == ["n2"]


async def test_what_was_taken_is_confirmed_by_the_next_poll() -> None:
    async with world() as w:
        channel, stop = polling(w), asyncio.Event()
        await w.sim.customer_says(5001, "a")
        stream = channel.pull(None, stop)
        assert texts(channel, [await anext(stream)]) == ["a"]
        assert w.sim.feed.waiting == 1
        following = asyncio.ensure_future(anext(stream))
        await w.sim.delivered()
        assert len(w.sim.log.of(OpKind.INBOUND, OpOutcome.OK)) == 1
        await w.sim.customer_says(5001, "b")
        assert texts(channel, [await following]) == ["b"]
        await stream.aclose()


async def test_stop_ends_a_waiting_poll_at_once() -> None:
    async with world() as w:
        stop = asyncio.Event()
        running = asyncio.ensure_future(take(polling(w), None, 1, stop))
        await w.sim.until(lambda: w.sim.feed.polled)
        stop.set()
        assert await asyncio.wait_for(running, 5) == []


async def test_a_restart_never_skips_numbers_that_begin_anew() -> None:
    # After a week without updates Telegram may go on with a lower number.
    async with world() as w:
        channel = polling(w)
        await w.sim.customer_says(5001, "low")
        taken = await take(channel, "2000000000", 1, asyncio.Event())
        assert texts(channel, taken) == ["low"]


async def test_a_webhook_that_is_set_has_its_own_code() -> None:
    async with world() as w:
        webhook = w.channel("http://127.0.0.1:9/in/CH")
        await webhook.subscribe()
        channel = polling(w)
        with pytest.raises(SendError) as caught:
            await take(channel, None, 1, asyncio.Event())
        assert (caught.value.code, caught.value.retryable) == ("webhook_is_set", True)
        await channel.subscribe()
        await w.sim.customer_says(5001, "free again")
        assert len(await take(channel, None, 1, asyncio.Event())) == 1


async def test_two_pollers_disturb_each_other_and_the_older_says_so() -> None:
    async with world() as w:
        older = asyncio.ensure_future(take(polling(w), None, 1, asyncio.Event()))
        await w.sim.until(lambda: w.sim.feed.polled)
        stop = asyncio.Event()
        newer = asyncio.ensure_future(take(polling(w), None, 1, stop))
        with pytest.raises(SendError) as caught:
            await asyncio.wait_for(older, 5)
        assert caught.value.code == "other_poller"
        stop.set()
        await newer


async def test_a_pressed_button_is_answered_after_it_was_stored() -> None:
    async with world() as w:
        channel = polling(w)
        await channel.send(part(Content(text="?", choices=(Choice(label="明天", value="t"),))))
        await w.sim.customer_presses(5001, w.sim.sent[0], "t")
        (pulled,) = await take(channel, None, 1, asyncio.Event())
        (item,) = channel.parse(pulled.request).items
        assert (item.content.text, item.content.chosen) == ("明天", "t")
        assert w.sim.state.answered == w.sim.state.pressed


async def test_an_update_that_cannot_be_read_does_not_stop_the_others() -> None:
    async with world() as w:
        channel = polling(w)
        w.sim.feed.add("message", {"message_id": "odd"}, "", "odd")
        await w.sim.customer_says(5001, "after it")
        taken = await take(channel, None, 2, asyncio.Event())
        assert texts(channel, taken[1:]) == ["after it"]
