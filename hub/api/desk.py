"""Tags and canned replies."""

from typing import Annotated

from pydantic import Field, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Created, Id, Path, Routes, Wish
from hub.model.visibility import Role, Viewer, may_administer
from hub.services import desk
from hub.services.views import View
from hub.store.queries.rows import Row, load_map

ROUTES = Routes("desk")

Word = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Colour = Annotated[str, StringConstraints(pattern=r"^(#[0-9a-f]{6})?$")]
Tongue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")]
Wording = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class NewTag(Created):
    """A word conversations are marked with; colour as #rrggbb."""

    name: Word
    colour: Colour = ""


class TagChange(Wish):
    """What is left out stays."""

    name: Word | None = None
    colour: Colour | None = None


class TagView(View):
    """A tag."""

    id: str
    name: str
    colour: str
    version: int


class TagList(View):
    """Tags by name."""

    items: tuple[TagView, ...]


class NewCannedReply(Created):
    """A prepared wording; shared ones (not personal) are for supervisors and administrators."""

    shortcut: Word
    title: Title
    texts: Annotated[dict[Tongue, Wording], Field(min_length=1, max_length=30)]
    queue_id: Id | None = None
    personal: bool = True


class CannedReplyChange(Wish):
    """The whole wording as it shall be."""

    shortcut: Word
    title: Title
    texts: Annotated[dict[Tongue, Wording], Field(min_length=1, max_length=30)]
    queue_id: Id | None = None


class CannedReplyView(View):
    """A prepared wording: language to text."""

    id: str
    shortcut: str
    title: str
    texts: dict[str, str]
    queue_id: str | None
    personal: bool
    version: int


class CannedReplyList(View):
    """Wordings one may use, by shortcut."""

    items: tuple[CannedReplyView, ...]


def may_tag(viewer: Viewer) -> bool:
    """Tell whether `viewer` may make and change tags."""
    return Role.SUPERVISOR in viewer.roles or may_administer(viewer)


def may_prepare(viewer: Viewer) -> bool:
    """Tell whether `viewer` may keep wordings: people who write, and administrators."""
    return bool(viewer.roles & {Role.AGENT, Role.SUPERVISOR}) or may_administer(viewer)


@ROUTES.route("GET", "/api/v1/tags", summary="Tags")
async def list_tags(ctx: Context) -> TagList:
    """List every tag."""
    return TagList(items=tuple(TagView(**row) for row in await desk.list_tags(ctx.deps)))


@ROUTES.route("POST", "/api/v1/tags", status=201, creates=True, allow=may_tag, summary="Add a tag")
async def add_tag(ctx: Context, body: Annotated[NewTag, Body]) -> TagView:
    """Add a tag."""
    return TagView(**await desk.add_tag(ctx.deps, body.name, body.colour, actor=ctx.actor))


@ROUTES.route("PATCH", "/api/v1/tags/{id}", allow=may_tag, if_match=True, summary="Change a tag")
async def change_tag(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[TagChange, Body]
) -> TagView:
    """Change a tag's name or colour."""
    row = await desk.change_tag(
        ctx.deps, id, body.name, body.colour, if_version=ctx.if_match(), actor=ctx.actor
    )
    return TagView(**row)


@ROUTES.route("DELETE", "/api/v1/tags/{id}", allow=may_tag, summary="Remove a tag")
async def drop_tag(ctx: Context, id: Annotated[Id, Path]) -> None:
    """Remove a tag from every conversation and altogether."""
    await desk.drop_tag(ctx.deps, id, actor=ctx.actor)


@ROUTES.route("GET", "/api/v1/canned-replies", allow=may_prepare, summary="Canned replies")
async def list_canned_replies(ctx: Context) -> CannedReplyList:
    """List the wordings one may use."""
    rows = await desk.list_canned(ctx.deps, ctx.viewer)
    return CannedReplyList(items=tuple(_canned(row) for row in rows))


@ROUTES.route(
    "POST", "/api/v1/canned-replies", status=201, creates=True, allow=may_prepare,
    summary="Add a canned reply",
)  # fmt: skip
async def add_canned_reply(ctx: Context, body: Annotated[NewCannedReply, Body]) -> CannedReplyView:
    """Add a wording."""
    fields = desk.CannedFields(**body.model_dump(exclude={"client_id"}))
    return _canned(await desk.add_canned(ctx.deps, fields, ctx.viewer))


@ROUTES.route(
    "PUT", "/api/v1/canned-replies/{id}", allow=may_prepare, if_match=True,
    summary="Replace a canned reply",
)  # fmt: skip
async def change_canned_reply(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[CannedReplyChange, Body]
) -> CannedReplyView:
    """Replace a wording; whose it is does not change."""
    fields = desk.CannedFields(**body.model_dump())
    row = await desk.change_canned(ctx.deps, id, fields, ctx.viewer, if_version=ctx.if_match())
    return _canned(row)


@ROUTES.route(
    "DELETE", "/api/v1/canned-replies/{id}", allow=may_prepare, summary="Remove a canned reply"
)
async def drop_canned_reply(ctx: Context, id: Annotated[Id, Path]) -> None:
    """Remove a wording."""
    await desk.drop_canned(ctx.deps, id, ctx.viewer)


def _canned(row: Row) -> CannedReplyView:
    return CannedReplyView(
        id=row["id"],
        shortcut=row["shortcut"],
        title=row["title"],
        texts=load_map(row["texts"]),
        queue_id=row["queue_id"],
        personal=row["owner_agent_id"] is not None,
        version=row["version"],
    )
