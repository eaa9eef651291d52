"""Visitors' files over HTTP: one part of a form in, an attachment that nothing can run out."""

import asyncio
import re
from urllib.parse import quote

import orjson
from aiohttp import BodyPartReader, web

from hub.api.keys import DEPS
from hub.api.problems import MediaTypeRefused
from hub.api.widget_access import limit, visit_of
from hub.model.errors import BadInput, NotFound, TooLarge
from hub.services.widget_files import file_of, keep_upload

# What reading a form raises that is none, or is not in the encoding it names.
_BROKEN = (ValueError, RuntimeError, AssertionError, web.RequestPayloadError)
_UPLOADS_AT_ONCE = asyncio.Semaphore(8)
_FORM_BYTES = 10_000
_HARMLESS = re.compile(r"\A(?:image/(?!svg)|audio/|video/|application/pdf\Z)[a-z0-9.+-]*\Z")
SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"


async def take_file(request: web.Request) -> web.Response:
    """Store a visitor's file.

    Raises:
        MediaTypeRefused: no multipart form.
        BadInput: `file_missing`: no part of the name `file` with a file name.
        TooLarge, FileTypeRefused: over a limit, or of a kind that is not taken.
    """
    visit = await visit_of(request)
    deps, policy = request.config_dict[DEPS], visit.desk.widget.policy
    await limit(request, f"file:{visit.session.visitor_id}", rate_per_s=1 / 6, burst=10)
    if request.content_type != "multipart/form-data":
        raise MediaTypeRefused(expected="multipart/form-data")
    most = min(policy.max_file_bytes, deps.max_upload_bytes)
    if request.content_length is not None and request.content_length > most + _FORM_BYTES:
        raise TooLarge(limit_bytes=most)
    async with _UPLOADS_AT_ONCE:
        name, data = await _file_part(request, most)
        kept = await keep_upload(deps, visit.session, policy, name, data)
    return web.Response(
        status=201, body=orjson.dumps(kept.model_dump()), content_type="application/json"
    )


async def _file_part(request: web.Request, most: int) -> tuple[str, bytes]:
    """Return name and bytes of the form's first part, which must be the file."""
    try:
        form = await request.multipart()
        part = await form.next()
    except _BROKEN:
        raise BadInput("form_invalid") from None
    if not isinstance(part, BodyPartReader) or part.name != "file" or not part.filename:
        raise BadInput("file_missing")
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := await part.read_chunk(65_536):
            size += len(chunk)
            if size > most:
                raise TooLarge(limit_bytes=most)
            chunks.append(bytes(chunk))
    except _BROKEN:
        raise BadInput("form_invalid") from None
    return part.filename, b"".join(chunks)


async def fetch_file(request: web.Request) -> web.StreamResponse:
    """Give a file of the visitor's own talk; to be saved, never to be run."""
    visit = await visit_of(request)
    deps = request.config_dict[DEPS]
    await limit(request, f"fetch:{visit.session.visitor_id}", rate_per_s=5.0, burst=100)
    row = await file_of(deps, visit.session, request.match_info["id"])
    size = await deps.files.size(row["storage_key"])
    if size is None:
        raise NotFound("file_not_found")
    name = row["filename"] or "file"
    plain = name.encode("ascii", "replace").decode().replace('"', "_").replace("\\", "_")
    response = web.StreamResponse(
        headers={
            "Content-Type": _shown_type(row["content_type"]),
            "Content-Length": str(size),
            "Content-Disposition": (
                f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
            ),
            "Content-Security-Policy": SANDBOX,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=3600",
        }
    )
    await response.prepare(request)
    async for chunk in deps.files.open(row["storage_key"]):
        await response.write(chunk)
    await response.write_eof()
    return response


def _shown_type(content_type: str) -> str:
    """Return a type no browser runs; what a page could be is only bytes."""
    return content_type if _HARMLESS.match(content_type) else "application/octet-stream"
