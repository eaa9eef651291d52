"""Channels over the API: validated, tried, paused; secrets never come out."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import BaseModel, SecretStr

from hub import adapters
from hub.adapters.kit.http import HttpPool
from hub.api import channels, rules, session
from hub.api.channel_secrets import VEIL, merged, veiled
from hub.app.build import _facts, trusted_hosts
from hub.ingress.live_channels import LiveChannels
from hub.model.visibility import Role
from hub.services.rule_sets import install_defaults, read_defaults
from hub.store.queries.rows import dicts
from hub.store.statement import stmt
from hub.store.tables import Channel, ClientRequest, Event, table
from tests.api.conftest import PUBLIC_URL, House, make_person
from tests.conftest import ROOT

ROOMS = [session.ROUTES, channels.ROUTES, rules.ROUTES]
TOKEN = "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
async def telegram(seeded: House) -> AsyncIterator[str]:
    """A Bot API that knows one token; the house has the kind."""

    async def get_me(request: web.Request) -> web.Response:
        if TOKEN not in request.path:
            return web.json_response(
                {"ok": False, "error_code": 401, "description": "no"}, status=401
            )
        me = {"id": 1, "is_bot": True, "first_name": "Hub", "username": "hub_bot"}
        return web.json_response({"ok": True, "result": me})

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", get_me)
    server = TestServer(app)
    await server.start_server()
    pool = HttpPool()
    manifests = {"telegram": adapters.manifest("telegram")}
    seeded.deps.kinds = {kind: _facts(one) for kind, one in manifests.items()}
    seeded.channels = LiveChannels(
        manifests, lambda config: pool.port(trusted_hosts(config)), lambda id: b"k" * 32, PUBLIC_URL
    )
    yield str(server.make_url("/")).rstrip("/")
    await pool.close()
    await server.close()


@pytest.fixture
async def boss(seeded, telegram):
    return await make_person(seeded, "boss", Role.ADMINISTRATOR, rooms=ROOMS)


def wish(telegram: str, **config: object) -> dict[str, object]:
    full = {"bot_token": TOKEN, "api_base": telegram, "mode": "polling", **config}
    return {"kind": "telegram", "name": "Bot", "config": full}


async def everything_kept(house: House) -> str:
    def unit(tx):
        return [dicts(tx, stmt(table(one).select())) for one in (Channel, ClientRequest, Event)]

    return str(await house.deps.db.read(unit))


async def test_a_channel_is_tried_before_it_is_saved(seeded, boss, telegram):
    kinds = await boss.ok("GET", "/channel-kinds")
    assert kinds["items"][0]["kind"] == "telegram"
    assert "bot_token" in kinds["items"][0]["config_schema"]["properties"]
    wrong = wish(telegram, bot_token=TOKEN[:-1] + "B")
    refused = await boss.call("POST", "/channels", wrong)
    assert (refused.status, (await refused.json())["code"]) == (400, "channel_probe_failed")
    unknown = await boss.call("POST", "/channels", {**wish(telegram), "kind": "fax"})
    assert (await unknown.json())["code"] == "channel_kind_unknown"
    odd = await boss.call("POST", "/channels", wish(telegram, surprise=1))
    assert (await odd.json())["code"] == "channel_config_invalid"
    assert (await boss.ok("GET", "/channels"))["items"] == []
    made = await boss.ok("POST", "/channels", wish(telegram))
    assert made["config"]["bot_token"] == VEIL
    assert made["webhook_url"] == f"{PUBLIC_URL}/in/{made['id']}"
    probe = await boss.ok("POST", f"/channels/{made['id']}/probe")
    assert probe["ok"] is True
    assert TOKEN not in str(made) + str(probe) + await everything_kept(seeded)


async def test_a_change_keeps_the_secrets_it_does_not_name(boss, telegram):
    made = await boss.ok("POST", "/channels", wish(telegram))
    path = f"/channels/{made['id']}"
    paused = await boss.ok("PATCH", path, {"state": "paused", "name": "Night"}, if_match="1")
    assert (paused["state"], paused["name"]) == ("paused", "Night")
    again = await boss.ok("PATCH", path, {"config": paused["config"]}, if_match="2")
    assert (await boss.ok("POST", f"{path}/probe"))["ok"] is True
    assert (await boss.call("PATCH", path, {"name": "x"}, if_match="2")).status == 412
    for mass in ({"id": "x"}, {"kind": "slack"}, {"state": "broken"}, {"version": 1}):
        assert (await boss.call("PATCH", path, mass, if_match="3")).status == 422
    assert again["version"] == 3


async def test_agents_see_channels_without_configuration(seeded, boss, telegram):
    made = await boss.ok("POST", "/channels", wish(telegram))
    mia = await make_person(seeded, "mia", rooms=ROOMS)
    seen = (await mia.ok("GET", "/channels"))["items"][0]
    assert "config" not in seen
    assert seen["capabilities"]["max_text_chars"] > 0
    for method, path in (("GET", f"/channels/{made['id']}"), ("GET", "/channel-kinds"),
                         ("POST", f"/channels/{made['id']}/probe"), ("GET", "/rules")):  # fmt: skip
        assert (await mia.call(method, path)).status == 403


def test_nested_and_unknown_secrets_are_veiled():
    class Inner(BaseModel):
        password: SecretStr | None = None
        host: str = ""

    class Outer(BaseModel):
        imap: Inner | None = None
        key: SecretStr = SecretStr("")

    saved = {"imap": {"password": "p", "host": "h"}, "key": "", "left_over": "s"}
    shown = veiled(Outer, saved)  # type: ignore[arg-type]
    assert shown == {"imap": {"password": VEIL, "host": "h"}, "key": "", "left_over": VEIL}
    text = merged(b'{"imap":{"password":"p"}}', {"imap": {"password": VEIL, "host": "n"}})
    assert text == b'{"imap":{"password":"p","host":"n"}}'


async def test_rules_are_checked_saved_published_and_taken_back(seeded, boss):
    await install_defaults(seeded.deps, read_defaults(ROOT / "config"))
    shipped = (await boss.ok("GET", "/rules"))["items"][0]
    assert shipped["state"] == "published"
    tree = shipped["tree"]
    assert (await boss.ok("POST", "/rules/check", {"tree": tree}))["problems"] == []
    assert (await boss.ok("POST", "/rules/check", {"tree": {"rules": []}}))["problems"]
    refused = await boss.call("POST", "/rules", {"tree": {"rules": [{"when": 1}]}})
    problem = await refused.json()
    assert (refused.status, problem["code"]) == (422, "rules_invalid")
    assert problem["errors"]
    draft = await boss.ok("POST", "/rules", {"tree": tree, "note": "try"})
    assert draft["state"] == "draft"
    live = await boss.ok("POST", f"/rules/{draft['number']}/publish", {})
    assert live["state"] == "published"
    back = await boss.ok("POST", f"/rules/{shipped['number']}/rollback", {"replan": True})
    assert back["number"] > draft["number"]
    assert (await boss.call("POST", "/rules/99/publish", {})).status == 404
