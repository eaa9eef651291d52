"""A saved channel has its network call us; where that fails it stays saved and says why."""

from collections.abc import AsyncIterator

import pytest

from hub import adapters
from hub.adapters.kit.http import HttpPool
from hub.api import channels, session
from hub.app.build import _facts, trusted_hosts
from hub.demo.sim_telegram import TOKEN, TelegramSim
from hub.ingress.live_channels import LiveChannels
from hub.model.visibility import Role
from tests.api.conftest import PUBLIC_URL, House, Person, make_person

ROOMS = [session.ROUTES, channels.ROUTES]
SECRET = "a-secret-of-the-webhook"


@pytest.fixture
async def sim(seeded: House) -> AsyncIterator[TelegramSim]:
    telegram = TelegramSim()
    await telegram.start()
    pool = HttpPool()
    manifests = {kind: adapters.manifest(kind) for kind in ("telegram", "webchat")}
    seeded.deps.kinds = {kind: _facts(one) for kind, one in manifests.items()}
    seeded.channels = LiveChannels(
        manifests, lambda config: pool.port(trusted_hosts(config)), lambda id: b"k" * 32, PUBLIC_URL
    )
    yield telegram
    await pool.close()
    await telegram.stop()


@pytest.fixture
async def boss(seeded: House, sim: TelegramSim) -> Person:
    return await make_person(seeded, "boss", Role.ADMINISTRATOR, rooms=ROOMS)


def wish(sim: TelegramSim) -> dict[str, object]:
    config = {"bot_token": TOKEN, "secret_token": SECRET, "api_base": sim.api_base}
    return {"kind": "telegram", "name": "Bot", "config": config}


async def test_a_new_channel_is_called_with_its_secret(boss: Person, sim: TelegramSim) -> None:
    made = await boss.ok("POST", "/channels", wish(sim))
    assert (made["state"], made["version"]) == ("active", 1)
    assert (sim.feed.url, sim.feed.secret) == (made["webhook_url"], SECRET)
    polling = {**made["config"], "mode": "polling"}
    path = f"/channels/{made['id']}"
    changed = await boss.ok("PATCH", path, {"config": polling}, if_match="1")
    assert (changed["state"], sim.feed.url) == ("active", "")


async def test_a_failure_is_shown_and_can_be_tried_again(boss: Person, sim: TelegramSim) -> None:
    sim.fail_next(500, method="setWebhook")
    made = await boss.ok("POST", "/channels", wish(sim))
    assert made["state"] == "broken"
    assert made["state_reason"]
    path = f"/channels/{made['id']}"
    sim.fail_next(401, method="setWebhook")
    refused = await boss.call("POST", f"{path}/subscribe")
    problem = await refused.json()
    assert (refused.status, problem["code"]) == (400, "channel_subscribe_failed")
    shown = await boss.ok("GET", path)
    assert shown["state"] == "needs_auth"
    assert problem["params"]["reason"] == shown["state_reason"]
    again = await boss.ok("POST", f"{path}/subscribe")
    assert (again["state"], again["state_reason"]) == ("active", "")
    assert sim.feed.secret == SECRET


async def test_saving_tries_again_and_paused_channels_are_left_alone(
    boss: Person, sim: TelegramSim
) -> None:
    sim.fail_next(500, method="setWebhook", times=2)
    made = await boss.ok("POST", "/channels", wish(sim))
    path = f"/channels/{made['id']}"
    still = await boss.ok("PATCH", path, {"name": "Bot 2"}, if_match=str(made["version"]))
    assert (still["state"], still["state_reason"]) == ("broken", made["state_reason"])
    saved = await boss.ok("PATCH", path, {"name": "Bot 3"}, if_match=str(still["version"]))
    assert (saved["state"], saved["state_reason"]) == ("active", "")
    paused = await boss.ok("PATCH", path, {"state": "paused"}, if_match=str(saved["version"]))
    sim.feed.set_webhook("", "", 1)
    refused = await boss.call("POST", f"{path}/subscribe")
    assert (refused.status, (await refused.json())["code"]) == (409, "channel_paused")
    assert sim.feed.url == ""
    resumed = {"state": "active"}
    await boss.ok("PATCH", path, resumed, if_match=str(paused["version"]))
    assert sim.feed.url == made["webhook_url"]


async def test_other_kinds_have_nobody_to_tell(boss: Person) -> None:
    chat = {"kind": "webchat", "name": "Shop", "config": {"title": "Help"}}
    made = await boss.ok("POST", "/channels", chat)
    refused = await boss.call("POST", f"/channels/{made['id']}/subscribe")
    assert (refused.status, (await refused.json())["code"]) == (404, "subscribe_not_supported")
