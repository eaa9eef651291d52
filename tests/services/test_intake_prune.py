"""The intake log keeps requests for fourteen days, and nothing else goes with them."""

from hub.model.channel import ItemOutcome
from hub.services import intake_prune
from hub.store.queries import intake
from hub.store.queries.rows import dicts
from tests.services.conftest import World


async def logged(world: World) -> int:
    params = {"before": "g", "limit": 100}  # after every id
    return len(await world.deps.db.read(lambda tx: dicts(tx, intake.LOG_LIST, params)))


async def test_old_requests_go_and_counters_stay(world: World) -> None:
    await world.receive("twilio_sms", world.sms("first", external="SM1"))
    world.clock.advance(seconds=10 * 86_400)
    await world.receive("twilio_sms", world.sms("second"))
    assert await intake_prune.prune(world.deps) == 0
    world.clock.advance(seconds=4 * 86_400 + 1)
    assert await intake_prune.prune(world.deps) == 1
    assert await logged(world) == 1
    counts = await world.deps.db.read(intake.counts)
    assert counts[world.channels["twilio_sms"].id]["stored"] == 2
    # The duplicate check is the message's own: it does not forget with the log.
    again = await world.receive("twilio_sms", world.sms("first", external="SM1"))
    assert again == (ItemOutcome.DUPLICATE,)
