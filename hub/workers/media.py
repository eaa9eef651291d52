"""Fetches the files messages only name, through their channel's adapter."""

import asyncio

import structlog

from hub.ingress.live_channels import LiveChannels
from hub.model.channel import FetchesMedia, HttpFailure
from hub.model.errors import NotFound, SendError, TooLarge
from hub.services import media
from hub.services.deps import Deps
from hub.workers.supervisor import first_of

log = structlog.get_logger(__name__)

FETCH_LIMIT_S = 90.0
IDLE_S = 1.0


class MediaFetcher:
    """One per process; claims keep several from fetching the same file."""

    def __init__(self, deps: Deps, channels: LiveChannels) -> None:
        self._deps = deps
        self._channels = channels
        self._woken = asyncio.Event()
        deps.wake.listen("media", self._woken.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Fetch until `stop`."""
        while not stop.is_set():
            self._woken.clear()
            wanted = await media.claim_due(self._deps)
            if not wanted:
                await first_of(IDLE_S, self._woken, stop)
                continue
            await asyncio.gather(*(self._fetch(one) for one in wanted))

    async def _fetch(self, wanted: media.Wanted) -> None:
        deps, row = self._deps, wanted.row
        try:
            channel = self._channels.get(row["channel_id"]).channel
            if not isinstance(channel, FetchesMedia):
                await media.record_refused(deps, wanted, "cannot_fetch", retryable=False)
                return
            async with asyncio.timeout(FETCH_LIMIT_S):
                fetched = await channel.fetch_media(
                    row["source_ref"], max_bytes=deps.max_upload_bytes
                )
        except TooLarge:
            await media.record_refused(deps, wanted, "too_large", retryable=False)
        except SendError as error:
            await media.record_refused(deps, wanted, error.code, retryable=error.retryable)
        except HttpFailure as error:
            final = error.code in ("too_large", "target_refused")
            await media.record_refused(deps, wanted, error.code, retryable=not final)
        except (TimeoutError, NotFound) as error:
            code = "timeout" if isinstance(error, TimeoutError) else error.code
            await media.record_refused(deps, wanted, code, retryable=True)
        except Exception:
            log.exception("media.crashed", attachment_id=row["id"])
            await media.record_refused(deps, wanted, "adapter_error", retryable=True)
        else:
            await media.record_fetched(deps, wanted, fetched)
