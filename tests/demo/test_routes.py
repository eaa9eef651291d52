"""The demo's way in exists only with the mark; the first page runs nothing that is not its own."""

import re

import pytest

from hub.api import demo, first, session
from hub.services import organisation, people
from hub.services.people import AgentFields
from tests.api.conftest import House, house, sqlite_template

__all__ = ["house", "sqlite_template"]


async def _person(house: House, *, marked: bool) -> str:
    await organisation.seed(house.deps, demo=marked)
    fields = AgentFields("emma@demo.example", "Emma")
    return str((await people.create_agent(house.deps, fields, actor="test"))["id"])


@pytest.mark.parametrize("served", [True, False])
async def test_without_the_mark_the_routes_do_not_exist(house: House, served: bool) -> None:
    agent_id = await _person(house, marked=False)
    client = await house.serve((demo.ROUTES,) if served else ())
    assert (await client.get("/api/v1/demo/people")).status == 404
    wish = {"agent_id": agent_id}
    assert (await client.post("/api/v1/demo/login-links", json=wish)).status == 404


async def test_even_with_the_mark_they_need_the_demo_process(house: House) -> None:
    await _person(house, marked=True)
    client = await house.serve()
    assert (await client.get("/api/v1/demo/people")).status == 404


async def test_a_link_logs_in_once(house: House) -> None:
    agent_id = await _person(house, marked=True)
    client = await house.serve((demo.ROUTES, session.ROUTES))
    listed = await (await client.get("/api/v1/demo/people")).json()
    assert [one["id"] for one in listed["items"]] == [agent_id]
    assert set(listed["items"][0]) == {"id", "name", "roles", "language"}
    wish = {"agent_id": agent_id}
    foreign = {"Origin": "https://elsewhere.example"}
    refused = await client.post("/api/v1/demo/login-links", json=wish, headers=foreign)
    assert refused.status == 403
    made = await (await client.post("/api/v1/demo/login-links", json=wish)).json()
    secret = made["url"].partition("#")[2]
    used = await client.post("/api/v1/links/login", json={"secret": secret})
    assert used.status == 201
    assert (await used.json())["agent"]["id"] == agent_id
    client.session.cookie_jar.clear()
    assert (await client.post("/api/v1/links/login", json={"secret": secret})).status == 404


async def test_the_first_page_runs_only_its_own_files(house: House) -> None:
    client = await house.serve((), (first.add_first,))
    root = await client.get("/", allow_redirects=False)
    assert root.headers["Location"] == "/first"
    page = await client.get("/first?frame=widget")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    text = await page.text()
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|https?://", text)
    for path, kind in (("/first/first.js", "text/javascript"), ("/first/first.css", "text/css")):
        file = await client.get(path)
        assert file.content_type == kind
        assert path in text
    assert await (await client.get("/first/channels")).json() == {"items": []}


def test_both_languages_have_every_word() -> None:
    script = (first.FOLDER / "first.js").read_text(encoding="utf-8")
    english, chinese = script.split('"zh-CN": {', 1)
    chinese = chinese.split("const store", 1)[0]
    english = english.split("const WORDS", 1)[1]
    words = [set(re.findall(r"[{,]\s*(\w+):(?= [\"{])", part)) for part in (english, "{" + chinese)]
    assert words[0] - {"en"} == words[1]
    page = (first.FOLDER / "index.html").read_text(encoding="utf-8")
    used = set(re.findall(r'data-(?:t|label|hint)="(\w+)"', page))
    assert used <= words[0]
