"""Around every request: an id, problem documents, security headers, a metric, one log line."""

from collections.abc import Awaitable, Callable
from time import perf_counter

import structlog
from aiohttp import web

from hub.api.keys import ORIGINS
from hub.api.problems import answer, problem_of, problem_of_http
from hub.model.errors import HubError
from hub.model.ids import new_id
from hub.services import metrics

log = structlog.get_logger(__name__)

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]
REQUEST_ID = web.RequestKey("request_id", str)
NOTHING_RUNS = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": NOTHING_RUNS,
    "Server": "hub",
}


@web.middleware
async def edge(request: web.Request, handler: Next) -> web.StreamResponse:
    """Carry a request through: whatever is raised becomes an answer, and is counted."""
    began = perf_counter()
    request_id = request[REQUEST_ID] = new_id()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    try:
        response = await _answered(request, handler)
    finally:
        structlog.contextvars.unbind_contextvars("request_id")
    took = perf_counter() - began
    route = canonical(request)
    if response.status != 101:
        metrics.HTTP_SECONDS.labels(request.method, route, str(response.status)).observe(took)
    log.debug(
        "request.served", request_id=request_id, method=request.method, route=route,
        status=response.status, took_ms=round(took * 1000, 1),
    )  # fmt: skip
    return response


def canonical(request: web.Request) -> str:
    """Return the route's pattern, so that ids never become label values."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


async def _answered(request: web.Request, handler: Next) -> web.StreamResponse:
    try:
        return await handler(request)
    except HubError as error:
        if error.status >= 500:
            log.warning("request.failed", code=error.code, route=canonical(request))
        return problem_of(error)
    except web.HTTPException as error:
        return error if error.status < 400 else problem_of_http(error)
    except Exception:
        log.exception("request.crashed", route=canonical(request))
        return answer(500, "internal_error", {"request_id": request[REQUEST_ID]})


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set security headers that the handler did not set itself (`on_response_prepare`)."""
    headers = response.headers
    for name, value in _HEADERS.items():
        if name == "Server":
            headers[name] = value
        else:
            headers.setdefault(name, value)
    request_id = request.get(REQUEST_ID)
    if request_id is not None:
        headers["X-Request-Id"] = request_id
    if request.path.startswith("/api/"):
        headers.setdefault("Cache-Control", "no-store")
    if request.config_dict[ORIGINS].secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
