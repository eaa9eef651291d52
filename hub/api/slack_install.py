"""Installing a Slack app with a click: an administrator goes to Slack and comes back with a code.

    POST /api/v1/channels/slack/install   the app's credentials -> where to send the browser
    GET  /oauth/slack/callback            Slack sends the browser back; a channel is made
    GET  /oauth/slack/result              what came of it, for a person

The credentials wait sealed in the store; our own URLs carry a code that works once, the signed
state, and the new channel's id. What Slack understands is handed in (`SlackOAuth`), by `hub.app`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

import orjson
import structlog
from aiohttp import web
from pydantic import BaseModel, SecretStr, StringConstraints

from hub.api.channels import Name
from hub.api.context import Context, identify
from hub.api.http import Body, Routes, Wish
from hub.api.keys import CHANNELS, DEPS
from hub.api.slack_result import result_url, serve_result
from hub.ingress.live_channels import LiveChannels
from hub.model.channel import Probes
from hub.model.errors import BadInput, HubError, NotAllowed, NotAuthenticated
from hub.model.ids import ChannelId, new_id
from hub.model.visibility import may_administer
from hub.services import channels
from hub.services.channels import ChannelChange, ChannelRow
from hub.services.deps import ChannelInfo, Deps
from hub.services.installs import keep_install, take_install
from hub.services.views import View

log = structlog.get_logger(__name__)

CALLBACK = "/oauth/slack/callback"
ROUTES = Routes("channels")
_KIND = "slack"
_MAX_TEXT = 500

Secret = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[!-~]+$")]
Scope = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z._:]{1,60}$")]


class SlackApp(BaseModel):
    """The app that is installed, as Slack's OAuth knows it. `api_base` empty: Slack's own."""

    client_id: str
    client_secret: SecretStr
    api_base: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the signed state it brings back."""

    url: str
    state: str


@dataclass(frozen=True, slots=True)
class Granted:
    """What Slack gave for the code."""

    team_id: str
    bot_user_id: str
    bot_token: SecretStr


class SlackOAuth(Protocol):
    """Slack's OAuth, as `hub.app` has it."""

    async def begin(self, app: SlackApp, scopes: tuple[str, ...], binding: str) -> Begun:
        """Make the URL; its state is bound to `binding` and expires. No scopes: those needed."""
        ...

    async def check(self, state: str, binding: str) -> None:
        """Raise BadInput unless the state is ours, of this binding and in time."""
        ...

    async def exchange(self, app: SlackApp, code: str) -> Granted:
        """Turn a code into an installation. Raises SendError."""
        ...


OAUTH = web.AppKey("slack_oauth", SlackOAuth)


class SlackInstall(Wish):
    """The app's credentials, and one of: signing secret (events), app token (Socket Mode)."""

    name: Name
    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
    client_secret: Secret
    signing_secret: Secret | None = None
    app_token: Secret | None = None
    scopes: tuple[Scope, ...] = ()
    api_base: Annotated[str, StringConstraints(max_length=300)] = ""


class Authorize(View):
    """Where to send the administrator's browser."""

    authorize_url: str


class _Waiting(BaseModel):
    """What is kept until the browser comes back; only ever written sealed."""

    app: dict[str, str]
    name: str
    config: dict[str, str]


def add_install(oauth: SlackOAuth) -> Callable[[web.Application], None]:
    """Return the setup that adds the pages a browser is sent to."""

    def setup(app: web.Application) -> None:
        app[OAUTH] = oauth
        app.router.add_get(CALLBACK, _come_back)
        app.router.add_get("/oauth/slack/result", serve_result)

    return setup


@ROUTES.route(
    "POST", "/api/v1/channels/slack/install", allow=may_administer, summary="Install a Slack app"
)
async def begin_slack_install(ctx: Context, body: Annotated[SlackInstall, Body]) -> Authorize:
    """Check the app's credentials and say where to send the browser; the hub waits ten minutes."""
    binding = ctx.who.session_id
    if binding is None:  # a program has no browser to send anywhere
        raise NotAllowed("session_needed")
    config = {
        "mode": "events" if body.signing_secret else "socket",
        "signing_secret": body.signing_secret or "",
        "app_token": body.app_token or "",
        **({"api_base": body.api_base} if body.api_base else {}),
    }
    # Wrong fields are said now, not after the way to Slack and back; building makes no call.
    live = ctx.request.config_dict[CHANNELS]
    live.build(_row_of(new_id(), body.name, {**config, "bot_token": "not-yet-known"}))
    app = {
        "client_id": body.client_id,
        "client_secret": body.client_secret,
        "api_base": body.api_base,
    }
    oauth = ctx.request.config_dict[OAUTH]
    begun = await oauth.begin(SlackApp.model_validate(app), body.scopes, binding)
    waiting = _Waiting(app=app, name=body.name, config=config)
    plain = waiting.model_dump_json().encode()
    await keep_install(ctx.deps, begun.state, plain, actor=ctx.actor)
    return Authorize(authorize_url=begun.url)


async def _come_back(request: web.Request) -> web.StreamResponse:
    try:
        channel_id, code = await _finish(request)
    except HubError as error:
        log.info("slack.not_installed", code=error.code)
        channel_id, code = "", error.code
    headers = {"Location": result_url(channel_id, code), "Cache-Control": "no-store"}
    return web.Response(status=303, headers=headers)


async def _finish(request: web.Request) -> tuple[str, str]:
    """Make a channel of what the browser brought; return its id and what its probe found."""
    login = await identify(request)
    if login is None:
        raise NotAuthenticated
    if login.session_id is None or not may_administer(login.viewer):
        raise NotAllowed
    state, code, refused = (_text(request, name) for name in ("state", "code", "error"))
    oauth = request.config_dict[OAUTH]
    await oauth.check(state, login.session_id)
    deps = request.config_dict[DEPS]
    plain = await take_install(deps, state)
    if plain is None:
        raise BadInput("oauth_state_used")
    if refused or not code:
        raise BadInput("access_denied" if refused == "access_denied" else "oauth_refused")
    waiting = _Waiting.model_validate_json(plain)
    granted = await oauth.exchange(SlackApp.model_validate(waiting.app), code)
    config = {
        **waiting.config,
        "bot_token": granted.bot_token.get_secret_value(),
        "team_id": granted.team_id,
        "bot_user_id": granted.bot_user_id,
    }
    actor = login.viewer.agent_id
    row = await _save(deps, waiting.name, config, actor)
    return row.info.id, await _probe(deps, request.config_dict[CHANNELS], row, actor)


async def _save(deps: Deps, name: str, config: dict[str, str], actor: str) -> ChannelRow:
    """Add a channel; a bot that has one already gives it its new credentials."""
    for row in await channels.load_channels(deps):
        before = orjson.loads(row.config) if row.info.kind == _KIND else {}
        if all(before.get(one) == config[one] for one in ("team_id", "bot_user_id")):
            info, merged = row.info, orjson.dumps({**before, **config})
            change = ChannelChange(
                info.name, merged, info.separate, info.language, info.region, dict(info.settings)
            )
            await channels.change_channel(
                deps, info.id, change, if_version=row.version, actor=actor
            )
            return ChannelRow(info, merged, 0)
    made = _row_of(new_id(), name, config)
    change = ChannelChange(name, made.config)
    await channels.add_channel(deps, _KIND, change, actor=actor, channel_id=made.info.id)
    return made


async def _probe(deps: Deps, live: LiveChannels, row: ChannelRow, actor: str) -> str:
    """Try the new token. The code worked once, so the channel stays and shows what is wrong."""
    channel = live.build(row).channel
    if not isinstance(channel, Probes):
        return ""
    report = await channel.probe()
    if not report.ok:
        state = "broken" if report.code == "cannot_connect" else "needs_auth"
        await channels.move_channel(deps, row.info.id, state, report.code, actor)
    return report.code


def _row_of(channel_id: str, name: str, config: dict[str, str]) -> ChannelRow:
    info = ChannelInfo(ChannelId(channel_id), _KIND, name, "active", False, "", "", {})
    return ChannelRow(info, orjson.dumps(config), 0)


def _text(request: web.Request, name: str) -> str:
    value = request.query.get(name, "")
    return value if len(value) <= _MAX_TEXT and value.isascii() and value.isprintable() else ""
