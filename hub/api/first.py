"""The first page at `/first`: one HTML file, one style sheet, one ES module, no build.

An agent's inbox over the public API; `/first?frame=widget` is a customer's chat that speaks the
widget's protocol. The inbox issue replaces it.
"""

from pathlib import Path

from aiohttp import web

from hub.api.keys import CHANNELS
from hub.model.widget import HasWidget

FOLDER = Path(__file__).with_name("first")
FILES = {
    "/first": ("index.html", "text/html"),
    "/first/first.js": ("first.js", "text/javascript"),
    "/first/first.css": ("first.css", "text/css"),
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none';"
    " form-action 'none'"
)


def add_first(app: web.Application) -> None:
    """Add the page, its files, and the way to it from the root."""
    app.router.add_get("/", _go_there)
    app.router.add_get("/first/channels", _channels)
    for path in FILES:
        app.router.add_get(path, _serve)


async def _go_there(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/first"})


async def _serve(request: web.Request) -> web.StreamResponse:
    name, content_type = FILES[request.path]
    text = (FOLDER / name).read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return web.Response(text=text, content_type=content_type, headers=headers)


async def _channels(request: web.Request) -> web.StreamResponse:
    """Name the chat channels the customer's frame may use; every embedding page knows them too."""
    items = [
        {"id": live.info.id, "title": live.channel.policy.title}
        for live in request.config_dict[CHANNELS]
        if live.info.state == "active" and isinstance(live.channel, HasWidget)
    ]
    return web.json_response({"items": items})
