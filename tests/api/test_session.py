"""Logging in, CSRF, links, passwords, and the end of access."""

import asyncio
import hashlib
from datetime import timedelta

import pytest
from aiohttp import CookieJar

from hub.api import session
from hub.api.context import cookie_name
from hub.api.origin import Origins
from hub.model.clock import ManualClock, utc_now
from hub.model.errors import NotFound
from hub.model.visibility import Role
from hub.services import people, sessions
from hub.services.access import session_login
from hub.store.queries.people import agents
from hub.store.queries.rows import dicts
from hub.store.statement import stmt
from hub.store.tables import AgentSession, Event, OneTimeLink, table
from tests.api.conftest import PASSWORD, PUBLIC_URL, make_person

ROOMS = [session.ROUTES]


@pytest.fixture
async def mia(seeded):
    return await make_person(seeded, "mia", rooms=ROOMS)


async def rows(house, model) -> list[dict]:
    return await house.deps.db.read(lambda tx: dicts(tx, stmt(table(model).select())))


async def test_a_session_says_who_and_what(mia):
    found = await mia.ok("GET", "/session")
    assert found["agent"]["id"] == mia.agent_id
    assert found["roles"] == ["agent"]
    assert found["powers"] == {
        "reply": True, "note": True, "supervise": False, "administer": False, "audit": False,
        "queue_ids": [],
    }  # fmt: skip
    listed = (await mia.ok("GET", "/sessions"))["items"]
    assert [one["current"] for one in listed].count(True) == 1


async def test_the_cookie_is_out_of_reach(seeded, mia):
    body = {"email": "MIA@example.com ", "password": PASSWORD}
    answer = await mia.call("POST", "/session", body)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert cookie_name(Origins("https://desk.example.com")) == "__Host-hub_session"
    kept = await rows(seeded, AgentSession)
    token = answer.cookies["hub_session"].value
    assert token not in str(kept)
    assert hashlib.sha256(token.encode()).hexdigest() in {one["token_hash"] for one in kept}
    assert PASSWORD not in str(await seeded.deps.db.read(lambda tx: agents(tx)))


@pytest.mark.parametrize(
    ("email", "password"),
    [("mia@example.com", "wrong password"), ("nobody@example.com", PASSWORD), ("x", ""),
     ("mia@example.com", "x" * 500)],
)  # fmt: skip
async def test_a_wrong_login_says_nothing(mia, email, password):
    answer = await mia.call("POST", "/session", {"email": email, "password": password or "-"})
    assert (answer.status, (await answer.json())["code"]) in {
        (401, "login_failed"), (422, "validation_failed"),
    }  # fmt: skip


async def test_unknown_accounts_cost_the_same_hash(seeded, mia):
    loop = asyncio.get_running_loop()

    async def took(email: str) -> float:
        best = 9.0
        for n in range(3):
            began = loop.time()
            with pytest.raises(Exception, match="login_failed"):
                await sessions.log_in(seeded.deps, email, "wrong password", ip=f"{email}{n}")
            best = min(best, loop.time() - began)
        return best

    known, unknown = await took("mia@example.com"), await took("nobody@example.com")
    assert 0.3 < known / unknown < 3


async def test_guessing_is_slowed_down(mia):
    body = {"email": "mia@example.com", "password": "guess guess 1"}
    answers = [await mia.call("POST", "/session", body) for _ in range(7)]
    assert answers[-1].status == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    right = await mia.call("POST", "/session", {**body, "password": PASSWORD})
    assert right.status == 429


async def test_writes_by_cookie_need_origin_and_token(mia):
    async def status(**headers: str) -> int:
        answer = await mia.client.post(
            "/api/v1/password", json={"old": "a", "new": "b"}, headers=headers
        )
        return answer.status

    good = {"X-CSRF-Token": mia.csrf}
    assert await status() == 403
    assert await status(**{"X-CSRF-Token": "wrong"}) == 403
    assert await status(**{"X-CSRF-Token": ""}) == 403
    assert await status(**good, Origin="https://evil.example") == 403
    assert await status(**good, Origin="null") == 403
    assert await status(**good, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert await status(**good, Origin="http://localhost:8080") == 401
    assert await status(**good, Origin=PUBLIC_URL) == 401
    login = {"email": "mia@example.com", "password": PASSWORD}
    evil = await mia.client.post(
        "/api/v1/session", json=login, headers={"Origin": "https://evil.example"}
    )
    assert evil.status == 403


async def test_logging_out_ends_it(mia):
    await mia.ok("DELETE", "/session")
    assert (await mia.call("GET", "/session")).status == 401


async def test_a_forged_or_stale_cookie_is_nobody(seeded, mia):
    client = await seeded.serve(ROOMS)
    for value in ("", "x", "a" * 5000):
        client.session._cookie_jar = CookieJar(unsafe=True)
        answer = await client.get("/api/v1/session", headers={"Cookie": f"hub_session={value}"})
        assert answer.status == 401


async def test_sessions_slide_and_end(seeded, mia):
    clock = ManualClock(utc_now())
    seeded.deps.clock = clock
    made = await sessions.log_in(seeded.deps, mia.email, PASSWORD, ip="a")
    for _ in range(4):
        clock.advance(seconds=11 * 3600)
        assert await session_login(seeded.deps, made.token) is not None
    clock.advance(seconds=13 * 3600)
    assert await session_login(seeded.deps, made.token) is None
    again = await sessions.log_in(seeded.deps, mia.email, PASSWORD, ip="b")
    for _ in range(20):
        clock.advance(seconds=11 * 3600)
        found = await session_login(seeded.deps, again.token)
    assert found is None
    assert await sessions.prune(seeded.deps) >= 2


async def test_a_password_change_closes_the_other_sessions(seeded, mia):
    other = await make_person(seeded, "ola", rooms=ROOMS)
    second = type(mia)(mia.agent_id, mia.email, await seeded.serve(ROOMS))
    await second.log_in()
    short = await mia.call("POST", "/password", {"old": PASSWORD, "new": "short"})
    assert (await short.json())["code"] == "password_too_short"
    await mia.ok("POST", "/password", {"old": PASSWORD, "new": "another horse 8"})
    assert (await second.call("GET", "/session")).status == 401
    await mia.ok("GET", "/session")
    await other.ok("GET", "/session")
    await second.log_in("another horse 8")
    events = [one for one in await rows(seeded, Event) if one["kind"] == "access.changed"]
    assert {one["agent_id"] for one in events} >= {mia.agent_id}
    assert "horse" not in str(events)


async def test_a_link_works_once(seeded, mia):
    first = await sessions.make_link(seeded.deps, mia.agent_id, sessions.SET_PASSWORD)
    link = await sessions.make_link(seeded.deps, mia.agent_id, sessions.SET_PASSWORD)
    assert link.startswith(f"{PUBLIC_URL}/link/set-password#")
    secret, stale = (one.partition("#")[2] for one in (link, first))
    assert secret not in str(await rows(seeded, OneTimeLink))
    body = {"secret": secret, "password": "brand new word"}
    weak = await mia.call("POST", "/links/password", {**body, "password": "aaaaaaaaaaaa"})
    assert (await weak.json())["code"] == "password_too_simple"
    for wrong in (stale, "x", secret + "x"):
        answer = await mia.call("POST", "/links/password", {**body, "secret": wrong})
        assert (answer.status, (await answer.json())["code"]) == (404, "link_not_valid")
    as_login = await mia.call("POST", "/links/login", {"secret": secret})
    assert as_login.status == 404
    found = await asyncio.gather(*(mia.call("POST", "/links/password", body) for _ in range(3)))
    assert sorted(one.status for one in found) == [201, 404, 404]
    await mia.ok("GET", "/session")


async def test_a_link_is_over_after_its_time(seeded, mia):
    link = await sessions.make_link(
        seeded.deps, mia.agent_id, sessions.LOG_IN, life=timedelta(seconds=-1)
    )
    with pytest.raises(NotFound):
        await sessions.use_login_link(seeded.deps, link.partition("#")[2], ip="a")
    good = await sessions.make_link(seeded.deps, mia.agent_id, sessions.LOG_IN)
    assert (await sessions.use_login_link(seeded.deps, good.partition("#")[2], ip="a")).token


async def test_people_change_their_own_profile_only(mia):
    profile = await mia.ok("GET", "/me")
    version = str(profile["version"])
    changed = await mia.ok("PATCH", "/me", {"signature": "Mia"}, if_match=version)
    assert (changed["signature"], changed["name"]) == ("Mia", "mia")
    assert (await mia.call("PATCH", "/me", {"name": "x"}, if_match=version)).status == 412
    for wish in ({"roles": ["administrator"]}, {"active": False}, {"password_hash": "x"}):
        answer = await mia.call("PATCH", "/me", wish, if_match=str(changed["version"]))
        assert answer.status == 422


async def test_deactivation_ends_sessions_at_once(seeded, mia):
    boss = await make_person(seeded, "boss", Role.ADMINISTRATOR, rooms=ROOMS)
    row = await people.agent_detail(seeded.deps, mia.agent_id)
    fields = people.agent_fields(row, {"active": False})
    await people.change_agent(
        seeded.deps, mia.agent_id, fields, if_version=row["version"], actor=boss.agent_id
    )
    assert (await mia.call("GET", "/session")).status == 401
    login = {"email": mia.email, "password": PASSWORD}
    assert (await mia.call("POST", "/session", login)).status == 401
