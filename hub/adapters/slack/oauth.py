"""Installing the app into a workspace with a click: OAuth v2.

    authorize_url(app, …)            where the administrator's browser is sent
    check_state(state, …)            the browser came back: is it the one we sent, and in time?
    exchange_code(app, code, http)   the code becomes an installation
    install(…, store)                the last two and the store, in this order

`state` is signed with the channel's MAC key, names the browser session it belongs to and expires,
so nobody can make an administrator finish an installation somebody else began. A code works once;
Slack sees to that. Nothing is stored here: the store is handed in.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlencode, urljoin

from pydantic import BaseModel, ConfigDict, SecretStr

from hub.adapters.slack.client import PortWebClient, call
from hub.adapters.slack.config import SLACK_API
from hub.model.channel import HttpPort
from hub.model.errors import BadInput, SendError

BOT_SCOPES = (
    "app_mentions:read",
    "channels:history",
    "chat:write",
    "files:read",
    "files:write",
    "groups:history",
    "im:history",
    "im:write",
    "mpim:history",
)
"""What the adapter uses; `chat:write.customize` is added for agents' names."""

STATE_LIFE = timedelta(minutes=10)
_MAX_STATE = 500


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """The Slack app that is installed. `redirect_uri` must be registered with it."""

    client_id: str
    client_secret: SecretStr
    redirect_uri: str
    api_base: str = SLACK_API


class Installation(BaseModel):
    """What an installation gave: enough for a `SlackConfig`."""

    model_config = ConfigDict(frozen=True)

    team_id: str
    team_name: str
    app_id: str
    bot_user_id: str
    bot_token: SecretStr
    scopes: tuple[str, ...]
    installed_by: str = ""


class InstallationStore(Protocol):
    """Where installations are kept; the hub's admin service is one."""

    async def save(self, installation: Installation) -> None:
        """Keep the installation, in place of an older one of the same workspace."""
        ...


class _Team(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    name: str = ""


class _Person(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = ""


class _Access(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    access_token: SecretStr | None = None
    token_type: str = ""
    scope: str = ""
    bot_user_id: str = ""
    app_id: str = ""
    team: _Team | None = None
    authed_user: _Person | None = None


def authorize_url(
    app: OAuthApp,
    *,
    mac_key: bytes,
    binding: str,
    now: datetime,
    scopes: tuple[str, ...] = BOT_SCOPES,
) -> str:
    """Return where to send the administrator's browser.

    Args:
        app: the app to install.
        mac_key: of the channel; signs the state.
        binding: what only this browser session knows (e.g. the session's id); never sent.
        now: aware instant; the state lives ten minutes from it.
        scopes: the bot scopes to ask for.
    """
    expires = str(int((now + STATE_LIFE).timestamp()))
    nonce = secrets.token_urlsafe(16)
    state = f"{expires}.{nonce}.{_mac(mac_key, expires, nonce, binding)}"
    query = {
        "client_id": app.client_id,
        "scope": ",".join(scopes),
        "redirect_uri": app.redirect_uri,
        "state": state,
    }
    return f"{urljoin(app.api_base, '/oauth/v2/authorize')}?{urlencode(query)}"


def check_state(state: str, *, mac_key: bytes, binding: str, now: datetime) -> None:
    """Raise BadInput (`oauth_state_invalid`, `oauth_state_expired`) unless the state is ours."""
    parts = state.split(".") if len(state) <= _MAX_STATE and state.isascii() else []
    if len(parts) != 3:
        raise BadInput("oauth_state_invalid")
    expires, nonce, mac = parts
    # The MAC first: only what we signed is a number.
    if not hmac.compare_digest(mac, _mac(mac_key, expires, nonce, binding)):
        raise BadInput("oauth_state_invalid")
    if now.timestamp() > int(expires):
        raise BadInput("oauth_state_expired")


async def exchange_code(app: OAuthApp, code: str, http: HttpPort) -> Installation:
    """Turn the code of the redirect into an installation.

    Raises:
        SendError: Slack refused (`provider_code` says why: invalid_code, bad_redirect_uri …), could
            not be reached, or gave no bot of one workspace (`not_a_workspace_bot`).
    """
    client = PortWebClient(http, base_url=app.api_base, token=None)
    fields = {"code": code, "redirect_uri": app.redirect_uri}
    auth = (app.client_id, app.client_secret.get_secret_value())
    found = await call(client, "oauth.v2.access", fields, _Access, visible=False, auth=auth)
    if found.access_token is None or found.token_type != "bot" or found.team is None:  # noqa: S105
        raise SendError("not_a_workspace_bot")
    return Installation(
        team_id=found.team.id,
        team_name=found.team.name,
        app_id=found.app_id,
        bot_user_id=found.bot_user_id,
        bot_token=found.access_token,
        scopes=tuple(scope for scope in found.scope.split(",") if scope),
        installed_by=found.authed_user.id if found.authed_user else "",
    )


async def install(  # noqa: PLR0913 - the whole of one redirect
    app: OAuthApp,
    *,
    code: str,
    state: str,
    mac_key: bytes,
    binding: str,
    now: datetime,
    http: HttpPort,
    store: InstallationStore,
) -> Installation:
    """Finish an installation: check the state, exchange the code, keep what it gave.

    Raises:
        BadInput: the state is not ours, of another session or too old; nothing was called.
        SendError: as `exchange_code`.
    """
    check_state(state, mac_key=mac_key, binding=binding, now=now)
    installation = await exchange_code(app, code, http)
    await store.save(installation)
    return installation


def _mac(key: bytes, expires: str, nonce: str, binding: str) -> str:
    told = "\0".join(("slack-oauth-state", expires, nonce, binding))
    return hmac.new(key, told.encode(), hashlib.sha256).hexdigest()
