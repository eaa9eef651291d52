"""What strangers try on the widget's API: origins, tokens, other people's talk, broken frames."""

import asyncio
import contextlib
import hashlib
import json
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError
from sqlalchemy import text

from hub.api import widget_access, widget_live
from hub.api.widget_feed import QUEUED_FRAMES
from hub.ingress import pipeline
from hub.model.clock import to_micros, utc_now
from hub.model.errors import StoreUnavailable
from hub.model.ids import new_id
from hub.services import channels as channel_rows
from hub.services.channels import ChannelChange
from hub.services.signals import AgentTyping
from hub.services.widget import LASTS, session_of
from hub.services.widget_files import keep_upload
from hub.services.widget_prune import prune
from hub.store.queries.rows import insert_row
from hub.store.statement import stmt
from hub.store.tables import Message
from tests.adapters.hostile import BROKEN_BODIES, ODD_VALUES, bent_documents
from tests.api.conftest import PUBLIC_URL
from tests.api.widget_world import AGENT, BANK, SHOP, World, reload, world

__all__ = ["world"]

EVIL = "https://evil.example"


# --- origins ----------------------------------------------------------------------------------
async def test_a_page_that_is_not_listed_is_refused(world: World) -> None:
    for origin in (EVIL, "null", BANK, f"{SHOP}.evil.example", "http://shop.example", f"{SHOP}:81"):
        stranger = world.browser(origin)
        opened = await stranger.open(status=403)
        assert opened["code"] == "origin_refused"
    answer = await world.client.get(f"/widget/v1/config/{world.shop}", headers={"Origin": EVIL})
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    with pytest.raises(WSServerHandshakeError) as refused:
        await world.socket(EVIL)
    assert refused.value.status == 403
    with pytest.raises(WSServerHandshakeError):
        await world.client.ws_connect("/widget/v1/live")


async def test_cors_names_the_origin_and_no_credentials(world: World) -> None:
    asked = await world.client.options("/widget/v1/session", headers={"Origin": SHOP})
    assert asked.status == 204
    refused = await world.client.options("/widget/v1/session", headers={"Origin": EVIL})
    assert refused.status == 403
    answer = await world.client.get(f"/widget/v1/config/{world.shop}", headers={"Origin": SHOP})
    for one in (asked, answer):
        assert one.headers["Access-Control-Allow-Origin"] == SHOP
        assert "Origin" in one.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in one.headers
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert "identity_secret" not in await answer.text()
    own = world.browser(PUBLIC_URL)
    await own.open()
    assert "Set-Cookie" not in answer.headers


async def test_a_token_of_one_channel_is_worth_nothing_on_anothers_page(world: World) -> None:
    ada = world.browser()
    await ada.open()
    ada.origin = BANK
    assert (await ada.call("GET", "messages")).status == 403
    ws = await world.socket(BANK)
    await ws.send_json({"type": "auth", "token": ada.token})
    ada.ws = ws
    assert await ada.closed() == 4403
    other = world.browser(BANK)
    opened = await world.client.post(
        "/widget/v1/session", json={"channel_id": world.bank, "token": ada.token},
        headers={"Origin": BANK},
    )  # fmt: skip
    assert opened.status == 201
    other.token = (await opened.json())["token"]
    assert other.token != ada.token


# --- tokens -----------------------------------------------------------------------------------
async def test_tokens_are_hashed_and_end(world: World) -> None:
    ada = world.browser()
    await ada.open()
    kept = await world.rows("SELECT token_hash FROM widget_session")
    assert kept == [(hashlib.sha256(ada.token.encode()).hexdigest(),)]
    for wrong in ("", "x", "a" * 43, ada.token[:-1], kept[0][0], "é" * 43, "\x00" * 43):
        bearer = f"Bearer {wrong}".replace("\x00", "")
        answer = await world.client.get(
            "/widget/v1/messages", headers={"Authorization": bearer, "Origin": SHOP}
        )
        assert answer.status == 401, wrong
        ada.ws = await world.socket()
        await ada.ws.send_json({"type": "auth", "token": wrong})
        assert await ada.closed() in (4401, 4400), wrong
    await _make_old(world)
    assert (await ada.call("GET", "messages")).status == 401
    again = await ada.open()
    assert again["visitor_id"] != ""
    assert await world.rows("SELECT COUNT(*) FROM widget_session") == [(2,)]


async def _make_old(world: World) -> None:
    over = to_micros(utc_now() - LASTS)
    old = stmt(text("UPDATE widget_session SET expires_at = :over"))
    await world.deps.db.run(lambda tx: tx.execute(old, {"over": over}))


async def test_open_sockets_end_with_the_session_and_the_channel(world: World) -> None:
    ada, bob = world.browser(), world.browser()
    for one in (ada, bob):
        await one.open()
    await _make_old(world)
    with pytest.raises(AssertionError):
        await ada.connect()
    assert ada.ws is not None
    assert ada.ws.close_code == 4401
    await bob.open()
    await bob.connect()
    row = next(r for r in await channel_rows.load_channels(world.deps) if r.info.id == world.shop)
    change = ChannelChange("chat", b'{"allowed_origins":["https://new.example"]}')
    await channel_rows.change_channel(
        world.deps, world.shop, change, if_version=row.version, actor="test"
    )
    assert await bob.closed() == 1013
    await reload(world.deps, world.channels)
    assert (await bob.open(status=403))["code"] == "origin_refused"
    bob.origin = "https://new.example"
    await bob.connect()
    await channel_rows.move_channel(world.deps, world.shop, "paused", "", "test")
    assert await bob.closed() == 4410
    await reload(world.deps, world.channels)
    assert (await bob.open(status=404))["code"] == "channel_not_found"


async def test_no_sockets_of_one_visitor_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widget_live, "SOCKETS_PER_VISITOR", 2)
    ada = world.browser()
    await ada.open()
    await ada.connect()
    await ada.connect()
    ada.ws = await world.socket()
    await ada.send({"type": "auth", "token": ada.token})
    assert await ada.closed() == 1013


# --- other people's talk ----------------------------------------------------------------------
async def test_nobody_reads_or_moves_anothers_talk(world: World) -> None:
    ada, eve = world.browser(), world.browser()
    await ada.open()
    await ada.connect()
    own = (await ada.say("My card is 4711"))["message"]
    await world.answer(own["thread"], "Thank you, Ada.")
    answer = await ada.text("Thank you, Ada.")
    await eve.open(prechat={"name": "Ada", "email": "ada@example.com"})
    await eve.connect(after=0)
    await eve.send({"type": "delivered", "ids": [answer["id"], own["id"]]})
    await eve.send({"type": "read", "id": answer["id"]})
    await eve.say("I am Ada, really", client_id=own["client_id"])
    shown = await (await eve.call("GET", "messages?after=0")).json()
    assert {one["text"] for one in shown["messages"]} == {"I am Ada, really"}
    seen = str(eve.frames) + str(await (await eve.call("GET", "messages")).json())
    assert "4711" not in seen
    assert "Thank you" not in seen
    assert await world.rows("SELECT state FROM delivery") == [("sent",)]
    assert await world.rows("SELECT COUNT(DISTINCT customer_id) FROM conversation") == [(2,)]
    before = f"{2**62}.{own['id']}"
    refused = await eve.call("GET", "messages", params={"before": before[:18] + "x"})
    assert refused.status == 400


async def test_notes_and_other_channels_never_reach_the_visitor(world: World) -> None:
    ada = world.browser()
    await ada.open()
    await ada.connect()
    own = (await ada.say("hello"))["message"]

    def unit(tx: Any) -> None:
        identity = tx.one(stmt(text("SELECT id FROM identity")))[0]
        for number, direction in ((102, "note"), (103, "system"), (104, "out")):
            insert_row(
                tx, Message, id=new_id(), conversation_id=own["thread"], number=number,
                direction=direction, author_kind="agent", author_id=AGENT,
                channel_id=world.shop, identity_id=identity,
                content='{"text":"secret"}', recorded_at=to_micros(utc_now()),
                occurred_at=to_micros(utc_now()),
            )  # fmt: skip

    await world.deps.db.run(unit)
    await world.answer(own["thread"], "shown")
    shown = await (await ada.call("GET", "messages")).json()
    assert "secret" not in str(shown)


# --- frames -----------------------------------------------------------------------------------
async def test_broken_frames_get_an_error_and_never_a_crash(world: World) -> None:
    ada = world.browser()
    await ada.open()
    good: dict[str, Any] = {
        "type": "message", "client_id": new_id(), "text": "x", "chosen": "y",
        "attachments": [new_id()], "sent_at": "2026-11-22T08:00:00Z",
    }  # fmt: skip
    documents = [doc for _, doc in bent_documents(good)] + [
        {"type": kind, field: value}
        for kind, field in (("typing", "on"), ("delivered", "ids"), ("read", "id"), ("page", "url"))
        for value in ODD_VALUES
    ]
    frames = [json.dumps(document) for document in documents]
    frames += [body.decode("latin-1") for body in BROKEN_BODIES if len(body) < 60_000]
    await ada.connect()
    errors = 0
    for raw in frames:
        assert ada.ws is not None
        if ada.ws.closed:
            assert ada.ws.close_code == 4400
            await ada.connect()
        await ada.ws.send_str(raw)
        await ada.send({"type": "ping"})
        while True:
            message = await asyncio.wait_for(ada.ws.receive(), 10)
            if message.type.name != "TEXT":
                assert ada.ws.close_code == 4400
                break
            frame = message.json()
            errors += frame["type"] == "error"
            assert frame.get("code") != "internal_error", raw
            if frame["type"] == "pong":
                break
    assert errors > 50


async def test_a_frame_of_ten_megabytes_ends_the_socket(world: World) -> None:
    ada = world.browser()
    await ada.open()
    await ada.connect()
    await ada.send({"type": "message", "client_id": new_id(), "text": "x" * 64_000})
    assert await ada.closed() == 1009
    await ada.connect()
    with contextlib.suppress(ConnectionError):
        # The hub hangs up before it has read all of it.
        await ada.send({"type": "message", "client_id": new_id(), "text": "x" * 10_000_000})
    assert await ada.closed() in (1006, 1009)
    await ada.connect()
    await ada.send({"type": "message", "client_id": new_id(), "text": "x" * 10_001})
    assert (await ada.frame("error"))["code"] == "text_too_long"
    assert await world.rows("SELECT COUNT(*) FROM message") == [(0,)]


async def test_binary_frames_and_wrong_first_frames(world: World) -> None:
    ada = world.browser()
    await ada.open()
    firsts = ["{}", "[]", "null", "auth", '{"type":"ping"}', '{"type":"auth"}',
              '{"type":"auth","token":5}', '{"type":"auth","token":"","after":-1}']  # fmt: skip
    for first in firsts:
        ada.ws = await world.socket()
        await ada.ws.send_str(first)
        assert await ada.closed() == 4400, first
    ada.ws = await world.socket()
    await ada.ws.send_bytes(b"\x00\xff")
    assert await ada.closed() == 4400
    await ada.connect()
    for _ in range(widget_live.BAD_FRAMES):
        assert ada.ws is not None
        await ada.ws.send_bytes(b"\x00")
    assert await ada.closed() == 4400


async def test_half_open_sockets_end_and_are_few(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widget_live, "AUTH_S", 0.3)
    monkeypatch.setattr(widget_live, "HALF_OPEN_PER_ADDRESS", 5)
    monkeypatch.setattr(widget_access, "BEHIND_A_PROXY", 1)
    sockets = [await world.socket() for _ in range(5)]
    with pytest.raises(WSServerHandshakeError) as refused:
        await world.socket()
    assert refused.value.status == 429
    for ws in sockets:
        await asyncio.wait_for(ws.receive(), 10)
        assert ws.close_code == 4408
    ada = world.browser()
    await ada.open()
    await ada.connect()


async def test_broken_requests_are_refused_by_name(world: World) -> None:
    ada = world.browser()
    await ada.open()
    good = {
        "channel_id": world.shop,
        "token": None,
        "language": "en",
        "page": "https://shop.example",
    }
    wrong: list[Any] = [{"channel_id": {}}, {"channel_id": None}, [], "x", 5]
    wrong += [{**good, "token": 5}, {**good, "prechat": []}, {**good, "page": "x" * 5000}]
    for body in wrong:
        answer = await ada.call("POST", "session", json=body)
        assert answer.status == 422, body
    for path, body in (("messages", {"messages": []}), ("messages", {"messages": [{}]}),
                       ("read", {"id": None}), ("delivered", {"ids": "x"})):  # fmt: skip
        answer = await ada.call("POST", path, json=body)
        assert answer.status == 422, (path, body)
    for query in ("after=-1", "after=x", "after=" + "9" * 30, "before=x", "before=1.%00"):
        answer = await ada.call("GET", f"messages?{query}")
        assert answer.status in (400, 422), query
    unknown = await ada.call("POST", "session", json={"channel_id": new_id()})
    assert unknown.status == 404


async def test_a_webhook_to_a_chat_channel_is_refused(world: World) -> None:
    frame = {"type": "message", "visitor": {"visitor_id": "x"}, "client_id": new_id(), "text": "hi"}
    answer = await world.client.post(f"/in/{world.shop}", json=frame)
    assert answer.status == 403
    for method in ("SOCKET", "PULL"):
        raw = await world.client.request(method, f"/in/{world.shop}", json=frame)
        assert raw.status in (400, 405)
    assert await world.rows("SELECT COUNT(*) FROM message") == [(0,)]


async def test_whoever_writes_too_fast_waits(world: World) -> None:
    ada = world.browser()
    await ada.open()
    batch = [{"client_id": new_id(), "text": "x"} for _ in range(40)]
    answer = await ada.call("POST", "messages", json={"messages": batch})
    results = (await answer.json())["results"]
    assert 20 <= len(results) < 40
    refused = await ada.call("POST", "messages", json={"messages": batch[-1:]})
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    await ada.connect()
    await ada.send({"type": "message", "client_id": batch[-1]["client_id"], "text": "x"})
    error = await ada.frame("error")
    assert (error["code"], error["client_id"]) == ("too_many_requests", batch[-1]["client_id"])


async def test_messages_wait_in_the_spool_while_the_store_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = world.browser()
    await ada.open()
    await ada.connect()

    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(pipeline, "receive", away)
    ack = await ada.say("kept")
    assert (ack["outcome"], ack["message"]) == ("spooled", None)


async def test_few_sessions_from_one_address(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget_access, "BEHIND_A_PROXY", 1)
    ada = world.browser()
    for _ in range(20):
        ada.token = ""
        await ada.open()
    ada.token = ""
    assert (await ada.open(status=429))["code"] == "too_many_requests"


async def test_whoever_does_not_read_is_let_go_and_comes_back(world: World) -> None:
    ada = world.browser()
    await ada.open()
    await ada.connect()
    own = (await ada.say("hello"))["message"]
    # Far more than a queue holds, in one go: nothing is written while the loop is busy here.
    for _ in range(QUEUED_FRAMES + 10):
        world.deps.signals.publish(AgentTyping(own["thread"], "Li"))
    assert await ada.closed() == 1013
    await world.answer(own["thread"], "still there?")
    await world.until("SELECT state FROM delivery", [("sent",)])
    await ada.leave()
    await ada.connect(after=0)
    await ada.text("still there?")


async def test_what_is_left_behind_is_removed(world: World) -> None:
    ada = world.browser()
    await ada.open()
    policy = world.channels.get(world.shop).channel.policy  # type: ignore[attr-defined]
    session = await session_of(world.deps, ada.token)
    kept = await keep_upload(world.deps, session, policy, "a.txt", b"hello")
    assert await prune(world.deps) == 0
    old = stmt(text("UPDATE attachment SET created_at = 1"))
    over = stmt(text("UPDATE widget_session SET expires_at = 1"))
    await world.deps.db.run(lambda tx: (tx.execute(old), tx.execute(over)))
    assert await prune(world.deps) == 2
    assert await world.rows("SELECT COUNT(*) FROM attachment") == [(0,)]
    assert [key async for key, _ in world.deps.files.listing()] == []
    assert kept.kind == "file"
