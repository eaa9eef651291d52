"""Providers' webhooks: bytes to a `RawRequest`, to the ingress, and its answer back."""

from urllib.parse import urlsplit

from aiohttp import web

from hub.api.bodies import read_limited
from hub.api.keys import CHANNELS, DEPS, INGRESS
from hub.model.channel import RawRequest
from hub.model.errors import NotFound, TooLarge
from hub.model.ids import is_id

PATHS = ("/in/{channel_id}", "/in/{channel_id}/{action}")


def add_webhooks(app: web.Application) -> None:
    """Add the webhook routes; they are no part of the OpenAPI document."""
    for path in PATHS:
        app.router.add_route("GET", path, receive)
        app.router.add_route("POST", path, receive)


async def receive(request: web.Request) -> web.Response:
    """Hand a provider's request to the ingress.

    Raises:
        NotFound: no such channel.
        TooLarge: over the kind's limit; counted.
    """
    ingress = request.config_dict[INGRESS]
    channel_id = request.match_info["channel_id"]
    if not is_id(channel_id):
        raise NotFound("channel_not_found")
    manifest = request.config_dict[CHANNELS].get(channel_id).manifest
    try:
        body = await read_limited(request, manifest.max_body_bytes)
    except TooLarge:
        ingress.too_large(channel_id)
        raise
    answer = await ingress.accept(channel_id, raw_request(request, body))
    response = web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))
    response.headers["Content-Type"] = answer.content_type
    return response


def raw_request(request: web.Request, body: bytes) -> RawRequest:
    """Return a request as adapters read it: the public URL, never one from a Host header."""
    deps = request.config_dict[DEPS]
    path, _, query = request.raw_path.partition("?")
    if not path.startswith("/"):  # a proxy may send the absolute form
        split = urlsplit(request.raw_path)
        path, query = split.path, split.query
    url = deps.public_url.rstrip("/") + path + (f"?{query}" if query else "")
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return RawRequest(
        method=request.method,
        url=url,
        path=path,
        query=query,
        headers=headers,
        body=body,
        received_at=deps.clock.now(),
        action=request.match_info.get("action", ""),
    )
