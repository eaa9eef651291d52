"""One conversation: what belongs to it, how far it is read, its tags."""

from typing import Annotated

from pydantic import Field, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Id, Path, Routes, Wish
from hub.services import inbox, marks
from hub.services.inbox import ConversationDetail
from hub.services.views import ConversationView, View

ROUTES = Routes("conversations")

TagName = Annotated[str, StringConstraints(min_length=1, max_length=60)]


class Detail(View):
    """A conversation, up to where the asking person has read it, and the feed's cursor."""

    detail: ConversationDetail
    read: int
    cursor: int


class Reading(Wish):
    """Up to which message's number a person has read; `unread` lets it go back."""

    number: Annotated[int, Field(ge=0, le=1_000_000_000)]
    unread: bool = False


class ReadMarkView(View):
    """How far the asking person has read."""

    number: int


class Tagging(Wish):
    """Tags by name."""

    add: Annotated[tuple[TagName, ...], Field(max_length=50)] = ()
    remove: Annotated[tuple[TagName, ...], Field(max_length=50)] = ()


@ROUTES.route("GET", "/api/v1/conversations/{id}", summary="Show a conversation")
async def show_conversation(ctx: Context, id: Annotated[Id, Path]) -> Detail:
    """Show the head, the cases and the ways to answer."""
    cursor = ctx.head
    detail = await inbox.conversation_detail(ctx.deps, ctx.viewer, id)
    read = await marks.read_marks(ctx.deps, ctx.actor, [id])
    ctx.reply_version(detail.conversation.version)
    return Detail(detail=detail, read=read.get(id, 0), cursor=cursor)


@ROUTES.route("POST", "/api/v1/conversations/{id}/read", summary="Note how far you have read")
async def read_conversation(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Reading, Body]
) -> ReadMarkView:
    """Set the asking person's mark."""
    number = await marks.mark_read(ctx.deps, ctx.viewer, id, body.number, unread=body.unread)
    return ReadMarkView(number=number)


@ROUTES.route("POST", "/api/v1/conversations/{id}/tags", summary="Put tags on and take them off")
async def tag_conversation(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Tagging, Body]
) -> ConversationView:
    """Change tags; what is on already stays on."""
    return await marks.change_tags(ctx.deps, ctx.viewer, id, body.add, body.remove)
