"""The thin HTTP layer: arguments, problems, guards, idempotency, the document."""

import asyncio
import gzip
import secrets
from typing import Annotated, Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel, ConfigDict

from hub.api.context import Context
from hub.api.http import Body, Created, Id, Path, Query, Routes
from hub.api.paging import Cursors, PageQuery
from hub.model.errors import BadInput, Conflict
from hub.model.ids import new_id
from hub.model.visibility import may_administer
from hub.services import access, once
from hub.store.queries.rows import dump, insert_row
from hub.store.tables import ApiToken

ROUTES = Routes("things")
MADE: list[str] = []


class NewThing(Created):
    model_config = ConfigDict(extra="forbid")
    name: str
    size: int = 1


class ThingView(BaseModel):
    id: str
    name: str
    size: int
    version: int = 1


class ThingQuery(PageQuery):
    tag: tuple[str, ...] = ()


@ROUTES.route("POST", "/api/v1/things", status=201, creates=True, summary="Make a thing")
async def add_thing(ctx: Context, body: Annotated[NewThing, Body]) -> ThingView:
    if body.name == "refuse":
        raise Conflict("thing_refused", size=body.size)
    if body.name == "crash":
        raise RuntimeError("secret text")
    await asyncio.sleep(0.02)
    MADE.append(body.name)
    return ThingView(id=new_id(), name=body.name, size=body.size)


@ROUTES.route("GET", "/api/v1/things/{id}", summary="Show a thing", public=True)
async def show_thing(
    ctx: Context, id: Annotated[Id, Path], q: Annotated[ThingQuery, Query]
) -> ThingView:
    return ThingView(id=id, name=",".join(q.tag), size=q.limit)


@ROUTES.route("PATCH", "/api/v1/things/{id}", summary="Change", public=True, if_match=True)
async def change_thing(ctx: Context, id: Annotated[Id, Path]) -> ThingView:
    return ThingView(id=id, name="changed", size=1, version=ctx.if_match() + 1)


@ROUTES.route("DELETE", "/api/v1/things/{id}", summary="Remove", allow=may_administer)
async def remove_thing(ctx: Context, id: Annotated[Id, Path]) -> None:
    raise AssertionError("a token without the scope came here")


@pytest.fixture
async def token(house) -> str:
    value = secrets.token_urlsafe(32)

    def unit(tx):
        insert_row(
            tx, ApiToken, id=new_id(), name="t", token_hash=access.fingerprint(value),
            scopes=dump(["conversations:read"]), created_at=1,
        )  # fmt: skip

    await house.deps.db.run(unit)
    return value


@pytest.fixture
async def client(house):
    return await house.serve([ROUTES])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def post(client, token: str, body: Any, **more: Any):
    return await client.post("/api/v1/things", json=body, headers=bearer(token), **more)


async def test_a_good_request_is_answered_by_type(client, token):
    answer = await post(client, token, {"name": "a"})
    assert answer.status == 201
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await answer.json())["size"] == 1
    shown = await client.get(f"/api/v1/things/{new_id()}?tag=a&tag=b&limit=7")
    assert (await shown.json())["name"] == "a,b"


@pytest.mark.parametrize("bad", [{}, {"name": {}}, {"name": []}, {"name": None}, {"name": 5},
    {"name": "a", "size": "1"}, {"name": "a", "size": True}, {"name": "a", "other": 1}, [], "x",
    {"name": "a", "size": 1.5}, {"name": "a", "client_id": "no-id"}])  # fmt: skip
async def test_wrong_types_answer_422_and_name_the_field(client, token, bad):
    answer = await post(client, token, bad)
    problem = await answer.json()
    assert answer.status == 422
    assert answer.content_type == "application/problem+json"
    assert problem["code"] == "validation_failed"
    assert problem["errors"][0]["field"].startswith("body")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"{", 400, "json_invalid"),
        (b'{"name": NaN}', 400, "json_invalid"),
        (b'{"name": "\\ud800"}', 400, "json_invalid"),
        (b'{"name": "\xff"}', 400, "json_invalid"),
        (b'{"name": "a\\u0000b"}', 422, "text_has_nul"),
        (b'{"name": 1e301}', 422, "number_out_of_range"),
        (b'{"name": 123456789012345678901234567890}', 422, "validation_failed"),
        (b'{"name": 9007199254740993}', 422, "number_out_of_range"),
        (b"[" * 60 + b"]" * 60, 422, "json_too_deep"),
        (b"[" * 5000 + b"]" * 5000, 422, "json_too_deep"),
        (b"[" + b"1," * 30000 + b"1]", 422, "json_too_many_values"),
        (b" " * 1_000_001, 413, "too_large"),
    ],
)
async def test_json_that_hurts_is_refused(client, token, raw, status, code):
    headers = {**bearer(token), "Content-Type": "application/json"}
    answer = await client.post("/api/v1/things", data=raw, headers=headers)
    assert (answer.status, (await answer.json())["code"]) == (status, code)


async def test_a_gzip_bomb_is_cut_off(client, token):
    headers = {**bearer(token), "Content-Type": "application/json", "Content-Encoding": "gzip"}
    bomb = gzip.compress(b" " * 20_000_000)
    answer = await client.post("/api/v1/things", data=bomb, headers=headers)
    assert answer.status == 413


async def test_errors_are_problems_without_prose(client, token):
    refused = await post(client, token, {"name": "refuse", "size": 3})
    assert refused.status == 409
    assert await refused.json() == {
        "type": "urn:hub:thing_refused", "title": "Conflict", "status": 409,
        "code": "thing_refused", "params": {"size": 3},
    }  # fmt: skip
    crashed = await post(client, token, {"name": "crash"})
    assert crashed.status == 500
    assert "secret" not in await crashed.text()
    for path in ("/api/v1/nothing", "/api/v1/things/not-an-id", "/api/v1/things/%00"):
        missing = await client.get(path)
        assert (missing.status, (await missing.json())["code"]) == (404, "not_found")
    wrong = await client.put("/api/v1/things")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    form = await client.post("/api/v1/things", data={"a": "b"}, headers=bearer(token))
    assert form.status == 415
    query = await client.get(f"/api/v1/things/{new_id()}?limit=0&wrong=1")
    assert query.status == 422


async def test_nobody_and_the_unallowed_are_refused(client, token):
    assert (await client.post("/api/v1/things", json={"name": "a"})).status == 401
    for wrong in ("Bearer ", "Bearer nope", "Basic YTpi", ""):
        headers = {"Authorization": wrong}
        answer = await client.post("/api/v1/things", json={"name": "a"}, headers=headers)
        assert answer.status == 401
    refused = await client.delete(f"/api/v1/things/{new_id()}", headers=bearer(token))
    assert refused.status == 403


async def test_if_match_is_asked_for(client):
    path = f"/api/v1/things/{new_id()}"
    assert (await client.patch(path)).status == 428
    assert (await client.patch(path, headers={"If-Match": "x"})).status == 400
    good = await client.patch(path, headers={"If-Match": '"4"'})
    assert good.headers["ETag"] == '"5"'


async def test_a_client_id_makes_repeats_harmless(client, token):
    MADE.clear()
    body = {"name": "once", "client_id": new_id()}
    answers = await asyncio.gather(*(post(client, token, body) for _ in range(6)))
    assert sorted(one.status for one in answers) == [200] * 5 + [201]
    assert len({await one.text() for one in answers}) == 1
    replay = await post(client, token, body)
    assert replay.headers["Idempotent-Replay"] == "true"
    assert replay.headers["ETag"] == '"1"'
    other = await post(client, token, {**body, "name": "twice"})
    assert (other.status, (await other.json())["code"]) == (409, "client_id_reused")
    assert MADE == ["once"]


async def test_a_failed_request_may_be_sent_again(client, token, house):
    body = {"name": "refuse", "client_id": new_id()}
    assert (await post(client, token, body)).status == 409
    assert (await post(client, token, body)).status == 409
    later = {"name": "works", "client_id": body["client_id"]}
    assert (await post(client, token, later)).status == 201
    assert await once.prune(house.deps) == 0


async def test_the_document_is_valid_and_names_what_can_happen(client):
    answer = await client.get("/openapi.json")
    document = await answer.json()
    validate(document)
    assert document["openapi"] == "3.1.0"
    create = document["paths"]["/api/v1/things"]["post"]
    assert set(create["responses"]) == {"200", "201", "default"}
    names = {one["name"] for one in document["paths"]["/api/v1/things/{id}"]["get"]["parameters"]}
    assert names == {"id", "tag", "cursor", "limit"}
    page = await client.get("/docs")
    assert "script" not in page.headers["Content-Security-Policy"]
    assert "/api/v1/things" in await page.text()


async def test_health_and_metrics(client, house):
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/readyz")).status == 200
    house.health.up = False
    assert (await client.get("/readyz")).status == 503
    await client.get(f"/api/v1/things/{new_id()}")
    text = await (await client.get("/metrics")).text()
    assert 'route="/api/v1/things/{id}"' in text
    for name in ("messages_total", "intake_total", "deliveries_total", "inbound_seconds",
                 "screen_seconds", "waiting", "oldest_waiting_seconds", "match_seconds",
                 "offers_total", "agents", "live_sockets", "spool_items", "timer_lag_seconds",
                 "loop_lag_seconds", "loop_restarts_total"):  # fmt: skip
        assert f"# HELP hub_{name} " in text


def test_cursors_are_ours_or_refused():
    ours, theirs = Cursors(b"a" * 32), Cursors(b"b" * 32)
    cursor = ours.make("2026", 7, None)
    assert ours.read(cursor) == ["2026", 7, None]
    for wrong in (theirs.make("2026", 7), "", "!!!", cursor[:-2], "é"):
        with pytest.raises(BadInput) as caught:
            ours.read(wrong)
        assert caught.value.code == "cursor_invalid"
