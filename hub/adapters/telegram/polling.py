"""Long polling: getUpdates as a stream of requests for the same `parse` as webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from hub.adapters.telegram.adapter import TelegramChannel
from hub.adapters.telegram.config import ALLOWED_UPDATES
from hub.model.channel import Pulled, RawRequest, StopSignal
from hub.model.clock import utc_now
from hub.model.errors import HubError

POLL_WAIT_S = 50
"""How long Telegram holds an empty answer back."""
POLL_BATCH = 100
_SEEN_WINDOW = 1_000


class TelegramPollingChannel(TelegramChannel):
    """One bot whose updates are fetched. Only one process may poll a bot."""

    async def pull(self, cursor: str | None, stop: StopSignal) -> AsyncIterator[Pulled]:
        """Yield updates by long polling. `cursor` is the last update_id that was stored.

        Telegram forgets updates below the offset we name, so an offset is named only for what
        the caller took: when the caller asks for more, its last unit is done. Between batches no
        offset is named at all: after a week without updates Telegram starts with a random
        number, and an offset above it would throw those updates away unread.

        Raises:
            SendError: `webhook_is_set` and `other_poller` (409), or as for sending.
        """
        seen = int(cursor) if cursor else None
        offset: int | None = None
        while not stop.is_set():
            fetched = await self._poll(offset, stop)
            if fetched is None:
                return
            offset = fetched[-1][0] + 1 if fetched else None
            for number, body in fetched:
                if stop.is_set():
                    return  # the rest is not confirmed and comes again
                if seen is not None and seen - _SEEN_WINDOW < number <= seen:
                    continue  # stored before a restart, only not yet confirmed to Telegram
                seen = number
                yield Pulled(self._pulled_request(body), str(number), self._ack(body))

    async def _poll(self, offset: int | None, stop: StopSignal) -> list[tuple[int, bytes]] | None:
        """Ask once; None when the loop should end meanwhile. Cancelling a poll loses nothing."""
        polling = asyncio.ensure_future(self._get_updates(offset))
        stopping = asyncio.ensure_future(_until(stop))
        try:
            await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return polling.result() if polling.done() else None
        finally:
            for task in (polling, stopping):
                task.cancel()
            await asyncio.gather(polling, stopping, return_exceptions=True)

    async def _get_updates(self, offset: int | None) -> list[tuple[int, bytes]]:
        client = await self.client()
        await client.call(
            client.bot.get_updates(
                offset=offset,
                limit=POLL_BATCH,
                timeout=POLL_WAIT_S,
                allowed_updates=ALLOWED_UPDATES,
            )
        )
        return client.polls.take()

    def _pulled_request(self, body: bytes) -> RawRequest:
        return RawRequest(
            method="PULL",
            url=self.context.webhook_url,
            path="",
            query="",
            headers={},
            body=body,
            received_at=utc_now(),
        )

    def _ack(self, body: bytes) -> Callable[[], Awaitable[None]] | None:
        query = json.loads(body).get("callback_query")
        pressed = query.get("id") if isinstance(query, dict) else None
        return partial(self._answer_button, pressed) if isinstance(pressed, str) else None

    async def _answer_button(self, callback: str) -> None:
        """Stop the button's progress circle; it stops by itself, so a failure is nobody's."""
        client = await self.client()
        try:
            await client.call(client.bot.answer_callback_query(callback))
        except HubError:
            return


async def _until(stop: StopSignal) -> None:
    await stop.wait()
