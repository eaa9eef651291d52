"""The live feed: one follower of the log per process, one feed per socket, no gap and no repeat.

`LiveHub` takes each batch of events once, hydrates it once and lets every `Feed` judge it for its
viewer. Somebody's changed access is read before the batch that says so is judged.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson
import structlog

from hub.model.clock import iso, to_micros
from hub.model.errors import HubError, TooMany
from hub.model.events import EventKind, LoggedEvent
from hub.model.visibility import Viewer
from hub.services import metrics
from hub.services.access import token_viewer, viewer_of
from hub.services.deps import Deps
from hub.services.feed import GOING_AWAY, Feed, LiveLimits, Ticket
from hub.services.hydrate import Pushed, hydrate
from hub.store.engine import Lane
from hub.store.follower import Follower
from hub.store.queries import bulk
from hub.store.queries.audience import Audience, audiences_of
from hub.store.tx import Tx

log = structlog.get_logger(__name__)

_RETRY_S = 0.25
_ALL_CHANGED = frozenset({EventKind.QUEUE_CHANGED, EventKind.CONFIG_CHANGED})
_REMEMBERED = 20_000


class LiveHub:
    """Every socket of this process.

    Attributes:
        position: the number up to which events were handed to the feeds.
    """

    def __init__(self, deps: Deps, follower: Follower, limits: LiveLimits | None = None) -> None:
        self.deps = deps
        self._tasks: list[asyncio.Task[None]] = []
        self._known: OrderedDict[str, Audience] = OrderedDict()
        self._joined: set[Feed] = set()
        self.follower = follower
        self.limits = limits or LiveLimits()
        self.feeds: set[Feed] = set()
        self.position = follower.head

    @property
    def head(self) -> int:
        """The cursor a snapshot read from now on carries."""
        return self.follower.head

    async def start(self) -> None:
        """Begin to hand events out; the follower must have started."""
        self._subscription = self.follower.subscribe()
        self.position = self._subscription.position
        self._tasks = [
            asyncio.create_task(self._follow(), name="live-hub"),
            asyncio.create_task(self._recheck(), name="live-recheck"),
        ]

    async def close(self) -> None:
        """End every feed with 1001 and stop."""
        for feed in list(self.feeds):
            feed.end(GOING_AWAY, "going_away")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def open(self, ticket: Ticket, viewer: Viewer, after: int | None, name: str = "") -> Feed:
        """Return a feed for a socket; give it back with `leave`.

        Raises:
            TooMany: `too_many_sockets`.
        """
        mine = sum(1 for feed in self.feeds if feed.ticket.agent_id == ticket.agent_id)
        if mine >= self.limits.per_person or len(self.feeds) >= self.limits.sockets:
            raise TooMany("too_many_sockets", retry_after_s=5)
        feed = Feed(self, ticket, viewer, after, name)
        self.feeds.add(feed)
        metrics.LIVE_SOCKETS.labels("agents").set(len(self.feeds))
        return feed

    def join(self, feed: Feed) -> None:
        """Hand a feed that has caught up every later batch."""
        feed.joined = True
        self._joined.add(feed)

    def leave(self, feed: Feed) -> None:
        """Forget a feed."""
        self.feeds.discard(feed)
        self._joined.discard(feed)
        metrics.LIVE_SOCKETS.labels("agents").set(len(self.feeds))

    def hello(self, head: int) -> bytes:
        """Return the first frame of every socket."""
        now = iso(self.deps.clock.now())
        return orjson.dumps(
            {"type": "hello", "head": head, "floor": self.follower.floor, "now": now}
        )

    async def page(self, after: int) -> tuple[list[LoggedEvent], int]:
        """Return a page of the log after a number, and how far it reaches."""
        return await self.follower.page(after, 200)

    async def hydrate(self, events: Sequence[LoggedEvent]) -> list[Pushed]:
        """Turn events into frames in one read; one that cannot be read is left out and logged."""
        if not events:
            return []
        try:
            return await self._read(events)
        except HubError:
            raise
        except Exception:
            if len(events) == 1:
                # A row nobody foresaw must not silence the feed for everybody behind it.
                log.exception("live.event_unreadable", seq=events[0].seq, kind=events[0].kind.value)
                return []
        found: list[Pushed] = []
        for one in events:
            found += await self.hydrate([one])
        return found

    async def _read(self, events: Sequence[LoggedEvent]) -> list[Pushed]:
        now = self.deps.clock.now()

        def unit(tx: Tx) -> list[Pushed]:
            return hydrate(tx, events, now)

        return await self.deps.db.read(unit, lane=Lane.BACKGROUND)

    async def audience(self, conversation_id: str) -> Audience | None:
        """Return who sees a conversation now; None when there is none."""
        now = self.deps.clock.now()

        def unit(tx: Tx) -> Audience | None:
            return audiences_of(tx, [conversation_id], now).get(conversation_id)

        return await self.deps.db.read(unit)

    async def _follow(self) -> None:
        async for batch in self._subscription:
            while True:
                try:
                    await self._refresh(batch)
                    pushed = await self.hydrate(batch)
                    break
                except HubError as error:
                    log.warning("live.store_lost", code=error.code)
                    await asyncio.sleep(_RETRY_S)
                except Exception:
                    log.exception("live.batch_failed")
                    await asyncio.sleep(_RETRY_S)
            self._hand_out([self._with_memory(one) for one in pushed])
            self.position = batch[-1].seq

    def _hand_out(self, batch: Sequence[Pushed]) -> None:
        for feed in list(self._joined):
            feed.offer(batch)
        now = self.deps.clock.now()
        for one in batch:
            if one.event.kind is EventKind.MESSAGE_RECEIVED:
                metrics.SCREEN_SECONDS.observe(max(0.0, (now - one.event.at).total_seconds()))

    def _with_memory(self, one: Pushed) -> Pushed:
        talk = one.event.conversation
        if talk is None or one.audience is None:
            return one
        before = self._known.get(talk)
        self._known[talk] = one.audience
        self._known.move_to_end(talk)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return one if before is None else replace(one, before=before)

    async def _refresh(self, batch: Sequence[LoggedEvent]) -> None:
        """Read anew the viewers whose access a batch changed, before it is judged."""
        everybody = any(
            one.kind in _ALL_CHANGED or (one.kind is EventKind.ACCESS_CHANGED and one.agent is None)
            for one in batch
        )
        touched = {one.agent for one in batch if one.kind is EventKind.ACCESS_CHANGED}
        feeds = [f for f in self.feeds if everybody or f.ticket.agent_id in touched]
        await self._reread(feeds)

    async def _reread(self, feeds: Sequence[Feed]) -> None:
        if not feeds:
            return
        viewers = await current_viewers(self.deps, {feed.ticket for feed in feeds})
        for feed in feeds:
            feed.change(viewers.get(feed.ticket))

    async def _recheck(self) -> None:
        """End the feeds of sessions and tokens that ran out without an event."""
        while True:
            await asyncio.sleep(self.limits.recheck_s)
            try:
                await self._reread(list(self.feeds))
            except HubError as error:
                log.debug("live.recheck_failed", code=error.code)


async def current_viewers(deps: Deps, tickets: set[Ticket]) -> dict[Ticket, Viewer]:
    """Return who is behind each ticket now; tickets that are worth nothing are left out."""
    now = to_micros(deps.clock.now())

    def unit_of(some: Sequence[Ticket]) -> Callable[[Tx], dict[Ticket, Viewer]]:
        return lambda tx: _viewers(tx, some, now)

    found: dict[Ticket, Viewer] = {}
    waiting = list(tickets)
    while waiting:
        some, waiting = waiting[:200], waiting[200:]
        found |= await deps.db.read(unit_of(some))
    return found


def _viewers(tx: Tx, tickets: Sequence[Ticket], now: int) -> dict[Ticket, Viewer]:
    sessions = bulk.sessions_alive(tx, [t.session_id for t in tickets if t.session_id], now)
    tokens = bulk.tokens_alive(tx, [t.token_hash for t in tickets if t.token_hash], now)
    people: dict[str, Viewer | None] = {}
    found: dict[Ticket, Viewer] = {}
    for ticket in tickets:
        viewer: Viewer | None = None
        if ticket.session_id in sessions:
            if ticket.agent_id not in people:
                people[ticket.agent_id] = viewer_of(tx, ticket.agent_id)
            viewer = people[ticket.agent_id]
        elif ticket.token_hash in tokens:
            viewer = token_viewer(tokens[ticket.token_hash])
        if viewer is not None:
            found[ticket] = viewer
    return found
