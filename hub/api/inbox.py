"""The inbox: lists of conversations, each with the cursor the live feed goes on from."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hub.api.context import Context
from hub.api.http import Id, Query, Routes
from hub.services import inbox, marks
from hub.services.inbox import ListRequest, ListView, parse_key
from hub.services.views import ConversationView, View
from hub.store.queries.lists import Sort

ROUTES = Routes("inbox")


class ListQuery(BaseModel):
    """Which list, its order, and where it goes on: `after` is the last answer's `next`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: ListView = ListView.MINE
    sort: Sort = Sort.NEWEST
    queue_id: Id | None = None
    after: Annotated[str | None, Field(max_length=80)] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class ConversationList(View):
    """One page; `read` says up to which number the asking person has read each conversation."""

    items: tuple[ConversationView, ...]
    next: str | None
    read: dict[str, int]
    cursor: int


@ROUTES.route("GET", "/api/v1/conversations", summary="List conversations")
async def list_conversations(ctx: Context, q: Annotated[ListQuery, Query]) -> ConversationList:
    """Show one page of a view."""
    cursor = ctx.head
    request = ListRequest(q.view, q.sort, q.queue_id, parse_key(q.after), q.limit)
    page = await inbox.list_conversations(ctx.deps, ctx.viewer, request)
    read = await marks.read_marks(ctx.deps, ctx.actor, [one.id for one in page.items])
    return ConversationList(items=page.items, next=page.next, read=read, cursor=cursor)
