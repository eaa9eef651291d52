"""The live feed over real sockets: no gap, no repeat, and nobody sees what is not theirs."""

import asyncio
import random
from contextlib import suppress

import pytest
from aiohttp import WSServerHandshakeError

from hub.ingress.live_channels import LiveChannels
from hub.model.ids import new_id
from hub.model.router_commands import Opened, Presence
from hub.model.visibility import Viewer
from hub.store.follower import Follower
from tests.api.conftest import AlwaysReady, House, RecordingIngress, open_deps
from tests.api.talk import PUBLIC_URL, Town, build_town
from tests.store.conftest import postgres_url

__all__ = ["postgres_url"]


@pytest.fixture
async def town(house) -> Town:
    return await build_town(house)


async def test_a_message_reaches_the_socket_whole(town):
    ada = await town.person("ada")
    async with ada.live() as socket:
        assert set(socket.hello) == {"type", "head", "floor", "now"}
        conversation = await town.write("hello there")
        await town.hold(conversation)
        head = await socket.until_shown(conversation)
        assert head["preview"] == "hello there"
        await town.write("again")
        frame = await socket.until("message.received", text="again")
        assert frame["data"]["version"] == 1
        assert frame["conversation"]["last_number"] == 2
        assert frame["facts"]["number"] == 2


async def test_a_row_nobody_can_read_silences_nobody(town):
    ann = await town.person("ann")
    broken = await town.write("first")
    await town.hold(broken, handler=ann)
    whole = await town.write("second", sender="+8613800138009")
    await town.hold(whole, handler=ann)
    await town.run("UPDATE message SET content = '{' WHERE conversation_id = :id", id=broken)
    async with ann.live(after=0) as socket:  # replays both
        frame = await socket.until("message.received", text="second")
    assert frame["data"]["conversation_id"] == whole


async def test_nothing_is_lost_or_repeated_over_reconnects(town):
    await reconnect_often(town, 200)


async def test_nothing_is_lost_or_repeated_on_postgresql(postgres_url, tmp_path):
    deps = await open_deps(postgres_url, tmp_path)
    follower = Follower(deps.db, wake=deps.wake)
    await follower.start()
    channels = LiveChannels({}, lambda config: None, lambda id: b"", PUBLIC_URL)  # type: ignore[arg-type,return-value]
    house = House(deps, RecordingIngress(), channels, follower, AlwaysReady(), tmp_path)
    town = await build_town(house)
    await reconnect_often(town, 100)
    for client in house.clients:
        await client.close()
    await follower.close()
    await deps.db.close()


async def reconnect_often(town: Town, count: int) -> None:
    """Write while a client comes and goes; it gets every message of its own once, in order."""
    ada = await town.person("ada")
    conversation = await town.write("first")
    await town.hold(conversation)
    rng = random.Random(7)
    got: list[int] = []
    async with ada.live() as socket:
        cursor = socket.cursor

    async def talk() -> None:
        for n in range(count):
            await town.write(f"m{n}")
            if rng.random() < 0.3:  # these are not ada's: holes in the numbers she gets
                await town.write("else", sender="+8613900139000")

    writing = asyncio.create_task(talk())
    while True:
        async with ada.live(after=cursor) as socket:
            upto = rng.randint(1, 60)
            while len(socket.seen) < upto:
                frame = await socket.read()
                if frame["type"] == "message.received":
                    got.append(frame["data"]["number"])
                cursor = socket.cursor
                if got and got[-1] == count + 1:
                    break
        if got and got[-1] == count + 1:
            break
    await writing
    assert got == list(range(2, count + 2))


async def test_hundreds_of_missed_events_are_replayed_in_order(town):
    ada = await town.person("ada")
    conversation = await town.write("first")
    await town.hold(conversation)
    async with ada.live() as socket:
        cursor = socket.cursor
    for n in range(400):
        await town.write(f"m{n}")
    async with ada.live(after=cursor) as socket:
        numbers: list[int] = []
        while len(numbers) < 400:
            frame = await socket.read()
            if frame["type"] == "message.received":
                numbers.append(frame["data"]["number"])
        assert numbers == list(range(2, 402))


async def test_sight_is_judged_now_and_its_end_is_told(town):
    ada, bob = await town.person("ada", queues=(0,)), await town.person("bob", queues=(1,))
    conversation = await town.write("secret")
    await town.hold(conversation, 0)
    async with ada.live() as mine, bob.live() as other:
        await town.write("more")
        assert (await mine.until("message.received"))["data"]["text"] == "more"
        await town.hold(conversation, 1)
        left = await mine.until("conversation.left")
        assert left["data"] == {"id": conversation}
        entered = await other.until("conversation.entered")
        assert entered["data"]["id"] == conversation
        assert entered["cause"]["type"] == "item.queued"
        await town.write("only for bob")
        await other.until("message.received", text="only for bob")
        await town.write("hers", sender="+8613900139000")
        await town.hold(await town.last_conversation(), 0)
        await mine.until_shown(await town.last_conversation())
        assert not [f for f in mine.seen if (f.get("data") or {}).get("text") == "only for bob"]


async def test_a_client_that_was_away_learns_what_it_lost(town):
    ada = await town.person("ada", queues=(0,))
    conversation = await town.write("secret")
    await town.hold(conversation, 0)
    async with ada.live() as socket:
        cursor = socket.cursor
    await town.write("more")
    await town.hold(conversation, 1)
    async with ada.live(after=cursor) as socket:
        frame = await socket.until("conversation.left")
        assert frame["data"]["id"] == conversation
        assert len(socket.seen) == 1


async def test_changed_access_acts_at_once(town):
    ada, bob, eve = [await town.person(name) for name in ("ada", "bob", "eve")]
    async with ada.live() as gone, bob.live() as moved, eve.live() as other:
        await town.access(ada, active=False)
        assert await gone.closed() == 4401
        await town.access(bob, roles='["auditor"]')
        assert await moved.closed() == 4403
        await town.write("hello")
        await town.hold(await town.last_conversation())
        await other.until_shown(await town.last_conversation())
    with pytest.raises(WSServerHandshakeError) as caught:
        async with ada.live():
            pass
    assert caught.value.status == 401


async def test_a_session_that_ends_closes_its_socket(town):
    ada = await town.person("ada")
    async with ada.live() as socket:
        await town.deps.db.run(lambda tx: tx.run(_drop(), {"id": ada.session_id}))
        await town.access(ada)
        assert await socket.closed() == 4401


def _drop():
    from sqlalchemy import text

    from hub.store.statement import stmt

    return stmt(text("DELETE FROM agent_session WHERE id = :id"))


async def test_a_new_membership_resets_the_client(town):
    ada = await town.person("ada", queues=())
    async with ada.live() as socket:
        from hub.store.queries.rows import insert_row
        from hub.store.tables import Membership

        await town.deps.db.run(
            lambda tx: insert_row(tx, Membership, agent_id=ada.agent_id, queue_id=town.queues[0])
        )
        await town.access(ada)
        frame = await socket.read()
        assert (frame["type"], frame["reason"]) == ("reset", "access_changed")
        await town.write("hello")
        await town.hold(await town.last_conversation())
        await socket.until_shown(await town.last_conversation())


async def test_places_that_cannot_be_had_are_said(town):
    ada = await town.person("ada")
    await town.write("hello")
    async with ada.live(after=999_999) as socket:
        frame = await socket.read()
        assert (frame["type"], frame["reason"]) == ("reset", "unknown_cursor")
    town.app[_live()].follower.floor = 3
    async with ada.live(after=1) as socket:
        frame = await socket.read()
        assert (frame["type"], frame["reason"]) == ("reset", "too_old")
        assert frame["cursor"] == socket.hello["head"]
    for wrong in ("x", "-1", "1" * 40):
        answer = await town.client.get(f"/api/v1/live?after={wrong}", headers=ada.headers)
        assert answer.status == 400


def _live():
    from hub.api.live import LIVE

    return LIVE


async def test_origin_login_and_the_number_of_sockets_are_checked(town):
    ada = await town.person("ada")

    async def refused(headers) -> int:
        with pytest.raises(WSServerHandshakeError) as caught:
            async with town.client.ws_connect("/api/v1/live", headers=headers):
                pass
        return caught.value.status

    assert await refused({}) == 401
    assert await refused({**ada.headers, "Origin": "https://evil.example"}) == 403
    assert await refused({"Cookie": "hub_session=nope"}) == 401
    assert await refused({"Authorization": "Bearer "}) == 401
    assert (await town.client.get("/api/v1/live", headers=ada.headers)).status == 400
    hub = town.app[_live()]
    opened = [
        hub.open(_ticket(ada), Viewer(ada.agent_id, frozenset()), None)
        for _ in range(hub.limits.per_person)
    ]
    assert await refused(ada.headers) == 429
    for feed in opened:
        hub.leave(feed)


def _ticket(person):
    from hub.services.feed import Ticket

    return Ticket(person.agent_id, session_id=person.session_id)


WRONG_FRAMES = (
    "", "no json", "[]", "null", '{"type":"unknown"}', '{"type":"ping","x":1}', '{"type":[]}',
    '{"type":"viewing","conversation_id":{}}', "1e999",
)  # fmt: skip


async def test_wrong_frames_are_answered_and_too_many_close(town):
    ada = await town.person("ada")
    async with ada.live() as socket:
        for wrong in WRONG_FRAMES:
            await socket.ws.send_str(wrong)
            assert await socket.read() == {"type": "error", "code": "frame_invalid"}
        await socket.ws.send_json({"type": "ping"})
        assert await socket.read() == {"type": "pong"}
        await socket.ws.send_json({"type": "viewing", "conversation_id": new_id()})
        assert (await socket.read())["code"] == "not_found"
        with suppress(ConnectionError):
            for _ in range(30):
                await socket.ws.send_str("{}")
        assert await socket.closed() == 1008
    async with ada.live() as socket:
        await socket.ws.send_bytes(b"\x00")
        assert await socket.closed() == 1003
    async with ada.live() as socket:
        with suppress(ConnectionError):
            await socket.ws.send_str("x" * 10_000_000)
        assert await socket.closed() in {1009, 1006}  # it may cut off while we still send


async def test_a_slow_socket_is_closed_and_catches_up(town):
    ada = await town.person("ada")
    conversation = await town.write("first")
    await town.hold(conversation)
    hub = town.app[_live()]
    hub.limits = type(hub.limits)(frames=50, bytes=200_000)
    async with ada.live() as socket:
        cursor = socket.cursor
        feed = next(iter(hub.feeds))
        while feed.over is None:
            # Large texts fill what the operating system buffers before the queue counts.
            await asyncio.gather(*(town.write("x" * 200_000) for _ in range(5)))
        assert feed.over[0] == 1013
        assert await socket.closed() in {1013, 1006}
    async with ada.live(after=cursor) as socket:
        last = 0
        top = (await town.one("SELECT last_number FROM conversation LIMIT 1"))[0]
        while last < top:
            frame = await socket.read()
            if frame["type"] == "message.received":
                assert frame["data"]["number"] in {last + 1, 2}
                last = frame["data"]["number"]


async def test_colleagues_see_who_looks_and_types(town):
    ada, bob, eve = [await town.person(n, queues=q) for n, q in
                     (("ada", (0,)), ("bob", (0,)), ("eve", (1,)))]  # fmt: skip
    conversation = await town.write("first")
    await town.hold(conversation)
    async with ada.live() as one, bob.live() as two, eve.live() as out:
        await out.ws.send_json({"type": "viewing", "conversation_id": conversation})
        assert (await out.read())["code"] == "not_found"
        await one.ws.send_json({"type": "viewing", "conversation_id": conversation})
        frame = await two.until("viewers")
        assert frame["agent_ids"] == [ada.agent_id]
        await two.ws.send_json({"type": "typing", "conversation_id": conversation})
        frame = await one.until("typing")
        assert (frame["agent_id"], frame["by"]) == (bob.agent_id, "agent")
        await two.ws.close()
        while (await one.until("viewers"))["agent_ids"] != [ada.agent_id]:
            pass
        assert not out.seen


async def test_a_quiet_socket_is_told_the_cursor(town):
    ada = await town.person("ada", queues=())
    hub = town.app[_live()]
    hub.limits = type(hub.limits)(cursor_s=0.05)
    async with ada.live() as socket:
        await town.write("not hers")
        frame = await socket.until("cursor", seq=await _head(town))
        assert set(frame) == {"seq", "prev", "type"}


async def _head(town):
    return (await town.one("SELECT max(seq) FROM event"))[0]


async def test_the_router_hears_that_a_person_is_there(town):
    ada = await town.person("ada")
    async with ada.live(), ada.live():
        while not town.router.commands:
            await asyncio.sleep(0.01)
    beats = [one for one in town.router.commands if isinstance(one, Presence)]
    assert [one.agent_id for one in beats] == [ada.agent_id]


async def test_a_server_that_goes_says_so(town):
    ada = await town.person("ada")
    async with ada.live() as socket:
        closing = asyncio.create_task(town.app[_live()].close())
        assert await socket.closed() == 1001
        await closing


async def test_looking_at_given_work_is_told_to_the_router(town):
    ada, bob = await town.person("ada"), await town.person("bob")
    conversation = await town.write("first")
    await town.hold(conversation, handler=ada)
    async with ada.live() as mine, bob.live() as other:
        for socket in (other, mine):
            await socket.ws.send_json({"type": "viewing", "conversation_id": conversation})
            await socket.until("viewers")
        while not (looks := [one for one in town.router.commands if isinstance(one, Opened)]):
            await asyncio.sleep(0.01)
    assert [one.agent_id for one in looks] == [ada.agent_id]
