"""A Telegram on loopback: the Bot API, its webhooks and polls, and customers that write.

    sim = TelegramSim()
    api_base = await sim.start()          # goes into the channel's configuration
    ana = sim.customer(5001, "Ana", language="es")
    await sim.customer_says(ana.id, "¿Dónde está mi pedido?")
    await sim.until(lambda: len(sim.sent) == 1)
    await sim.stop()

The hub is reached by the webhook it sets (`setWebhook`), or fetches with `getUpdates`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from hub.demo.operations import Operation, OperationLog
from hub.demo.sim_telegram_api import Answer, BotApi, Upload, file_object
from hub.demo.sim_telegram_contract import BotApiContract
from hub.demo.sim_telegram_state import Fault, SentMessage, SimState, SimUser, seconds_now
from hub.demo.sim_telegram_updates import UpdateFeed

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"  # noqa: S105 - the documentation's example
RETRY_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Telegram waits longer; the order of growth is the same and nobody watches a demo for a day."""

OnSent = Callable[[SentMessage], Awaitable[None]]


class TelegramSim:
    """One bot at a simulated Telegram.

    Args:
        token: what the hub must present.
        retry_delays_s: pauses between webhook attempts, the last one repeated.
        webhook_timeout_s: how long the hub may take to answer a webhook.
        repeat_every: every n-th update is delivered twice; 0: none.
        first_message: number of the first message in each chat; a simulator that comes back
            must not give numbers away a second time.
        contract: the Bot API's machine-readable description; what calls do against it is
            collected in `problems`. A file that is not there is not checked against.

    Attributes:
        sent: everything customers received, in order.
        on_sent: awaited for each of them, so that customers can answer.
        log: the operations, for conservation checks.
        problems: calls of the hub that the contract does not allow.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        username: str = "hub_demo_bot",
        retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
        webhook_timeout_s: float = 30.0,
        repeat_every: int = 0,
        first_message: int = 1,
        contract: Path | None = None,
    ) -> None:
        self.token = token
        self.log = OperationLog()
        self.state = SimState(int(token.partition(":")[0]), username, first_message)
        self.on_sent: OnSent | None = None
        self.problems: list[str] = []
        self.feed = UpdateFeed(
            self.log,
            self._run_answered,
            delays_s=retry_delays_s,
            timeout_s=webhook_timeout_s,
            repeat_every=repeat_every,
        )
        self._api = BotApi(self.state, self.feed, self.log, self._notify)
        self._contract = BotApiContract.load(contract) if contract is not None else None
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Future[None]] = set()
        self._stopping = asyncio.Event()
        self.api_base = ""

    @property
    def sent(self) -> list[SentMessage]:
        """What customers received."""
        return self.state.sent

    # --- life ---------------------------------------------------------------------------------
    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen and return the API base, as the channel's configuration takes it."""
        self._stopping.clear()
        app = web.Application(client_max_size=60_000_000)
        app.router.add_route("*", "/bot{token}/{method}", self._handle_call)
        app.router.add_get("/file/bot{token}/{path:.+}", self._handle_file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0]
        self.api_base = f"http://{host}:{bound[1]}"
        return self.api_base

    async def stop(self) -> None:
        """Stop listening and calling; updates nobody acknowledged get their outcome."""
        self._stopping.set()
        await self.feed.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def until(self, holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until `holds()`; looked at after every change. Raises TimeoutError."""
        await self.log.until(holds, timeout_s)

    async def delivered(self, timeout_s: float = 10.0) -> None:
        """Wait until the hub has acknowledged every update. Raises TimeoutError."""
        await self.log.until(lambda: not self.feed.waiting, timeout_s)

    def fail_next(
        self,
        status: int = 0,
        *,
        method: str = "",
        retry_after_s: int = 0,
        accept: str = "",
        times: int = 1,
    ) -> None:
        """Break the next calls; see `Fault`. `accept="hang"` is a time-out after accepting."""
        self.state.faults.append(Fault(method, status, retry_after_s, accept, times))

    # --- customers ----------------------------------------------------------------------------
    def customer(
        self, user_id: int, first_name: str, last_name: str = "", *, language: str = "en"
    ) -> SimUser:
        """Make a customer known; they can then be written to."""
        user = SimUser(user_id, first_name, last_name, f"user{user_id}", language)
        self.state.users[user_id] = user
        return user

    async def customer_says(self, user_id: int, text: str) -> Operation:
        """Write a text."""
        return self._message(user_id, "message", text=text)

    async def customer_starts(self, user_id: int, payload: str = "") -> Operation:
        """Press "Start", possibly by a deep link."""
        return self._message(user_id, "start", text=f"/start {payload}".strip())

    async def customer_sends(  # noqa: PLR0913 - one file, all that goes with it
        self,
        user_id: int,
        field: str,
        data: bytes,
        *,
        filename: str = "file.bin",
        content_type: str = "application/octet-stream",
        caption: str = "",
    ) -> Operation:
        """Send a file as `field`: photo, document, voice, audio, video."""
        file = self.state.new_file(data, filename, content_type, f"{field}s")
        content: dict[str, Any] = {field: file_object(file, field)}
        if caption:
            content["caption"] = caption
        return self._message(user_id, field, **content)

    async def customer_shares_location(
        self, user_id: int, latitude: float, longitude: float
    ) -> Operation:
        """Send a place."""
        place = {"latitude": latitude, "longitude": longitude}
        return self._message(user_id, "location", location=place)

    async def customer_edits(self, user_id: int, external_id: str, text: str) -> Operation:
        """Change the text of an earlier message."""
        message = self.state.messages[user_id, int(external_id.rpartition(":")[2])]
        message |= {"text": text, "edit_date": seconds_now()}
        return self.feed.add("edited_message", dict(message), external_id, "edit")

    async def customer_presses(self, user_id: int, sent: SentMessage, value: str) -> Operation:
        """Press the button with this value under a message of the bot."""
        if value not in [data for _, data in sent.buttons]:
            raise ValueError("there is no such button")
        query_id = f"42225{self.state.serial():08d}"
        self.state.pressed.add(query_id)
        query = {
            "id": query_id,
            "from": self.state.user(user_id).as_user(),
            "chat_instance": "-3042",
            "data": value,
            "message": self.state.messages[sent.chat_id, sent.message_id],
        }
        return self.feed.add("callback_query", query, f"callback:{query_id}", "button")

    async def customer_blocks(self, user_id: int) -> Operation:
        """Block the bot."""
        self.state.blocked.add(user_id)
        return self._standing(user_id, "member", "kicked")

    async def customer_unblocks(self, user_id: int) -> Operation:
        """Let the bot write again."""
        self.state.blocked.discard(user_id)
        return self._standing(user_id, "kicked", "member")

    def _message(self, user_id: int, summary: str, **content: Any) -> Operation:
        user = self.state.user(user_id)
        message = self.state.new_message(user_id, user.as_user(), **content)
        external_id = f"{user_id}:{message['message_id']}"
        return self.feed.add("message", dict(message), external_id, summary)

    def _standing(self, user_id: int, old: str, new: str) -> Operation:
        user = self.state.user(user_id)
        body = {
            "chat": user.as_chat(),
            "from": user.as_user(),
            "date": seconds_now(),
            "old_chat_member": {"user": self.state.bot, "status": old},
            "new_chat_member": {"user": self.state.bot, "status": new, "until_date": 0},
        }
        return self.feed.add("my_chat_member", body, "", "signal")

    # --- the server ---------------------------------------------------------------------------
    async def _handle_call(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["token"] != self.token:
            body = {"ok": False, "error_code": 401, "description": "Unauthorized"}
            return web.json_response(body, status=401)
        method = request.match_info["method"]
        params, files = await _read(request)
        if self._contract is not None:
            self.problems += self._contract.problems(method, {*params, *files})
        answer = await self._api.run(method, params, files)
        return await self._give(request, answer)

    async def _give(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if answer.after == "hang":
            await self._stopping.wait()
        if answer.after and request.transport is not None:
            request.transport.abort()
        return web.json_response(answer.body, status=answer.status)

    async def _handle_file(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != self.token:
            return web.Response(status=401)
        path = request.match_info["path"]
        found = next((file for file in self.state.files.values() if file.path == path), None)
        if found is None:
            return web.Response(status=404)
        return web.Response(body=found.data, content_type="application/octet-stream")

    async def _run_answered(self, method: str, params: dict[str, str]) -> object:
        return await self._api.run(method, params, {})

    def _notify(self, sent: SentMessage) -> None:
        if self.on_sent is None:
            return
        task = asyncio.ensure_future(self.on_sent(sent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _read(request: web.Request) -> tuple[dict[str, str], Mapping[str, Upload]]:
    """Return parameters and files, whichever of the four ways they came."""
    params: dict[str, str] = dict(request.query)
    files: dict[str, Upload] = {}
    if request.content_type == "application/json":
        told = json.loads(await request.read() or b"{}")
        params |= {k: v if isinstance(v, str) else json.dumps(v) for k, v in told.items()}
    elif request.method == "POST":
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                data = value.file.read()
                files[name] = Upload(value.filename, value.content_type, data)
            else:
                params[name] = str(value)
    return params, files
