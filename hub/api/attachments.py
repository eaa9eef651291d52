"""Files: uploaded by agents, given with visibility, given to providers by a link. Nothing runs."""

import re
from typing import Annotated
from urllib.parse import quote

from aiohttp import web
from pydantic import StringConstraints

from hub.api.bodies import read_limited, require_text
from hub.api.context import Context
from hub.api.http import Id, Path, Query, Routes, Wish
from hub.api.keys import DEPS
from hub.model.visibility import STAFF, Role, Scope, Viewer
from hub.services import attachments
from hub.services.deps import Deps
from hub.services.views import AttachmentView, attachment_view
from hub.store.queries.rows import Row

ROUTES = Routes("attachments")

SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
_BYTES = "application/octet-stream"
_TYPE = re.compile(r"\A[a-z0-9.+-]{1,70}/[a-z0-9.+-]{1,70}\Z")
_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
"""What may stand in the page: pictures that hold no script. All else is downloaded."""


class UploadQuery(Wish):
    """The name of the file in the body."""

    filename: Annotated[str, StringConstraints(min_length=1, max_length=4000)]


def may_upload(viewer: Viewer) -> bool:
    """Tell whether `viewer` may send files: who may write to customers."""
    writes = Role.INTEGRATION in viewer.roles and Scope.WRITE in viewer.scopes
    return bool(viewer.roles & STAFF) or writes


@ROUTES.route(
    "POST", "/api/v1/attachments", status=201, allow=may_upload,
    summary="Upload a file to send", consumes="application/octet-stream",
)  # fmt: skip
async def upload(ctx: Context, q: Annotated[UploadQuery, Query]) -> AttachmentView:
    """Store the request's body (any type) as a file; a message then names its id."""
    require_text(q.filename)
    data = await read_limited(ctx.request, ctx.deps.max_upload_bytes)
    row = await attachments.keep_upload(ctx.deps, ctx.viewer, q.filename, data)
    return attachment_view(row)


@ROUTES.route(
    "GET", "/api/v1/attachments/{id}", summary="Fetch a file", produces="application/octet-stream"
)
async def fetch(ctx: Context, id: Annotated[Id, Path]) -> web.StreamResponse:
    """Give a file of a conversation one may see."""
    row = await attachments.attachment_for(ctx.deps, ctx.viewer, id)
    return await give(ctx.request, ctx.deps, row)


def add_media(app: web.Application) -> None:
    """Add the links providers fetch files by; no part of the OpenAPI document."""
    app.router.add_get("/media/{token}", fetch_by_link)


async def fetch_by_link(request: web.Request) -> web.StreamResponse:
    """Give the one file a link stands for, while it is good."""
    deps = request.config_dict[DEPS]
    row = await attachments.attachment_by_token(deps, request.match_info["token"])
    return await give(request, deps, row, link=True)


async def give(
    request: web.Request, deps: Deps, row: Row, *, link: bool = False
) -> web.StreamResponse:
    """Stream a file so that nothing in it can run in our origin.

    Raises:
        NotFound: the bytes are gone.
    """
    shown = row["content_type"] in _SHOWN
    headers = {
        "Content-Type": _type(row, link=link),
        "Content-Disposition": disposition("inline" if shown else "attachment", row["filename"]),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": SANDBOX,
        "Cross-Origin-Resource-Policy": "cross-origin" if link else "same-origin",
        "Cache-Control": "private, max-age=300" if not link else "no-store",
    }
    chunks = deps.files.open(row["storage_key"])
    first = await anext(chunks, b"")  # a missing file is a 404, not a cut-off 200
    response = web.StreamResponse(headers=headers)
    if row["size_bytes"] is not None:
        response.content_length = row["size_bytes"]
    await response.prepare(request)
    if request.method != "HEAD":
        await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
    await response.write_eof()
    return response


def disposition(how: str, filename: str) -> str:
    """Return a Content-Disposition (RFC 6266) that no name can break out of."""
    name = filename or "file"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _type(row: Row, *, link: bool) -> str:
    """Return the content type to say: pages, scripts and what is no type at all are bytes."""
    declared = str(row["content_type"])
    if _TYPE.match(declared) is None:
        return _BYTES
    # Sound and films are played by the page's own elements; providers need every type.
    playable = declared.partition("/")[0] in {"audio", "video"}
    return declared if link or playable or declared in _SHOWN else _BYTES
