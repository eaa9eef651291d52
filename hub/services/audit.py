"""Looks at customers' records, written to the audit table in the background, many at a time.

A change is audited in the unit that makes it (`queries.audits.add_audit`); a look must cost the
person who looks nothing. What a killed process had not written yet (at most `EVERY_S`) is lost.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime

import structlog

from hub.model.errors import HubError
from hub.model.visibility import Role, Viewer
from hub.services.deps import Deps
from hub.store.engine import Lane
from hub.store.queries.audits import add_audit
from hub.store.tx import Tx

log = structlog.get_logger(__name__)

EVERY_S = 1.0
_BATCH = 200
_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody looked at something."""

    at: datetime
    actor: str
    action: str
    target: str
    screen: str


class AuditTrail:
    """Collects looks and writes them once a second."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._waiting: deque[Look] = deque()
        self._task: asyncio.Task[None] | None = None

    def looked(self, viewer: Viewer, action: str, target: str, screen: str = "") -> None:
        """Note a person's look; programs' reads are told by their token's scopes.

        Args:
            action: `noun.verb_past`.
            target: `noun:id`.
        """
        if viewer.roles == {Role.INTEGRATION}:
            return
        if len(self._waiting) >= _WAITING:
            log.error("audit.overflow", waiting=len(self._waiting))
            return
        now = self._deps.clock.now()
        self._waiting.append(Look(now, viewer.agent_id, action, target, screen))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_soon(), name="audit-trail")

    async def flush(self) -> None:
        """Write what waits now.

        Raises:
            StoreUnavailable: nothing is lost; the next look tries again.
        """
        while self._waiting:
            batch = [self._waiting[n] for n in range(min(_BATCH, len(self._waiting)))]

            def unit(tx: Tx, batch: list[Look] = batch) -> None:
                for one in batch:
                    add_audit(
                        tx,
                        one.at,
                        actor=one.actor,
                        action=one.action,
                        target=one.target,
                        screen=one.screen,
                    )

            await self._deps.db.run(unit, lane=Lane.BACKGROUND, name="audit.looks")
            for _ in batch:
                self._waiting.popleft()

    async def close(self) -> None:
        """Write what waits and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self.flush()
        except HubError as error:
            log.error("audit.lost", looks=len(self._waiting), code=error.code)

    async def _write_soon(self) -> None:
        while self._waiting:
            await asyncio.sleep(EVERY_S)
            try:
                await self.flush()
            except HubError as error:
                log.warning("audit.late", waiting=len(self._waiting), code=error.code)
