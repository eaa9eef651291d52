"""The desk over HTTP: lists, timelines, answers, notes, drafts, cases, starts, work, audit."""

import asyncio
import json
from datetime import timedelta

import pytest

from hub.model.clock import iso
from hub.model.ids import new_id
from hub.model.router_commands import (
    Accept,
    CaseChanged,
    Complete,
    OutcomeCode,
    Presence,
    Take,
    TransferToQueue,
)
from hub.store.queries.rows import insert_row
from hub.store.tables import MessageRevision, Tag
from tests.api.talk import Town, build_town


@pytest.fixture
async def town(house) -> Town:
    return await build_town(house)


async def test_a_list_and_what_comes_after_its_cursor(town):
    ada = await town.person("ada")
    first = await town.write("one")
    await town.hold(first, handler=ada)
    page = await ada.ok("GET", "/conversations?view=mine")
    assert [one["id"] for one in page["items"]] == [first]
    assert page["read"] == {}
    await town.write("two")
    async with ada.live(after=page["cursor"]) as socket:
        assert (await socket.until("message.received"))["data"]["text"] == "two"
    mark = await ada.ok("POST", f"/conversations/{first}/read", {"number": 99})
    assert mark == {"number": 2}
    await ada.ok("POST", f"/conversations/{first}/read", {"number": 1})
    page = await ada.ok("GET", "/conversations")
    assert page["read"] == {first: 2}
    await ada.ok("POST", f"/conversations/{first}/read", {"number": 1, "unread": True})
    assert (await ada.ok("GET", f"/conversations/{first}"))["read"] == 1


async def test_pages_of_a_list_and_a_timeline_meet(town):
    ada = await town.person("ada")
    ids = []
    for n in range(7):
        ids.append(await town.write(f"m{n}", sender=f"+861380013800{n}"))
        await town.hold(ids[-1])
    found, after = [], ""
    while after is not None:
        more = f"&after={after}" if after else ""
        page = await ada.ok(
            "GET", f"/conversations?view=queue&queue_id={town.queues[0]}&limit=3{more}"
        )
        found += [one["id"] for one in page["items"]]
        after = page["next"]
    assert found == ids[::-1]
    for n in range(6):
        await town.write(f"again{n}")
    path, texts, before = f"/conversations/{ids[0]}/messages?limit=3", [], ""
    while before is not None:
        page = await ada.ok("GET", path + (f"&before={before}" if before else ""))
        texts = [one["text"] for one in page["items"]] + texts
        before = page["before"]
    assert texts == ["m0", *(f"again{n}" for n in range(6))]
    assert await ada.code("GET", "/conversations?after=x") == (400, "cursor_invalid")
    assert await ada.code("GET", "/conversations?view=queue") == (400, "queue_required")


async def test_an_answer_is_stored_once_and_queued(town):
    ada, bob = await town.person("ada"), await town.person("bob")
    conversation = await town.write()
    await town.hold(conversation, handler=ada)
    path, body = f"/conversations/{conversation}/messages", {"text": "hi", "client_id": new_id()}
    first = await ada.call("POST", path, body)
    assert first.status == 201
    message = await first.json()
    assert (message["direction"], message["client_id"]) == ("out", body["client_id"])
    assert [one["state"] for one in message["deliveries"]] == ["queued"]
    again = await ada.call("POST", path, body)
    assert (again.status, await again.json()) == (200, message)
    assert await ada.code("POST", path, {**body, "text": "ho"}) == (409, "client_id_reused")
    assert await bob.code("POST", path, {"text": "me too"}) == (409, "not_handler")
    await bob.ok("POST", path, {"text": "mine now", "take": True})
    assert isinstance(town.router.commands[-1], Take)
    shown = await ada.ok("GET", f"/messages/{message['id']}")
    assert shown == message
    nobody = {"channel_id": new_id(), "identity_id": new_id()}
    assert await ada.code("POST", path, {"text": "x", **nobody}) == (409, "no_way")


async def test_a_failed_delivery_is_sent_again_by_a_person(town):
    ada = await town.person("ada")
    conversation = await town.write()
    await town.hold(conversation, handler=ada)
    message = await ada.ok("POST", f"/conversations/{conversation}/messages", {"text": "hi"})
    delivery = message["deliveries"][0]["id"]
    assert await ada.code("POST", f"/deliveries/{delivery}/retry") == (409, "delivery_not_failed")
    await town.run("UPDATE delivery SET state = 'unknown'")
    after = await ada.ok("POST", f"/deliveries/{delivery}/retry")
    assert after["deliveries"][0]["state"] == "queued"


async def test_a_note_tells_whom_it_names(town):
    ada, eve = await town.person("ada"), await town.person("eve", queues=())
    conversation = await town.write()
    await town.hold(conversation)
    assert await eve.code("GET", f"/conversations/{conversation}") == (404, "not_found")
    async with eve.live() as socket:
        note = {"text": "look @eve", "mentions": [eve.agent_id], "client_id": new_id()}
        made = await ada.ok("POST", f"/conversations/{conversation}/notes", note)
        assert (made["direction"], made["deliveries"]) == ("note", [])
        head = await socket.until_shown(conversation)
        assert head["id"] == conversation
    await eve.ok("GET", f"/conversations/{conversation}")
    page = await eve.ok("GET", "/conversations?view=mentions")
    assert [one["id"] for one in page["items"]] == [conversation]


async def test_drafts_are_their_authors_alone(town):
    ada, bob = await town.person("ada"), await town.person("bob")
    conversation = await town.write()
    await town.hold(conversation, handler=ada)
    path = f"/conversations/{conversation}/drafts/reply"
    async with ada.live() as mine, bob.live() as other:
        first = await ada.ok("PUT", path, {"text": "dear"}, If_Match='"0"')
        assert first["version"] == 1
        frame = await mine.until("draft.changed")
        assert frame["data"]["drafts"][0]["body"] == {"text": "dear"}
        assert await ada.code("PUT", path, {"text": "x"}, If_Match="0") == (
            412, "version_mismatch",
        )  # fmt: skip
        second = await ada.ok("PUT", path, {"text": "dear Sir"}, If_Match="1")
        assert second["version"] == 2
        assert (await bob.ok("GET", f"/conversations/{conversation}/drafts"))["items"] == []
        assert len((await ada.ok("GET", "/drafts"))["items"]) == 1
        await ada.ok("POST", f"/conversations/{conversation}/messages", {"text": "dear Sir"})
        assert (await ada.ok("GET", "/drafts"))["items"] == []
        await other.until("message.sent")
        assert "draft.changed" not in {frame["type"] for frame in other.seen}
    assert (await ada.call("DELETE", path)).status == 204
    assert await ada.code("PUT", path.replace("reply", "song"), {}, If_Match="0") == (
        404, "not_found",
    )  # fmt: skip


async def test_a_case_is_changed_under_its_version(town):
    ada = await town.person("ada")
    conversation = await town.write()
    await town.hold(conversation, handler=ada)
    case = (await ada.ok("GET", f"/conversations/{conversation}"))["detail"]["cases"][0]
    path = f"/cases/{case['id']}"
    assert await ada.ok("GET", f"/cases?number={case['number']}") == case
    async with ada.live() as socket:
        change = {"type": "complaint", "severity": 1, "title": "Late parcel"}
        after = await ada.ok("PATCH", path, change, If_Match=f'"{case["version"]}"')
        assert (after["type"], after["severity"], after["severity_by"]) == (
            "complaint", 1, "person",
        )  # fmt: skip
        frame = await socket.until("case.changed")
        assert frame["data"]["title"] == "Late parcel"
        assert "Late parcel" not in str(frame["facts"])
    assert isinstance(town.router.commands[-1], CaseChanged)
    assert await ada.code("PATCH", path, change, If_Match="1") == (412, "version_mismatch")
    assert await ada.code("PATCH", path, change) == (428, "if_match_missing")
    lines = (await ada.ok("GET", f"/conversations/{conversation}/messages"))["items"]
    assert lines[-1]["system"]["code"] == "case_changed"


async def test_subject_and_tags(town):
    ada = await town.person("ada")
    conversation = await town.write()
    await town.hold(conversation)
    await town.deps.db.run(lambda tx: insert_row(tx, Tag, id=new_id(), name="vip"))
    path = f"/conversations/{conversation}"
    answer = await ada.call("GET", path)
    etag = answer.headers["ETag"]
    head = await ada.ok("PATCH", path, {"subject": "Parcel"}, If_Match=etag)
    assert head["subject"] == "Parcel"
    assert await ada.code("PATCH", path, {"subject": "x"}, If_Match=etag) == (
        412, "version_mismatch",
    )  # fmt: skip
    tagged = await ada.ok("POST", f"{path}/tags", {"add": ["vip", "vip"]})
    assert tagged["tags"] == ["vip"]
    again = await ada.ok("POST", f"{path}/tags", {"add": ["vip"], "remove": ["none"]})
    assert again["version"] == tagged["version"]
    assert await ada.code("POST", f"{path}/tags", {"add": ["none"]}) == (404, "tag_not_found")
    assert (await ada.ok("POST", f"{path}/tags", {"remove": ["vip"]}))["tags"] == []


async def test_we_write_first(town):
    ada, bob = await town.person("ada"), await town.person("bob", queues=(1,))
    channel = town.channels["twilio_sms"].id
    body = {"channel_id": channel, "address": "138 0013 8000", "text": "hello", "name": "Li"}
    started = await ada.ok("POST", "/conversations", {**body, "client_id": new_id()})
    head = started["conversation"]
    assert (head["state"], head["customer_name"]) == ("waiting", "Li")
    assert started["message"]["deliveries"][0]["state"] == "queued"
    answered = await town.write("hi yourself")
    assert answered == head["id"]
    await ada.ok("GET", f"/conversations/{answered}")
    # Whoever does not see the customer learns nothing by typing the number.
    assert await bob.code("POST", "/conversations", body) == (403, "customer_hidden")
    identity = head["last_identity_id"]
    wish = {"channel_id": channel, "identity_id": identity, "text": "x"}
    assert await bob.code("POST", "/conversations", wish) == (404, "identity_not_found")
    await ada.ok("POST", "/conversations", wish)
    mail = {**wish, "channel_id": town.channels["email"].id}
    assert await ada.code("POST", "/conversations", mail) == (409, "wrong_network")
    assert await ada.code("POST", "/conversations", {**body, "address": "abc"}) == (
        400, "address_invalid",
    )  # fmt: skip
    chat = {**body, "channel_id": town.channels["webchat"].id}
    assert await ada.code("POST", "/conversations", chat) == (400, "address_not_typed")
    none = {**body, "queue_id": town.queues[1]}
    assert await ada.code("POST", "/conversations", none) == (404, "queue_not_found")


async def test_work_goes_to_the_router(town):
    ada = await town.person("ada", "agent", "supervisor")
    conversation = await town.write()
    await town.hold(conversation, handler=ada)
    path, until = f"/conversations/{conversation}", town.deps.clock.now() + timedelta(hours=1)
    orders = {
        "take": {}, "assign": {"agent_id": ada.agent_id}, "snooze": {"until": iso(until)},
        "transfer": {"queue_id": town.queues[0]}, "escalate": {"min_tier": 2},
        "resolve": {"disposition": "done"},
    }  # fmt: skip
    for order, body in orders.items():
        assert (await ada.ok("POST", f"{path}/{order}", body))["code"] == "ok"
    kinds = {type(one) for one in town.router.commands}
    assert {Take, Complete, TransferToQueue} <= kinds
    assert await ada.code("POST", f"{path}/transfer", {}) == (400, "transfer_target")
    assert await ada.code("POST", f"{path}/unsnooze") == (409, "wrong_state")
    assert await ada.code("POST", f"{path}/reopen", {}) == (409, "not_resolved")
    town.router.answer = OutcomeCode.ALREADY_TAKEN
    assert await ada.code("POST", f"{path}/take", {}) == (409, "already_taken")


async def test_offers_and_presence_are_ones_own(town):
    ada, bob = await town.person("ada"), await town.person("bob")
    conversation = await town.write()
    await town.hold(conversation)
    offer = await town.offer(conversation, ada)
    items = (await ada.ok("GET", "/offers"))["items"]
    assert [(one["id"], one["conversation_id"]) for one in items] == [(offer, conversation)]
    assert (await bob.ok("GET", "/offers"))["items"] == []
    assert await bob.code("POST", f"/offers/{offer}/accept", {}) == (404, "not_found")
    await ada.ok("POST", f"/offers/{offer}/accept", {"epoch": 3})
    assert town.router.commands[-1] == Accept(offer, ada.agent_id, 3)
    town.router.answer = OutcomeCode.OFFER_GONE
    assert await ada.code("POST", f"/offers/{offer}/decline", {}) == (409, "offer_gone")
    town.router.answer = OutcomeCode.OK
    shown = await ada.ok("POST", "/me/presence", {"move": "set_pause", "reason": "lunch"})
    assert shown["id"] == ada.agent_id
    assert isinstance(town.router.commands[-1], Presence)
    assert (await ada.call("POST", "/me/presence", {"move": "link_lost"})).status == 422


async def test_looks_are_audited_and_programs_are_not(town):
    ada = await town.person("ada")
    conversation = await town.write()
    await town.hold(conversation)
    await ada.ok("GET", f"/conversations/{conversation}", X_Screen="inbox")
    await ada.call("GET", f"/conversations/{new_id()}")
    trail = town.app[_trail()]
    await trail.flush()
    row = await town.one("SELECT actor, action, target, screen FROM audit")
    assert tuple(row) == (
        ada.agent_id, "conversation.looked", f"conversation:{conversation}", "inbox",
    )  # fmt: skip
    assert (await town.one("SELECT count(*) FROM audit"))[0] == 1


def _trail():
    from hub.api.looks import TRAIL

    return TRAIL


HTML = (
    '<p onclick="x()">Hello<script>alert(1)</script><img src="cid:a@b">'
    '<img src="https://evil.example/t.gif"></p>'
)


async def test_html_is_clean_and_shut_in(town):
    ada = await town.person("ada")
    conversation = await town.write("Hello", sender="li@example.com", kind="email")
    await town.hold(conversation)
    message = (await ada.ok("GET", f"/conversations/{conversation}/messages"))["items"][0]
    path = f"/messages/{message['id']}/html"
    assert await ada.code("GET", path) == (404, "no_html")
    content = '{"text":"Hello","html":' + json.dumps(HTML) + "}"
    await town.run("UPDATE message SET content = :c", c=content)
    await town.image(message["id"], "<a@b>", b"\x89PNG\r\n\x1a\n....")
    answer = await ada.call("GET", path)
    page = await answer.text()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script" not in page
    assert "onclick" not in page
    assert 'src="data:image/png;base64,' in page
    assert ' src="https://evil' not in page


async def test_what_a_customer_took_back_is_for_supervisors(town):
    ada = await town.person("ada")
    sue = await town.person("sue", "supervisor", queues=())
    conversation = await town.write("regret")
    await town.hold(conversation)
    message = (await ada.ok("GET", f"/conversations/{conversation}/messages"))["items"][0]["id"]
    await town.run("UPDATE message SET deleted_at = 1")
    await town.deps.db.run(
        lambda tx: insert_row(
            tx, MessageRevision, id=new_id(), message_id=message, revision="1", kind="edited",
            content='{"text":"before"}', at=1,
        )
    )  # fmt: skip
    assert (await ada.ok("GET", f"/messages/{message}"))["text"] == ""
    assert (await sue.ok("GET", f"/messages/{message}"))["text"] == "regret"
    assert await ada.code("GET", f"/messages/{message}/revisions") == (404, "not_found")
    found = await sue.ok("GET", f"/messages/{message}/revisions")
    assert [one["text"] for one in found["items"]] == ["before"]


async def test_typing_over_http_reaches_colleagues(town):
    ada, bob = await town.person("ada"), await town.person("bob")
    conversation = await town.write()
    await town.hold(conversation)
    async with ada.live() as socket:
        await socket.ws.send_json({"type": "viewing", "conversation_id": conversation})
        await socket.until("viewers")
        assert (await bob.call("POST", f"/conversations/{conversation}/typing")).status == 204
        assert (await socket.until("typing"))["agent_id"] == bob.agent_id


async def test_writes_by_cookie_need_our_page(town):
    ada = await town.person("ada")
    conversation = await town.write()
    await town.hold(conversation, handler=ada)
    path = f"/conversations/{conversation}/messages"
    foreign = {"Origin": "https://evil.example"}
    assert await ada.code("POST", path, {"text": "x"}, **foreign) == (403, "origin_refused")
    assert await ada.code("POST", path, {"text": "x"}, X_CSRF_Token="") == (403, "csrf_refused")


async def test_parallel_answers_with_one_id_are_one_message(town):
    ada = await town.person("ada")
    conversation = await town.write()
    await town.hold(conversation, handler=ada)
    path, body = f"/conversations/{conversation}/messages", {"text": "hi", "client_id": new_id()}
    answers = await asyncio.gather(*(ada.call("POST", path, body) for _ in range(8)))
    assert sorted(one.status for one in answers) == [200] * 7 + [201]
    count = await town.one("SELECT count(*) FROM message WHERE direction = 'out'")
    assert count[0] == 1
