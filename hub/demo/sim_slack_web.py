"""The simulator's Web API: the methods the hub calls, with Slack's checks and error names."""

import asyncio
import base64
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from hub.demo.operations import OpKind, OpOutcome
from hub.demo.sim_slack_state import Fault, SimFile, SimMessage, Workspace

Fields = Mapping[str, str]
Answer = dict[str, object]
_TS = re.compile(r"\d{1,10}\.\d{6}")
_VISIBLE = frozenset({"chat.postMessage", "files.completeUploadExternal", "chat.update"})
_HANG_S = 3_600.0


class SlackRefuses(Exception):
    """An `ok: false` answer; the argument is Slack's error code."""


@dataclass(slots=True)
class Secrets:
    """What callers must know."""

    bot_token: str
    app_token: str
    client_id: str
    client_secret: str


@dataclass(slots=True)
class WebApi:
    """Answers `/api/{method}`, uploads and downloads.

    Attributes:
        on_message: told of every message the app posted, after it was answered.
        calls: every call as (method, arguments), refused ones included; tokens are left out.
        contract: Slack's published description (OpenAPI 2) to hold calls against, if given.
        violations: what calls did that the description does not know.
    """

    workspace: Workspace
    secrets: Secrets
    on_message: Callable[[SimMessage], None]
    contract: Mapping[str, object] | None = None
    violations: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)
    tickets: set[str] = field(default_factory=set)
    _slots: dict[str, SimFile] = field(default_factory=dict)
    _lengths: dict[str, int] = field(default_factory=dict)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, to be added to an application."""
        return [
            web.post("/api/{method}", self._call),
            web.get("/api/{method}", self._call),
            web.post("/upload/v1/{file_id}", self._take_upload),
            web.get("/files-pri/{file_id}/download/{name}", self._download),
            web.get("/oauth/v2/authorize", self._authorize),
        ]

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields = await _arguments(request)
        token = _bearer(request) or fields.pop("token", "")
        self.calls.append((method, dict(fields)))
        self._check_contract(method, request.method, fields)
        fault = self.workspace.fault_for(method)
        if fault is not None and not fault.accept:
            self._log_refusal(method, fault.error or f"http_{fault.status}", fault.status)
            return await _faulty(fault)
        try:
            answer = self._answer(method, fields, token, request, withheld=fault is not None)
        except SlackRefuses as refusal:
            self._log_refusal(method, str(refusal), 200)
            return web.json_response({"ok": False, "error": str(refusal)})
        if fault is not None:
            return await _faulty(fault)
        return web.json_response({"ok": True, **answer})

    def _answer(
        self, method: str, fields: Fields, token: str, request: web.Request, *, withheld: bool
    ) -> Answer:
        if method == "oauth.v2.access":
            return self._oauth(fields, request)
        if method == "apps.connections.open":
            if token != self.secrets.app_token:
                raise SlackRefuses("invalid_auth" if token else "not_authed")
            return self._connections_open(request)
        if token != self.secrets.bot_token:
            raise SlackRefuses("invalid_auth" if token else "not_authed")
        if method in _VISIBLE:
            return self._visible(method, fields, withheld=withheld)
        plain: dict[str, Callable[[Fields], Answer]] = {
            "auth.test": self._auth_test,
            "conversations.open": self._conversations_open,
            "users.info": self._users_info,
            "files.info": self._files_info,
        }
        if method == "files.getUploadURLExternal":
            return self._upload_url(fields, request)
        if method not in plain:
            raise SlackRefuses("unknown_method")
        return plain[method](fields)

    def _visible(self, method: str, fields: Fields, *, withheld: bool) -> Answer:
        actions = {
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "files.completeUploadExternal": self._complete,
        }
        answer, message = actions[method](fields)
        key = self.workspace.key(message.channel, message.ts)
        self._log(key, method, OpOutcome.UNKNOWN if withheld else OpOutcome.OK, 200)
        self.on_message(message)
        return answer

    def _log_refusal(self, method: str, error: str, status: int) -> None:
        if method in _VISIBLE:
            self._log("", f"{method}:{error}", OpOutcome.FAILED, status)

    def _log(self, key: str, summary: str, outcome: OpOutcome, status: int) -> None:
        log = self.workspace.log
        operation = log.begin(OpKind.OUTBOUND, key, summary)
        log.attempt(operation, 0 if outcome is OpOutcome.UNKNOWN else status)
        log.finish(operation, outcome)

    # --- methods ----------------------------------------------------------------------------
    def _auth_test(self, fields: Fields) -> Answer:
        space = self.workspace
        return {
            "url": "https://demo.slack.com/",
            "team": "Demo",
            "user": "hub",
            "team_id": space.team_id,
            "user_id": space.bot_user_id,
            "bot_id": space.bot_id,
        }

    def _post(self, fields: Fields) -> tuple[Answer, SimMessage]:
        channel = self._channel(fields.get("channel", ""))
        text = fields.get("text", "")
        blocks = _checked_blocks(fields.get("blocks", ""))
        if not text and not blocks:
            raise SlackRefuses("no_text")
        if len(text) > 40_000:
            raise SlackRefuses("msg_too_long")
        message = SimMessage(
            channel=channel,
            ts=self.workspace.new_ts(),
            user=self.workspace.bot_user_id,
            text=text,
            thread_ts=_thread_ts(fields),
            bot=True,
            blocks=blocks,
            metadata=_metadata(fields.get("metadata", "")),
            username=fields.get("username", ""),
        )
        self.workspace.messages[channel, message.ts] = message
        told = {"type": "message", "text": text, "ts": message.ts, "bot_id": self.workspace.bot_id}
        return {"channel": channel, "ts": message.ts, "message": told}, message

    def _update(self, fields: Fields) -> tuple[Answer, SimMessage]:
        key = (fields.get("channel", ""), fields.get("ts", ""))
        message = self.workspace.messages.get(key)
        if message is None:
            raise SlackRefuses("message_not_found")
        if not message.bot:
            raise SlackRefuses("cant_update_message")
        message.text = fields.get("text", "")
        message.edited_ts = self.workspace.new_ts()
        return {"channel": key[0], "ts": key[1], "text": message.text}, message

    def _complete(self, fields: Fields) -> tuple[Answer, SimMessage]:
        wanted = _list_of_objects(fields.get("files", ""), "invalid_arguments")
        ids = [str(item.get("id", "")) for item in wanted]
        if not ids or any(i not in self._slots or not self._slots[i].data for i in ids):
            raise SlackRefuses("file_not_found")
        channel = self._channel(fields.get("channel_id", ""))
        files = tuple(self._slots.pop(i) for i in ids)
        self.workspace.files |= {file.file_id: file for file in files}
        comment = fields.get("initial_comment", "")
        message = SimMessage(
            channel=channel,
            ts=self.workspace.new_ts(),
            user=self.workspace.bot_user_id,
            text=comment,
            thread_ts=_thread_ts(fields),
            files=files,
            bot=True,
            # Slack ignores blocks beside an initial comment.
            blocks=[] if comment else _checked_blocks(fields.get("blocks", "")),
        )
        self.workspace.messages[channel, message.ts] = message
        return {"files": [{"id": f.file_id, "title": f.name} for f in files]}, message

    def _upload_url(self, fields: Fields, request: web.Request) -> Answer:
        length = fields.get("length", "")
        name = fields.get("filename", "")
        if not name or not length.isascii() or not length.isdigit() or int(length) == 0:
            raise SlackRefuses("invalid_arguments")
        file_id = self.workspace.new_id("F")
        bot = self.workspace.bot_user_id
        self._slots[file_id] = SimFile(file_id, name, "", b"", bot)
        self._lengths[file_id] = int(length)
        return {"upload_url": f"{_origin(request)}/upload/v1/{file_id}", "file_id": file_id}

    def _conversations_open(self, fields: Fields) -> Answer:
        user = fields.get("users", "")
        if user not in self.workspace.users:
            raise SlackRefuses("user_not_found")
        return {"channel": {"id": self.workspace.direct(user)}}

    def _users_info(self, fields: Fields) -> Answer:
        user = fields.get("user", "")
        if user not in self.workspace.users:
            raise SlackRefuses("user_not_found")
        name = self.workspace.users[user]
        profile = {"display_name": name, "real_name": name}
        told = {"id": user, "team_id": self.workspace.team_id, "name": name, "profile": profile}
        return {"user": told}

    def _files_info(self, fields: Fields) -> Answer:
        file = self.workspace.files.get(fields.get("file", ""))
        if file is None:
            raise SlackRefuses("file_not_found")
        return {"file": {"id": file.file_id, "name": file.name, "mimetype": file.content_type}}

    def _connections_open(self, request: web.Request) -> Answer:
        ticket = secrets.token_hex(8)
        self.tickets.add(ticket)
        origin = _origin(request).replace("http", "ws", 1)
        return {"url": f"{origin}/link?ticket={ticket}&app_id={self.workspace.app_id}"}

    def _oauth(self, fields: Fields, request: web.Request) -> Answer:
        told = f"{self.secrets.client_id}:{self.secrets.client_secret}".encode()
        expected = "Basic " + base64.b64encode(told).decode()
        if request.headers.get("Authorization") != expected:
            raise SlackRefuses("bad_client_secret")
        redirect_uri = self.codes.pop(fields.get("code", ""), None)
        if redirect_uri is None:
            raise SlackRefuses("invalid_code")
        if redirect_uri != fields.get("redirect_uri", ""):
            raise SlackRefuses("bad_redirect_uri")
        return {
            "access_token": self.secrets.bot_token,
            "token_type": "bot",
            "scope": "chat:write,im:history",
            "bot_user_id": self.workspace.bot_user_id,
            "app_id": self.workspace.app_id,
            "team": {"id": self.workspace.team_id, "name": "Demo"},
            "enterprise": None,
            "is_enterprise_install": False,
            "authed_user": {"id": next(iter(self.workspace.users), "U0ADMIN01")},
        }

    # --- files and consent --------------------------------------------------------------------
    async def _take_upload(self, request: web.Request) -> web.Response:
        fault = self.workspace.fault_for("upload")
        if fault is not None:
            return await _faulty(fault)
        slot = self._slots.get(request.match_info["file_id"])
        data = await request.read()
        if slot is None or len(data) != self._lengths[slot.file_id]:
            return web.Response(status=400, text="file size mismatch")
        slot.data, slot.content_type = data, request.content_type
        return web.Response(text=f"OK - {len(data)}")

    async def _download(self, request: web.Request) -> web.StreamResponse:
        fault = self.workspace.fault_for("download")
        if fault is not None:
            return await _faulty(fault)
        if _bearer(request) != self.secrets.bot_token:
            # So does Slack: no 401, but a login page somewhere else.
            raise web.HTTPFound("https://demo.slack.com/?redir=%2Ffiles-pri")
        file = self.workspace.files.get(request.match_info["file_id"])
        if file is None:
            return web.Response(status=404)
        return web.Response(body=file.data, content_type=file.content_type)

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        """Consent at once, as an administrator who presses Allow."""
        redirect_uri = request.query.get("redirect_uri", "")
        if request.query.get("client_id") != self.secrets.client_id or not redirect_uri:
            return web.Response(status=400, text="invalid client")
        code = secrets.token_hex(8)
        self.codes[code] = redirect_uri
        state = request.query.get("state", "")
        raise web.HTTPFound(f"{redirect_uri}?code={code}&state={state}")

    def _channel(self, channel: str) -> str:
        if channel in self.workspace.users:
            return self.workspace.direct(channel)
        if channel not in self.workspace.channels:
            raise SlackRefuses("channel_not_found")
        return channel

    def _check_contract(self, method: str, verb: str, fields: Fields) -> None:
        """Note arguments the published description does not know, required ones not given."""
        paths = (self.contract or {}).get("paths")
        operations = paths.get(f"/{method}", {}) if isinstance(paths, dict) else {}
        described = operations.get(verb.lower())
        if not isinstance(described, dict):
            return  # The description is older than some methods.
        known = {item["name"]: item for item in described.get("parameters", [])}
        younger = {"metadata", "token"}
        self.violations += [f"{method}: {n}" for n in fields if n not in known.keys() | younger]
        needed = {n for n, item in known.items() if item.get("required")} - {"token"}
        self.violations += [f"{method}: no {n}" for n in sorted(needed - fields.keys())]


async def _arguments(request: web.Request) -> dict[str, str]:
    fields = dict(request.query.items())
    if request.content_type == "application/json":
        for name, value in (await request.json()).items():
            fields[name] = value if isinstance(value, str) else json.dumps(value)
        return fields
    return fields | {k: v for k, v in (await request.post()).items() if isinstance(v, str)}


async def _faulty(fault: Fault) -> web.Response:
    if fault.hang:
        await asyncio.sleep(_HANG_S)
    headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    if fault.error:
        body = {"ok": False, "error": fault.error}
        return web.json_response(body, status=fault.status, headers=headers)
    return web.Response(status=fault.status, headers=headers)


def _bearer(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else ""


def _origin(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _thread_ts(fields: Fields) -> str:
    ts = fields.get("thread_ts", "")
    if ts and not _TS.fullmatch(ts):
        raise SlackRefuses("invalid_thread_ts")
    return ts


def _metadata(text: str) -> dict[str, object]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or {"event_type", "event_payload"} - found.keys():
        raise SlackRefuses("invalid_metadata_format")
    return found


def _list_of_objects(text: str, error: str) -> list[dict[str, object]]:
    try:
        found = json.loads(text)
    except ValueError as broken:
        raise SlackRefuses(error) from broken
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise SlackRefuses(error)
    return found


def _checked_blocks(text: str) -> list[dict[str, object]]:
    """Read blocks and hold them against Slack's limits."""
    if not text:
        return []
    blocks = _list_of_objects(text, "invalid_blocks_format")
    if len(blocks) > 50:
        raise SlackRefuses("invalid_blocks")
    for block in blocks:
        words = block.get("text")
        if isinstance(words, dict) and not 1 <= len(str(words.get("text", ""))) <= 3_000:
            raise SlackRefuses("invalid_blocks")
        elements = block.get("elements", [])
        if not isinstance(elements, list) or len(elements) > 25:
            raise SlackRefuses("invalid_blocks")
        if any(not 1 <= len(e["text"]["text"]) <= 75 for e in elements):
            raise SlackRefuses("invalid_blocks")
    return blocks
