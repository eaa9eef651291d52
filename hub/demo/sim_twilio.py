"""A Twilio account on loopback: the Messages API the hub calls, and the webhooks it gets.

    sim = TwilioSim()
    await sim.start()
    sim.hub_url = "http://127.0.0.1:8080/in/CHANNEL"
    await sim.customer_says("+15005550001", "My line is dead", media=[SimMedia("image/png", data)])
    await sim.settled()
    sim.sent[-1].body                                     # what the customer received

The channel's configuration is `sim.channel_config()`. Every message and every status callback is
an operation in `sim.log`; `sim.fail("messages", Fault(...))` lets the next calls go wrong.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from hub.demo.operations import Operation, OperationLog, OpKind, OpOutcome
from hub.demo.sim_twilio_api import MessagesApi, Routes
from hub.demo.sim_twilio_state import Fault, SimMedia, SimMessage, TwilioState
from hub.demo.sim_twilio_webhooks import WebhookCaller

__all__ = ["Fault", "SimMedia", "SimMessage", "TwilioSim"]

OnSent = Callable[[SimMessage], Awaitable[None]]

_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
_START = frozenset({"start", "unstop", "yes"})


@dataclass
class TwilioSim:
    """One Twilio account with one number.

    Attributes:
        hub_url: the number's message webhook; may carry connection overrides (`#rc=2&rp=5xx`).
        sent: what customers received, oldest first.
        on_sent: awaited for each of them, so that simulated customers can answer.
        log: every message and callback with its outcome, for conservation checks.
        unreachable: numbers that end as undelivered (30003).
        pause_s: seconds between the states of a message (queued, sent, delivered).
        advanced_opt_out: name keywords in OptOutType, as a messaging service can.
    """

    account_sid: str = field(default_factory=lambda: "AC" + secrets.token_hex(16))
    auth_token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    number: str = "+15005550006"
    hub_url: str = ""
    pause_s: float = 0.0
    advanced_opt_out: bool = False
    on_sent: OnSent | None = None
    unreachable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.log = OperationLog()
        self.state = TwilioState(self.account_sid, self.auth_token, self.number)
        self.webhooks = WebhookCaller(self.auth_token, self.log)
        self._api = MessagesApi(self.state, self.log, self._take)
        self._runners: list[web.AppRunner] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # --- running ------------------------------------------------------------------------------
    async def start(self, port: int = 0, host: str = "127.0.0.1", *, own_cdn: bool = False) -> None:
        """Listen; port 0 takes a free one.

        With `own_cdn` media are served from a second port, as Twilio's are from another host: a
        hub then needs that port among its exceptions to reach it on loopback.
        """
        self.state.base_url = self.state.cdn_url = await self._listen(
            self._api.routes() + ([] if own_cdn else self._api.cdn_routes()), host, port
        )
        if own_cdn:
            self.state.cdn_url = await self._listen(self._api.cdn_routes(), host, 0)
        self.webhooks.start()

    async def _listen(self, routes: Routes, host: str, port: int) -> str:
        app = web.Application(client_max_size=1_000_000)
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        self._runners.append(runner)
        return f"http://{host}:{runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop callbacks, close connections and ports."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.stop()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def settled(self, timeout_s: float = 30.0) -> None:
        """Wait until every webhook was answered or given up and every reaction ended."""
        async with asyncio.timeout(timeout_s):
            while self._tasks:
                await asyncio.wait(self._tasks)

    def channel_config(self) -> dict[str, str]:
        """Return the hub's configuration of this account."""
        return {
            "account_sid": self.account_sid,
            "auth_token": self.auth_token,
            "from_number": self.number,
            "api_base": self.base_url,
        }

    @property
    def base_url(self) -> str:
        """Return the API's address, known after `start`."""
        return self.state.base_url

    @property
    def sent(self) -> list[SimMessage]:
        """Return what customers received, oldest first."""
        return self.state.received_by_customers

    def fail(self, endpoint: str, fault: Fault) -> None:
        """Let coming calls go wrong; endpoint: messages, account, media or cdn."""
        self.state.faults.setdefault(endpoint, []).append(replace(fault))

    # --- what customers do --------------------------------------------------------------------
    async def customer_says(
        self, from_: str, text: str, media: Sequence[SimMedia] = (), *, to: str = ""
    ) -> Operation:
        """Let a customer send an SMS or MMS; returns when the hub answered or Twilio gave up."""
        sid = ("MM" if media else "SM") + secrets.token_hex(16)
        operation = self.log.begin(OpKind.INBOUND, sid, "message")
        pairs = self._incoming(sid, from_, text, media, to or self.number)
        await self.webhooks.call(self.hub_url, pairs, operation)
        return operation

    def customer_says_soon(self, from_: str, text: str, media: Sequence[SimMedia] = ()) -> None:
        """Do the same in the background; `settled` waits for it."""

        async def say() -> None:
            await self.customer_says(from_, text, media)

        self._spawn(say())

    def _incoming(
        self, sid: str, from_: str, text: str, media: Sequence[SimMedia], to: str
    ) -> list[tuple[str, str]]:
        word = text.strip().lower()
        if word in _STOP:
            self.state.opted_out.add(from_)
        elif word in _START:
            self.state.opted_out.discard(from_)
        pairs = [
            ("ToCountry", "US"),
            ("SmsMessageSid", sid),
            ("NumMedia", str(len(media))),
            ("SmsSid", sid),
            ("SmsStatus", "received"),
            ("Body", text),
            ("FromCountry", "CN" if from_.startswith("+86") else "US"),
            ("To", to),
            ("NumSegments", str(max(1, -(-len(text) // 153)))),
            ("MessageSid", sid),
            ("AccountSid", self.account_sid),
            ("From", from_),
            ("ApiVersion", "2010-04-01"),
        ]
        if self.advanced_opt_out and (word in _STOP or word in _START):
            pairs.append(("OptOutType", "STOP" if word in _STOP else "START"))
        for index, item in enumerate(media):
            pairs.append((f"MediaContentType{index}", item.content_type))
            pairs.append((f"MediaUrl{index}", self.state.keep_media(sid, item)))
        return pairs

    # --- what happens to the hub's messages ---------------------------------------------------
    def _take(self, message: SimMessage) -> None:
        """Carry an accepted message on: fetch its files, deliver it, report its states."""
        self._spawn(self._carry(message))

    async def _carry(self, message: SimMessage) -> None:
        await self._report(message, "queued")
        try:
            for url in message.media_urls:
                data, content_type = await self.webhooks.fetch(url)
                message.media.append(SimMedia(content_type, data))
        except (aiohttp.ClientError, TimeoutError):
            await self._report(message, "failed", "12300")
            return
        await self._report(message, "sent")
        if message.to in self.unreachable:
            await self._report(message, "undelivered", "30003")
            return
        self.state.received_by_customers.append(message)
        self.log.changed()
        await self._report(message, "delivered")
        if self.on_sent is not None:
            await self.on_sent(message)

    async def _report(self, message: SimMessage, status: str, error_code: str = "") -> None:
        if self.pause_s:
            await asyncio.sleep(self.pause_s)
        message.status, message.error_code = status, error_code
        if not urlsplit(message.status_callback).scheme:
            return
        pairs = [
            ("SmsSid", message.sid),
            ("SmsStatus", status),
            ("MessageStatus", status),
            ("To", message.to),
            ("MessageSid", message.sid),
            ("AccountSid", self.account_sid),
            ("From", message.from_),
            ("ApiVersion", "2010-04-01"),
        ]
        if error_code:
            pairs.append(("ErrorCode", error_code))
        operation = self.log.begin(OpKind.STATUS, message.sid, status)
        await self.webhooks.call(message.status_callback, pairs, operation)

    def inbound_ok(self) -> int:
        """Return how many customer messages the hub acknowledged."""
        return len(self.log.of(OpKind.INBOUND, OpOutcome.OK))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
