"""A message becomes work: planned, offered, accepted, answered, completed, on both databases."""

from datetime import timedelta

import pytest

from hub.model.clock import to_micros
from hub.model.errors import Conflict
from hub.model.ids import ItemId, OfferId, new_id
from hub.model.router_commands import (
    Accept,
    Complete,
    Decline,
    OutcomeCode,
)
from hub.model.visibility import Role
from hub.services import resolve
from hub.services.reopening import close_expired
from hub.services.reply import Author, Reply, send_reply
from tests.services.conftest import World
from tests.workers.desk import Desk, open_desk, rows


async def answer(desk: Desk, name: str, conversation_id: str, text: str = "Good day") -> None:
    """Let an agent write to the customer."""
    author = Author("agent", desk.agents[name], name)
    reply = Reply(new_id(), text)
    await send_reply(desk.world.deps, desk.viewer(name), author, conversation_id, reply)


async def lines(world: World) -> list[str]:
    """Return the codes of the timeline's own remarks, in order."""
    found = await rows(
        world, "SELECT content FROM message WHERE direction = 'system' ORDER BY number"
    )
    return [text.split('"')[3] for (text,) in found]


async def test_a_chat_is_offered_accepted_and_completed(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("webchat", world.sms("Hello"))
        offer_id, asked = await desk.offer()
        assert asked == desk.agents["ann"]
        item = await desk.item(state="offered")
        outcome = await desk.router.submit(Accept(OfferId(offer_id), desk.agents["ann"]))
        assert outcome.code is OutcomeCode.OK
        talk = await desk.conversation()
        assert talk["handler_agent_id"] == desk.agents["ann"]
        assert talk["queue_id"] == desk.queues["front"]
        assert talk["item_id"] == item["id"]
        assert talk["due_at"] is not None
        assert await rows(world, 'SELECT owner_agent_id FROM "case"') == [(desk.agents["ann"],)]
        done = await desk.router.submit(
            Complete(ItemId(item["id"]), "answered", by=desk.agents["ann"], solve_case=True)
        )
        assert done.code is OutcomeCode.OK
        talk = await desk.conversation(state="resolved")
        assert (talk["handler_agent_id"], talk["item_id"]) == (None, None)
        assert talk["queue_id"] == desk.queues["front"]
        assert await rows(world, 'SELECT state FROM "case"') == [("solved",)]
        assert await lines(world) == ["taken", "resolved", "case_solved"]
        assert await rows(world, "SELECT used FROM agent_load") == [(0,)]


async def test_who_declines_is_passed_over_and_silence_is_a_miss(world: World) -> None:
    async with open_desk(world, {"ann": 1, "bob": 1}) as desk:
        await desk.sign_in("ann", "bob")
        await world.receive("webchat", world.sms("Hello"))
        offer_id, first = await desk.offer()
        assert (await desk.router.submit(Decline(OfferId(offer_id), first))).ok  # type: ignore[arg-type]
        _, second = await desk.offer()
        assert second != first
        await desk.beat(31, "ann", "bob")
        states = await rows(world, "SELECT state FROM offer ORDER BY id")
        assert [state for (state,) in states][:2] == ["declined", "expired"]


async def test_answers_and_words_move_item_and_conversation(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("twilio_sms", world.sms("Where is my parcel?"))
        item = await desk.item(state="active")  # SMS is accepted automatically
        await answer(desk, "ann", item["conversation_id"])
        await desk.settled()
        talk = await desk.conversation(state="waiting")
        assert talk["due_at"] is None
        state = desk.router.state
        assert state is not None
        assert state.items[ItemId(item["id"])].pause.value == "waiting"
        assert state.items[ItemId(item["id"])].owner_agent_id == desk.agents["ann"]
        await world.receive("twilio_sms", world.sms("Thanks, and when?"))
        await desk.settled()
        assert state.items[ItemId(item["id"])].pause.value == "none"
        assert (await desk.conversation())["state"] == "open"


async def test_put_aside_until_its_time_or_taken_up_before(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("twilio_sms", world.sms("Call me tomorrow"))
        item = await desk.item(state="active")
        talk_id, me = item["conversation_id"], desk.viewer("ann")
        until = world.clock.now() + timedelta(hours=2)
        await resolve.snooze(world.deps, me, talk_id, until)
        assert (await desk.conversation())["state"] == "snoozed"
        assert await rows(world, "SELECT snoozed_until FROM conversation") == [(to_micros(until),)]
        world.clock.set(until)
        await desk.settled()
        assert (await desk.conversation())["state"] == "open"
        await resolve.snooze(world.deps, me, talk_id, until + timedelta(hours=2))
        await resolve.unsnooze(world.deps, me, talk_id)
        assert (await desk.conversation())["state"] == "open"
        assert await lines(world) == ["taken", "snoozed", "woken", "snoozed"]
        with pytest.raises(Conflict, match="wrong_state"):
            await resolve.unsnooze(world.deps, me, talk_id)


async def test_handed_on_to_a_queue_an_agent_and_a_tier(world: World) -> None:
    async with open_desk(world, {"ann": 1, "bob": 1, "eve": 2}, "front", "back") as desk:
        await desk.sign_in("ann")
        await world.receive("webchat", world.sms("Hello"))
        offer_id, _ = await desk.offer()
        await desk.router.submit(Accept(OfferId(offer_id), desk.agents["ann"]))
        talk_id = (await desk.conversation())["id"]
        await desk.sign_in("bob", "eve")
        ann = desk.viewer("ann")
        await resolve.transfer_to_agent(world.deps, ann, talk_id, desk.agents["bob"])
        offer_id, asked = await desk.offer()
        assert asked == desk.agents["bob"]
        assert (await desk.conversation())["handler_agent_id"] == desk.agents["ann"]
        await desk.router.submit(Accept(OfferId(offer_id), desk.agents["bob"]))
        assert (await desk.conversation())["handler_agent_id"] == desk.agents["bob"]
        with pytest.raises(Conflict, match="not_handler"):
            await resolve.resolve(world.deps, ann, talk_id)
        chief = desk.viewer("ann", Role.AGENT, Role.SUPERVISOR)
        await resolve.transfer_to_queue(world.deps, chief, talk_id, desk.queues["back"])
        talk = await desk.conversation()
        assert (talk["handler_agent_id"], talk["queue_id"]) == (None, desk.queues["back"])
        await resolve.escalate(world.deps, chief, talk_id, 2)
        _, asked = await desk.offer()
        assert asked == desk.agents["eve"]
        assert await rows(world, 'SELECT owner_agent_id FROM "case"') == [(desk.agents["ann"],)]
        assert await lines(world) == ["taken", "transferred", "transferred", "escalated"]


async def test_a_word_that_crosses_the_end_begins_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("twilio_sms", world.sms("One more thing"))
        item = await desk.item(state="active")
        await desk.settled()
        read = desk.follower.page

        async def late(after: int, limit: int = 500):
            return [], after

        # The message is stored under the live item; the router ends the item before it reads on.
        monkeypatch.setattr(desk.follower, "page", late)
        await world.receive("twilio_sms", world.sms("wait"))
        await resolve.resolve(world.deps, desk.viewer("ann"), item["conversation_id"])
        assert (await desk.conversation())["state"] == "resolved"
        monkeypatch.setattr(desk.follower, "page", read)
        await desk.settled()
        talk = await desk.conversation(state="open")
        again = await desk.item(state="active")
        assert talk["item_id"] == again["id"] != item["id"]
        assert again["case_id"] == item["case_id"]
        await desk.stop()
        await desk.execute("DELETE FROM setting WHERE name = 'router.cursor'")
        await desk.start()
        await desk.settled()
        assert await rows(world, "SELECT COUNT(*) FROM work_item") == [(2,)]


async def test_handing_on_asks_somebody_of_ours_again(world: World) -> None:
    async with open_desk(world, {"ann": 1}, "front", "back") as desk:
        await desk.sign_in("ann")
        await world.receive("twilio_sms", world.sms("Hello"))
        talk_id = (await desk.item(state="active"))["conversation_id"]
        await answer(desk, "ann", talk_id)
        await desk.settled()
        assert (await desk.conversation())["state"] == "waiting"
        await resolve.transfer_to_queue(
            world.deps, desk.viewer("ann"), talk_id, desk.queues["back"]
        )
        assert (await desk.conversation())["state"] == "open"


async def test_reopened_by_a_person_and_closed_when_the_window_ends(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("twilio_sms", world.sms("Hello"))
        item = await desk.item(state="active")
        talk_id, me = item["conversation_id"], desk.viewer("ann")
        await resolve.resolve(world.deps, me, talk_id, disposition="answered", solve_case=True)
        fresh = await resolve.reopen(world.deps, me, talk_id, take_over=True)
        await desk.settled()
        talk = await desk.conversation()
        assert talk["state"] == "open"
        assert talk["item_id"] == fresh != item["id"]
        assert talk["handler_agent_id"] == desk.agents["ann"]
        assert await rows(world, 'SELECT state, reopens FROM "case"') == [("open", 1)]
        await resolve.resolve(world.deps, me, talk_id, solve_case=True)
        assert await resolve_window(world) == 0
        world.clock.advance(seconds=world.deps.reopen_s + 1)
        assert await resolve_window(world) == 1
        assert await rows(world, 'SELECT state FROM "case"') == [("closed",)]
        assert (await desk.conversation())["state"] == "closed"
        with pytest.raises(Conflict, match="not_resolved"):
            await resolve.reopen(world.deps, me, talk_id)


async def resolve_window(world: World) -> int:
    """Close what is over."""
    return await close_expired(world.deps)
