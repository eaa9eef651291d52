"""From the event log and the house's signals to the visitors' sockets, each event read once.

One per process. The feed follows the log, reads every message that concerns a chat channel with an
open socket once for all of them, and hands it to the sockets of the visitor (and signed account)
it belongs to. A socket that does not keep up is closed; it comes back with its cursor.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from aiohttp import web

from hub.api.widget_signals import presence_frame, queue_frame
from hub.model.clock import iso
from hub.model.errors import HubError, StoreUnavailable
from hub.model.events import EventKind, LoggedEvent
from hub.services import metrics, widget_talk
from hub.services.deps import Deps
from hub.services.signals import AgentTyping, DeskPresence, QueuePlace
from hub.services.widget import Session
from hub.store.follower import Follower
from hub.store.queries.widget import TALK_KINDS

log = structlog.get_logger(__name__)

Frame = Mapping[str, Any]
QUEUED_FRAMES = 500
WATCH_S = 2.0
_RETRY_S = 0.25
_HANDLING = frozenset(
    {
        EventKind.ITEM_CONNECTED,
        EventKind.ITEM_COMPLETED,
        EventKind.ITEM_QUEUED,
        EventKind.ITEM_TRANSFERRED,
    }
)
_TALK = frozenset(TALK_KINDS)


@dataclass(eq=False, slots=True)
class Seat:
    """One visitor's socket as the feed sees it.

    Attributes:
        queue: frames to write; None ends the writer.
        waiting: live frames that came while the socket is still catching up; None afterwards.
        close_code: why the feed wants it closed.
    """

    session: Session
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUED_FRAMES))
    waiting: list[bytes] | None = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    seen: dict[str, int] = field(default_factory=dict)
    close_code: int = 0

    def push(self, frame: Frame) -> None:
        """Queue a frame behind those of the catch-up; never blocks."""
        self._push(orjson.dumps(frame))

    def push_now(self, frame: Frame) -> None:
        """Queue a frame of the catch-up itself."""
        self._put(orjson.dumps(frame))

    def live(self) -> None:
        """End the catch-up: what came meanwhile goes out behind it."""
        held, self.waiting = self.waiting or [], None
        for raw in held:
            self._put(raw)

    def end(self, code: int) -> None:
        """Have the socket closed with a code; one that is too slow gets nothing more."""
        if self.close_code:
            return
        self.close_code = code
        while self.queue.full() or (code == 1013 and not self.queue.empty()):
            self.queue.get_nowait()
        self.queue.put_nowait(None)

    def _push(self, raw: bytes) -> None:
        if self.waiting is None:
            self._put(raw)
        elif len(self.waiting) < QUEUED_FRAMES:
            self.waiting.append(raw)
        else:
            self.end(1013)

    def _put(self, raw: bytes) -> None:
        if self.close_code:
            return
        if self.queue.full():
            self.end(1013)
        else:
            self.queue.put_nowait(raw)


class WidgetFeed:
    """Feeds the visitors' sockets of this process."""

    def __init__(self, deps: Deps, follower: Follower) -> None:
        self._deps = deps
        self._follower = follower
        self._seats: set[Seat] = set()
        self._by_visitor: dict[tuple[str, str], set[Seat]] = defaultdict(set)
        self._by_subject: dict[tuple[str, str], set[Seat]] = defaultdict(set)
        self._by_thread: dict[str, set[Seat]] = defaultdict(set)
        self._presence: dict[str, DeskPresence] = {}
        self._watch_now = asyncio.Event()
        self.half_open: dict[str, int] = defaultdict(int)
        deps.wake.listen("read_marks", self._watch_now.set)

    # --- what handlers ask --------------------------------------------------------------------
    @property
    def head(self) -> int:
        """The place in the log everything up to which can be read."""
        return self._follower.head

    def too_old(self, cursor: int) -> bool:
        """Tell whether a cursor is outside what can be replayed."""
        return cursor < self._follower.floor or cursor > self._follower.head

    def presence(self, channel_id: str) -> dict[str, Any]:
        """Return whether somebody answers on a channel now, and else when."""
        known = self._presence.get(channel_id)
        if known is None:
            return {"open": True, "opens_at": None}
        return presence_frame(known)

    @staticmethod
    def seen_list(seen: Mapping[str, int]) -> list[dict[str, Any]]:
        """Return how far each thread was seen, as it goes over the wire."""
        return [{"thread": thread, "number": number} for thread, number in seen.items() if number]

    def sockets_of(self, session: Session) -> int:
        """Return how many sockets a visitor has here."""
        return len(self._by_visitor.get((session.channel_id, session.visitor_id), ()))

    def take_seat(self, session: Session) -> Seat:
        """Add a socket; frames wait until its catch-up is over."""
        seat = Seat(session)
        self._seats.add(seat)
        for key in self._visitor_keys(session):
            self._by_visitor[key].add(seat)
        if session.subject:
            self._by_subject[session.channel_id, session.subject].add(seat)
        metrics.LIVE_SOCKETS.labels("visitor").inc()
        return seat

    def leave(self, seat: Seat) -> None:
        """Take a socket out."""
        self._seats.discard(seat)
        for key in self._visitor_keys(seat.session):
            self._drop(self._by_visitor, key, seat)
        self._drop(self._by_subject, (seat.session.channel_id, seat.session.subject), seat)
        for thread in seat.threads:
            self._drop(self._by_thread, thread, seat)
        metrics.LIVE_SOCKETS.labels("visitor").dec()

    def join(self, seat: Seat, threads: Iterable[str]) -> None:
        """Have a socket told what happens in conversations the visitor takes part in."""
        for thread in threads:
            seat.threads.add(thread)
            self._by_thread[thread].add(seat)

    def to_visitor(self, session: Session, frame: Frame) -> None:
        """Push a frame to every socket of a visitor here."""
        for seat in list(self._by_visitor.get((session.channel_id, session.visitor_id), ())):
            seat.push(frame)

    # --- its life -----------------------------------------------------------------------------
    async def running(self, app: web.Application) -> AsyncIterator[None]:
        """Run with the application (`cleanup_ctx`)."""
        signals = self._deps.signals
        ends = [
            signals.listen(AgentTyping, self._typing),
            signals.listen(QueuePlace, self._queue),
            signals.listen(DeskPresence, self._desk),
        ]
        subscription = self._follower.subscribe()
        tasks = [
            asyncio.create_task(self._follow(subscription), name="widget-feed"),
            asyncio.create_task(self._watch(), name="widget-watch"),
        ]
        yield
        for end in ends:
            end()
        subscription.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for seat in list(self._seats):
            seat.end(1001)

    async def _follow(self, batches: AsyncIterator[list[LoggedEvent]]) -> None:
        async for batch in batches:
            while self._seats:
                try:
                    await self._tell(batch)
                except StoreUnavailable:
                    await asyncio.sleep(_RETRY_S)
                    continue
                except Exception:
                    log.exception("widget.feed_failed")
                    self._close_all(1013)  # they come back with their cursors and miss nothing
                break

    async def _tell(self, batch: list[LoggedEvent]) -> None:
        channels = {seat.session.channel_id for seat in self._seats}
        changed: dict[str, int] = {}
        handled: set[str] = set()
        resolved: set[str] = set()
        for event in batch:
            thread = event.conversation or ""
            if event.kind in _TALK and event.message and _concerns(event, channels):
                changed[event.message] = event.seq
            elif event.kind is EventKind.CHANNEL_CHANGED:
                self._channel_changed(event)
            elif thread in self._by_thread:
                if event.kind in _HANDLING:
                    handled.add(thread)
                elif event.kind is EventKind.CONVERSATION_RESOLVED:
                    resolved.add(thread)
                elif event.kind is EventKind.MESSAGE_SENT and event.data.get("by") == "human":
                    # Who answers has read what came before.
                    number = event.data.get("number")
                    self._saw(thread, number if isinstance(number, int) else 0)
        if changed:
            await self._tell_messages(changed)
        if handled or resolved:
            await self._tell_agents(handled | resolved)
        for thread in resolved:
            self._to_thread(thread, {"type": "ended", "by": "agent", "thread": thread})

    async def _tell_messages(self, changed: Mapping[str, int]) -> None:
        ids = sorted(changed, key=lambda id_: changed[id_])
        found = await widget_talk.hydrated(self._deps, ids)
        for one in found:
            seats = set(self._by_visitor.get((one.channel_id, one.visitor_id), ()))
            if one.subject:
                seats |= self._by_subject.get((one.channel_id, one.subject), set())
            frame = {
                "type": "message",
                "cursor": changed[one.message.id],
                "message": one.message.wire(),
            }
            for seat in seats:
                self.join(seat, (one.message.thread,))
                seat.push(frame)

    async def _tell_agents(self, threads: set[str]) -> None:
        names = await widget_talk.handlers_of(self._deps, threads)
        for thread in threads:
            self._to_thread(thread, {"type": "agent", "name": names.get(thread)})

    def _channel_changed(self, event: LoggedEvent) -> None:
        """Let go of a channel's sockets: they come back under its new rules, or not at all."""
        code = 1013 if event.data.get("state") == "active" else 4410
        for seat in list(self._seats):
            if seat.session.channel_id == event.data.get("channel"):
                seat.end(code)

    # --- what is not in the log ---------------------------------------------------------------
    async def _watch(self) -> None:
        """Look for read marks of agents and for sessions that are over."""
        while True:
            self._watch_now.clear()
            try:
                await self._look()
            except HubError as error:
                log.debug("widget.watch_failed", code=error.code)
            except Exception:
                log.exception("widget.watch_crashed")
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await self._watch_now.wait()

    async def _look(self) -> None:
        now = self._deps.clock.now()
        for seat in list(self._seats):
            if seat.session.expires_at <= now:
                seat.end(4401)
        threads = [thread for thread, seats in self._by_thread.items() if seats]
        if not threads:
            return
        numbers = await widget_talk.seen_of(self._deps, threads)
        for thread, number in numbers.items():
            self._saw(thread, number)

    def _saw(self, thread: str, number: int) -> None:
        for seat in list(self._by_thread.get(thread, ())):
            if number > seat.seen.get(thread, 0):
                seat.seen[thread] = number
                seat.push({"type": "seen", "thread": thread, "number": number})

    def _typing(self, signal: AgentTyping) -> None:
        frame = {"type": "typing", "on": signal.on, "name": signal.name}
        self._to_thread(signal.conversation_id, frame)

    def _queue(self, signal: QueuePlace) -> None:
        for seat in list(self._by_thread.get(signal.conversation_id, ())):
            seat.push(queue_frame(signal, seat.session.language))

    def _desk(self, signal: DeskPresence) -> None:
        self._presence[signal.channel_id] = signal
        frame = {"type": "presence", **presence_frame(signal)}
        for seat in list(self._seats):
            if seat.session.channel_id == signal.channel_id:
                seat.push(frame)

    # --- inside -------------------------------------------------------------------------------
    def _to_thread(self, thread: str, frame: Frame) -> None:
        for seat in list(self._by_thread.get(thread, ())):
            seat.push(frame)

    def _close_all(self, code: int) -> None:
        for seat in list(self._seats):
            seat.end(code)

    @staticmethod
    def _visitor_keys(session: Session) -> list[tuple[str, str]]:
        return [(session.channel_id, visitor) for visitor in session.visitors]

    @staticmethod
    def _drop(index: dict[Any, set[Seat]], key: object, seat: Seat) -> None:
        seats = index.get(key)
        if seats is not None:
            seats.discard(seat)
            if not seats:
                del index[key]

    def hello(self, session: Session, standing: widget_talk.Standing) -> dict[str, Any]:
        """Return the first frame of a socket."""
        return {
            "type": "hello",
            "visitor_id": session.visitor_id,
            "signed": session.signed,
            "cursor": self.head,
            "now": iso(self._deps.clock.now()),
            "agent": None if standing.agent is None else {"name": standing.agent},
            "seen": self.seen_list(standing.seen),
            **self.presence(session.channel_id),
        }


def _concerns(event: LoggedEvent, channels: set[str]) -> bool:
    """Tell whether a visitor's view may change; moves of a delivery count when it is released."""
    channel = event.data.get("channel")
    if channel is not None and channel not in channels:
        return False
    if event.kind is EventKind.DELIVERY_MOVED:
        return event.data.get("to") in ("sent", "unknown") or event.data.get("from") == "sending"
    return True


FEED = web.AppKey("widget_feed", WidgetFeed)
