"""Requests, events and audit rows leave by age; what was said stays."""

from hub.services import retention
from hub.store.queries import retention as rows_past
from tests.services.conftest import World
from tests.services.test_receive import rows

DAY_S = 86_400


async def count(world: World, table: str) -> int:
    return int(str((await rows(world, f"SELECT COUNT(*) FROM {table}"))[0][0]))


async def test_each_kind_leaves_at_its_own_age(world: World) -> None:
    await world.receive("twilio_sms", world.sms("hello"))
    events = await count(world, "event")
    assert await retention.prune(world.deps) == 0
    world.clock.advance(seconds=15 * DAY_S)
    await world.receive("twilio_sms", world.sms("still there?"))
    assert await retention.prune(world.deps) == 1
    assert await count(world, "intake_log") == 1
    assert await count(world, "event") > events
    world.clock.advance(seconds=386 * DAY_S)
    assert await retention.prune(world.deps) == 1 + events
    assert await count(world, "message") == 2
    assert await rows(world, "SELECT SUM(count) FROM intake_count") == [(2,)]


async def test_more_than_a_batch_leaves_in_one_go(world: World) -> None:
    for n in range(rows_past.BATCH // 100 + 1):
        await world.receive("twilio_sms", *(world.sms(f"{n}.{m}") for m in range(20)))
    found = await count(world, "event")
    world.clock.advance(seconds=401 * DAY_S)
    await retention.prune(world.deps)
    assert found > 100
    assert await count(world, "event") == 0
