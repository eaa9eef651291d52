"""Messages and moves of deliveries are counted once they are committed, by kind of channel."""

from collections.abc import Mapping

from hub.model.channel import Receipt
from hub.services import deliver, metrics
from tests.services.conftest import World
from tests.services.test_receive import rows
from tests.services.test_reply import answer, conversation_of


def counted(name: str, labels: Mapping[str, str]) -> float:
    return metrics.REGISTRY.get_sample_value(f"hub_{name}", dict(labels)) or 0.0


async def test_messages_and_moves_are_counted(world: World) -> None:
    came = {"direction": "in", "kind": "twilio_sms"}
    went = {"direction": "out", "kind": "twilio_sms"}
    sending = {"kind": "twilio_sms", "state": "sending"}
    sent = {"kind": "twilio_sms", "state": "sent"}
    before = [
        counted("messages_total", came),
        counted("messages_total", went),
        counted("deliveries_total", sending),
        counted("deliveries_total", sent),
    ]
    talk = await conversation_of(world)
    again = world.sms("twice", external="SMx")
    for _ in range(2):
        await world.receive("twilio_sms", again)  # a duplicate is no message
    await answer(world, talk)
    row = await deliver.claim(
        world.deps, str((await rows(world, "SELECT id FROM delivery"))[0][0]), "w"
    )
    assert row is not None
    await deliver.record_sent(world.deps, row, Receipt(external_id="SM9"))
    assert [
        counted("messages_total", came),
        counted("messages_total", went),
        counted("deliveries_total", sending),
        counted("deliveries_total", sent),
    ] == [before[0] + 2, before[1] + 1, before[2] + 1, before[3] + 1]
