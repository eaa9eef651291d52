"""Alive, ready, and numbers."""

from aiohttp import web

from hub.api.context import Context
from hub.api.http import Routes
from hub.api.keys import HEALTH
from hub.services import metrics

ROUTES = Routes("health")


@ROUTES.route(
    "GET", "/healthz", public=True, summary="Tell that the process runs", produces="text/plain"
)
async def healthz(ctx: Context) -> web.StreamResponse:
    """Answer as long as the event loop turns."""
    return web.Response(text="ok\n")


@ROUTES.route(
    "GET",
    "/readyz",
    public=True,
    summary="Tell whether requests should come here",
    produces="application/json",
)
async def readyz(ctx: Context) -> web.StreamResponse:
    """200 also while degraded; 503 while starting, draining, or with neither store nor spool."""
    ready, parts = ctx.request.config_dict[HEALTH].ready()
    return web.json_response({"ready": ready, "parts": parts}, status=200 if ready else 503)


@ROUTES.route(
    "GET", "/metrics", public=True, summary="Metrics for Prometheus", produces="text/plain"
)
async def read_metrics(ctx: Context) -> web.StreamResponse:
    """Give every metric in Prometheus' text format; counts only, no content."""
    return web.Response(
        body=metrics.exposition(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )
