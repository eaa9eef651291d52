"""Who looks at a conversation and who types in it: hints between sockets, never stored.

Frames without a number: `{type: viewers, conversation_id, agent_ids}` to everybody who may see the
conversation, `{type: typing, conversation_id, agent_id, by}` to those who look at it. Clients let
typing fade after `ttl_s`. Known inside one process; other processes' viewers are not shown.
"""

import asyncio
from collections import defaultdict

import orjson
import structlog

from hub.model.errors import HubError
from hub.services.feed import Feed
from hub.services.live import LiveHub
from hub.services.signals import AgentTyping, VisitorTyping

log = structlog.get_logger(__name__)

TYPING_TTL_S = 6


class Company:
    """The viewers and typists of this process."""

    def __init__(self, hub: LiveHub) -> None:
        self._hub = hub
        self._at: dict[Feed, str] = {}
        self._feeds: defaultdict[str, set[Feed]] = defaultdict(set)
        self._tasks: set[asyncio.Task[None]] = set()
        hub.deps.signals.listen(VisitorTyping, self._visitor_types)

    def viewers(self, conversation_id: str) -> list[str]:
        """Return who looks at a conversation."""
        return sorted({feed.ticket.agent_id for feed in self._feeds.get(conversation_id, ())})

    async def view(self, feed: Feed, conversation_id: str | None) -> bool:
        """Note what a socket shows now; False when its viewer may not see that."""
        was = self._at.pop(feed, None)
        if was is not None:
            self._drop(feed, was)
        if conversation_id is not None:
            audience = await self._hub.audience(conversation_id)
            if audience is None or not audience.seen_by(feed.viewer):
                if was is not None:
                    await self._tell(was)
                return False
            self._at[feed] = conversation_id
            self._feeds[conversation_id].add(feed)
            await self._tell(conversation_id)
        if was is not None and was != conversation_id:
            await self._tell(was)
        return True

    def leave(self, feed: Feed) -> None:
        """Forget a socket; colleagues are told a moment later."""
        was = self._at.pop(feed, None)
        if was is not None:
            self._drop(feed, was)
            task = asyncio.create_task(self._tell_safely(was), name="live-viewers")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell_safely(self, conversation_id: str) -> None:
        try:
            await self._tell(conversation_id)
        except HubError as error:
            log.debug("company.untold", code=error.code)

    async def typing(self, feed: Feed, conversation_id: str) -> bool:
        """Tell that the socket's person types; False when they do not look at the conversation."""
        if self._at.get(feed) != conversation_id and not await self.view(feed, conversation_id):
            return False
        self.agent_types(conversation_id, feed.ticket.agent_id, feed.name)
        return True

    def agent_types(self, conversation_id: str, agent_id: str, name: str) -> None:
        """Tell colleagues and, where the channel shows it, the customer that an agent types."""
        self.tell_typing(conversation_id, agent_id)
        self._hub.deps.signals.publish(AgentTyping(conversation_id, name))

    def _visitor_types(self, signal: VisitorTyping) -> None:
        if signal.on:
            self.tell_typing(signal.conversation_id, None)

    def tell_typing(self, conversation_id: str, agent_id: str | None) -> None:
        """Send a typing hint to whoever looks at the conversation; None: the customer types."""
        frame = orjson.dumps(
            {
                "type": "typing",
                "conversation_id": conversation_id,
                "agent_id": agent_id,
                "by": "customer" if agent_id is None else "agent",
                "ttl_s": TYPING_TTL_S,
            }
        )
        for feed in self._feeds.get(conversation_id, ()):
            if feed.joined and feed.ticket.agent_id != agent_id:
                feed.push(frame)

    def _drop(self, feed: Feed, conversation_id: str) -> None:
        here = self._feeds[conversation_id]
        here.discard(feed)
        if not here:
            del self._feeds[conversation_id]

    async def _tell(self, conversation_id: str) -> None:
        audience = await self._hub.audience(conversation_id)
        if audience is None:
            return
        frame = orjson.dumps(
            {
                "type": "viewers",
                "conversation_id": conversation_id,
                "agent_ids": self.viewers(conversation_id),
            }
        )
        for feed in list(self._hub.feeds):
            if feed.joined and audience.seen_by(feed.viewer):
                feed.push(frame)
