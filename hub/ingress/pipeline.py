"""One request in: verify -> parse -> receive -> respond.

What is answered 2xx is stored, or verified and in the spool. While a channel's spool is not empty
its new requests go behind it, so that order is kept. Only when neither store nor spool can take a
request is it answered 503.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import structlog

from hub.ingress.live_channels import Live, LiveChannels
from hub.model.channel import (
    ContactSignal,
    InboundMessage,
    Intake,
    ItemOutcome,
    MessageChange,
    RawRequest,
    RawResponse,
)
from hub.model.errors import PayloadInvalid, SignatureRejected, StoreUnavailable
from hub.model.ids import new_id
from hub.services.deps import Deps
from hub.services.intake_record import encode_request
from hub.services.receive import Arrival, count_refused, log_refused, receive

log = structlog.get_logger(__name__)

PARSE_IN_THREAD_BYTES = 64_000


class SpoolPort(Protocol):
    """Where verified requests wait while the store cannot take them."""

    async def append(self, channel_id: str, record: bytes) -> None:
        """Keep a record durably. Raises SpoolUnavailable."""

    def waiting(self, channel_id: str) -> int:
        """Return how many records of a channel wait."""


class Meter(Protocol):
    """What the pipeline tells the metrics."""

    def intake(self, kind: str, outcome: str) -> None:
        """Count one item or request by outcome."""

    def inbound_seconds(self, kind: str, seconds: float) -> None:
        """Note how long a request took to its commit."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A verified, parsed request and what became of its items."""

    intake: Intake
    outcomes: tuple[ItemOutcome, ...]


class Ingress:
    """The one way in for webhooks, fetched mails, sockets and the chat widget."""

    def __init__(self, deps: Deps, channels: LiveChannels, spool: SpoolPort, meter: Meter) -> None:
        self._deps = deps
        self._channels = channels
        self._spool = spool
        self._meter = meter
        self._refused: Counter[tuple[str, str]] = Counter()
        self._unknown: set[tuple[str, str]] = set()
        self._late: set[asyncio.Task[tuple[ItemOutcome, ...]]] = set()

    async def accept(self, channel_id: str, request: RawRequest) -> RawResponse:
        """Take one request and return what its sender is answered.

        Raises:
            NotFound: no such channel.
            SignatureRejected: 403; a counter, nothing stored.
            PayloadInvalid: 400; kept in the intake log.
            StoreUnavailable: 503; neither store nor spool took it.
        """
        live = self._channels.get(channel_id)
        taken = await self.take(live, request)
        if taken.intake.challenge is not None:
            return taken.intake.challenge
        return live.channel.respond(taken.intake, taken.outcomes)

    async def take(self, live: Live, request: RawRequest, *, cursor: str | None = None) -> Taken:
        """Verify, parse and store a request, or spool it; see `accept` for what is raised."""
        intake = await self._read(live, request)
        if not intake.items and not intake.ignored and cursor is None:
            return Taken(intake, ())
        arrival = Arrival(live.info, request, intake, new_id(), cursor)
        if self._spool.waiting(live.info.id):
            return Taken(intake, await self._spool_it(arrival))
        started = asyncio.get_running_loop().time()
        # Shielded: past the deadline it may still commit; the spooled copy carries the same
        # intake id, so the two meet.
        task = asyncio.create_task(receive(self._deps, arrival))
        self._late.add(task)
        task.add_done_callback(self._finished)
        try:
            async with asyncio.timeout(live.manifest.deadline_s):
                outcomes = await asyncio.shield(task)
        except (TimeoutError, StoreUnavailable) as error:
            log.warning("intake.spooled", channel_id=live.info.id, reason=type(error).__name__)
            return Taken(intake, await self._spool_it(arrival))
        kind = live.manifest.kind
        self._meter.inbound_seconds(kind, asyncio.get_running_loop().time() - started)
        for outcome in outcomes:
            self._meter.intake(kind, outcome.value)
        return Taken(intake, outcomes)

    async def sender(self, channel_id: str, request: RawRequest) -> str:
        """Return whose request it is: those of one sender are stored in their order.

        Raises:
            NotFound, PayloadInvalid: as `replay`.
        """
        live = self._channels.get(channel_id)
        for item in (await self._parse(live, request)).items:
            if isinstance(item, InboundMessage | ContactSignal):
                return item.sender.value
            if isinstance(item, MessageChange) and item.as_message is not None:
                return item.as_message.sender.value
        return ""

    async def replay(self, channel_id: str, request: RawRequest, intake_id: str) -> Taken:
        """Store a request of the spool or the log: verified before, so only parsed again.

        Raises:
            NotFound, PayloadInvalid, StoreUnavailable: as `accept`; it stays where it was.
        """
        live = self._channels.get(channel_id)
        intake = await self._parse(live, request)
        arrival = Arrival(live.info, request, intake, intake_id, again=True)
        outcomes = await receive(self._deps, arrival)
        for outcome in outcomes:
            self._meter.intake(live.manifest.kind, outcome.value)
        return Taken(intake, outcomes)

    def too_large(self, channel_id: str) -> None:
        """Count a request whose body was over the limit and never read."""
        self._refused[channel_id, "too_large"] += 1

    async def flush_counts(self) -> None:
        """Write what was refused since the last time; called by a loop every second."""
        if self._refused:
            counts, self._refused = self._refused, Counter()
            try:
                await count_refused(self._deps, dict(counts))
            except StoreUnavailable:
                self._refused.update(counts)

    async def _read(self, live: Live, request: RawRequest) -> Intake:
        kind = live.manifest.kind
        try:
            live.channel.verify(request)
        except SignatureRejected:
            self._refused[live.info.id, "refused"] += 1
            self._meter.intake(kind, "refused")
            raise
        try:
            intake = await self._parse(live, request)
        except PayloadInvalid as error:
            self._meter.intake(kind, "invalid")
            try:
                await log_refused(self._deps, live.info.id, request, error.code)
            except StoreUnavailable:
                self._refused[live.info.id, "invalid"] += 1
            raise
        for name in intake.ignored:
            if (kind, name) not in self._unknown:
                self._unknown.add((kind, name))
                log.info("intake.unknown_event", kind=kind, event_name=name[:100])
        return intake

    async def _parse(self, live: Live, request: RawRequest) -> Intake:
        if len(request.body) > PARSE_IN_THREAD_BYTES:
            return await asyncio.to_thread(live.channel.parse, request)
        return live.channel.parse(request)

    async def _spool_it(self, arrival: Arrival) -> tuple[ItemOutcome, ...]:
        record = encode_request(arrival.request, arrival.intake_id)
        await self._spool.append(arrival.channel.id, record)
        kind = arrival.channel.kind
        for _ in arrival.intake.items:
            self._meter.intake(kind, ItemOutcome.SPOOLED.value)
        return tuple(ItemOutcome.SPOOLED for _ in arrival.intake.items)

    def _finished(self, task: asyncio.Task[tuple[ItemOutcome, ...]]) -> None:
        self._late.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.debug("intake.failed", error=type(task.exception()).__name__)
