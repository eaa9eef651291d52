"""A visitor and an agent talk: session, say, receive, history, answer, delivered, seen."""

from typing import Any

from hub.model.ids import new_id
from hub.services.signals import AgentTyping, DeskPresence, QueuePlace, VisitorEnded, VisitorTyping
from tests.api.widget_world import AGENT, World, world

__all__ = ["world"]


async def test_a_visitor_writes_and_the_answer_comes_back(world: World) -> None:
    ada = world.browser()
    opened = await ada.open(language="en", page="https://shop.example/cart")
    assert opened["messages"] == []
    assert opened["config"]["title"] == "Help"
    hello = await ada.connect()
    assert hello["visitor_id"] == ada.visitor_id
    ack = await ada.say("Where is my parcel?")
    assert ack["outcome"] == "stored"
    own = await ada.text("Where is my parcel?")
    assert own["from"] == "visitor"
    assert own["client_id"] == ack["client_id"]
    assert own["state"] == "sent"

    await world.answer(own["thread"], "It is on its way.")
    answer = await ada.text("It is on its way.")
    assert (answer["from"], answer["name"], answer["number"]) == ("agent", "Li", 2)
    assert AGENT not in str(answer)
    await world.until("SELECT state FROM delivery", [("sent",)])
    await ada.send({"type": "delivered", "ids": [answer["id"]]})
    await world.until("SELECT state FROM delivery", [("delivered",)])
    await ada.send({"type": "read", "id": answer["id"]})
    await world.until("SELECT state FROM delivery", [("read",)])
    states = await world.rows(
        "SELECT data ->> '$.to' FROM event WHERE kind = 'delivery.moved' ORDER BY seq"
    )
    assert [state for (state,) in states] == ["sending", "sent", "delivered", "read"]


async def test_history_stays_over_tabs_and_days(world: World) -> None:
    ada = world.browser()
    await ada.open()
    await ada.connect()
    own = (await ada.say("one"))["message"]
    await world.answer(own["thread"], "two")
    await ada.text("two")
    tab = world.browser()
    tab.token = ada.token
    again = await tab.open(status=200)
    assert again["token"] == ada.token
    assert [one["text"] for one in again["messages"]] == ["one", "two"]
    await tab.connect(after=again["cursor"])
    await ada.say("three")
    assert (await tab.text("three"))["from"] == "visitor"
    shown = await (await tab.call("GET", "messages")).json()
    assert [one["text"] for one in shown["messages"]] == ["one", "two", "three"]


async def test_the_offline_queue_is_replayed_once_and_in_order(world: World) -> None:
    ada = world.browser()
    await ada.open()
    queued = [{"client_id": new_id(), "text": f"part {n}"} for n in range(5)]
    for outcome in ("stored", "duplicate"):
        answer = await ada.call("POST", "messages", json={"messages": queued})
        results = (await answer.json())["results"]
        assert [one["outcome"] for one in results] == [outcome] * 5
        assert [one["message"]["number"] for one in results] == [1, 2, 3, 4, 5]
    await ada.connect()
    assert (await ada.say("part 0", client_id=queued[0]["client_id"]))["outcome"] == "duplicate"
    assert await world.rows("SELECT COUNT(*) FROM message") == [(5,)]


async def test_whoever_comes_back_is_told_what_was_missed(world: World) -> None:
    ada = world.browser()
    await ada.open()
    await ada.connect()
    own = (await ada.say("hello"))["message"]
    await ada.text("hello")
    await ada.leave()
    for n in range(3):
        await world.answer(own["thread"], f"answer {n}")
    await world.until("SELECT state, COUNT(*) FROM delivery GROUP BY state", [("sent", 3)])
    await ada.connect(after=ada.cursor)
    caught = await ada.frame("caught_up")
    texts = [f["message"]["text"] for f in ada.frames if f["type"] == "message"]
    assert texts == ["answer 0", "answer 1", "answer 2"]
    assert caught["cursor"] == ada.cursor
    again = await (await ada.call("GET", f"messages?after={ada.cursor}")).json()
    assert (again["messages"], again["reset"]) == ([], False)


async def test_a_cursor_from_another_time_resets(world: World) -> None:
    ada = world.browser()
    await ada.open()
    await ada.connect()
    await ada.say("hello")
    await ada.leave()
    await ada.connect(after=10**9)
    reset = await ada.frame("reset")
    assert [one["text"] for one in reset["messages"]] == ["hello"]


async def test_older_pages(world: World) -> None:
    ada = world.browser()
    await ada.open()
    batch = [{"client_id": new_id(), "text": f"{n}"} for n in range(18)]
    await ada.call("POST", "messages", json={"messages": batch})
    thread = (await (await ada.call("GET", "messages")).json())["messages"][0]["thread"]
    for n in range(40):
        await world.answer(thread, f"a{n}")
    await world.until("SELECT COUNT(*) FROM delivery WHERE state = 'sent'", [(40,)])
    last = await (await ada.call("GET", "messages")).json()
    assert len(last["messages"]) == 50
    first = await (await ada.call("GET", "messages", params={"before": last["before"]})).json()
    assert [one["text"] for one in first["messages"]] == [f"{n}" for n in range(8)]
    assert first["before"] is None


async def test_seen_and_typing_and_queue_and_presence(world: World) -> None:
    ada = world.browser()
    await ada.open(language="zh-CN")
    await ada.connect()
    own = (await ada.say("你好"))["message"]
    heard: list[Any] = []
    world.deps.signals.listen(VisitorTyping, heard.append)
    world.deps.signals.listen(VisitorEnded, heard.append)
    await ada.send({"type": "typing", "on": True})
    await world.mark_read(own["thread"], 1)
    seen = await ada.frame("seen")
    assert (seen["thread"], seen["number"]) == (own["thread"], 1)
    assert heard == [VisitorTyping(own["thread"], True)]
    world.deps.signals.publish(AgentTyping(own["thread"], "Li"))
    assert (await ada.frame("typing"))["name"] == "Li"
    world.deps.signals.publish(QueuePlace(own["thread"], 2, 1.5))
    place = await ada.frame("queue")
    assert (place["position"], place["wait"]) == (2, "1_2")
    assert "2" in place["text"]
    world.deps.signals.publish(DeskPresence(world.shop, False))
    assert (await ada.frame("presence"))["open"] is False
    await ada.send({"type": "end"})
    assert (await ada.frame("ended"))["by"] == "visitor"
    assert heard[-1] == VisitorEnded(own["thread"])
    shown = await (await ada.call("GET", "messages")).json()
    assert shown["messages"][0]["state"] == "seen"
    config = await (await ada.call("GET", f"config/{world.shop}")).json()
    assert config["open"] is False
