"""The chat widget's HTTP side; docs/widget-protocol.md is its description.

`add_widget` is a setup of the application. The routes stand outside the agents' API: other origins
call them, with a visitor's token instead of a login, and nothing in them is secret to a page.
"""

from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from hub.api.bodies import read_json, require_text
from hub.api.http import Id, checked
from hub.api.keys import DEPS, FOLLOWER
from hub.api.widget_access import (
    PREFIX,
    Visit,
    add_cors,
    bearer,
    desk_of,
    limit,
    preflight,
    require_origin,
    room_of,
    visit_of,
)
from hub.api.widget_feed import FEED, WidgetFeed
from hub.api.widget_files import fetch_file, take_file
from hub.api.widget_live import live
from hub.api.widget_say import Said, Saying, hold, look, say
from hub.api.widget_show import changes_since, config_of, snapshot
from hub.model.errors import BadInput, HubError
from hub.services import widget_talk
from hub.services.widget import Opening, open_session

MAX_BATCH = 50


class Prechat(BaseModel):
    """The form before the chat; everything in it is only claimed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, Field(max_length=300)] = ""
    email: Annotated[str, Field(max_length=320)] = ""
    phone: Annotated[str, Field(max_length=40)] = ""
    topic: Annotated[str, Field(max_length=300)] = ""


class OpenSession(BaseModel):
    """What starts or resumes a chat."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    channel_id: Id
    token: Annotated[str, Field(max_length=200)] | None = None
    identity: Annotated[str, Field(max_length=8_000)] | None = None
    language: Annotated[str, Field(max_length=20)] = ""
    page: Annotated[str, Field(max_length=4_000)] = ""
    prechat: Prechat = Prechat()


class SayBatch(BaseModel):
    """What waited in a browser, oldest first."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    messages: Annotated[tuple[Saying, ...], Field(min_length=1, max_length=MAX_BATCH)]


class Seen(BaseModel):
    """Up to which message the visitor has looked."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Id


class Held(BaseModel):
    """Messages a browser holds."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    ids: Annotated[tuple[str, ...], Field(max_length=200)]


_OPEN = TypeAdapter(OpenSession)
_BATCH = TypeAdapter(SayBatch)
_SEEN = TypeAdapter(Seen)
_HELD = TypeAdapter(Held)


def add_widget(app: web.Application) -> None:
    """Add the widget's routes and its feed; the application needs a follower."""
    app[FEED] = WidgetFeed(app[DEPS], app[FOLLOWER])
    app.cleanup_ctx.append(app[FEED].running)
    app.on_response_prepare.append(add_cors)
    add, at = app.router.add_route, PREFIX.rstrip("/")
    add("OPTIONS", f"{at}/{{tail:.+}}", preflight)
    add("POST", f"{at}/session", start)
    add("GET", f"{at}/config/{{channel_id}}", show_config)
    add("GET", f"{at}/messages", show_messages)
    add("POST", f"{at}/messages", take_messages)
    add("POST", f"{at}/read", take_read)
    add("POST", f"{at}/delivered", take_delivered)
    add("POST", f"{at}/files", take_file)
    add("GET", f"{at}/files/{{id}}", fetch_file)
    add("GET", f"{at}/live", live)


async def start(request: web.Request) -> web.Response:
    """Start or resume a chat."""
    room = room_of(request)
    await limit(request, f"open:{request.remote}", rate_per_s=room / 6, burst=20 * room)
    body: OpenSession = checked(_OPEN, await read_json(request), "body")
    desk = desk_of(request, body.channel_id)
    require_origin(request, desk)
    deps = request.config_dict[DEPS]
    identity = None
    if body.identity:
        identity = desk.widget.read_identity(body.identity, deps.clock.now())
    opening = Opening(
        channel_id=body.channel_id,
        identity=identity,
        language=body.language or desk.live.info.language or desk.widget.policy.languages[0],
        page=body.page,
        name=body.prechat.name.strip(),
        email=body.prechat.email.strip(),
        phone=body.prechat.phone.strip(),
        topic=body.prechat.topic.strip(),
    )
    session, token, resumed = await open_session(deps, opening, body.token or bearer(request))
    answer = await snapshot(request, Visit(session, desk))
    return _json({"token": token, **answer}, status=200 if resumed else 201)


async def show_config(request: web.Request) -> web.Response:
    """Show what a page may know before anybody has said anything."""
    desk = desk_of(request, request.match_info["channel_id"])
    require_origin(request, desk)
    room = room_of(request)
    await limit(request, f"config:{request.remote}", rate_per_s=5.0 * room, burst=100 * room)
    return _json(config_of(request, desk), headers={"Cache-Control": "public, max-age=60"})


async def show_messages(request: web.Request) -> web.Response:
    """Show the talk: what changed after a cursor, or a page before a key."""
    visit = await visit_of(request)
    await limit(request, f"show:{visit.session.visitor_id}", rate_per_s=3.0, burst=60)
    deps, session = request.config_dict[DEPS], visit.session
    after = _cursor(request.query.get("after"))
    if after is not None:
        return _json(await changes_since(request, session, after))
    before = request.query.get("before")
    if before is not None:
        require_text(before)
    cursor = request.config_dict[FEED].head
    page = await widget_talk.history(deps, session, before)
    shown = {"messages": [one.wire() for one in page.messages], "before": page.before}
    return _json(shown if before is not None else {**shown, "cursor": cursor})


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadInput("cursor_invalid")
    return int(text)


async def take_messages(request: web.Request) -> web.Response:
    """Take what waited in a browser; each message has its own outcome."""
    visit = await visit_of(request)
    body: SayBatch = checked(_BATCH, await read_json(request), "body")
    results: list[dict[str, object]] = []
    for saying in body.messages:
        try:
            said: Said = await say(request, visit, saying)
        except HubError as error:
            if error.status in (429, 503):
                if not results:
                    raise
                break  # the rest stays in the browser's queue, in order
            refused = {"outcome": "refused", "code": error.code, "params": error.params}
            results.append({"client_id": saying.client_id, **refused})
        else:
            results.append(said.wire())
    return _json({"results": results, "cursor": request.config_dict[FEED].head})


async def take_read(request: web.Request) -> web.Response:
    """Note how far the visitor has looked."""
    visit = await visit_of(request)
    body: Seen = checked(_SEEN, await read_json(request), "body")
    await look(request, visit, body.id)
    return web.Response(status=204)


async def take_delivered(request: web.Request) -> web.Response:
    """Note what a browser holds."""
    visit = await visit_of(request)
    body: Held = checked(_HELD, await read_json(request), "body")
    await hold(request, visit, body.ids)
    return web.Response(status=204)


def _json(
    value: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(value), content_type="application/json", headers=headers
    )
