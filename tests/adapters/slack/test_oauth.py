"""Installing by OAuth against the simulator; the state that keeps strangers out."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from pydantic import SecretStr

from hub.adapters.slack.oauth import (
    STATE_LIFE,
    Installation,
    OAuthApp,
    authorize_url,
    check_state,
    exchange_code,
    install,
)
from hub.demo.sim_slack import SlackSim
from hub.model.channel import ChannelContext
from hub.model.errors import BadInput, SendError
from tests.adapters.slack.harness import BOT_TOKEN

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
REDIRECT = "https://hub.example/oauth/slack"
SESSION = "browser-session-1"


class Kept:
    def __init__(self) -> None:
        self.installations: list[Installation] = []

    async def save(self, installation: Installation) -> None:
        self.installations.append(installation)


@pytest.fixture
def app(sim: SlackSim) -> OAuthApp:
    secret = SecretStr("made-up-client-secret")
    return OAuthApp("111.222", secret, REDIRECT, api_base=sim.api_base)


async def consent(url: str) -> tuple[str, str]:
    """Press Allow; return code and state of the redirect."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, allow_redirects=False) as response,
    ):
        assert response.status == 302
        location = response.headers["Location"]
    assert location.startswith(REDIRECT)
    query = parse_qs(urlsplit(location).query)
    return query["code"][0], query["state"][0]


async def test_an_installation(sim: SlackSim, app: OAuthApp, context: ChannelContext) -> None:
    key = context.mac_key
    url = authorize_url(app, mac_key=key, binding=SESSION, now=NOW)
    code, state = await consent(url)
    kept = Kept()
    found = await install(
        app,
        code=code,
        state=state,
        mac_key=key,
        binding=SESSION,
        now=NOW + timedelta(minutes=1),
        http=context.http,
        store=kept,
    )
    assert kept.installations == [found]
    assert (found.team_id, found.bot_user_id) == ("T0DEMO001", "U0HUBBOT1")
    assert found.bot_token.get_secret_value() == BOT_TOKEN
    assert BOT_TOKEN not in repr(found)
    with pytest.raises(SendError) as caught:
        await exchange_code(app, code, context.http)
    assert caught.value.provider_code == "invalid_code"


async def test_a_wrong_secret_is_said(app: OAuthApp, context: ChannelContext) -> None:
    wrong = OAuthApp(app.client_id, SecretStr("wrong"), REDIRECT, app.api_base)
    with pytest.raises(SendError) as caught:
        await exchange_code(wrong, "any", context.http)
    assert caught.value.provider_code == "bad_client_secret"


def test_the_state_is_ours_of_this_session_and_fresh() -> None:
    app = OAuthApp("1.2", SecretStr("s"), REDIRECT)
    url = authorize_url(app, mac_key=b"k", binding=SESSION, now=NOW)
    assert url.startswith("https://slack.com/oauth/v2/authorize?")
    state = parse_qs(urlsplit(url).query)["state"][0]
    assert SESSION not in url
    check_state(state, mac_key=b"k", binding=SESSION, now=NOW + STATE_LIFE)
    late = NOW + STATE_LIFE + timedelta(seconds=1)
    for text, key, binding, now, code in (
        (state, b"k", SESSION, late, "oauth_state_expired"),
        (state, b"other", SESSION, NOW, "oauth_state_invalid"),
        (state, b"k", "another", NOW, "oauth_state_invalid"),
        ("9" + state, b"k", SESSION, NOW, "oauth_state_invalid"),
        (state[:-1], b"k", SESSION, NOW, "oauth_state_invalid"),
        ("", b"k", SESSION, NOW, "oauth_state_invalid"),
        ("a.b.é", b"k", SESSION, NOW, "oauth_state_invalid"),
        ("1." * 400, b"k", SESSION, NOW, "oauth_state_invalid"),
    ):
        with pytest.raises(BadInput) as caught:
            check_state(text, mac_key=key, binding=binding, now=now)
        assert caught.value.code == code


async def test_a_foreign_state_calls_nobody(sim: SlackSim, app: OAuthApp) -> None:
    kept = Kept()

    class Nobody:
        async def request(self, *args: object, **kwargs: object) -> None:
            raise AssertionError("called")

    with pytest.raises(BadInput):
        await install(
            app,
            code="x",
            state="1.2.3",
            mac_key=b"k",
            binding=SESSION,
            now=NOW,
            http=Nobody(),  # type: ignore[arg-type]
            store=kept,
        )
    assert kept.installations == []
