"""Why work waits, asked of the leading router and of a process that has only the rows."""

from hub.services.why import why
from tests.services.conftest import World
from tests.workers.desk import open_desk


async def test_the_leader_and_the_rows_give_the_same_reason(world: World) -> None:
    async with open_desk(world, {"ann": 1}) as desk:
        await desk.sign_in("ann")
        await world.receive("webchat", world.sms("Hello"))
        item = await desk.item(state="offered")
        live = await why(world.deps, desk.viewer("ann"), item["id"])
        assert (live.waiting, live.me.reason, live.rule_id) == ("being_asked", "asked", "default")
        assert live.passed_over == {"asked": 1}
        await desk.stop()
        stored = await why(world.deps, desk.viewer("ann"), item["id"])
        assert stored.me == live.me
        assert (stored.waiting, stored.passed_over) == (live.waiting, live.passed_over)
