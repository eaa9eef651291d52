"""The way out: claim a due delivery, hand it to its adapter once, record what came of it.

The call happens outside any transaction. A kill between call and record leaves a claim that runs
out; it becomes `unknown`, never a second call.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

import structlog

from hub.ingress.live_channels import Live, LiveChannels
from hub.model.channel import OutgoingPart
from hub.model.errors import HubError, SendError, StoreUnavailable
from hub.services import channels as channel_rows
from hub.services import deliver
from hub.services.deps import Deps
from hub.services.outgoing import load_part
from hub.store.queries.rows import Row
from hub.workers.supervisor import first_of

T = TypeVar("T")
log = structlog.get_logger(__name__)

ATTEMPT_LIMIT_S = 45.0
"""Below `deliver.CLAIM_S`, so that an attempt is over before its claim runs out."""
PART_LIMIT_S = 10.0
AT_ONCE = 32
PER_CHANNEL = 8
"""A provider that hangs holds up so many attempts, never those of other channels."""
RECORD_AGAIN_S = 0.5
RECORD_LIMIT_S = 600.0
"""So long an outcome is kept for a store that is away."""
IDLE_S = 1.0
SWEEP_EVERY_S = 10.0


@dataclass(slots=True)
class _Pace:
    """A token bucket per channel: the account's rate (capabilities.rate_per_s)."""

    rate_per_s: float
    tokens: float
    at: float = field(default_factory=monotonic)

    def wait_s(self) -> float:
        """Take a token, or say how long until there is one."""
        now = monotonic()
        room = max(1.0, self.rate_per_s)
        self.tokens = min(room, self.tokens + (now - self.at) * self.rate_per_s)
        self.at = now
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        return (1.0 - self.tokens) / self.rate_per_s


class Sender:
    """One per process; several processes share the work by conditional claims."""

    def __init__(self, deps: Deps, channels: LiveChannels, name: str) -> None:
        self._deps = deps
        self._channels = channels
        self._woken = asyncio.Event()
        deps.wake.listen("sender", self._woken.set)
        self._name = name
        self._pace: dict[str, _Pace] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._busy: Counter[str] = Counter()
        self._swept = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`; then let running attempts finish."""
        while not stop.is_set():
            self._woken.clear()
            found = await self._round()
            if not found:
                await self._idle(stop)
        if self._running:
            await asyncio.wait(self._running, timeout=ATTEMPT_LIMIT_S)

    async def _round(self) -> bool:
        if monotonic() - self._swept > SWEEP_EVERY_S:
            await deliver.sweep_lapsed(self._deps)
            self._swept = monotonic()
        room = AT_ONCE - len(self._running)
        active: list[str] = [
            live.info.id
            for live in self._channels
            if live.info.state == "active" and self._free(live) and self._ready(live)
        ]
        if room <= 0 or not active:
            return False
        due = await deliver.due(self._deps, active, limit=room)
        for entry in due:
            live = self._channels.get(entry.channel_id)
            if not self._free(live) or self._pace_of(live).wait_s() > 0:
                continue
            row = await deliver.claim(self._deps, entry.id, self._name)
            if row is not None:
                self._begin(live, row)
        return bool(due)

    def _begin(self, live: Live, row: Row) -> None:
        """Start an attempt; at its end look again at once: the next answer may wait for it."""
        task = asyncio.create_task(self._attempt(live, row))
        self._running.add(task)
        self._busy[live.info.id] += 1

        def ended(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            self._busy[live.info.id] -= 1
            self._woken.set()

        task.add_done_callback(ended)

    def _free(self, live: Live) -> bool:
        return self._busy[live.info.id] < PER_CHANNEL

    async def _idle(self, stop: asyncio.Event) -> None:
        """Wait for a wake-up, the next retry, or a second."""
        due = await deliver.next_due(self._deps)
        wait_s = IDLE_S
        if due is not None:
            wait_s = min(wait_s, max(0.02, (due - self._deps.clock.now()).total_seconds()))
        await first_of(wait_s, self._woken, stop)

    def _pace_of(self, live: Live) -> _Pace:
        rate = live.manifest.capabilities.rate_per_s
        return self._pace.setdefault(live.info.id, _Pace(rate, max(1.0, rate)))

    def _ready(self, live: Live) -> bool:
        pace = self._pace_of(live)
        passed = monotonic() - pace.at
        return pace.tokens + passed * pace.rate_per_s >= 1.0

    async def _attempt(self, live: Live, row: Row) -> None:
        """Make one attempt and record it; whatever the adapter raises is an outcome."""
        part = await self._part(live, row)
        if part is None:
            return
        try:
            async with asyncio.timeout(ATTEMPT_LIMIT_S):
                receipt = await live.channel.send(part)
        except SendError as error:
            await self._failed(live, row, error)
        except TimeoutError:
            await self._failed(live, row, SendError("timeout", retryable=False, maybe_sent=True))
        except HubError as error:
            # Ours, not the provider's: a file that cannot be read. Nothing left the hub.
            await self._failed(live, row, SendError(error.code, retryable=True))
        except Exception:
            log.exception("delivery.crashed", delivery_id=row["id"], kind=live.manifest.kind)
            await self._failed(live, row, SendError("adapter_error", maybe_sent=True))
        else:
            await _kept(lambda: deliver.record_sent(self._deps, row, receipt))

    async def _part(self, live: Live, row: Row) -> OutgoingPart | None:
        """Return what is to be sent; None when that cannot be read: then nothing left the hub."""
        try:
            async with asyncio.timeout(PART_LIMIT_S):
                return await load_part(self._deps, row, has_webhook=True)
        except SendError as error:
            await self._failed(live, row, error)
        except (HubError, TimeoutError) as error:
            code = error.code if isinstance(error, HubError) else "store_slow"
            await self._failed(live, row, SendError(code, retryable=True))
        except Exception:
            log.exception("delivery.unreadable", delivery_id=row["id"], kind=live.manifest.kind)
            await self._failed(live, row, SendError("part_unreadable"))
        return None

    async def _failed(self, live: Live, row: Row, error: SendError) -> None:
        live_talk = live.manifest.capabilities.live
        state = await _kept(lambda: deliver.record_failure(self._deps, row, error, live=live_talk))
        log.info(
            "delivery.failed",
            delivery_id=row["id"],
            kind=live.manifest.kind,
            code=error.code,
            state=state.value,
        )
        if error.needs_auth:
            await channel_rows.move_channel(
                self._deps, live.info.id, "needs_auth", error.code, "system"
            )


async def _kept(record: Callable[[], Awaitable[T]]) -> T:
    """Write how an attempt ended, again and again while the store is away or busy.

    Forgetting it would make `unknown` of what is known.
    """
    until = monotonic() + RECORD_LIMIT_S
    while True:
        try:
            return await record()
        except StoreUnavailable:
            if monotonic() > until:
                raise
            await asyncio.sleep(RECORD_AGAIN_S)
