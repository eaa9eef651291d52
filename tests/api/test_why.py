"""GET /items/{id}/why over HTTP: who may ask. What it answers is shown in tests/routing."""

from tests.api.talk import build_town


async def test_why_of_an_item_the_router_has_not_come_to(house):
    town = await build_town(house)
    ada = await town.person("ada")
    conversation = await town.write("is anybody there")
    await town.hold(conversation, 0, ada)
    shown = await ada.ok("GET", f"/conversations/{conversation}")
    item = shown["detail"]["conversation"]["item_id"]
    found = await ada.ok("GET", f"/items/{item}/why")
    assert (found["item_id"], found["waiting"]) == (item, "not_waiting")
    assert found["me"] == {
        "agent_id": ada.agent_id, "reason": "not_a_member", "tier": None, "data": {},
    }  # fmt: skip
    assert found["candidates"] == []
    stranger = await town.person("eve", queues=(1,))
    assert (await stranger.call("GET", f"/items/{item}/why")).status == 404
