"""The router's clock jumps an hour: nobody is asked twice, nothing is lost, timers fire once."""

from datetime import timedelta

import pytest

from hub.model.ids import AgentId
from hub.model.router_commands import Accept, OutcomeCode, Presence, PresenceMove
from hub.model.work import ItemState
from hub.routing.step import due_timers
from tests.routing.invariants import Tables, check_state
from tests.routing.world import World, small_world

ANN = AgentId("ann")


def holds(world: World) -> None:
    """Check the invariants, and that the rows written so far give the same state."""
    tables = Tables()
    for result in world.log:
        tables.apply(result)
    check_state(world, tables)


@pytest.mark.parametrize("hours", [-1, 1])
def test_work_is_given_once_and_the_rest_waits_its_turn(hours: int) -> None:
    world = small_world()
    world.sign_in("ann")
    held = [world.arrive() for _ in range(4)]
    world.do(Accept(world.offer(held[0]).id, ANN))
    world.now += timedelta(hours=hours)
    for command in due_timers(world.state, world.now):
        world.do(command)
    holds(world)
    assert world.item(held[0]).state is ItemState.ACTIVE
    world.do(Presence(ANN, PresenceMove.SIGN_IN))
    world.do(Presence(ANN, PresenceMove.SET_READY))
    later = world.arrive()
    world.beat(120, "ann")
    holds(world)
    assert {*held, later} == set(world.state.items)
    offers = [offer for item in world.state.items for offer in world.state.live_offers(item)]
    assert len({offer.item_id for offer in offers}) == len(offers)


def test_an_offer_can_be_accepted_after_the_clock_went_back() -> None:
    world = small_world()
    world.sign_in("ann")
    offer = world.offer(world.arrive())
    world.now -= timedelta(hours=1)
    assert due_timers(world.state, world.now) == []
    assert world.do(Accept(offer.id, ANN)).outcome.code is OutcomeCode.OK
    assert world.do(Accept(offer.id, ANN)).outcome.code is OutcomeCode.NO_CHANGE
    holds(world)


def test_a_timer_passed_by_a_jump_fires_once() -> None:
    world = small_world()
    world.sign_in("ann")
    offer = world.offer(world.arrive())
    world.now += timedelta(hours=1)
    fired = due_timers(world.state, world.now)
    assert fired
    for command in fired:
        world.do(command)
    first = world.do(fired[0])
    assert first.outcome.code is OutcomeCode.NO_CHANGE
    assert world.do(Accept(offer.id, ANN)).outcome.code is not OutcomeCode.OK
    holds(world)
