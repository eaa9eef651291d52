"""The demo's way in: one use-once link per seeded person. Only on data that bears the demo's mark.

These routes are added by `hub serve --demo` alone; without the mark they answer 404 even then.
"""

from typing import Annotated

from hub.api.context import Context
from hub.api.http import Body, Id, Routes, Wish
from hub.api.keys import ORIGINS
from hub.model.errors import NotFound
from hub.services import organisation, people, sessions
from hub.services.views import View
from hub.store.queries.rows import load_list

ROUTES = Routes("demo")


class DemoPerson(View):
    """Somebody one may log in as."""

    id: str
    name: str
    roles: tuple[str, ...]
    language: str


class DemoPeople(View):
    """Everybody seeded, by name."""

    items: tuple[DemoPerson, ...]


class LinkWish(Wish):
    """For whom a link is wanted."""

    agent_id: Id


class DemoLink(View):
    """A link that works once."""

    url: str


@ROUTES.route("GET", "/api/v1/demo/people", public=True, summary="Whom to log in as (demo)")
async def list_people(ctx: Context) -> DemoPeople:
    """List the seeded people."""
    await _require_mark(ctx)
    return DemoPeople(
        items=tuple(
            DemoPerson(
                id=row["id"],
                name=row["display_name"] or row["name"],
                roles=tuple(str(role) for role in load_list(row["roles"])),
                language=row["language"],
            )
            for row in await people.list_agents(ctx.deps)
            if row["active"]
        )
    )


@ROUTES.route(
    "POST", "/api/v1/demo/login-links", status=201, public=True, summary="Make a link (demo)"
)
async def make_login_link(ctx: Context, body: Annotated[LinkWish, Body]) -> DemoLink:
    """Make a one-use link to log in as somebody."""
    await _require_mark(ctx)
    ctx.request.config_dict[ORIGINS].require(ctx.request)
    return DemoLink(url=await sessions.make_link(ctx.deps, body.agent_id, sessions.LOG_IN))


async def _require_mark(ctx: Context) -> None:
    row = await organisation.organisation_row(ctx.deps)
    if not row["demo"]:
        raise NotFound
