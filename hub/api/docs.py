"""`/openapi.json` and `/docs`: the document, and a page that shows it without any CDN."""

from collections.abc import Iterable, Sequence
from html import escape

import orjson
from aiohttp import web

from hub import __version__
from hub.api import openapi
from hub.api.http import Route

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1b1f24;background:#fff}code{font:13px ui-monospace,monospace}"
    "summary{cursor:pointer;padding:.3rem 0}b{display:inline-block;min-width:4.5rem}"
    "pre{background:#f4f5f7;padding:.8rem;overflow:auto;border-radius:6px}"
    "@media(prefers-color-scheme:dark){body{background:#14171a;color:#e6e8ea}"
    "pre{background:#1f2429}a{color:#8ab4f8}}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def add_docs(app: web.Application, routes: Sequence[Route], public_url: str) -> None:
    """Add both routes for the routes given."""
    document = openapi.document(routes, __version__, public_url)
    body = orjson.dumps(document)
    page = _page(routes, document)

    async def serve_document(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async def serve_page(request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": _POLICY}
        return web.Response(text=page, content_type="text/html", headers=headers)

    app.router.add_get("/openapi.json", serve_document)
    app.router.add_get("/docs", serve_page)


def _page(routes: Iterable[Route], document: dict[str, object]) -> str:
    parts = [
        "<!doctype html><meta charset=utf-8><title>omni-hub API</title>"
        f"<style>{_STYLE}</style><h1>omni-hub API {escape(__version__)}</h1>"
        '<p>The whole document: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
    ]
    paths = document["paths"]
    assert isinstance(paths, dict)
    tag = ""
    for route in routes:
        if route.path not in paths:
            continue
        if route.tag != tag:
            tag = route.tag
            parts.append(f"<h2>{escape(tag)}</h2>")
        operation = orjson.dumps(
            paths[route.path][route.method.lower()], option=orjson.OPT_INDENT_2
        )
        parts.append(
            f"<details><summary><b>{route.method}</b> <code>{escape(route.path)}</code> "
            f"{escape(route.summary)}</summary><pre>{escape(operation.decode())}</pre></details>"
        )
    return "".join(parts)
