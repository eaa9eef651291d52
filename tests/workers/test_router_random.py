"""Random days with crashes: rows and memory agree, and nobody who wrote is forgotten."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from hub.model.errors import HubError
from hub.model.ids import AgentId, ItemId, OfferId, QueueId, new_id
from hub.model.router_commands import (
    Accept,
    Complete,
    Decline,
    Escalate,
    OutcomeCode,
    Presence,
    PresenceMove,
    Snooze,
    Take,
    TransferToAgent,
    TransferToQueue,
)
from hub.routing.state import RouterState
from hub.services import dispatch, routing_config
from hub.services.reply import Author, Reply, send_reply
from tests.routing.invariants import canonical
from tests.services.conftest import World
from tests.workers.desk import Desk, open_desk, rows

NAMES = {"ann": 1, "bob": 1, "eve": 2, "zoe": 3}
SENDERS = [f"+86138001380{number:02d}" for number in range(6)]


class Day:
    """Does one random thing after another."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.random = desk, random.Random(seed)
        self.choices: list[tuple[int, Callable[[], Awaitable[object]]]] = [
            (6, self.write), (4, self.accept), (2, self.decline), (2, self.take), (4, self.reply),
            (3, self.complete), (1, self.snooze), (1, self.hand_on), (1, self.escalate),
            (3, self.presence), (3, self.wait), (1, self.restart), (1, self.crash),
        ]  # fmt: skip

    async def act(self) -> None:
        """Do one thing; a refusal is an answer too."""
        weights = [weight for weight, _ in self.choices]
        (_, what) = self.random.choices(self.choices, weights)[0]
        try:
            await what()
        except HubError:
            return

    def agent(self) -> AgentId:
        return self.desk.agents[self.random.choice(list(NAMES))]

    async def pick(self, sql: str) -> tuple[object, ...] | None:
        found = await rows(self.desk.world, sql)
        return self.random.choice(sorted(found)) if found else None

    async def live_item(self) -> tuple[ItemId, str, AgentId | None]:
        found = await self.pick(
            "SELECT id, conversation_id, COALESCE(handler_agent_id, '') FROM work_item"
            " WHERE closed_at IS NULL"
        )
        if found is None:
            return ItemId("none"), "none", None
        return ItemId(str(found[0])), str(found[1]), AgentId(str(found[2])) if found[2] else None

    async def write(self) -> None:
        world = self.desk.world
        kind = self.random.choice(["webchat", "twilio_sms"])
        await world.receive(kind, world.sms("words", sender=self.random.choice(SENDERS)))

    async def accept(self) -> None:
        found = await self.pick("SELECT id, agent_id FROM offer WHERE state = 'offered'")
        if found is not None:
            await self.desk.router.submit(Accept(OfferId(str(found[0])), AgentId(str(found[1]))))

    async def decline(self) -> None:
        found = await self.pick("SELECT id, agent_id FROM offer WHERE state = 'offered'")
        if found is not None:
            await self.desk.router.submit(Decline(OfferId(str(found[0])), AgentId(str(found[1]))))

    async def take(self) -> None:
        item_id, _, _ = await self.live_item()
        await self.desk.router.submit(Take(item_id, self.agent(), from_handler=True))

    async def reply(self) -> None:
        _, talk, handler = await self.live_item()
        if handler is not None:
            name = next(n for n, id_ in self.desk.agents.items() if id_ == handler)
            author = Author("agent", handler, name)
            viewer = self.desk.viewer(name)
            await send_reply(self.desk.world.deps, viewer, author, talk, Reply(new_id(), "yes"))

    async def complete(self) -> None:
        item_id, _, handler = await self.live_item()
        solve = self.random.random() < 0.5
        await self.desk.router.submit(Complete(item_id, "answered", handler, solve_case=solve))

    async def snooze(self) -> None:
        item_id, _, handler = await self.live_item()
        until = self.desk.world.clock.now() + timedelta(seconds=self.random.randint(1, 900))
        await self.desk.router.submit(Snooze(item_id, until, handler))

    async def hand_on(self) -> None:
        item_id, _, handler = await self.live_item()
        queue = QueueId(self.random.choice(sorted(self.desk.queues.values())))
        if self.random.random() < 0.5:
            await self.desk.router.submit(TransferToQueue(item_id, queue, handler))
        else:
            await self.desk.router.submit(TransferToAgent(item_id, self.agent(), handler))

    async def escalate(self) -> None:
        item_id, _, handler = await self.live_item()
        await self.desk.router.submit(
            Escalate(item_id, self.random.randint(1, 3), "asked", handler)
        )

    async def presence(self) -> None:
        moves = [*PresenceMove, PresenceMove.SIGN_IN, PresenceMove.SIGN_IN, PresenceMove.SET_READY]
        await self.desk.router.submit(Presence(self.agent(), self.random.choice(moves)))

    async def wait(self) -> None:
        await self.desk.beat(self.random.choice([1, 20, 130]), *NAMES)

    async def restart(self) -> None:
        await self.desk.stop()
        await self.desk.start()

    async def crash(self) -> None:
        """Let the process die between, or in, its units, while customers go on writing."""
        for _ in range(3):
            await self.write()
        await self.desk.kill(after=self.random.randint(0, 12))
        await self.write()
        await self.desk.start()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_rows_and_memory_agree_after_a_random_day(world: World, seed: int) -> None:
    async with open_desk(world, NAMES, "front", "back") as desk:
        await desk.sign_in(*NAMES)
        day = Day(desk, seed)
        for _ in range(60):
            await day.act()
        await desk.settled()
        live = await dispatch.load_live(world.deps)
        loaded = await routing_config.load_config(world.deps)
        assert loaded is not None
        assert live.new == []
        rebuilt = RouterState.from_rows(loaded.config, live.rows)
        assert canonical(rebuilt) == canonical(desk.state)
        await _desk_is_right(world)


async def _desk_is_right(world: World) -> None:
    """Copies say what the work says, and every open conversation has work."""
    forgotten = await rows(
        world,
        "SELECT c.id FROM conversation c WHERE c.state IN ('open', 'waiting', 'snoozed') AND"
        " NOT EXISTS (SELECT 1 FROM work_item w WHERE w.id = c.item_id AND w.closed_at IS NULL)",
    )
    assert forgotten == []
    wrong = await rows(
        world,
        "SELECT c.id, c.handler_agent_id, a.agent_id FROM conversation c"
        " LEFT JOIN assignment a ON a.item_id = c.item_id AND a.ended_at IS NULL"
        " WHERE COALESCE(c.handler_agent_id, '') <> COALESCE(a.agent_id, '')",
    )
    assert wrong == []
    lost = await rows(
        world,
        "SELECT a.id FROM assignment a JOIN work_item w ON w.id = a.item_id"
        " WHERE a.conversation_id IS NULL OR a.conversation_id <> w.conversation_id",
    )
    assert lost == []


async def test_a_hundred_at_once_are_each_answered_once(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("webchat", world.sms("Hello"))
        offer_id, _ = await desk.offer()
        accept = Accept(OfferId(offer_id), desk.agents["ann"])
        outcomes = await asyncio.gather(*(desk.router.submit(accept) for _ in range(100)))
        assert [one.code for one in outcomes].count(OutcomeCode.OK) == 1
        assert {one.code.value for one in outcomes} == {"ok", "no_change"}
