"""Logging in and out, one's own sessions, one-time links, one's own profile."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from hub.api.context import Context, drop_session_cookie, set_session_cookie
from hub.api.http import Body, Id, Path, Routes, Wish
from hub.api.keys import ORIGINS
from hub.model.errors import NotFound
from hub.model.visibility import Powers, Role, Viewer, powers_of
from hub.services import people, sessions
from hub.services.access import Login, find_viewer
from hub.services.people import agent_fields
from hub.services.views import View, at
from hub.services.work_views import AgentView, agent_view
from hub.store.queries.rows import Row

ROUTES = Routes("session")

Secret = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class LogIn(Wish):
    """E-mail address and password."""

    email: Annotated[str, StringConstraints(min_length=1, max_length=320)]
    password: Secret


class PasswordChange(Wish):
    """One's old and new password."""

    old: Secret
    new: Secret


class LinkUse(Wish):
    """The secret of a link, from its fragment."""

    secret: Secret


class PasswordLinkUse(LinkUse):
    """The secret of a link and the password it sets."""

    password: Secret


class Profile(Wish):
    """What people change of themselves; what is left out stays."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    display_name: Annotated[str, StringConstraints(max_length=200)] | None = None
    language: Annotated[str, StringConstraints(max_length=20)] | None = None
    signature: Annotated[str, StringConstraints(max_length=4000)] | None = None


class PowersView(View):
    """What somebody may do somewhere; each use is judged again."""

    reply: bool
    note: bool
    supervise: bool
    administer: bool
    audit: bool
    queue_ids: tuple[str, ...]


class SessionView(View):
    """Who is logged in. `csrf` goes into X-CSRF-Token; null for API tokens."""

    kind: Literal["person", "token"]
    agent: AgentView | None
    csrf: str | None
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    powers: PowersView


class SessionEntry(View):
    """One of one's own sessions."""

    id: str
    created_at: str
    seen_at: str
    expires_at: str
    user_agent: str
    current: bool


class SessionList(View):
    """Sessions, last used first."""

    items: tuple[SessionEntry, ...]


class ProfileView(View):
    """What people see of themselves."""

    id: str
    email: str
    name: str
    display_name: str
    language: str
    signature: str
    version: int


def is_person(viewer: Viewer) -> bool:
    """Tell whether somebody is a person: tokens have no sessions, passwords or profile."""
    return Role.INTEGRATION not in viewer.roles


@ROUTES.route("POST", "/api/v1/session", status=201, public=True, summary="Log in")
async def log_in(ctx: Context, body: Annotated[LogIn, Body]) -> SessionView:
    """Begin a session and set its cookie."""
    ctx.request.config_dict[ORIGINS].require(ctx.request)
    made = await sessions.log_in(
        ctx.deps, body.email, body.password, ip=ctx.ip, user_agent=_browser(ctx)
    )
    return await _enter(ctx, made)


@ROUTES.route("GET", "/api/v1/session", summary="Who is logged in")
async def show_session(ctx: Context) -> SessionView:
    """Give the CSRF token and what the viewer may do."""
    return await _session_view(ctx, ctx.who)


@ROUTES.route("DELETE", "/api/v1/session", summary="Log out", allow=is_person)
async def log_out(ctx: Context) -> None:
    """End this session; its sockets close."""
    session_id = ctx.who.session_id
    if session_id is None:
        raise NotFound("session_not_found")
    await sessions.log_out(ctx.deps, ctx.actor, session_id, actor=ctx.actor)
    origins = ctx.request.config_dict[ORIGINS]
    ctx.finish = lambda response: drop_session_cookie(response, origins)


@ROUTES.route("GET", "/api/v1/sessions", summary="One's own sessions", allow=is_person)
async def list_sessions(ctx: Context) -> SessionList:
    """List where one is logged in."""
    rows = await sessions.list_sessions(ctx.deps, ctx.actor)
    return SessionList(
        items=tuple(
            SessionEntry(
                id=row["id"],
                created_at=at(row["created_at"]),
                seen_at=at(row["seen_at"]),
                expires_at=at(row["expires_at"]),
                user_agent=row["user_agent"],
                current=row["id"] == ctx.who.session_id,
            )
            for row in rows
        )
    )


@ROUTES.route("DELETE", "/api/v1/sessions/{id}", summary="End a session", allow=is_person)
async def end_session(ctx: Context, id: Annotated[Id, Path]) -> None:
    """End one of one's own sessions."""
    await sessions.log_out(ctx.deps, ctx.actor, id, actor=ctx.actor)


@ROUTES.route("POST", "/api/v1/password", summary="Change one's password", allow=is_person)
async def change_password(ctx: Context, body: Annotated[PasswordChange, Body]) -> None:
    """Replace the password; every other session ends."""
    await sessions.change_password(
        ctx.deps, ctx.actor, body.old, body.new, session_id=ctx.who.session_id or "", ip=ctx.ip
    )


@ROUTES.route(
    "POST", "/api/v1/links/password", status=201, public=True, summary="Set a password by link"
)
async def set_password_by_link(ctx: Context, body: Annotated[PasswordLinkUse, Body]) -> SessionView:
    """Use a one-time link to set a password, and log in."""
    ctx.request.config_dict[ORIGINS].require(ctx.request)
    made = await sessions.use_password_link(
        ctx.deps, body.secret, body.password, ip=ctx.ip, user_agent=_browser(ctx)
    )
    return await _enter(ctx, made)


@ROUTES.route("POST", "/api/v1/links/login", status=201, public=True, summary="Log in by link")
async def log_in_by_link(ctx: Context, body: Annotated[LinkUse, Body]) -> SessionView:
    """Use a one-time link to log in."""
    ctx.request.config_dict[ORIGINS].require(ctx.request)
    made = await sessions.use_login_link(ctx.deps, body.secret, ip=ctx.ip, user_agent=_browser(ctx))
    return await _enter(ctx, made)


@ROUTES.route("GET", "/api/v1/me", summary="One's own profile", allow=is_person)
async def show_profile(ctx: Context) -> ProfileView:
    """Show what one may change of oneself."""
    return _profile(await people.agent_detail(ctx.deps, ctx.actor))


@ROUTES.route(
    "PATCH", "/api/v1/me", summary="Change one's own profile", allow=is_person, if_match=True
)
async def change_profile(ctx: Context, body: Annotated[Profile, Body]) -> ProfileView:
    """Change name, display name, language, signature."""
    version = ctx.if_match()
    row = await people.agent_detail(ctx.deps, ctx.actor)
    fields = agent_fields(row, body.model_dump(exclude_none=True))
    changed = await people.change_agent(
        ctx.deps, ctx.actor, fields, if_version=version, actor=ctx.actor
    )
    return _profile(changed)


async def _enter(ctx: Context, made: sessions.NewSession) -> SessionView:
    origins = ctx.request.config_dict[ORIGINS]
    ctx.finish = lambda response: set_session_cookie(response, origins, made.token)
    viewer = await find_viewer(ctx.deps, made.agent_id)
    return await _session_view(ctx, Login(viewer, made.id, made.csrf))


async def _session_view(ctx: Context, login: Login) -> SessionView:
    viewer = login.viewer
    person = is_person(viewer)
    agent = await people.agent_detail(ctx.deps, viewer.agent_id) if person else None
    return SessionView(
        kind="person" if person else "token",
        agent=None if agent is None else agent_view(agent),
        csrf=login.csrf,
        roles=tuple(sorted(viewer.roles)),
        scopes=tuple(sorted(viewer.scopes)),
        powers=_powers(powers_of(viewer)),
    )


def _powers(powers: Powers) -> PowersView:
    return PowersView(
        reply=powers.reply,
        note=powers.note,
        supervise=powers.supervise,
        administer=powers.administer,
        audit=powers.audit,
        queue_ids=tuple(sorted(powers.queue_ids)),
    )


def _profile(row: Row) -> ProfileView:
    return ProfileView(**{name: row[name] for name in ProfileView.model_fields})


def _browser(ctx: Context) -> str:
    return ctx.request.headers.get("User-Agent", "")
