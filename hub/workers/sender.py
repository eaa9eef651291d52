"""The way out: claim a due delivery, hand it to its adapter once, record what came of it.

The call happens outside any transaction. A kill between call and record leaves a claim that runs
out; it becomes `unknown`, never a second call.
"""

import asyncio
from dataclasses import dataclass, field
from time import monotonic

import structlog

from hub.ingress.live_channels import Live, LiveChannels
from hub.model.errors import HubError, SendError
from hub.services import channels as channel_rows
from hub.services import deliver
from hub.services.deps import Deps
from hub.services.outgoing import load_part
from hub.store.queries.rows import Row
from hub.workers.supervisor import first_of

log = structlog.get_logger(__name__)

ATTEMPT_LIMIT_S = 45.0
"""Below `deliver.CLAIM_S`, so that an attempt is over before its claim runs out."""
AT_ONCE = 32
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
            if live.info.state == "active" and self._ready(live)
        ]
        if room <= 0 or not active:
            return False
        due = await deliver.due(self._deps, active, limit=room)
        for entry in due:
            live = self._channels.get(entry.channel_id)
            if self._pace_of(live).wait_s() > 0:
                continue
            row = await deliver.claim(self._deps, entry.id, self._name)
            if row is not None:
                task = asyncio.create_task(self._attempt(live, row))
                self._running.add(task)
                task.add_done_callback(self._ended)
        return bool(due)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Look again at once: the next answer of the same talk waited for this one."""
        self._running.discard(task)
        self._woken.set()

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
        deps = self._deps
        try:
            part = await load_part(deps, row, has_webhook=True)
            async with asyncio.timeout(ATTEMPT_LIMIT_S):
                receipt = await live.channel.send(part)
        except SendError as error:
            await self._failed(live, row, error)
        except TimeoutError:
            await self._failed(live, row, SendError("timeout", retryable=False, maybe_sent=True))
        except HubError as error:
            # Raised before the adapter was called: nothing left the hub.
            await self._failed(live, row, SendError(error.code, retryable=True))
        except Exception:
            log.exception("delivery.crashed", delivery_id=row["id"], kind=live.manifest.kind)
            await self._failed(live, row, SendError("adapter_error", maybe_sent=True))
        else:
            await deliver.record_sent(deps, row, receipt)

    async def _failed(self, live: Live, row: Row, error: SendError) -> None:
        live_talk = live.manifest.capabilities.live
        state = await deliver.record_failure(self._deps, row, error, live=live_talk)
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
