"""The simulated Bot API's updates: kept until the hub has them, by webhook or by getUpdates."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from hub.demo.operations import Operation, OperationLog, OpKind, OpOutcome

Update = dict[str, Any]
Method = Callable[[str, dict[str, str]], Awaitable[object]]

WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)
OTHER_POLLER = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)


class Conflict(Exception):
    """getUpdates is not possible now; the text is Telegram's description."""


@dataclass(slots=True)
class _Kept:
    update: Update
    operation: Operation


class UpdateFeed:
    """Updates that wait, and both ways to get them.

    Args:
        log: where every update's fate is written.
        call: runs a Bot API method that the hub put into its answer to a webhook.
        delays_s: pauses after failed attempts, the last one repeated.
        timeout_s: how long the hub may take to answer.
        repeat_every: every n-th update is delivered twice by webhook, as Telegram may; 0 = none.
    """

    def __init__(
        self,
        log: OperationLog,
        call: Method,
        *,
        delays_s: Sequence[float],
        timeout_s: float,
        repeat_every: int = 0,
    ) -> None:
        self._log = log
        self._call = call
        self._delays_s = tuple(delays_s)
        self._timeout_s = timeout_s
        self._repeat_every = repeat_every
        self._kept: dict[int, _Kept] = {}
        self._next_id = 871_200_000
        self._made = 0
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._repeats: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(40)
        self._session: aiohttp.ClientSession | None = None
        self._poller: asyncio.Future[str] | None = None
        self.url = ""
        self.secret = ""

    @property
    def waiting(self) -> int:
        """How many updates the hub has not acknowledged."""
        return len(self._kept)

    def add(self, kind: str, body: object, external_id: str, summary: str) -> Operation:
        """Make an update and hand it over, or keep it until somebody asks."""
        self._made += 1
        # Numbers grow, with gaps.
        self._next_id += 1 + (self._made % 4 == 0)
        update = {"update_id": self._next_id, kind: body}
        operation = self._log.begin(OpKind.INBOUND, external_id, summary)
        self._kept[self._next_id] = _Kept(update, operation)
        if self.url:
            self._push(self._next_id)
        self._end_poll("new")
        return operation

    @property
    def polled(self) -> bool:
        """Whether a getUpdates is waiting."""
        return self._poller is not None

    # --- webhook ------------------------------------------------------------------------------
    def set_webhook(self, url: str, secret: str, max_connections: int) -> None:
        """Begin to call `url` with everything that waits; empty: stop calling."""
        self._stop_pushing()
        self.url, self.secret = url, secret
        self._gate = asyncio.Semaphore(max_connections)
        if url:
            self._end_poll(WEBHOOK_ACTIVE)
            for update_id in tuple(self._kept):
                self._push(update_id)

    async def close(self) -> None:
        """Stop calling. What was never answered ends as unknown, what was refused as failed."""
        tasks = [*self._tasks.values(), *self._repeats]
        self._stop_pushing()
        self._end_poll(OTHER_POLLER)
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        for kept in self._kept.values():
            statuses = kept.operation.statuses
            refused = not statuses or statuses[-1] != 0
            self._log.finish(kept.operation, OpOutcome.FAILED if refused else OpOutcome.UNKNOWN)

    def _stop_pushing(self) -> None:
        for task in (*self._tasks.values(), *self._repeats):
            task.cancel()
        self._tasks.clear()

    def _push(self, update_id: int) -> None:
        self._tasks[update_id] = asyncio.create_task(self._deliver(update_id))
        if self._repeat_every and update_id % self._repeat_every == 0:
            update = self._kept[update_id].update
            task = asyncio.create_task(self._repeat(update))
            self._repeats.add(task)
            task.add_done_callback(self._repeats.discard)

    async def _deliver(self, update_id: int) -> None:
        kept = self._kept[update_id]
        attempts = 0
        while True:
            status, answer = await self._post(kept.update)
            self._log.attempt(kept.operation, status)
            if 200 <= status <= 299:
                self._done(update_id)
                self._tasks.pop(update_id, None)
                await self._obey(answer)
                return
            await asyncio.sleep(self._delays_s[min(attempts, len(self._delays_s) - 1)])
            attempts += 1

    async def _repeat(self, update: Update) -> None:
        await self._post(update)

    async def _post(self, update: Update) -> tuple[int, object]:
        """Call the webhook once; (0, None) when no answer came."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                connector=aiohttp.TCPConnector(limit=0),
            )
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.secret} if self.secret else {}
        try:
            async with (
                self._gate,
                self._session.post(self.url, json=update, headers=headers) as response,
            ):
                is_json = response.content_type == "application/json"
                answer = await response.json() if is_json else await response.read()
                return response.status, answer if is_json else None
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
            return 0, None

    async def _obey(self, answer: object) -> None:
        """Run the method a webhook's answer names; its result is told to nobody."""
        if isinstance(answer, dict) and isinstance(answer.get("method"), str):
            params = {str(k): str(v) for k, v in answer.items() if k != "method"}
            with contextlib.suppress(Exception):
                await self._call(answer["method"], params)

    # --- getUpdates ---------------------------------------------------------------------------
    async def get_updates(self, offset: int, limit: int, timeout_s: float) -> list[Update]:
        """Return what waits from `offset` on; everything below it is confirmed and forgotten.

        Raises:
            Conflict: a webhook is set, or another poll began meanwhile.
        """
        if self.url:
            raise Conflict(WEBHOOK_ACTIVE)
        self._end_poll(OTHER_POLLER)
        if offset > 0:
            for update_id in [one for one in self._kept if one < offset]:
                self._done(update_id)
        if not self._kept and timeout_s > 0:
            await self._wait(timeout_s)
        found = [kept for update_id, kept in self._kept.items() if update_id >= offset][:limit]
        for kept in found:
            # Handed over, not yet confirmed: without a confirmation nobody knows.
            self._log.attempt(kept.operation, 0)
        return [kept.update for kept in found]

    async def _wait(self, timeout_s: float) -> None:
        mine: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._poller = mine
        self._log.changed()
        try:
            async with asyncio.timeout(timeout_s):
                reason = await mine
        except TimeoutError:
            return
        finally:
            if self._poller is mine:
                self._poller = None
        if reason != "new":
            raise Conflict(reason)

    def _end_poll(self, reason: str) -> None:
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(reason)

    def _done(self, update_id: int) -> None:
        kept = self._kept.pop(update_id, None)
        if kept is not None:
            self._log.finish(kept.operation, OpOutcome.OK)
