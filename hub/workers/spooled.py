"""Brings the spool back: what was verified and answered while the store was away is stored."""

import asyncio

import structlog

from hub.ingress.pipeline import Ingress
from hub.model.errors import HubError, NotFound, PayloadInvalid, StoreUnavailable
from hub.services.intake_record import decode_request
from hub.store.spool import Spool, SpooledRequest
from hub.workers.supervisor import pause

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.5


class SpoolDrain:
    """Drains this process's spool in order, channel by channel; also flushes refusal counters."""

    def __init__(self, spool: Spool, ingress: Ingress) -> None:
        self._spool = spool
        self._ingress = ingress

    async def run(self, stop: asyncio.Event) -> None:
        """Drain until `stop`; a store that is still away leaves everything where it is."""
        while not stop.is_set():
            await self._ingress.flush_counts()
            for channel_id in self._spool.channels():
                if not await self._drain(channel_id, stop):
                    break
            await pause(stop, LOOK_EVERY_S)

    async def _drain(self, channel_id: str, stop: asyncio.Event) -> bool:
        """Store a channel's requests oldest first; False when the store is still away."""
        while not stop.is_set():
            try:
                request = await self._spool.oldest(channel_id)
                if request is None:
                    return True
                await self._store(request)
            except StoreUnavailable:
                return False
            except HubError as error:
                # A record of a key we no longer have must not hold up those behind it.
                log.exception("spool.unreadable", channel_id=channel_id, code=error.code)
                await self._spool.skip(channel_id)
                continue
            await self._spool.done(request)
        return True

    async def _store(self, request: SpooledRequest) -> None:
        decoded = decode_request(request.body)
        if decoded is None:
            log.error("spool.unreadable", channel_id=request.channel_id)
            return
        raw, intake_id = decoded
        try:
            await self._ingress.replay(request.channel_id, raw, intake_id)
        except (PayloadInvalid, NotFound) as error:
            # It was parsed before it was spooled: the channel or its adapter changed since.
            log.error("spool.refused", channel_id=request.channel_id, code=error.code)
