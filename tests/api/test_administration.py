"""People, queues, skills, units, tokens, the desk: who may, what changes, what is refused."""

import asyncio
from typing import Any

import pytest

from hub.api import configuration, desk, people, queues, session
from hub.model.ids import new_id
from hub.model.visibility import Role
from hub.services.access import find_viewer
from tests.api.conftest import make_person

ROOMS = [session.ROUTES, people.ROUTES, queues.ROUTES, desk.ROUTES, configuration.ROUTES]


@pytest.fixture
async def boss(seeded):
    return await make_person(seeded, "boss", Role.ADMINISTRATOR, rooms=ROOMS)


@pytest.fixture
async def mia(seeded):
    return await make_person(seeded, "mia", rooms=ROOMS)


async def code(answer) -> tuple[int, str]:
    return answer.status, (await answer.json())["code"]


async def test_only_administrators_configure(seeded, mia, boss):
    queue = (await boss.ok("GET", "/queues"))["items"][0]
    tried: list[tuple[str, str, Any]] = [
        ("POST", "/agents", {"email": "a@b.c", "name": "a"}),
        ("GET", f"/agents/{boss.agent_id}", None),
        ("PATCH", f"/agents/{mia.agent_id}", {"roles": ["administrator"]}),
        ("POST", f"/agents/{boss.agent_id}/link", None), ("POST", "/queues", {"name": "x"}),
        ("PATCH", f"/queues/{queue['id']}", {"name": "x"}),
        ("PUT", f"/queues/{queue['id']}/members", {"members": []}),
        ("POST", "/skills", {"name": "x"}),
        ("POST", "/units", {"name": "x"}), ("PATCH", "/organisation", {"name": "x"}),
        ("GET", "/tokens", None),
        ("POST", "/tokens", {"name": "x", "scopes": ["conversations:read"]}),
        ("POST", "/tags", {"name": "x"}),
    ]  # fmt: skip
    for method, path, body in tried:
        assert (await mia.call(method, path, body, if_match="1")).status == 403, path
    for path in ("/agents", "/queues", "/skills", "/units", "/organisation", "/tags", "/session"):
        await mia.ok("GET", path)
    nobody = await seeded.serve(ROOMS)
    for method, path, body in [*tried, ("GET", "/agents", None), ("GET", "/queues", None)]:
        answer = await nobody.request(method, f"/api/v1{path}", json=body)
        assert answer.status == 401, path


async def test_an_agent_is_added_changed_and_let_go(boss):
    new = {"email": "Li@Example.com", "name": "Li", "roles": ["agent", "supervisor"]}
    made = await boss.ok("POST", "/agents", {**new, "client_id": new_id()})
    assert (made["email"], made["roles"], made["version"]) == (
        "li@example.com", ["agent", "supervisor"], 1,
    )  # fmt: skip
    assert await code(await boss.call("POST", "/agents", new)) == (409, "email_taken")
    path = f"/agents/{made['id']}"
    link = (await boss.ok("POST", f"{path}/link"))["url"]
    assert "/link/set-password#" in link
    skill = await boss.ok("POST", "/skills", {"name": "中文"})
    wish = {"skills": {skill["id"]: 4}, "class_caps": {"voice": 1}, "roles": ["agent"]}
    changed = await boss.ok("PATCH", path, wish, if_match="1")
    assert changed["skills"] == {skill["id"]: 4}
    assert (changed["class_caps"], changed["roles"]) == ({"voice": 1}, ["agent"])
    assert await code(await boss.call("PATCH", path, wish, if_match="1")) == (
        412,
        "version_mismatch",
    )
    assert await code(await boss.call("PATCH", path, wish)) == (428, "if_match_missing")
    wrong: Any
    for wrong in ({"skills": {new_id(): 4}}, {"unit_id": new_id()}, {"email": "nonsense"},
                  {"roles": ["integration"]}):  # fmt: skip
        assert (await boss.call("PATCH", path, wrong, if_match="2")).status == 400, wrong
    for wrong in ({"id": new_id()}, {"password_hash": "x"}, {"version": 9}, {"kind": "bot"},
                  {"roles": []}, {"capacity": -1}, {"class_caps": {"fax": 1}}):  # fmt: skip
        assert (await boss.call("PATCH", path, wrong, if_match="2")).status == 422, wrong
    gone = await boss.ok("PATCH", path, {"active": False}, if_match="2")
    assert gone["active"] is False


async def test_the_last_administrator_stays(boss):
    path = f"/agents/{boss.agent_id}"
    for wish in ({"active": False}, {"roles": ["agent"]}):
        answer = await boss.call("PATCH", path, wish, if_match="1")
        assert await code(answer) == (409, "last_administrator")


async def test_membership_changes_what_is_seen(seeded, boss, mia):
    made = await boss.ok("POST", "/queues", {"name": "Refunds", "config": {"discipline": "fifo"}})
    members = {"members": [{"agent_id": mia.agent_id, "tier": 2}]}
    path = f"/queues/{made['id']}"
    full = await boss.ok("PUT", f"{path}/members", members, if_match="1")
    assert full["members"][0]["tier"] == 2
    assert full["version"] == 2
    assert made["id"] in (await find_viewer(seeded.deps, mia.agent_id)).queue_ids
    twice = {"members": members["members"] * 2}
    assert await code(await boss.call("PUT", f"{path}/members", twice, if_match="2")) == (
        400, "member_twice",
    )  # fmt: skip
    stranger = {"members": [{"agent_id": new_id()}]}
    assert (await boss.call("PUT", f"{path}/members", stranger, if_match="2")).status == 400
    await boss.ok("PUT", f"{path}/members", {"members": []}, if_match="2")
    assert (await find_viewer(seeded.deps, mia.agent_id)).queue_ids == frozenset()


async def test_a_queue_is_checked_by_its_shape(boss):
    assert await code(await boss.call("POST", "/queues", {"name": "General"})) == (
        409,
        "name_taken",
    )
    for config in ({"discipline": "whim"}, {"max_len": "x"}, {"id": "x"}, {"surprise": 1}):
        answer = await boss.call("POST", "/queues", {"name": "Q", "config": config})
        assert await code(answer) == (400, "queue_config_invalid"), config
    made = await boss.ok("POST", "/queues", {"name": "Q"})
    changed = await boss.ok("PATCH", f"/queues/{made['id']}", {"restricted": True}, if_match="1")
    assert (changed["restricted"], changed["name"]) == (True, "Q")


async def test_a_supervisor_sees_the_queues_of_their_unit_and_below(seeded, boss):
    root = (await boss.ok("GET", "/units"))["items"][0]
    north = await boss.ok("POST", "/units", {"name": "North", "parent_id": root["id"]})
    south = await boss.ok("POST", "/units", {"name": "South", "parent_id": root["id"]})
    town = await boss.ok("POST", "/units", {"name": "Town", "parent_id": north["id"]})
    ids = {}
    for unit in (north, south, town):
        queue = await boss.ok("POST", "/queues", {"name": unit["name"], "unit_id": unit["id"]})
        ids[unit["name"]] = queue["id"]
    ann = await make_person(seeded, "ann", Role.SUPERVISOR, rooms=ROOMS, unit_id=north["id"])
    viewer = await find_viewer(seeded.deps, ann.agent_id)
    assert viewer.unit_queue_ids == {ids["North"], ids["Town"]}
    renamed = await boss.ok("PATCH", f"/units/{town['id']}", {"name": "City"})
    assert renamed["parent_id"] == north["id"]


async def test_a_token_has_its_scopes_and_ends(seeded, boss):
    queue = (await boss.ok("GET", "/queues"))["items"][0]
    wish = {"name": "crm", "scopes": ["conversations:read"], "queue_ids": [queue["id"]]}
    made = await boss.ok("POST", "/tokens", wish)
    assert made["secret"].startswith("hub_")
    listed = await boss.ok("GET", "/tokens")
    assert made["secret"] not in str(listed)
    assert "hash" not in str(listed)
    client = await seeded.serve(ROOMS)
    headers = {"Authorization": f"Bearer {made['secret']}"}
    me = await (await client.get("/api/v1/session", headers=headers)).json()
    assert (me["kind"], me["csrf"], me["agent"]) == ("token", None, None)
    assert me["powers"]["queue_ids"] == [queue["id"]]
    for method, path in (
        ("GET", "/tokens"),
        ("GET", "/me"),
        ("GET", "/sessions"),
        ("POST", "/queues"),
    ):
        answer = await client.request(method, f"/api/v1{path}", headers=headers, json={"name": "x"})
        assert answer.status == 403, path
    configure = {"name": "terraform", "scopes": ["configuration:write"]}
    strong = (await boss.ok("POST", "/tokens", configure))["secret"]
    strong_headers = {"Authorization": f"Bearer {strong}"}
    added = await client.post("/api/v1/queues", json={"name": "y"}, headers=strong_headers)
    assert added.status == 201
    more = await client.post("/api/v1/tokens", json=configure, headers=strong_headers)
    assert more.status == 403
    await boss.ok("DELETE", f"/tokens/{made['id']}")
    assert (await client.get("/api/v1/session", headers=headers)).status == 401
    assert (await boss.call("DELETE", f"/tokens/{made['id']}")).status == 404
    past = {**wish, "expires_at": "2020-01-01T00:00:00Z"}
    assert await code(await boss.call("POST", "/tokens", past)) == (400, "expiry_passed")


async def test_tags_are_unique_and_versioned(boss):
    answers = await asyncio.gather(*(boss.call("POST", "/tags", {"name": "vip"}) for _ in range(4)))
    assert sorted(one.status for one in answers) == [201, 409, 409, 409]
    tag = (await boss.ok("GET", "/tags"))["items"][0]
    changed = await boss.ok("PATCH", f"/tags/{tag['id']}", {"colour": "#ff0000"}, if_match="1")
    assert changed == {"id": tag["id"], "name": "vip", "colour": "#ff0000", "version": 2}
    assert (
        await boss.call("PATCH", f"/tags/{tag['id']}", {"colour": "red"}, if_match="2")
    ).status == 422
    await boss.ok("DELETE", f"/tags/{tag['id']}")
    assert (await boss.call("DELETE", f"/tags/{tag['id']}")).status == 404


async def test_canned_replies_are_ones_own_or_shared(seeded, boss, mia):
    ola = await make_person(seeded, "ola", rooms=ROOMS)
    mine = {"shortcut": "hi", "title": "Hello", "texts": {"en": "Hello", "zh-CN": "您好"}}
    made = await mia.ok("POST", "/canned-replies", mine)
    assert made["personal"] is True
    shared = {**mine, "shortcut": "bye", "personal": False}
    assert (await mia.call("POST", "/canned-replies", shared)).status == 403
    ours = await boss.ok("POST", "/canned-replies", shared)
    assert [one["shortcut"] for one in (await ola.ok("GET", "/canned-replies"))["items"]] == ["bye"]
    path = f"/canned-replies/{made['id']}"
    assert (await ola.call("DELETE", path)).status == 404
    assert (await ola.call("DELETE", f"/canned-replies/{ours['id']}")).status == 403
    changed = await mia.ok("PUT", path, {**mine, "title": "Hi"}, if_match="1")
    assert (changed["title"], changed["version"]) == ("Hi", 2)
    await mia.ok("DELETE", path)


async def test_the_organisation_keeps_a_real_zone(boss):
    found = await boss.ok("GET", "/organisation")
    version = str(found["version"])
    wrong = await boss.call("PATCH", "/organisation", {"zone": "Mars/Base"}, if_match=version)
    assert await code(wrong) == (400, "zone_unknown")
    escaped = await boss.call(
        "PATCH", "/organisation", {"zone": "../../etc/passwd"}, if_match=version
    )
    assert await code(escaped) == (400, "zone_unknown")
    changed = await boss.ok("PATCH", "/organisation", {"zone": "Asia/Shanghai"}, if_match=version)
    assert changed["zone"] == "Asia/Shanghai"
