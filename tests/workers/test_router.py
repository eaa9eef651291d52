"""A message becomes work: planned, offered, accepted, answered, completed, on both databases."""

from hub.model.ids import ItemId, OfferId
from hub.model.router_commands import Accept, Complete, OutcomeCode
from tests.services.conftest import World
from tests.workers.desk import open_desk, rows


async def test_a_chat_is_offered_accepted_and_completed(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("webchat", world.sms("Hello", sender="+8613800138001"))
        offer_id, asked = await desk.offer()
        assert asked == desk.agents["ann"]
        item = await desk.item(state="offered")
        outcome = await desk.router.submit(Accept(OfferId(offer_id), desk.agents["ann"]))
        assert outcome.code is OutcomeCode.OK
        talk = await desk.conversation()
        assert talk["handler_agent_id"] == desk.agents["ann"]
        assert talk["queue_id"] == desk.queues["front"]
        assert talk["item_id"] == item["id"]
        assert await rows(world, 'SELECT owner_agent_id FROM "case"') == [(desk.agents["ann"],)]
        done = await desk.router.submit(
            Complete(ItemId(item["id"]), "answered", by=desk.agents["ann"], solve_case=True)
        )
        assert done.code is OutcomeCode.OK
        talk = await desk.conversation(state="resolved")
        assert (talk["handler_agent_id"], talk["item_id"]) == (None, None)
        assert await rows(world, 'SELECT state FROM "case"') == [("solved",)]
        lines = await rows(world, "SELECT content FROM message WHERE direction = 'system'")
        assert [line for (line,) in lines if "taken" in line]
        assert [line for (line,) in lines if "resolved" in line]
