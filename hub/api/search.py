"""Search over messages, customers and cases."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hub.api.context import Context
from hub.api.http import Query, Routes
from hub.services import search
from hub.services.search import Kind, SearchPage

ROUTES = Routes("search")


class SearchQuery(BaseModel):
    """What is sought; `after` is the last answer's `next`, `kind` may be repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: Annotated[str, Field(max_length=500)]
    kind: Annotated[tuple[Kind, ...], Field(max_length=3)] = ()
    after: Annotated[str | None, Field(max_length=80)] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


@ROUTES.route("GET", "/api/v1/search", summary="Search")
async def find(ctx: Context, q: Annotated[SearchQuery, Query]) -> SearchPage:
    """Show what matches, newest first; a page may be short while `next` says more follows."""
    kinds = tuple(dict.fromkeys(q.kind)) or search.KINDS
    return await search.search(ctx.deps, ctx.viewer, q.q, kinds=kinds, after=q.after, limit=q.limit)
