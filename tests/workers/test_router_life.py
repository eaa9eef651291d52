"""The router over time: restarts, two processes, changed configuration, what goes wrong."""

import asyncio
from dataclasses import replace

import pytest

from hub.model.errors import Conflict, HubError
from hub.model.events import EventKind, new_event
from hub.model.ids import ItemId, OfferId, QueueId
from hub.model.router_commands import Accept, Complete, OutcomeCode, Presence, PresenceMove, Take
from hub.model.work import ItemState
from hub.routing.rules import RulesInvalid
from hub.routing.step import step
from hub.services import dispatch, rule_sets
from hub.services.routing_config import fallback_rules
from hub.store.tx import Tx
from hub.workers.router import Router
from hub.workers.router_log import command_of
from tests.routing.invariants import canonical
from tests.services.conftest import World
from tests.workers.desk import Desk, open_desk, rows, until


async def told(desk: Desk, kind: EventKind, **data: object) -> None:
    """Append an event as the administrator's use cases do."""
    event = new_event(kind, desk.world.clock.now(), actor="admin", data=data)  # type: ignore[arg-type]

    def unit(tx: Tx) -> None:
        tx.append([event])

    await desk.world.deps.db.run(unit)


async def test_what_came_while_nobody_led_is_acted_on_once(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("twilio_sms", world.sms("first"))
        item = await desk.item(state="active")
        await desk.settled()
        await desk.stop()
        await world.receive("twilio_sms", world.sms("second"))
        await world.receive("webchat", world.sms("other", sender="+8613800138009"))
        await desk.start()
        await desk.settled()
        offer_id, asked = await desk.offer()
        assert asked == desk.agents["ann"]
        assert await rows(world, "SELECT COUNT(*) FROM work_item") == [(2,)]
        assert desk.state.items[ItemId(item["id"])].state is ItemState.ACTIVE
        before = await rows(world, "SELECT COUNT(*) FROM event")
        await desk.stop()
        await desk.start()
        await desk.settled()
        # A restart alone asks for nothing: no event, no second offer.
        assert await rows(world, "SELECT COUNT(*) FROM event") == before
        assert (await desk.offer())[0] == offer_id


async def test_the_rows_alone_give_the_same_state(world: World) -> None:
    async with open_desk(world, {"ann": 1, "bob": 2}) as desk:
        await desk.sign_in("ann", "bob")
        for number in range(6):
            text = world.sms("hello", sender=f"+861380013800{number}")
            await world.receive("webchat" if number % 2 else "twilio_sms", text)
        await desk.settled()
        running = canonical(desk.state)
        await desk.stop()
        await desk.start()
        await desk.settled()
        assert canonical(desk.state) == running


async def test_another_process_hands_its_commands_over(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        other = Router(world.deps, desk.follower)
        outcome = await other.submit(Presence(desk.agents["ann"], PresenceMove.SIGN_IN))
        assert outcome.code is OutcomeCode.OK
        assert not other.leading
        await world.receive("webchat", world.sms("Hello"))
        offer_id, _ = await desk.offer()
        both = await asyncio.gather(
            *(other.submit(Accept(OfferId(offer_id), desk.agents["ann"])) for _ in range(3))
        )
        assert sorted(one.code for one in both) == ["no_change", "no_change", "ok"]
        gone = await other.submit(Take(ItemId("nothing"), desk.agents["ann"]))
        assert gone.code is OutcomeCode.ITEM_GONE


async def test_the_second_process_takes_over(world: World) -> None:
    if world.deps.db.dialect == "sqlite":
        return  # its file has one process; a second router would take the lease at once
    async with open_desk(world, {"ann": 1}) as desk:
        stop, second = asyncio.Event(), Router(world.deps, desk.follower)
        task = asyncio.create_task(second.run(stop))
        try:
            assert (await second.submit(Presence(desk.agents["ann"], PresenceMove.SIGN_IN))).ok
            await desk.stop()

            async def leads() -> bool:
                return second.leading

            await until(leads)
            await world.receive("webchat", world.sms("Hello"))
            offer_id, asked = await desk.offer()
            assert asked == desk.agents["ann"]
            # The process that led before hands over now.
            answer = await desk.router.submit(Accept(OfferId(offer_id), desk.agents["ann"]))
            assert answer.code is OutcomeCode.OK
        finally:
            stop.set()
            second.poke()
            await task


async def test_who_was_replaced_writes_nothing_more(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        old_epoch = desk.leader.epoch
        await desk.execute("UPDATE lease SET epoch = epoch + 1, until = 0 WHERE name = 'router'")
        with pytest.raises(Conflict, match="lease_lost"):
            await dispatch.write(world.deps, old_epoch, [], cursor=1)
        # The process notices, steps down, takes the lease anew and carries the command out.
        outcome = await desk.router.submit(Presence(desk.agents["ann"], PresenceMove.SIGN_IN))
        assert outcome.ok
        assert desk.leader.epoch > old_epoch


async def test_a_row_somebody_moved_is_answered_stale(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("twilio_sms", world.sms("Hello"))
        item = await desk.item(state="active")
        await desk.settled()
        await desk.execute("UPDATE work_item SET version = version + 1")
        done = await desk.router.submit(Complete(ItemId(item["id"]), "answered"))
        assert done.code is OutcomeCode.STALE
        assert (await desk.item())["state"] == "active"


async def test_a_deactivated_agent_gives_everything_back(world: World) -> None:
    async with open_desk(world, {"ann": 1, "sue": 0, "bob": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("twilio_sms", world.sms("Hello"))
        item = await desk.item(state="active")
        await desk.router.submit(Take(ItemId(item["id"]), desk.agents["ann"]))
        await desk.execute('UPDATE "case" SET owner_agent_id = :a', a=desk.agents["ann"])
        await desk.execute("UPDATE agent SET active = :no WHERE name = 'ann'", no=False)
        await told(desk, EventKind.ACCESS_CHANGED, fields=["active"], by="admin")
        back = await desk.item(state="queued")
        assert back["handler_agent_id"] is None
        await desk.settled()
        assert await rows(world, 'SELECT owner_agent_id FROM "case"') == [(desk.agents["sue"],)]
        assert await rows(world, "SELECT duty FROM agent_state") == [("off",)]


async def test_an_acknowledgement_once_a_day_and_only_where_switched_on(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await world.receive("email", world.mail("Hello"))
        await desk.item(state="queued")
        sent = "SELECT content FROM message WHERE direction = 'out'"
        assert await rows(world, sent) == []
        await desk.execute("UPDATE queue SET acknowledge = :yes", yes=True)
        await world.receive("twilio_sms", world.sms("我的宽带断了"))
        await desk.settled()
        found = await rows(world, sent)
        assert len(found) == 1
        assert "10002" in found[0][0]
        assert await rows(world, "SELECT state, COUNT(*) FROM delivery GROUP BY state") == [
            ("queued", 1)
        ]
        talk = await desk.conversation()
        assert talk["state"] == "open"
        auto = replace(world.mail("Away", sender="bob@example.com"), auto_reply=True)
        await world.receive("email", auto)
        await desk.settled()
        assert len(await rows(world, sent)) == 1


async def test_published_rules_and_changed_queues_reach_the_router(world: World) -> None:
    async with open_desk(world, {"ann": 1}, "front", "back") as desk:
        tree = fallback_rules("back")
        with pytest.raises(RulesInvalid):
            await rule_sets.save_draft(world.deps, fallback_rules("nowhere"), by="admin")
        version = await rule_sets.save_draft(world.deps, tree, by="admin", note="all to the back")
        await rule_sets.publish(world.deps, version, by="admin")
        await desk.settled()
        await world.receive("webchat", world.sms("Hello"))
        item = await desk.item(state="queued")
        assert item["queue_id"] == desk.queues["back"]
        other = await rule_sets.save_draft(world.deps, fallback_rules("front"), by="admin")
        await rule_sets.publish(world.deps, other, by="admin", replan=True)
        await desk.settled()
        assert (await desk.item())["queue_id"] == desk.queues["front"]
        again = await rule_sets.rollback(world.deps, version, by="admin")
        await desk.settled()
        assert desk.state.config.rules.version == again == 3
        states = await rows(world, "SELECT version, state FROM rule_set ORDER BY version")
        assert states == [(1, "retired"), (2, "retired"), (3, "published")]
        with pytest.raises(Conflict, match="not_a_draft"):
            await rule_sets.publish(world.deps, 1, by="admin")
        kinds = await rows(world, "SELECT COUNT(*) FROM event WHERE kind = 'rules.published'")
        assert kinds == [(3,)]


async def test_a_command_that_breaks_the_router_breaks_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        right = step

        def wrong(state, command, now):
            if isinstance(command, Take):
                state.queue_lengths[QueueId("broken")] = 1
                raise KeyError("broken")
            return right(state, command, now)

        monkeypatch.setattr("hub.workers.leading.step", wrong)
        await world.receive("webchat", world.sms("Hello"))
        offer_id, _ = await desk.offer()
        failed, accepted = await asyncio.gather(
            desk.router.submit(Take(ItemId("x"), desk.agents["ann"])),
            desk.router.submit(Accept(OfferId(offer_id), desk.agents["ann"])),
            return_exceptions=True,
        )
        assert isinstance(failed, HubError)
        assert accepted.code is OutcomeCode.OK  # type: ignore[union-attr]
        assert QueueId("broken") not in desk.state.queue_lengths


async def test_an_event_that_breaks_the_router_is_passed_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        right = command_of
        tries = []

        def wrong(state, event, known):
            if event.kind is EventKind.CASE_CHANGED:
                tries.append(event.seq)
                raise KeyError("broken")
            return right(state, event, known)

        monkeypatch.setattr("hub.workers.leading.command_of", wrong)
        await told(desk, EventKind.CASE_CHANGED, case="c1", severity=1)
        await world.receive("webchat", world.sms("Hello"))
        await desk.offer()

        async def twice() -> bool:
            return len(tries) == 2

        await until(twice)
