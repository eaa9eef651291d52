"""One socket's place in the log: what it is sent, in which order, and when it is too slow.

A feed that starts behind reads the log itself until it has caught up with the hub; between that
comparison and joining there is no await, so nothing falls between. `prev` is the number last sent
on the same feed.

`conversation.left {id}` takes the place of an event that ended a viewer's sight of a conversation;
`conversation.entered` that of one that began it: its `data` is the head, its `cause` the event.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from hub.model.clock import iso
from hub.model.visibility import Viewer, sight_of
from hub.services.hydrate import Fit, Pushed

if TYPE_CHECKING:
    from hub.services.live import LiveHub

GOING_AWAY, TOO_SLOW, SIGNED_OUT, ACCESS_CHANGED = 1001, 1013, 4401, 4403
_NOTED = 5_000


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """How much a socket may leave unread, and how many sockets there may be.

    Attributes:
        frames, bytes: waiting for one socket; more closes it with 1013.
        cursor_s: after so long without a frame the cursor is sent.
        recheck_s: how often sessions and tokens are looked at without any event.
        ahead_s: how long a cursor from a faster process is waited for.
    """

    frames: int = 1_000
    bytes: int = 4_000_000
    cursor_s: float = 15.0
    recheck_s: float = 15.0
    ahead_s: float = 2.0
    per_person: int = 30
    sockets: int = 10_000


@dataclass(frozen=True, slots=True)
class Ticket:
    """By what somebody holds a socket: a session's id, or the hash of an API token."""

    agent_id: str
    session_id: str | None = None
    token_hash: str | None = None


class Feed:
    """One socket's place in the log.

    Attributes:
        position: the number up to which events were judged for this feed.
        sent: the number of the last frame with one: `prev` of the next.
        joined: the hub hands it every batch.
        name: of the person, as customers see it.
        over: close code and reason once the feed has ended.
        ended: set then.
    """

    def __init__(  # noqa: PLR0913 - what a feed is opened with
        self,
        hub: "LiveHub",
        ticket: Ticket,
        viewer: Viewer,
        after: int | None,
        name: str = "",
    ) -> None:
        self._hub = hub
        self._limits = hub.limits
        self._out: deque[bytes] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._asked = after
        self._seen: OrderedDict[str, bool] = OrderedDict()
        self._changed = False
        self.joined = False
        self.ticket = ticket
        self.name = name
        self.viewer = viewer
        self.sight = sight_of(viewer)
        self.position = self.sent = after or 0
        self.over: tuple[int, str] | None = None
        self.ended = asyncio.Event()

    async def frames(self) -> AsyncIterator[bytes]:
        """Give every frame with a number, in order, for ever; `ended` is set when it stops."""
        head = self._hub.head
        yield self._hub.hello(head)
        if self._asked is None:
            self.position = self.sent = head
        elif (reason := await self._start()) is not None:
            yield self._reset(reason)
        while self.over is None:
            if self.position < self._hub.position:
                events, reached = await self._hub.page(self.position)
                for one in await self._hub.hydrate(events):
                    if (frame := self._judge(one)) is not None:
                        yield frame
                self.position = reached
            elif self._changed:
                self._changed = False
                yield self._reset("access_changed")
            else:
                break
        self._hub.join(self)  # no await since the comparison: what comes now is queued
        while self.over is None:
            while self._out and self.over is None:
                frame = self._out.popleft()
                self._bytes -= len(frame)
                yield frame
            if self.over is None and not await self._wait():
                yield self._cursor()

    async def _start(self) -> str | None:
        """Find out where to begin; the reason when the asked place cannot be had."""
        follower, asked = self._hub.follower, self._asked or 0
        if asked < follower.floor:
            return "too_old"
        if asked > follower.head:
            # Another process may have been faster; a place nobody reached is from another log.
            follower.poke()
            waited = 0.0
            while asked > follower.head and waited < self._limits.ahead_s:
                await asyncio.sleep(0.05)
                waited += 0.05
            if asked > follower.head:
                return "unknown_cursor"
        return None

    def offer(self, batch: Sequence[Pushed]) -> None:
        """Take a batch from the hub; never blocks."""
        for one in batch:
            if one.event.seq > self.position:
                frame = self._judge(one)
                self.position = one.event.seq
                if frame is not None:
                    self.push(frame)

    def push(self, frame: bytes) -> None:
        """Queue a frame; a socket that leaves too much unread is ended."""
        if self.over is not None:
            return
        self._out.append(frame)
        self._bytes += len(frame)
        if len(self._out) > self._limits.frames or self._bytes > self._limits.bytes:
            self.end(TOO_SLOW, "too_slow")
        self._some.set()

    def end(self, code: int, reason: str) -> None:
        """Stop the feed; the first reason counts."""
        if self.over is None:
            self.over = (code, reason)
            if code == TOO_SLOW:
                self._out.clear()
            self._some.set()
            self.ended.set()

    def change(self, viewer: Viewer | None) -> None:
        """Go on as another viewer: end without one, or tell the client to read anew."""
        if viewer is None or not viewer.active:
            self.end(SIGNED_OUT, "signed_out")
        elif viewer != self.viewer:
            # Other roles close the socket (trust.md 16): all it holds was read with the old ones.
            roles = viewer.roles != self.viewer.roles or viewer.scopes != self.viewer.scopes
            self.viewer = viewer
            self.sight = sight_of(viewer)
            self._seen.clear()
            if roles:
                self.end(ACCESS_CHANGED, "access_changed")
            elif self.joined:
                self.push(self._reset("access_changed"))
            else:
                self._changed = True

    def _judge(self, one: Pushed) -> bytes | None:
        talk = one.conversation_id
        fit = one.fit(self.viewer, self.sight)
        if fit is Fit.NONE:
            if talk is None or one.audience is None or not self._knew(one, talk):
                return None
            self._note(talk, seen=False)
            return self._frame(one.event.seq, _left(one, talk))
        tail = one.tail if fit is Fit.FULL else one.bare
        if talk is not None and one.audience is not None:
            known = self._seen.get(talk)
            self._note(talk, seen=True)
            if known is False or (
                known is None and one.before is not None and not one.before.seen_in(self.sight)
            ):
                tail = _entered(one, tail)
        return self._frame(one.event.seq, tail)

    def _knew(self, one: Pushed, talk: str) -> bool:
        """Tell whether the client may still show a conversation that is no longer to be seen."""
        known = self._seen.get(talk)
        if known is not None:
            return known
        if one.before is not None:
            return one.before.seen_in(self.sight)
        # Nobody remembers: whoever the event itself concerned could see it then.
        sight, me = self.sight, self.viewer.agent_id
        named = {one.event.queue, one.event.data.get("from")}
        return bool(sight.queue_ids & named) or (
            sight.personal is not None and me in {one.event.agent, one.event.actor, *named}
        )

    def _note(self, talk: str, *, seen: bool) -> None:
        self._seen[talk] = seen
        self._seen.move_to_end(talk)
        if len(self._seen) > _NOTED:
            self._seen.popitem(last=False)

    def _frame(self, seq: int, tail: bytes) -> bytes:
        frame = b'{"seq":%d,"prev":%d,%b' % (seq, self.sent, tail)
        self.sent = seq
        return frame

    def _cursor(self) -> bytes:
        return self._frame(self.position, b'"type":"cursor"}')

    def _reset(self, reason: str) -> bytes:
        """Have the client read anew; the numbers go on from `cursor`."""
        if reason != "access_changed":
            self.position = self._hub.head
        self.sent = self.position
        return orjson.dumps({"type": "reset", "reason": reason, "cursor": self.position})

    async def _wait(self) -> bool:
        self._some.clear()
        try:
            async with asyncio.timeout(self._limits.cursor_s):
                return await self._some.wait()
        except TimeoutError:
            return False


def _left(one: Pushed, talk: str) -> bytes:
    at = iso(one.event.at)
    return f'"type":"conversation.left","at":"{at}","data":{{"id":"{talk}"}}}}'.encode()


def _entered(one: Pushed, tail: bytes) -> bytes:
    at = iso(one.event.at).encode()
    head = one.head or b"null"
    return (
        b'"type":"conversation.entered","at":"%b","data":%b,"cause":{%b}' % (at, head, tail)
    )  # fmt: skip
