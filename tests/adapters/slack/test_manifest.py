"""The manifest: cheap to read, strict about its configuration."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from hub.adapters.slack import MANIFEST, SlackConfig
from hub.model.channel import Channel, ChannelContext, RawRequest
from hub.model.errors import SignatureRejected
from hub.model.ids import ChannelId
from tests.adapters.scripted_http import ScriptedHttp
from tests.adapters.slack.harness import CONFIG, sign


def build(**overrides: object) -> Channel:
    config = SlackConfig.model_validate({**CONFIG, **overrides})
    context = ChannelContext(ChannelId("CH"), "https://hub.example/in/CH", ScriptedHttp(), b"k")
    return MANIFEST.build(config, context)


def test_reading_the_manifest_imports_no_sdk() -> None:
    code = (
        "import sys, hub.adapters.slack as s; assert s.MANIFEST.kind == 'slack';"
        "assert not [m for m in sys.modules if m.startswith(('slack_', 'aiohttp'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bot_token": " "},
        {"signing_secret": ""},
        {"mode": "socket", "app_token": ""},
        {"mode": "carrier pigeon"},
        {"team_id": "not a team"},
        {"api_base": "ftp://slack.example"},
        {"api_base": "https://user:pass@slack.example"},
        {"surplus": 1},
    ],
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SlackConfig.model_validate({**CONFIG, **wrong})


def test_the_api_base_ends_with_a_slash() -> None:
    config = SlackConfig.model_validate({**CONFIG, "api_base": "http://127.0.0.1:9/api"})
    assert config.api_base == "http://127.0.0.1:9/api/"
    assert config.origin() == ("http", "127.0.0.1", 9)


def test_only_a_socket_channel_takes_what_says_it_came_by_socket() -> None:
    request = RawRequest(
        method="SOCKET",
        url="",
        path="",
        query="",
        headers={},
        body=b'{"type": "event_callback"}',
        received_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    build(mode="socket").verify(request)
    with pytest.raises(SignatureRejected):
        build().verify(request)
    with pytest.raises(SignatureRejected):
        build(mode="socket", signing_secret="").verify(sign(replace(request, method="POST")))
    build().verify(sign(replace(request, method="POST")))
