"""Who looked at which record: the way from handlers to the audit table."""

import re

from aiohttp import web

from hub.api.context import Context
from hub.api.keys import DEPS
from hub.services.audit import AuditTrail

TRAIL = web.AppKey("audit_trail", AuditTrail)
SCREEN_HEADER = "X-Screen"
_SCREEN = re.compile(r"[a-z0-9_./-]{1,60}\Z")


def add_trail(app: web.Application) -> None:
    """Have looks written in the background, and what waits at the end."""
    app[TRAIL] = AuditTrail(app[DEPS])
    app.on_cleanup.append(_close)


async def _close(app: web.Application) -> None:
    await app[TRAIL].close()


def looked(ctx: Context, action: str, target: str) -> None:
    """Note that the asking person looked at a record, from the screen their page names."""
    screen = ctx.request.headers.get(SCREEN_HEADER, "")
    shown = screen if _SCREEN.match(screen) else ""
    ctx.request.config_dict[TRAIL].looked(ctx.viewer, action, target, shown)
