"""Colleagues for everybody, accounts for administrators, and the organisation's tree."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Created, Id, Path, Routes, Wish
from hub.model.visibility import Role, may_administer
from hub.model.work import WorkClass
from hub.services import organisation, people, sessions
from hub.services.views import View
from hub.services.work_views import AgentView, agent_view
from hub.store.queries.rows import Row, load_list, load_map

ROUTES = Routes("people")

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Short = Annotated[str, StringConstraints(max_length=200)]
Units = Annotated[int, Field(ge=0, le=1000)]
Level = Annotated[int, Field(ge=1, le=5)]


class NewAgent(Created):
    """Somebody new. A link to set the password comes from POST /api/v1/agents/{id}/link."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=320)]
    name: Name
    display_name: Short = ""
    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=5)] = (Role.AGENT,)
    unit_id: Id | None = None
    language: Annotated[str, StringConstraints(max_length=20)] = ""
    capacity: Units = 100
    class_caps: dict[WorkClass, Units] = Field(default_factory=dict)
    disabled_classes: tuple[WorkClass, ...] = ()
    skills: dict[Id, Level] | None = None


class AgentChange(Wish):
    """What is left out stays."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=320)] | None = None
    name: Name | None = None
    display_name: Short | None = None
    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=5)] | None = None
    unit_id: Id | None = None
    language: Annotated[str, StringConstraints(max_length=20)] | None = None
    capacity: Units | None = None
    class_caps: dict[WorkClass, Units] | None = None
    disabled_classes: tuple[WorkClass, ...] | None = None
    skills: dict[Id, Level] | None = None
    active: bool | None = None


class AgentList(View):
    """Colleagues by name; `cursor` is where the live feed goes on."""

    cursor: int
    items: tuple[AgentView, ...]


class AgentDetail(View):
    """An account as an administrator sees it; never a password."""

    id: str
    email: str
    name: str
    display_name: str
    kind: str
    roles: tuple[str, ...]
    unit_id: str
    language: str
    capacity: int
    class_caps: dict[str, int]
    disabled_classes: tuple[str, ...]
    skills: dict[str, int]
    queue_ids: tuple[str, ...]
    active: bool
    version: int


class LinkView(View):
    """A link that works once; shown once."""

    url: str


class NewUnit(Created):
    """A unit of the organisation below another."""

    name: Name
    parent_id: Id | None = None


class UnitChange(Wish):
    """A unit's new name."""

    name: Name


class UnitView(View):
    """A unit of the organisation's tree."""

    id: str
    parent_id: str | None
    name: str


class UnitList(View):
    """The tree, parents before children."""

    items: tuple[UnitView, ...]


@ROUTES.route("GET", "/api/v1/agents", summary="Colleagues with their presence")
async def list_agents(ctx: Context) -> AgentList:
    """List everybody who works here."""
    cursor = ctx.head
    rows = await people.list_agents(ctx.deps)
    return AgentList(cursor=cursor, items=tuple(agent_view(row) for row in rows))


@ROUTES.route(
    "POST", "/api/v1/agents", status=201, creates=True, allow=may_administer, summary="Add an agent"
)
async def add_agent(ctx: Context, body: Annotated[NewAgent, Body]) -> AgentDetail:
    """Add an account without a password."""
    values = body.model_dump(exclude={"client_id"})
    fields = people.AgentFields(**_plain(values))
    return _detail(await people.create_agent(ctx.deps, fields, actor=ctx.actor))


@ROUTES.route("GET", "/api/v1/agents/{id}", allow=may_administer, summary="Show an account")
async def show_agent(ctx: Context, id: Annotated[Id, Path]) -> AgentDetail:
    """Show an account with skills and queues."""
    return _detail(await people.agent_detail(ctx.deps, id))


@ROUTES.route(
    "PATCH", "/api/v1/agents/{id}", allow=may_administer, if_match=True, summary="Change an account"
)
async def change_agent(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[AgentChange, Body]
) -> AgentDetail:
    """Change an account; roles and activity take effect at once, also on open sockets."""
    version = ctx.if_match()
    row = await people.agent_detail(ctx.deps, id)
    fields = people.agent_fields(row, _plain(body.model_dump(exclude_none=True)))
    changed = await people.change_agent(ctx.deps, id, fields, if_version=version, actor=ctx.actor)
    return _detail(changed)


@ROUTES.route(
    "POST", "/api/v1/agents/{id}/link", status=201, allow=may_administer,
    summary="Make a link to set a password",
)  # fmt: skip
async def make_link(ctx: Context, id: Annotated[Id, Path]) -> LinkView:
    """Make a link that sets the agent's password once; earlier ones stop working."""
    return LinkView(url=await sessions.make_link(ctx.deps, id, sessions.SET_PASSWORD))


@ROUTES.route("GET", "/api/v1/units", summary="The organisation's tree")
async def list_units(ctx: Context) -> UnitList:
    """List the units."""
    rows = await organisation.list_units(ctx.deps)
    return UnitList(items=tuple(_unit(row) for row in rows))


@ROUTES.route(
    "POST", "/api/v1/units", status=201, creates=True, allow=may_administer, summary="Add a unit"
)
async def add_unit(ctx: Context, body: Annotated[NewUnit, Body]) -> UnitView:
    """Add a unit."""
    row = await organisation.add_unit(ctx.deps, body.name, body.parent_id, actor=ctx.actor)
    return _unit(row)


@ROUTES.route("PATCH", "/api/v1/units/{id}", allow=may_administer, summary="Rename a unit")
async def rename_unit(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[UnitChange, Body]
) -> UnitView:
    """Rename a unit; the last writer's name stays."""
    return _unit(await organisation.rename_unit(ctx.deps, id, body.name, actor=ctx.actor))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return field values as the use case takes them."""
    if "roles" in values:
        values["roles"] = frozenset(values["roles"])
    for name in ("class_caps", "disabled_classes"):
        if name in values:
            kind = type(values[name])
            values[name] = (
                {str(k): v for k, v in values[name].items()}
                if kind is dict
                else tuple(str(one) for one in values[name])
            )
    return values


def _detail(row: Row) -> AgentDetail:
    return AgentDetail(
        id=row["id"],
        email=row["email"],
        name=row["name"],
        display_name=row["display_name"],
        kind=row["kind"],
        roles=tuple(load_list(row["roles"])),
        unit_id=row["unit_id"],
        language=row["language"],
        capacity=row["capacity"],
        class_caps=load_map(row["class_caps"]),
        disabled_classes=tuple(load_list(row["disabled_classes"])),
        skills=row["skills"],
        queue_ids=tuple(row["queue_ids"]),
        active=bool(row["active"]),
        version=row["version"],
    )


def _unit(row: Row) -> UnitView:
    return UnitView(id=row["id"], parent_id=row["parent_id"], name=row["name"])
