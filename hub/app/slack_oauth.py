"""Slack's OAuth as the API takes it: the adapter's functions over the guarded port."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from hub.adapters.kit.http import HttpPool
from hub.adapters.kit.target import host_port
from hub.api.slack_install import CALLBACK, Begun, Granted, SlackApp
from hub.services.deps import Deps

if TYPE_CHECKING:
    from hub.adapters.slack.oauth import OAuthApp


class SlackInstaller:
    """`hub.api.slack_install.SlackOAuth` for one process."""

    def __init__(self, deps: Deps, pool: HttpPool) -> None:
        self._deps = deps
        self._pool = pool

    async def begin(self, app: SlackApp, scopes: tuple[str, ...], binding: str) -> Begun:
        """Make the URL and the state it carries."""
        await _load_sdk()
        from hub.adapters.slack.oauth import BOT_SCOPES, authorize_url

        url = authorize_url(
            self._app(app),
            mac_key=self._key(),
            binding=binding,
            now=self._deps.clock.now(),
            scopes=scopes or BOT_SCOPES,
        )
        return Begun(url, parse_qs(urlsplit(url).query)["state"][0])

    async def check(self, state: str, binding: str) -> None:
        """Raise BadInput unless the state is ours, of this session and in time."""
        await _load_sdk()
        from hub.adapters.slack.oauth import check_state

        check_state(state, mac_key=self._key(), binding=binding, now=self._deps.clock.now())

    async def exchange(self, app: SlackApp, code: str) -> Granted:
        """Turn the code into an installation. Raises SendError."""
        await _load_sdk()
        from hub.adapters.slack.oauth import exchange_code

        oauth = self._app(app)
        # The API base is the administrator's own word: the only address reached unguarded.
        port = self._pool.port(frozenset({host_port(oauth.api_base)}))
        found = await exchange_code(oauth, code, port)
        return Granted(found.team_id, found.bot_user_id, found.bot_token)

    def _app(self, app: SlackApp) -> "OAuthApp":
        from hub.adapters.slack.config import SLACK_API
        from hub.adapters.slack.oauth import OAuthApp

        base = app.api_base or SLACK_API
        return OAuthApp(
            client_id=app.client_id,
            client_secret=app.client_secret,
            redirect_uri=self._deps.public_url.rstrip("/") + CALLBACK,
            api_base=base if base.endswith("/") else base + "/",
        )

    def _key(self) -> bytes:
        return self._deps.keyring.derive("slack-oauth-state")


async def _load_sdk() -> None:
    """Import Slack's SDK off the loop; it takes a second the first time."""
    await asyncio.to_thread(import_module, "hub.adapters.slack.oauth")
