"""Queues with who serves them, and skills."""

from typing import Annotated, Any

from pydantic import Field, JsonValue, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Created, Id, Path, Routes, Wish
from hub.model.visibility import may_administer
from hub.services import queues
from hub.services.views import View
from hub.store.queries.rows import Row, load_map

ROUTES = Routes("queues")

QueueName = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
SkillName = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)]


class NewQueue(Created):
    """A queue. `config` holds how it serves: discipline, strategy, mode, calendar, limits …"""

    name: QueueName
    unit_id: Id | None = None
    config: dict[str, JsonValue] = Field(default_factory=dict)
    restricted: bool = False
    acknowledge: bool = False


class QueueChange(Wish):
    """What is left out stays; `config` is replaced as a whole."""

    name: QueueName | None = None
    unit_id: Id | None = None
    config: dict[str, JsonValue] | None = None
    restricted: bool | None = None
    acknowledge: bool | None = None
    active: bool | None = None


class MemberWish(Wish):
    """An agent's place in a queue: staff tier 0-3, position in it, delay in seconds."""

    agent_id: Id
    tier: Annotated[int, Field(ge=0, le=3)] = 1
    position: Annotated[int, Field(ge=0, le=10_000)] = 0
    delay_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    auto_accept: bool = True


class Members(Wish):
    """Everybody who serves a queue."""

    members: Annotated[tuple[MemberWish, ...], Field(max_length=2000)]


class MemberView(View):
    """An agent's place in a queue."""

    agent_id: str
    tier: int
    position: int
    delay_s: float
    auto_accept: bool


class QueueView(View):
    """A queue."""

    id: str
    name: str
    unit_id: str
    config: dict[str, Any]
    restricted: bool
    acknowledge: bool
    active: bool
    members: tuple[MemberView, ...]
    version: int


class QueueList(View):
    """Queues by name; `cursor` is where the live feed goes on."""

    cursor: int
    items: tuple[QueueView, ...]


class NewSkill(Created):
    """Something agents are able to do."""

    name: SkillName


class SkillView(View):
    """A skill."""

    id: str
    name: str


class SkillList(View):
    """Skills by name."""

    items: tuple[SkillView, ...]


@ROUTES.route("GET", "/api/v1/queues", summary="Queues with their members")
async def list_queues(ctx: Context) -> QueueList:
    """List every queue: one may hand work also to queues one does not see into."""
    cursor = ctx.head
    rows = await queues.list_queues(ctx.deps)
    return QueueList(cursor=cursor, items=tuple(_view(row) for row in rows))


@ROUTES.route(
    "POST", "/api/v1/queues", status=201, creates=True, allow=may_administer, summary="Add a queue"
)
async def add_queue(ctx: Context, body: Annotated[NewQueue, Body]) -> QueueView:
    """Add a queue."""
    fields = queues.QueueFields(**body.model_dump(exclude={"client_id"}))
    return _view(await queues.create_queue(ctx.deps, fields, actor=ctx.actor))


@ROUTES.route("GET", "/api/v1/queues/{id}", summary="Show a queue")
async def show_queue(ctx: Context, id: Annotated[Id, Path]) -> QueueView:
    """Show a queue."""
    return _view(await queues.queue_detail(ctx.deps, id))


@ROUTES.route(
    "PATCH", "/api/v1/queues/{id}", allow=may_administer, if_match=True, summary="Change a queue"
)
async def change_queue(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[QueueChange, Body]
) -> QueueView:
    """Change a queue."""
    version = ctx.if_match()
    before = _view(await queues.queue_detail(ctx.deps, id))
    now = before.model_dump(exclude={"id", "members", "version"})
    fields = queues.QueueFields(**{**now, **body.model_dump(exclude_none=True)})
    row = await queues.change_queue(ctx.deps, id, fields, if_version=version, actor=ctx.actor)
    return _view(row)


@ROUTES.route(
    "PUT", "/api/v1/queues/{id}/members", allow=may_administer, if_match=True,
    summary="Set who serves a queue",
)  # fmt: skip
async def set_members(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Members, Body]
) -> QueueView:
    """Replace the members; whoever comes or goes sees more or less at once."""
    members = [queues.Member(**one.model_dump()) for one in body.members]
    row = await queues.set_members(
        ctx.deps, id, members, if_version=ctx.if_match(), actor=ctx.actor
    )
    return _view(row)


@ROUTES.route("GET", "/api/v1/skills", summary="Skills")
async def list_skills(ctx: Context) -> SkillList:
    """List every skill."""
    rows = await queues.list_skills(ctx.deps)
    return SkillList(items=tuple(SkillView(id=row["id"], name=row["name"]) for row in rows))


@ROUTES.route(
    "POST", "/api/v1/skills", status=201, creates=True, allow=may_administer, summary="Add a skill"
)
async def add_skill(ctx: Context, body: Annotated[NewSkill, Body]) -> SkillView:
    """Add a skill."""
    row = await queues.add_skill(ctx.deps, body.name, actor=ctx.actor)
    return SkillView(id=row["id"], name=row["name"])


@ROUTES.route("DELETE", "/api/v1/skills/{id}", allow=may_administer, summary="Remove a skill")
async def drop_skill(ctx: Context, id: Annotated[Id, Path]) -> None:
    """Remove a skill and everybody's level in it."""
    await queues.drop_skill(ctx.deps, id, actor=ctx.actor)


def _view(row: Row) -> QueueView:
    names = MemberView.model_fields
    return QueueView(
        id=row["id"],
        name=row["name"],
        unit_id=row["unit_id"],
        config=load_map(row["config"]),
        restricted=bool(row["restricted"]),
        acknowledge=bool(row["acknowledge"]),
        active=bool(row["active"]),
        members=tuple(MemberView(**{k: one[k] for k in names}) for one in row["members"]),
        version=row["version"],
    )
