"""A Slack workspace on loopback: the Web API the hub calls, and the events it gets.

    sim = SlackSim(signing_secret=…, bot_token=…)
    await sim.start()
    sim.hub_url = "http://127.0.0.1:8080/in/CHANNEL"      # or sim.delivery.socket = True
    message = await sim.dm("U0LI00001", "Where is my order?")
    await sim.settled()
    sim.sent[-1].text                                     # what the hub answered

The channel's `api_base` is `sim.api_base`. Every message is an operation in `sim.operations`;
`sim.fail("chat.postMessage", Fault(…))` makes the next calls go wrong.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from aiohttp import web

from hub.demo.operations import Operation, OperationLog, OpKind
from hub.demo.sim_slack_events import Delivery, Payload
from hub.demo.sim_slack_state import Fault, SimFile, SimMessage, Workspace
from hub.demo.sim_slack_web import Secrets, WebApi
from hub.model.clock import utc_now

__all__ = ["Fault", "Operation", "SimFile", "SimMessage", "SlackSim"]

OnSent = Callable[[SimMessage], Awaitable[None]]


class SlackSim:
    """One workspace with one app: the hub's.

    Attributes:
        sent: what the app posted, oldest first; texts as customers read them.
        on_sent: awaited for each of them, so that simulated customers can answer.
        echo: tell the app of its own messages, as Slack does.
        reports_metadata: also tell it of its messages' metadata (`message_metadata_posted`, to
            which an app subscribes); operations of kind status.
        delivery: how events travel (webhook or socket, time limit, repeats, jitter).
    """

    def __init__(
        self,
        *,
        signing_secret: str,
        bot_token: str,
        app_token: str = "",
        client_id: str = "",
        client_secret: str = "",
        workspace: Workspace | None = None,
        contract: Mapping[str, object] | None = None,
    ) -> None:
        self.workspace = workspace or Workspace()
        self.delivery = Delivery(self.workspace, signing_secret)
        known = Secrets(bot_token, app_token, client_id, client_secret)
        self.api = WebApi(self.workspace, known, self._posted, contract)
        self.sent: list[SimMessage] = []
        self.on_sent: OnSent | None = None
        self.echo = True
        self.reports_metadata = True
        self._runner: web.AppRunner | None = None
        self.base_url = ""

    @property
    def api_base(self) -> str:
        """What the channel's `api_base` is set to."""
        return f"{self.base_url}/api/"

    @property
    def hub_url(self) -> str:
        """The hub's webhook, `http://…/in/{channel}`."""
        return self.delivery.hub_url

    @hub_url.setter
    def hub_url(self, url: str) -> None:
        self.delivery.hub_url = url

    @property
    def operations(self) -> OperationLog:
        """The operation log. Echoes of the app's own messages are inbound with summary `echo`."""
        return self.workspace.log

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Listen; port 0 takes a free one."""
        app = web.Application(client_max_size=100_000_000)
        app.add_routes(self.api.routes())
        app.router.add_get("/link", self._link)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.base_url = f"http://{host}:{self._runner.addresses[0][1]}"
        self.delivery.start()

    async def stop(self) -> None:
        """Stop repeating events, close connections and the port."""
        await self.delivery.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    async def settled(self) -> None:
        """Wait until every event was acknowledged or given up and every reaction ended."""
        await self.delivery.settled()

    def fail(self, method: str, fault: Fault) -> None:
        """Let coming calls of `method` fail; also `upload` and `download`."""
        self.workspace.faults.setdefault(method, []).append(replace(fault))

    # --- what customers do --------------------------------------------------------------------
    async def dm(
        self, user: str, text: str, *, thread_ts: str = "", files: tuple[SimFile, ...] = ()
    ) -> SimMessage:
        """Let a person write to the app; returns at once, the event is on its way."""
        self.workspace.add_user(user)
        return self._say(self.workspace.direct(user), user, text, thread_ts, files)

    async def post(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str = "",
        mention: bool = False,
        files: tuple[SimFile, ...] = (),
    ) -> SimMessage:
        """Let a person write in a channel, in a thread when `thread_ts` is given.

        With `mention` the app is called by name, and told twice, as Slack does (`message` and
        `app_mention`).
        """
        self.workspace.add_user(user)
        self.workspace.channels.setdefault(channel, "channel")
        if mention:
            text = f"<@{self.workspace.bot_user_id}> {text}"
        message = self._say(channel, user, text, thread_ts, files)
        if mention:
            told = {k: v for k, v in self._event(message).items() if k != "channel_type"}
            self._tell({**told, "type": "app_mention"}, message)
        return message

    def file(self, user: str, name: str, content_type: str, data: bytes) -> SimFile:
        """Make a file that can be sent with `dm` and `post`."""
        made = SimFile(self.workspace.new_id("F"), name, content_type, data, user)
        self.workspace.files[made.file_id] = made
        return made

    async def edit(self, message: SimMessage, text: str) -> None:
        """Let the writer change a message."""
        before = self._message(message)
        message.text, message.edited_ts = text, self.workspace.new_ts()
        edited = {"edited": {"user": message.user, "ts": message.edited_ts}}
        change: Payload = {
            "subtype": "message_changed",
            "message": {**self._message(message), **edited},
            "previous_message": before,
        }
        self._tell(self._wrapped(message, change), message)

    async def delete(self, message: SimMessage) -> None:
        """Let the writer delete a message."""
        self.workspace.messages.pop((message.channel, message.ts), None)
        change: Payload = {
            "subtype": "message_deleted",
            "deleted_ts": message.ts,
            "previous_message": self._message(message),
        }
        self._tell(self._wrapped(message, change), message)

    async def press(self, user: str, message: SimMessage, value: str) -> str:
        """Let a person press the button with `value` in a message of the app; returns its key."""
        space = self.workspace
        elements = [e for b in message.blocks for e in _objects(b.get("elements"))]
        button = next(e for e in elements if e.get("value") == value)
        action_ts = space.new_ts()
        container = {"type": "message", "message_ts": message.ts, "channel_id": message.channel}
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        payload: Payload = {
            "type": "block_actions",
            "user": {"id": user, "name": space.users.get(user, user), "team_id": space.team_id},
            "api_app_id": space.app_id,
            "container": container,
            "team": {"id": space.team_id, "domain": "demo"},
            "channel": {"id": message.channel, "name": "directmessage"},
            "message": self._message(message),
            "actions": [{**button, "block_id": "b1", "action_ts": action_ts}],
        }
        key = f"{space.key(message.channel, action_ts)}:0"
        operation = space.log.begin(OpKind.INBOUND, key, "block_actions")
        self.delivery.dispatch(payload, operation, interactive=True)
        return key

    def tell(self, event: Payload, *, external_id: str = "") -> Operation:
        """Send any event at all, e.g. one the hub has never heard of."""
        space = self.workspace
        event_id = space.new_id("Ev")
        name = str(event.get("type", ""))
        operation = space.log.begin(OpKind.INBOUND, external_id or event_id, name)
        self.delivery.dispatch(self._callback(event, event_id), operation, interactive=False)
        return operation

    # --- payloads -------------------------------------------------------------------------------
    def _say(
        self, channel: str, user: str, text: str, thread_ts: str, files: tuple[SimFile, ...]
    ) -> SimMessage:
        message = SimMessage(channel, self.workspace.new_ts(), user, text, thread_ts, files)
        self.workspace.messages[channel, message.ts] = message
        self._tell(self._event(message), message)
        return message

    def _tell(self, event: Payload, message: SimMessage) -> None:
        kind = str(event.get("subtype") or event["type"])
        key = self.workspace.key(message.channel, message.ts)
        summary = "echo" if message.bot else kind
        operation = self.workspace.log.begin(OpKind.INBOUND, key, summary)
        payload = self._callback(event, self.workspace.new_id("Ev"))
        self.delivery.dispatch(payload, operation, interactive=False)

    def _tell_metadata(self, message: SimMessage) -> None:
        space = self.workspace
        event: Payload = {
            "type": "message_metadata_posted",
            "app_id": space.app_id,
            "bot_id": space.bot_id,
            "user_id": message.user,
            "team_id": space.team_id,
            "channel_id": message.channel,
            "metadata": message.metadata,
            "message_ts": message.ts,
            "event_ts": message.ts,
        }
        operation = space.log.begin(OpKind.STATUS, message.delivery_id, "message_metadata_posted")
        payload = self._callback(event, space.new_id("Ev"))
        self.delivery.dispatch(payload, operation, interactive=False)

    def _callback(self, event: Payload, event_id: str) -> Payload:
        space = self.workspace
        authorization = {"team_id": space.team_id, "user_id": space.bot_user_id, "is_bot": True}
        return {
            "team_id": space.team_id,
            "api_app_id": space.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": event_id,
            "event_time": int(utc_now().timestamp()),
            "authorizations": [authorization],
        }

    def _event(self, message: SimMessage) -> Payload:
        kind = self.workspace.channels.get(message.channel, "channel")
        told = self._message(message)
        if message.files and not message.bot:
            told["subtype"] = "file_share"
        return {
            **told,
            "channel": message.channel,
            "channel_type": kind,
            "event_ts": message.ts,
        }

    def _wrapped(self, message: SimMessage, change: Payload) -> Payload:
        ts = self.workspace.new_ts()
        kind = self.workspace.channels.get(message.channel, "channel")
        place = {"channel": message.channel, "channel_type": kind, "hidden": True}
        return {"type": "message", "ts": ts, "event_ts": ts, **place, **change}

    def _message(self, message: SimMessage) -> Payload:
        told: Payload = {
            "type": "message",
            "user": message.user,
            "ts": message.ts,
            "text": message.text,
            "team": self.workspace.team_id,
        }
        if message.thread_ts:
            told["thread_ts"] = message.thread_ts
            root = self.workspace.messages.get((message.channel, message.thread_ts))
            told["parent_user_id"] = root.user if root else message.user
        name = self.workspace.users.get(message.user, message.user)
        if name != message.user:
            told["user_profile"] = {"display_name": name, "real_name": name}
        if message.bot:
            told["bot_id"] = self.workspace.bot_id
        if message.files:
            told["files"] = [self._file(file) for file in message.files]
        return told

    def _file(self, file: SimFile) -> Payload:
        url = f"{self.base_url}/files-pri/{file.file_id}/download/{file.name}"
        return {
            "id": file.file_id,
            "name": file.name,
            "title": file.name,
            "mimetype": file.content_type,
            "size": len(file.data),
            "mode": "hosted",
            "is_external": False,
            "url_private": url,
            "url_private_download": url,
        }

    # --- what the app does ----------------------------------------------------------------------
    def _posted(self, message: SimMessage) -> None:
        """Show the app's message to the customer and, as Slack does, to the app."""
        shown = replace(message, text=_as_read(message.text))
        self.sent.append(shown)
        self.workspace.log.changed()
        if self.echo:
            self._tell(self._event(message), message)
        if self.reports_metadata and message.metadata:
            self._tell_metadata(message)
        if self.on_sent is not None:
            self.delivery.run(self.on_sent(shown))

    async def _link(self, request: web.Request) -> web.StreamResponse:
        """Open a Socket Mode connection; its ticket works once."""
        ticket = request.query.get("ticket", "")
        if ticket not in self.api.tickets:
            return web.Response(status=403)
        self.api.tickets.discard(ticket)
        return await self.delivery.serve_socket(request)


def _objects(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _as_read(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
