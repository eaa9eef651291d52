"""The one writer: fenced rows, the lease, order of ended and new rows, nothing by halves."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hub.model.errors import Conflict
from hub.model.ids import AgentId, AssignmentId, ItemId, OfferId, QueueId, new_id
from hub.model.router_commands import Command, Outcome, OutcomeCode, Snooze, TransferToQueue
from hub.model.staff import AgentPresence, Duty
from hub.model.work import (
    Assignment,
    AssignmentRole,
    ItemState,
    Offer,
    OfferMode,
    OfferState,
    Timer,
    TimerKind,
    WorkClass,
)
from hub.routing.changes import ItemChange, StepResult
from hub.services import dispatch
from hub.services.dispatch import Decision
from hub.store.follower import Follower
from hub.store.queries import items
from hub.store.tx import Tx
from tests.services.conftest import World
from tests.workers.desk import Desk

OK = Outcome(OutcomeCode.OK)


async def desk_of(world: World) -> tuple[Desk, int]:
    """Seed people and a queue, take the lease; return both."""
    desk = Desk(world, Follower(world.deps.db, clock=world.clock))
    await desk.seed({"ann": 1, "bob": 1})
    view = await dispatch.claim(world.deps, "test")
    return desk, view.epoch


async def new_item(world: World):
    await world.receive("webchat", world.sms("Hello"))

    def unit(tx: Tx):
        return items.new_items(tx)[0]

    return await world.deps.db.read(unit)


def an_offer(desk: Desk, item_id: ItemId, name: str, state: OfferState) -> Offer:
    now = desk.world.clock.now()
    return Offer(
        OfferId(new_id()), item_id, desk.agents[name], desk.queues["front"], WorkClass.WEBCHAT, 1,
        state, OfferMode.SINGLE, 30, now, now + timedelta(seconds=30),
    )  # fmt: skip


async def test_all_of_it_or_nothing(world: World) -> None:
    desk, epoch = await desk_of(world)
    item = await new_item(world)
    moved = replace(item, state=ItemState.QUEUED, version=1, queue_id=desk.queues["front"])
    presence = AgentPresence(desk.agents["ann"], Duty.ON)
    good = Decision(
        StepResult(OK, items=(ItemChange(moved, 0),), presence=(presence,)), world.clock.now()
    )
    bad = Decision(StepResult(OK, items=(ItemChange(moved, 7),)), world.clock.now())
    with pytest.raises(Conflict, match="stale_item"):
        await dispatch.write(world.deps, epoch, [good, bad], cursor=5)
    live = await dispatch.load_live(world.deps)
    assert (list(live.rows.items), list(live.rows.presence), live.cursor) == ([], [], None)
    with pytest.raises(Conflict, match="lease_lost"):
        await dispatch.write(world.deps, epoch + 1, [good])
    await dispatch.write(world.deps, epoch, [good], cursor=5)
    live = await dispatch.load_live(world.deps)
    assert list(live.rows.items) == [moved]
    assert list(live.rows.presence) == [presence]
    assert (live.new, live.cursor) == ([], 5)


async def test_what_ends_is_written_before_what_begins(world: World) -> None:
    desk, epoch = await desk_of(world)
    item = await new_item(world)
    now = world.clock.now()
    first = an_offer(desk, item.id, "ann", OfferState.ACCEPTED)
    mine = Assignment(
        AssignmentId(new_id()), item.id, desk.agents["ann"], AssignmentRole.HANDLER,
        WorkClass.WEBCHAT, 30, now, offer_id=first.id,
    )  # fmt: skip
    held = replace(
        item, state=ItemState.ACTIVE, version=1, queue_id=desk.queues["front"],
        handler_agent_id=desk.agents["ann"],
    )  # fmt: skip
    timer = Timer(TimerKind.LOOK_WITHIN, item.id, now, 1)
    begin = StepResult(
        OK, items=(ItemChange(held, 0),), offers=(first,), assignments=(mine,), timers_set=(timer,)
    )
    await dispatch.write(world.deps, epoch, [Decision(begin, now)])
    second = an_offer(desk, item.id, "bob", OfferState.ACCEPTED)
    theirs = replace(
        mine, id=AssignmentId(new_id()), agent_id=desk.agents["bob"], offer_id=second.id
    )
    over = replace(held, version=2, handler_agent_id=desk.agents["bob"])
    change = StepResult(
        OK,
        items=(ItemChange(over, 1),),
        # As a step lists them: the new row was entered before the old one ended.
        offers=(second, replace(first, state=OfferState.CLOSED, ended_at=now)),
        assignments=(theirs, replace(mine, ended_at=now)),
        timers_cancelled=((TimerKind.LOOK_WITHIN, item.id),),
    )
    await dispatch.write(world.deps, epoch, [Decision(change, now)])
    live = await dispatch.load_live(world.deps)
    assert list(live.rows.offers) == [second]
    assert list(live.rows.assignments) == [theirs]
    assert list(live.rows.timers) == []
    assert list(live.rows.items) == [over]
    idle = StepResult(OK, assignments=(replace(theirs, idle=True, units=10),))
    await dispatch.write(world.deps, epoch, [Decision(idle, now)])
    live = await dispatch.load_live(world.deps)
    assert [one.units for one in live.rows.assignments] == [10]


async def test_a_command_comes_back_as_it_was_sent(world: World) -> None:
    until = world.clock.now() + timedelta(hours=1)
    sent: list[Command] = [
        Snooze(ItemId("i1"), until, AgentId("a1"), 3),
        TransferToQueue(ItemId("i1"), QueueId("q1"), skills={"lang_en": 2}, keep_place=True),
    ]
    for command in sent:
        await dispatch.send_command(world.deps, command)
    found = await dispatch.open_commands(world.deps)
    assert [one.command for one in found] == sent
