"""Who may what: every route of the desk with another's ids, and with hostile bodies.

The tables below name every route; one that is added without a line here fails.
"""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from hub.api.http import Route
from hub.app.rooms import ROOMS
from hub.model.clock import iso
from hub.model.ids import new_id
from hub.services.access import fingerprint
from hub.store.queries.rows import dump, insert_row
from hub.store.tables import ApiToken
from tests.api.talk import Person, Town, build_town

DESK = ("conversations", "messages", "deliveries", "attachments", "cases", "offers", "items",
        "drafts", "me")  # fmt: skip
ROUTES = {
    route.name: route
    for room in ROOMS
    for route in room.routes
    if route.path.split("/")[3] in DESK and room.tag not in {"session"}
}
AGENT, QUEUE, CHANNEL, LATER = "{agent}", "{queue}", "{channel}", "{later}"
# Bodies that are good when the ids are one's own. None: the route takes none.
BODIES: dict[str, Any] = {
    "GET /api/v1/conversations/{id}": None,
    "GET /api/v1/conversations/{id}/messages": None,
    "GET /api/v1/conversations/{id}/drafts": None,
    "GET /api/v1/messages/{id}": None,
    "GET /api/v1/messages/{id}/revisions": None,
    "GET /api/v1/messages/{id}/html": None,
    "GET /api/v1/attachments/{id}": None,
    "GET /api/v1/cases/{id}": None,
    "PATCH /api/v1/conversations/{id}": {"subject": "x"},
    "PATCH /api/v1/cases/{id}": {
        "title": "x", "type": "fault", "severity": 2, "class_code": "net",
    },
    "PUT /api/v1/conversations/{id}/drafts/{kind}": {
        "text": "x", "html": "x", "subject": "x", "channel_id": CHANNEL, "identity_id": AGENT,
        "cc": ["a@b.example"], "attachments": [], "mentions": [],
    },
    "POST /api/v1/conversations/{id}/messages": {
        "text": "x", "html": "<p>x", "subject": "x", "client_id": AGENT, "channel_id": CHANNEL,
        "identity_id": AGENT, "cc": [{"value": "a@b.example"}], "attachments": [AGENT],
        "choices": [{"label": "a", "value": "b"}], "take": True,
    },
    "POST /api/v1/conversations/{id}/notes": {
        "text": "x", "mentions": [AGENT], "attachments": [AGENT], "client_id": AGENT,
    },
    "POST /api/v1/conversations/{id}/typing": None,
    "POST /api/v1/conversations/{id}/read": {"number": 1, "unread": True},
    "POST /api/v1/conversations/{id}/tags": {"add": ["x"], "remove": ["x"]},
    "POST /api/v1/conversations/{id}/take": {"from_handler": True},
    "POST /api/v1/conversations/{id}/assign": {"agent_id": AGENT, "version": 1},
    "POST /api/v1/conversations/{id}/transfer": {
        "queue_id": QUEUE, "agent_id": None, "handover_owner": False, "reason": "x", "version": 1,
    },
    "POST /api/v1/conversations/{id}/escalate": {
        "min_tier": 2, "reason": "x", "queue_id": QUEUE, "version": 1,
    },
    "POST /api/v1/conversations/{id}/snooze": {"until": LATER, "version": 1},
    "POST /api/v1/conversations/{id}/unsnooze": None,
    "POST /api/v1/conversations/{id}/resolve": {
        "disposition": "done", "solve_case": True, "version": 1,
    },
    "POST /api/v1/conversations/{id}/reopen": {"take_over": True},
    "POST /api/v1/deliveries/{id}/retry": None,
    "POST /api/v1/offers/{id}/accept": {"epoch": 1},
    "POST /api/v1/offers/{id}/decline": {"reason": "busy"},
    "POST /api/v1/items/{id}/wrap-up-done": None,
    "GET /api/v1/items/{id}/why": None,
    "POST /api/v1/conversations/{id}/block-sender": {"reason": "x"},
    "POST /api/v1/conversations/{id}/unblock-sender": {"reason": "x"},
    "POST /api/v1/conversations/{id}/merge": {"into": AGENT},
    "POST /api/v1/conversations/{id}/split": {"from_message": AGENT},
    "POST /api/v1/conversations/{id}/unmerge": None,
    "POST /api/v1/messages/{id}/move": {"to": AGENT},
    "POST /api/v1/messages/{id}/redact": {"reason": "x"},
}  # fmt: skip
# Routes that name no one thing: what they show is the asking person's own.
OWN: dict[str, Any] = {
    "GET /api/v1/conversations": None,
    "GET /api/v1/offers": None,
    "GET /api/v1/drafts": None,
    "GET /api/v1/cases": None,
    "GET /api/v1/me/presence": None,
    "POST /api/v1/me/presence": {"move": "set_ready", "reason": "x"},
    "POST /api/v1/attachments": None,
    "POST /api/v1/conversations": {
        "channel_id": CHANNEL, "identity_id": AGENT, "address": "13800138000", "name": "x",
        "queue_id": QUEUE, "text": "x", "html": "x", "subject": "x", "attachments": [AGENT],
        "client_id": AGENT,
    },
}  # fmt: skip
WITH_ID = {name: body for name, body in BODIES.items() if name in ROUTES}
# Removing what is not there, or not one's own, says nothing.
SILENT = {"DELETE /api/v1/conversations/{id}/drafts/{kind}"}
HOSTILE: tuple[Any, ...] = (
    {}, [], None, True, 1.5, -1, 10**30, "", "x", "\0", "\ud7ff" * 3, "' OR 1=1 --", [[]], [{}],
    [None], {"$ne": 1}, "x" * 250_000,
)  # fmt: skip


@dataclass
class Block:
    """A conversation in a restricted queue with one of everything, and who holds it."""

    town: Town
    holder: Person
    ids: dict[str, str]

    def path(self, route: Route) -> str:
        noun = route.path.split("/")[3]
        kind = {"conversations": "conversation"}.get(noun, noun)
        path = route.path.removeprefix("/api/v1").replace("{kind}", "reply")
        return path.replace("{id}", self.ids.get(kind, ""))

    def body(self, body: Any) -> Any:
        if body is None:
            return None
        names = {
            AGENT: self.holder.agent_id, QUEUE: self.town.queues[1],
            CHANNEL: self.town.channels["twilio_sms"].id,
            LATER: iso(self.town.deps.clock.now() + timedelta(hours=1)),
        }  # fmt: skip
        return {
            key: names.get(value, value)
            if isinstance(value, str)
            else [names.get(one, one) if isinstance(one, str) else one for one in value]
            if isinstance(value, list)
            else value
            for key, value in body.items()
        }


@pytest.fixture
async def block(house) -> Block:
    town = await build_town(house)
    holder = await town.person("zoe", queues=(1,), unit=1)
    conversation = await town.write("secret words")
    await town.hold(conversation, 1, holder)
    message = await holder.ok("POST", f"/conversations/{conversation}/messages", {"text": "hi"})
    detail = (await holder.ok("GET", f"/conversations/{conversation}"))["detail"]
    ids = {
        "conversation": conversation, "messages": message["id"],
        "deliveries": message["deliveries"][0]["id"], "cases": detail["cases"][0]["id"],
        "attachments": await town.image(message["id"], "<a>", b"\x89PNG"),
        "offers": await town.offer(conversation, holder),
        "items": detail["conversation"]["item_id"],
    }  # fmt: skip
    return Block(town, holder, ids)


def test_every_route_has_its_line():
    assert set(ROUTES) <= set(BODIES) | set(OWN) | SILENT
    for name, route in ROUTES.items():
        body = route.argument("body")
        wish = {**BODIES, **OWN}.get(name)
        fields = set(body.type.model_fields) if body else set()
        assert set(wish or ()) == fields, name


async def test_nobody_else_gets_near(block):
    """By cookie: an agent of another queue, an administrator; by token: another queue's program."""
    town = block.town
    others = [
        await town.person("ada"), await town.person("adm", "administrator", queues=()),
        await town.person("sup", "supervisor", queues=()),
    ]  # fmt: skip
    for other in others:
        async with other.live() as socket:
            for name, body in WITH_ID.items():
                route = ROUTES[name]
                answer = await other.call(
                    route.method, block.path(route), block.body(body), If_Match='"1"'
                )
                # An administrator may be told that a role is missing; never that there is a thing.
                allowed = {404} if route.allow is None else {404, 403}
                assert answer.status in allowed, (name, answer.status, await answer.text())
                assert "secret" not in await answer.text()
            for path in ("/conversations?view=all", "/conversations?view=unassigned", "/offers",
                         "/drafts"):  # fmt: skip
                answer = await other.call("GET", path)
                assert answer.status == 403 or (await answer.json())["items"] == []
            for type_ in ("viewing", "typing"):
                frame = {"type": type_, "conversation_id": block.ids["conversation"]}
                await socket.ws.send_json(frame)
                assert (await socket.read())["code"] == "not_found"
            await block.holder.ok(
                "POST", f"/conversations/{block.ids['conversation']}/notes", {"text": "secret"}
            )
            await socket.ws.send_json({"type": "ping"})
            assert (await socket.read())["type"] == "pong"


async def test_programs_see_what_their_token_names(block):
    town = block.town
    token = secrets.token_urlsafe(32)
    scopes = ["conversations:read", "conversations:write", f"queue:{town.queues[0]}"]

    def unit(tx) -> None:
        insert_row(
            tx, ApiToken, id=new_id(), name="t", token_hash=fingerprint(token),
            scopes=dump(scopes), created_at=1,
        )  # fmt: skip

    await town.deps.db.run(unit)
    headers = {"Authorization": f"Bearer {token}", "If-Match": "1"}
    for name, body in WITH_ID.items():
        route = ROUTES[name]
        answer = await town.client.request(
            route.method, "/api/v1" + block.path(route), json=block.body(body), headers=headers
        )
        assert answer.status in ({404} if route.allow is None else {404, 403}), name
    async with town.client.ws_connect("/api/v1/live", headers=headers) as ws:
        assert (await ws.receive_json())["type"] == "hello"
        await block.holder.ok(
            "POST", f"/conversations/{block.ids['conversation']}/notes", {"text": "secret"}
        )
        await town.write("open words", sender="+8613900139000")
        await town.hold(await town.last_conversation(), 0)
        assert "secret" not in await ws.receive_str(timeout=5)


async def test_strangers_are_asked_who_they_are(block):
    for name, body in {**WITH_ID, **OWN}.items():
        route = ROUTES[name]
        answer = await block.town.client.request(
            route.method, "/api/v1" + block.path(route), json=block.body(body)
        )
        assert answer.status == 401, name


async def test_an_auditor_reads_and_writes_nothing(block):
    auditor = await block.town.person("aud", "auditor", queues=())
    for name, body in WITH_ID.items():
        route = ROUTES[name]
        if route.method == "GET":
            continue
        answer = await auditor.call(
            route.method, block.path(route), block.body(body), If_Match='"1"'
        )
        reading = {"POST /api/v1/conversations/{id}/read"}
        own = {"offers", "items"}
        if name in reading:
            assert answer.status == 200
        elif route.path.split("/")[3] in own:
            assert answer.status in {403, 404}, name
        else:
            assert answer.status == 403, (name, answer.status)
    await auditor.ok("GET", f"/conversations/{block.ids['conversation']}")


async def test_hostile_values_are_refused_in_every_field(block):
    holder = block.holder
    for name, good in {**WITH_ID, **OWN}.items():
        route = ROUTES[name]
        for field in good or ():
            bodies = [{**block.body(good), field: value} for value in HOSTILE]
            path = block.path(route)
            answers = await asyncio.gather(
                *(holder.call(route.method, path, body, If_Match='"1"') for body in bodies)
            )
            for body, answer in zip(bodies, answers, strict=True):
                assert answer.status < 500, (name, field, str(body[field])[:40])
        if good is not None:
            answer = await holder.call(
                route.method, block.path(route), {**block.body(good), "id": new_id()},
                If_Match='"1"',
            )  # fmt: skip
            assert answer.status == 422, name  # mass assignment


async def test_hostile_ids_and_queries_find_nothing(block):
    holder = block.holder
    for wrong in ("x", "%00", "..%2f..%2fetc", "' OR 1=1 --", new_id().upper(), "1" * 4000):
        for name in WITH_ID:
            route = ROUTES[name]
            path = route.path.removeprefix("/api/v1").replace("{kind}", "reply")
            answer = await holder.call(
                route.method, path.replace("{id}", wrong), block.body(WITH_ID[name]),
                If_Match='"1"',
            )  # fmt: skip
            assert answer.status in {404, 403}, (name, wrong[:20], answer.status)
    for query in ("view=x", "sort=x", "limit=0", "limit=201", "limit=x", "queue_id=x", "after=1",
                  "view=mine&view=all", "x=1", "after=1.x%00"):  # fmt: skip
        answer = await holder.call("GET", f"/conversations?{query}")
        assert answer.status in {400, 422}, query
