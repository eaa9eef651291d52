"""The simulator's way to the hub: signed webhooks or socket envelopes, with Slack's repeats.

Slack gives three seconds, then repeats up to three times: at once, after a minute, after five; the
delays are set for tests. Nothing is ordered: every event is a task of its own.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from hub.demo.operations import Operation, OpOutcome
from hub.demo.sim_slack_state import Workspace
from hub.model.clock import utc_now
from hub.model.ids import new_id

Payload = dict[str, object]


@dataclass(slots=True)
class Delivery:
    """How events reach the hub.

    Attributes:
        hub_url: `http://…/in/{channel}`; interactivity goes to `…/interactivity`.
        socket: send over the WebSocket instead.
        time_limit_s: how long the hub may take.
        retry_delays_s: waits before the first, second … repeat.
        jitter_s: events wait up to this before they leave, so that they overtake each other.
    """

    workspace: Workspace
    signing_secret: str
    hub_url: str = ""
    socket: bool = False
    time_limit_s: float = 3.0
    retry_delays_s: tuple[float, ...] = (0.0, 60.0, 300.0)
    jitter_s: float = 0.0
    seed: int = 1
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    waiting: "dict[str, asyncio.Future[None]]" = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None
    _random: random.Random = field(default_factory=random.Random)

    def start(self) -> None:
        """Open what is needed; inside the loop."""
        self._session = aiohttp.ClientSession()
        self._random.seed(self.seed)

    async def stop(self) -> None:
        """Stop repeating and close everything."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for socket in list(self.sockets):
            await socket.close()
        if self._session is not None:
            await self._session.close()

    def dispatch(self, payload: Payload, operation: Operation, *, interactive: bool) -> None:
        """Begin to deliver one payload; `operation` tells how it ends."""
        task = asyncio.create_task(self._deliver(payload, operation, interactive))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def run(self, reaction: Awaitable[None]) -> None:
        """Let a simulated person react on their own time."""

        async def react() -> None:
            await reaction

        task = asyncio.create_task(react())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def settled(self) -> None:
        """Wait until nothing is under way or waiting for a repeat."""
        while self.tasks:
            await asyncio.wait(set(self.tasks))

    async def _deliver(self, payload: Payload, operation: Operation, interactive: bool) -> None:
        if self.jitter_s:
            await asyncio.sleep(self._random.uniform(0, self.jitter_s))
        # Interactivity is not repeated: the person sees an error and presses again.
        delays = () if interactive else self.retry_delays_s
        reason = ""
        for number in range(len(delays) + 1):
            if number:
                await asyncio.sleep(delays[number - 1])
            status, reason = await self._attempt(payload, interactive, number, reason)
            self.workspace.log.attempt(operation, status)
            if 200 <= status < 300:
                self.workspace.log.finish(operation, OpOutcome.OK)
                return
        # What was never answered may have been kept all the same.
        silent = 0 in operation.statuses
        self.workspace.log.finish(operation, OpOutcome.UNKNOWN if silent else OpOutcome.FAILED)

    async def _attempt(
        self, payload: Payload, interactive: bool, number: int, reason: str
    ) -> tuple[int, str]:
        """Try once; return the status (0: no answer) and the reason for a repeat."""
        try:
            async with asyncio.timeout(self.time_limit_s):
                if self.socket:
                    return await self._by_socket(payload, interactive, number, reason)
                return await self._by_webhook(payload, interactive, number, reason)
        except TimeoutError:
            return 0, "http_timeout"
        except (aiohttp.ClientError, OSError):
            return 0, "connection_failed"

    async def _by_webhook(
        self, payload: Payload, interactive: bool, number: int, reason: str
    ) -> tuple[int, str]:
        assert self._session is not None
        text = json.dumps(payload, ensure_ascii=False)
        url, body, kind = self.hub_url, text.encode(), "application/json"
        if interactive:
            url += "/interactivity"
            body = urlencode({"payload": text}).encode()
            kind = "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **self.signature(body)}
        if number:
            headers |= {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        async with self._session.post(url, data=body, headers=headers) as response:
            await response.read()
            return response.status, "http_error"

    def signature(self, body: bytes) -> dict[str, str]:
        """Return the headers by which the hub knows us."""
        stamp = str(int(utc_now().timestamp()))
        base = b"v0:" + stamp.encode() + b":" + body
        digest = hmac.new(self.signing_secret.encode(), base, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    async def _by_socket(
        self, payload: Payload, interactive: bool, number: int, reason: str
    ) -> tuple[int, str]:
        open_sockets = [socket for socket in self.sockets if not socket.closed]
        if not open_sockets:
            return 0, "connection_failed"
        envelope_id = new_id()
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[envelope_id] = acknowledged
        envelope = {
            "envelope_id": envelope_id,
            "type": "interactive" if interactive else "events_api",
            "payload": payload,
            "accepts_response_payload": interactive,
            "retry_attempt": number,
            "retry_reason": reason,
        }
        try:
            await self._random.choice(open_sockets).send_json(envelope)
            await acknowledged
        finally:
            self.waiting.pop(envelope_id, None)
        return 200, ""

    async def serve_socket(self, request: web.Request) -> web.WebSocketResponse:
        """Hold one Socket Mode connection of the hub."""
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self.sockets) + 1,
                "connection_info": {"app_id": self.workspace.app_id},
                "debug_info": {"host": "sim", "approximate_connection_time": 18_060},
            }
        )
        self.sockets.append(socket)
        self.workspace.log.changed()
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._acknowledge(message.data)
        finally:
            self.sockets.remove(socket)
            self.workspace.log.changed()
        return socket

    def _acknowledge(self, text: str) -> None:
        with contextlib.suppress(ValueError, AttributeError):
            waiting = self.waiting.get(json.loads(text).get("envelope_id"))
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    async def refresh_sockets(self) -> None:
        """Ask every connection to be opened anew, as Slack does every few hours."""
        for socket in list(self.sockets):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def cut_sockets(self) -> None:
        """Drop every connection without a word."""
        for socket in list(self.sockets):
            await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)
