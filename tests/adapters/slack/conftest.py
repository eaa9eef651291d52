"""A simulated workspace, a channel that knows it, and the real outbound port between them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hub.adapters.kit.http import HttpPool
from hub.adapters.slack import MANIFEST, SlackConfig
from hub.adapters.slack.adapter import SlackChannel
from hub.demo.sim_slack import SlackSim
from hub.model.channel import ChannelContext
from hub.model.ids import ChannelId
from tests.adapters.slack.harness import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET

CONTRACT = Path(__file__).parents[4] / "shared" / "contracts" / "slack_web_api.json"


@pytest.fixture
async def sim() -> AsyncIterator[SlackSim]:
    contract = json.loads(CONTRACT.read_text("utf-8")) if CONTRACT.is_file() else None
    made = SlackSim(
        signing_secret=SIGNING_SECRET,
        bot_token=BOT_TOKEN,
        app_token=APP_TOKEN,
        client_id="111.222",
        client_secret="made-up-client-secret",
        contract=contract,
    )
    made.delivery.retry_delays_s = (0.0, 0.01, 0.02)
    await made.start()
    yield made
    await made.stop()
    assert made.api.violations == []


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    made = HttpPool()
    yield made
    await made.close()


@pytest.fixture
def context(sim: SlackSim, pool: HttpPool) -> ChannelContext:
    trusted = frozenset({urlsplit(sim.base_url).netloc})
    return ChannelContext(
        channel_id=ChannelId("CH"),
        webhook_url="https://hub.example/in/CH",
        http=pool.port(trusted),
        mac_key=b"k" * 32,
    )


@pytest.fixture
def config(sim: SlackSim) -> SlackConfig:
    return SlackConfig.model_validate(
        {
            "bot_token": BOT_TOKEN,
            "signing_secret": SIGNING_SECRET,
            "team_id": sim.workspace.team_id,
            "bot_user_id": sim.workspace.bot_user_id,
            "api_base": sim.api_base,
        }
    )


@pytest.fixture
def channel(config: SlackConfig, context: ChannelContext) -> SlackChannel:
    built = MANIFEST.build(config, context)
    assert isinstance(built, SlackChannel)
    return built
