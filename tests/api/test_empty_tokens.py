"""An empty token matches nothing, not even a row that holds the hash of nothing."""

import hashlib
from datetime import timedelta

import pytest

from hub.api import attachments, session
from hub.api.attachments import add_media
from hub.model.clock import to_micros
from hub.model.errors import NotAuthenticated, NotFound
from hub.model.ids import new_id
from hub.services import sessions
from hub.services.access import Login, session_login, token_login
from hub.services.attachments import attachment_by_token
from hub.services.widget import session_of
from hub.store.queries.rows import dump, insert_row
from hub.store.tables import AgentSession, ApiToken, MediaToken, OneTimeLink
from tests.api.conftest import House, make_person

ROOMS = [session.ROUTES, attachments.ROUTES]
NOTHING = hashlib.sha256(b"").hexdigest()


@pytest.fixture
async def trapped(seeded: House) -> House:
    """A house whose tables know the hash of the empty text in every place."""
    mia = await make_person(seeded, "mia", rooms=ROOMS)
    headers = {"X-CSRF-Token": mia.csrf, "Content-Type": "image/png"}
    path = "/api/v1/attachments?filename=a.txt"
    made = await (await mia.client.post(path, data=b"secret words", headers=headers)).json()
    now = seeded.deps.clock.now()
    later = to_micros(now + timedelta(hours=1))

    def unit(tx) -> None:
        insert_row(
            tx, AgentSession, id=new_id(), agent_id=mia.agent_id, token_hash=NOTHING, csrf="",
            created_at=to_micros(now), seen_at=to_micros(now), expires_at=later, user_agent="",
        )  # fmt: skip
        insert_row(
            tx, ApiToken, id=new_id(), name="t", token_hash=NOTHING,
            scopes=dump(["conversations:read"]), created_at=1,
        )  # fmt: skip
        insert_row(tx, MediaToken, token_hash=NOTHING, attachment_id=made["id"], expires_at=later)
        insert_row(
            tx, OneTimeLink, token_hash=NOTHING, agent_id=mia.agent_id, purpose=sessions.LOG_IN,
            expires_at=later,
        )  # fmt: skip

    await seeded.deps.db.run(unit)
    return seeded


async def test_an_empty_token_never_matches(trapped: House) -> None:
    deps = trapped.deps
    assert await session_login(deps, "") is None
    assert await token_login(deps, "") is None
    with pytest.raises(NotFound):
        await attachment_by_token(deps, "")
    with pytest.raises(NotFound):
        await sessions.use_login_link(deps, "", ip="a")
    with pytest.raises(NotAuthenticated):
        await session_of(deps, "")


async def test_an_empty_token_opens_nothing_over_http(trapped: House) -> None:
    client = await trapped.serve(ROOMS, [add_media])
    for headers in (
        {"Authorization": "Bearer "}, {"Authorization": "Bearer"}, {"Authorization": ""},
        {"Cookie": "hub_session="}, {"Cookie": 'hub_session=""'}, {"Cookie": "hub_session"},
    ):  # fmt: skip
        assert (await client.get("/api/v1/session", headers=headers)).status == 401, headers
    for path in ("/media/", "/media/%20", "/media"):
        assert (await client.get(path)).status == 404
    answer = await client.post("/api/v1/links/login", json={"secret": ""})
    assert answer.status in {404, 422}


async def test_an_empty_csrf_token_never_matches(trapped: House) -> None:
    login = Login(viewer=None, session_id="s", csrf="")  # type: ignore[arg-type]
    assert not login.csrf_matches("")
