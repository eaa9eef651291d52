"""Drafts: unsent answers and notes of the asking person, the same in every tab."""

from typing import Annotated, Literal

from pydantic import Field

from hub.api.context import Context
from hub.api.http import Body, Id, Path, Routes, Wish
from hub.services import drafts
from hub.services.drafts import DraftView
from hub.services.views import View

ROUTES = Routes("drafts")

Kind = Literal["reply", "note"]
Ids = Annotated[tuple[Id, ...], Field(max_length=20)]


class DraftBody(Wish):
    """What the composer holds."""

    text: Annotated[str, Field(max_length=200_000)] = ""
    html: Annotated[str | None, Field(max_length=500_000)] = None
    subject: Annotated[str | None, Field(max_length=1_000)] = None
    channel_id: Id | None = None
    identity_id: Id | None = None
    cc: Annotated[tuple[Annotated[str, Field(max_length=320)], ...], Field(max_length=20)] = ()
    attachments: Ids = ()
    mentions: Ids = ()


class Drafts(View):
    """One's drafts."""

    items: tuple[DraftView, ...]


@ROUTES.route("GET", "/api/v1/drafts", summary="Your drafts everywhere")
async def list_all_drafts(ctx: Context) -> Drafts:
    """List drafts, last changed first."""
    return Drafts(items=await drafts.list_drafts(ctx.deps, ctx.viewer))


@ROUTES.route("GET", "/api/v1/conversations/{id}/drafts", summary="Your drafts here")
async def list_drafts(ctx: Context, id: Annotated[Id, Path]) -> Drafts:
    """List one's drafts in a conversation."""
    return Drafts(items=await drafts.list_drafts(ctx.deps, ctx.viewer, id))


@ROUTES.route(
    "PUT", "/api/v1/conversations/{id}/drafts/{kind}", if_match=True, summary="Keep a draft"
)
async def save_draft(
    ctx: Context,
    id: Annotated[Id, Path],
    kind: Annotated[Kind, Path],
    body: Annotated[DraftBody, Body],
) -> DraftView:
    """Keep a draft; `If-Match: 0` begins one."""
    content = body.model_dump(mode="json", exclude_defaults=True)
    return await drafts.save_draft(ctx.deps, ctx.viewer, id, kind, content, ctx.if_match())


@ROUTES.route("DELETE", "/api/v1/conversations/{id}/drafts/{kind}", summary="Drop a draft")
async def drop_draft(ctx: Context, id: Annotated[Id, Path], kind: Annotated[Kind, Path]) -> None:
    """Remove a draft; harmless when there is none."""
    await drafts.drop_draft(ctx.deps, ctx.viewer, id, kind)
