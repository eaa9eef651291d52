"""Installing a Slack app through a hub's real routes, over HTTP, against the simulated Slack."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import CookieJar, web

from hub.app.build import House, opened, prepare_database
from hub.app.first_start import furnish
from hub.app.rooms import make_app
from hub.demo.sim_slack import Fault, SlackSim
from hub.model.clock import utc_now
from hub.model.visibility import Role
from hub.services import people, sessions
from hub.settings import Settings
from hub.store.queries.rows import dicts
from hub.store.statement import stmt
from hub.store.tables import Channel, Event, Setting, table
from tests.servers import free_port

BOT_TOKEN, SIGNING, CLIENT_SECRET = "xoxb-bot-made-up", "signing-made-up", "client-made-up"
CLIENT_ID = "111.222"
PASSWORD = "correct horse 7"


class Watch:
    """A clock a test can put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return utc_now() + self.ahead


class Browser:
    """An administrator's, with its own cookies; it does not follow redirects by itself."""

    def __init__(self, town: "Town") -> None:
        self.town = town
        self.session = aiohttp.ClientSession(cookie_jar=CookieJar(unsafe=True))
        self.csrf = ""

    async def post(self, path: str, body: dict[str, object]) -> tuple[int, Any]:
        headers = {"Origin": self.town.url, "X-CSRF-Token": self.csrf}
        url = f"{self.town.url}/api/v1{path}"
        async with self.session.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def log_in(self, name: str, *roles: Role) -> "Browser":
        deps = self.town.house.deps
        fields = people.AgentFields(f"{name}@hub.test", name, roles=frozenset(roles))
        row = await people.create_agent(deps, fields, actor="test")
        link = await sessions.make_link(deps, row["id"], sessions.SET_PASSWORD)
        await sessions.use_password_link(deps, link.partition("#")[2], PASSWORD, ip="test")
        body: dict[str, object] = {"email": fields.email, "password": PASSWORD}
        status, told = await self.post("/session", body)
        assert status == 201
        self.csrf = told["csrf"]
        return self

    async def begin(self, **more: object) -> str:
        """Begin an installation; return where the browser is sent."""
        body: dict[str, object] = {
            "name": "Partners", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "signing_secret": SIGNING, "api_base": self.town.slack.api_base, **more,
        }  # fmt: skip
        status, told = await self.post("/channels/slack/install", body)
        assert status == 200, told
        return str(told["authorize_url"])

    async def to(self, url: str) -> str:
        """Go somewhere; return where that sends the browser."""
        async with self.session.get(url, allow_redirects=False) as answer:
            assert answer.status in (302, 303), await answer.text()
            location = answer.headers["Location"]
        assert CLIENT_SECRET not in location
        assert BOT_TOKEN not in location
        return location

    async def come_back(self, url: str) -> dict[str, str]:
        """Go to the callback; return what the result's address says."""
        path = await self.to(url)
        where = urlsplit(path)
        assert where.path == "/oauth/slack/result"
        return {name: values[0] for name, values in parse_qs(where.query).items()}


class Town:
    """A hub on a port, and the Slack it talks to."""

    def __init__(self, house: House, slack: SlackSim, url: str) -> None:
        self.house, self.slack, self.url = house, slack, url
        self.clock = Watch()
        house.deps.clock = self.clock
        self.browsers: list[Browser] = []

    async def person(self, name: str, *roles: Role) -> Browser:
        self.browsers.append(Browser(self))
        return await self.browsers[-1].log_in(name, *roles)

    async def rows(self, model: Any) -> list[dict[str, Any]]:
        return await self.house.deps.db.read(lambda tx: dicts(tx, stmt(table(model).select())))

    async def waiting(self) -> list[str]:
        rows = await self.rows(Setting)
        return [row["value"] for row in rows if row["name"].startswith("install:")]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        data_dir=tmp_path,
        port=port,
        public_url=url,
        secret_key=("k" * 40,),  # type: ignore[arg-type]
    )
    prepare_database(settings)
    slack = SlackSim(
        signing_secret=SIGNING, bot_token=BOT_TOKEN, client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
    )  # fmt: skip
    await slack.start()
    async with opened(settings) as house:
        await furnish(house)
        runner = web.AppRunner(make_app(house), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        made = Town(house, slack, url)
        yield made
        for browser in made.browsers:
            await browser.session.close()
        await runner.cleanup()
    await slack.stop()


@pytest.fixture
async def boss(town: Town) -> Browser:
    return await town.person("boss", Role.ADMINISTRATOR)


async def test_an_installation_becomes_a_channel_that_works(
    town: Town, boss: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    away = await boss.begin(scopes=["chat:write", "im:history"])
    assert parse_qs(urlsplit(away).query)["scope"] == ["chat:write,im:history"]
    [sealed] = await town.waiting()
    assert CLIENT_SECRET not in sealed
    back = await boss.to(away)
    assert back.startswith(f"{town.url}/oauth/slack/callback?")
    found = await boss.come_back(back)
    assert set(found) == {"channel"}
    async with boss.session.get(f"{town.url}/api/v1/channels/{found['channel']}") as answer:
        shown = await answer.json()
    assert (shown["kind"], shown["name"], shown["state"]) == ("slack", "Partners", "active")
    assert shown["config"]["team_id"] == town.slack.workspace.team_id
    assert shown["config"]["bot_user_id"] == town.slack.workspace.bot_user_id
    kept = str(await town.rows(Channel)) + str(await town.rows(Event)) + str(shown) + caplog.text
    assert not [one for one in (BOT_TOKEN, SIGNING, CLIENT_SECRET) if one in kept]
    assert await town.waiting() == []
    async with boss.session.get(f"{town.url}/oauth/slack/result", params=found) as answer:
        page = await answer.text()
    assert 'lang="en"' in page
    assert 'lang="zh-CN"' in page
    assert shown["webhook_url"] in page
    # A state serves once; the same bot again is the same channel with new credentials.
    assert await boss.come_back(back) == {"code": "oauth_state_used"}
    again = await boss.come_back(await boss.to(await boss.begin(name="Other")))
    assert again == found
    assert len(await town.rows(Channel)) == 1


async def test_a_forged_or_foreign_state_calls_nobody(town: Town, boss: Browser) -> None:
    back = await boss.to(await boss.begin())
    other = await town.person("lena", Role.ADMINISTRATOR)
    agent = await town.person("mia", Role.AGENT)
    nobody = Browser(town)
    town.browsers.append(nobody)
    forged = re.sub(r"state=(\d+)", lambda found: f"state={int(found[1]) + 9}", back)
    assert await boss.come_back(forged) == {"code": "oauth_state_invalid"}
    assert await boss.come_back(f"{town.url}/oauth/slack/callback") == {
        "code": "oauth_state_invalid"
    }
    assert await other.come_back(back) == {"code": "oauth_state_invalid"}
    assert await agent.come_back(back) == {"code": "not_allowed"}
    assert await nobody.come_back(back) == {"code": "not_authenticated"}
    assert town.slack.api.calls == []
    # None of them used it up.
    assert "channel" in await boss.come_back(back)


async def test_a_late_return_is_told_so(town: Town, boss: Browser) -> None:
    back = await boss.to(await boss.begin())
    town.clock.ahead = timedelta(minutes=11)
    assert await boss.come_back(back) == {"code": "oauth_state_expired"}
    assert town.slack.api.calls == []
    town.clock.ahead = timedelta(minutes=16)
    await boss.begin()
    assert len(await town.waiting()) == 1  # the one nobody came back for is gone


async def test_what_slack_refuses_saves_nothing(town: Town, boss: Browser) -> None:
    state = parse_qs(urlsplit(await boss.begin()).query)["state"][0]
    refused = f"{town.url}/oauth/slack/callback?error=access_denied&state={state}"
    assert await boss.come_back(refused) == {"code": "access_denied"}
    assert await town.waiting() == []
    back = await boss.to(await boss.begin(client_secret="another-secret"))
    assert (await boss.come_back(back))["code"]
    assert await town.rows(Channel) == []
    hostile = {"channel": "<script>", "code": "<script>"}
    async with boss.session.get(f"{town.url}/oauth/slack/result", params=hostile) as answer:
        assert "<script>" not in await answer.text()


async def test_a_token_that_does_not_work_is_kept_and_shown(town: Town, boss: Browser) -> None:
    back = await boss.to(await boss.begin())
    town.slack.fail("auth.test", Fault(error="account_inactive"))
    found = await boss.come_back(back)
    [row] = await town.rows(Channel)
    assert (row["id"], row["state"]) == (found["channel"], "needs_auth")
    assert row["state_reason"] == found["code"]


async def test_wrong_fields_are_said_before_slack_is_seen(town: Town, boss: Browser) -> None:
    wish: dict[str, object] = {"name": "x", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    for more in ({}, {"signing_secret": SIGNING, "api_base": "ftp://x"},
                 {"signing_secret": SIGNING, "api_base": "http://x:99999"}):  # fmt: skip
        status, problem = await boss.post("/channels/slack/install", {**wish, **more})
        assert (status, problem["code"]) == (400, "channel_config_invalid")
    agent = await town.person("mia", Role.AGENT)
    status, _ = await agent.post("/channels/slack/install", {**wish, "signing_secret": SIGNING})
    assert status == 403
    assert await town.waiting() == []
