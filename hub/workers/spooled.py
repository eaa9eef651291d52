"""Brings the spool back: what was verified and answered while the store was away is stored.

Faster than new requests come, or it would never be empty: channels side by side, and many requests
of a channel at a time, but those of one sender after one another.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import structlog

from hub.ingress.pipeline import Ingress
from hub.model.channel import RawRequest
from hub.model.errors import HubError, NotFound, PayloadInvalid, StoreUnavailable
from hub.services.intake_record import decode_request
from hub.store.spool import Spool, SpooledRequest
from hub.workers.supervisor import pause

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.5
AT_ONCE = 32

_Record = tuple[SpooledRequest, RawRequest, str]
"""A spooled request, what it says and its intake id."""


class SpoolDrain:
    """Drains this process's spool; also flushes refusal counters."""

    def __init__(self, spool: Spool, ingress: Ingress) -> None:
        self._spool = spool
        self._ingress = ingress

    async def run(self, stop: asyncio.Event) -> None:
        """Drain until `stop`; a store that is still away leaves everything where it is."""
        while not stop.is_set():
            await self._ingress.flush_counts()
            await asyncio.gather(*(self._drain(one, stop) for one in self._spool.channels()))
            await pause(stop, LOOK_EVERY_S)

    async def _drain(self, channel_id: str, stop: asyncio.Event) -> None:
        """Store a channel's requests, oldest first, until none is left or the store is away."""
        while not stop.is_set():
            try:
                batch = await self._spool.first(channel_id, AT_ONCE)
            except HubError as error:
                # A record of a key we no longer have must not hold up those behind it.
                log.exception("spool.unreadable", channel_id=channel_id, code=error.code)
                await self._spool.skip(channel_id)
                continue
            by_sender = await self._sorted(channel_id, batch)
            stored = await asyncio.gather(*(self._store(one) for one in by_sender))
            if not batch or not all(stored):
                return

    async def _sorted(
        self, channel_id: str, batch: Sequence[SpooledRequest]
    ) -> list[list[_Record]]:
        """Return the requests by sender, in order; those nobody can read any more are let go."""
        found: dict[str, list[_Record]] = defaultdict(list)
        for request in batch:
            try:
                decoded = decode_request(request.body)
                if decoded is None:
                    raise PayloadInvalid("spool_unreadable")
                sender = await self._ingress.sender(channel_id, decoded[0])
            except (PayloadInvalid, NotFound) as error:
                # It was parsed before it was spooled: the channel or its adapter changed since.
                log.error("spool.refused", channel_id=channel_id, code=error.code)
                await self._spool.done(request)
            else:
                found[sender].append((request, *decoded))
        return list(found.values())

    async def _store(self, records: Sequence[_Record]) -> bool:
        """Store one sender's requests one after another; False when the store is away."""
        for request, raw, intake_id in records:
            try:
                await self._ingress.replay(request.channel_id, raw, intake_id)
            except StoreUnavailable:
                return False
            except (PayloadInvalid, NotFound) as error:
                log.error("spool.refused", channel_id=request.channel_id, code=error.code)
            await self._spool.done(request)
        return True
