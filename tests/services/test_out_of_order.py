"""Fault 5: statuses, edits and deletions in any order end alike, also when repeated."""

import json
from datetime import timedelta
from itertools import permutations

from hub.model.channel import (
    ChangeKind,
    InboundItem,
    Intake,
    MessageChange,
    RawRequest,
    StatusReport,
)
from hub.model.delivery import DeliveryState
from hub.model.ids import DeliveryId, new_id
from hub.services.receive import Arrival, receive
from tests.services.conftest import World
from tests.services.test_receive import rows
from tests.services.test_reply import answer, claimed, conversation_of


async def tell(world: World, *items: InboundItem) -> None:
    for item in items:
        request = RawRequest("POST", "u", "/", "", {}, b"", world.clock.now())
        channel = world.channels["twilio_sms"]
        await receive(world.deps, Arrival(channel, request, Intake((item,)), new_id()))


async def test_statuses_in_any_order_end_alike(world: World) -> None:
    conversation = await conversation_of(world)
    ends = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ)
    for order in permutations(ends):
        await answer(world, conversation)
        id_ = DeliveryId(str((await claimed(world))["id"]))
        await tell(world, *(StatusReport(one, world.clock.now(), id_) for one in order * 2))
    assert await rows(world, "SELECT state, COUNT(*) FROM delivery GROUP BY state") == [("read", 6)]


def history(world: World, name: str, last: ChangeKind) -> list[InboundItem]:
    """A message and two changes of it, as one network tells them."""
    now = world.clock.now()

    def written(text: str, seconds: int) -> InboundItem:
        message = world.sms(text, external=name)
        if not seconds:
            return message
        kind = last if seconds == 2 else ChangeKind.EDITED
        whole = None if kind is ChangeKind.DELETED else message
        return MessageChange(name, kind, str(seconds), now + timedelta(seconds=seconds), whole)

    return [written("first", 0), written("second", 1), written("third", 2)]


async def test_edits_in_any_order_end_alike(world: World) -> None:
    """The newest words stand, also when an edit comes before its message."""
    for order in permutations(range(3)):
        told = history(world, f"SM{order}", ChangeKind.EDITED)
        await tell(world, *(told[number] for number in order * 2))
    found = await rows(world, "SELECT content, deleted_at FROM message")
    assert [(json.loads(str(content))["text"], gone) for content, gone in found] == [
        ("third", None)
    ] * 6


async def test_what_was_deleted_stays_deleted(world: World) -> None:
    """Where the network tells of the deletion alone, its message must have come before."""
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0)):
        told = history(world, f"SM{order}", ChangeKind.DELETED)
        await tell(world, *(told[number] for number in order * 2))
    assert await rows(world, "SELECT COUNT(*) FROM message") == [(4,)]
    assert await rows(world, "SELECT COUNT(*) FROM message WHERE deleted_at IS NULL") == [(0,)]
