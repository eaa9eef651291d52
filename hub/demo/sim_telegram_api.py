"""The simulated Bot API: its methods, their checks and their refusals.

Answers and error texts follow https://core.telegram.org/bots/api and what api.telegram.org says
(read 2026-11); only what a contact centre's bot uses is there.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.demo.operations import OperationLog, OpKind, OpOutcome
from hub.demo.sim_telegram_state import ApiError, Fault, SentMessage, SimFile, SimState
from hub.demo.sim_telegram_updates import Conflict, UpdateFeed

TEXT_CHARS = 4_096
CAPTION_CHARS = 1_024
CALLBACK_BYTES = 64
PHOTO_BYTES = 10_485_760
UPLOAD_BYTES = 52_428_800
DOWNLOAD_BYTES = 20_971_520

_FILES = {
    "sendPhoto": ("photo", "photos"),
    "sendDocument": ("document", "documents"),
    "sendVoice": ("voice", "voice"),
    "sendAudio": ("audio", "music"),
    "sendVideo": ("video", "videos"),
}
SENDING = ("sendMessage", *_FILES, "sendLocation", "sendVenue")
"""The methods a customer notices."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a multipart call."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call is answered; `after` tells whether the answer is held back (see Fault)."""

    status: int
    body: dict[str, Any]
    after: str = ""


class BotApi:
    """Runs calls on the state and the feed."""

    def __init__(
        self,
        state: SimState,
        feed: UpdateFeed,
        log: OperationLog,
        on_sent: Callable[[SentMessage], None],
    ) -> None:
        self._state = state
        self._feed = feed
        self._log = log
        self._on_sent = on_sent
        self._methods: dict[str, Callable[[_Call], Awaitable[object]]] = {
            "getme": self._get_me,
            "getupdates": self._get_updates,
            "setwebhook": self._set_webhook,
            "deletewebhook": self._delete_webhook,
            "getwebhookinfo": self._webhook_info,
            "getfile": self._get_file,
            "sendchataction": self._chat_action,
            "answercallbackquery": self._answer_button,
            **{name.lower(): self._send for name in SENDING},
        }
        self._names = {name.lower(): name for name in SENDING}

    async def run(self, method: str, params: dict[str, str], files: Mapping[str, Upload]) -> Answer:
        """Run one call, with the fault that waits for it."""
        key = method.lower()
        name = self._names.get(key, method)
        fault = self._state.fault_for(name, sends=key in self._names)
        sends = key in self._names
        operation = self._log.begin(OpKind.OUTBOUND, "", name) if sends else None
        answer = await self._answer(_Call(name, params, files), fault)
        if operation is not None:
            result = answer.body.get("result")
            if isinstance(result, dict):
                operation.external_id = f"{result['chat']['id']}:{result['message_id']}"
            self._log.attempt(operation, 0 if answer.after else answer.status)
            outcome = OpOutcome.OK if answer.status == 200 else OpOutcome.FAILED
            self._log.finish(operation, OpOutcome.UNKNOWN if answer.after else outcome)
        return answer

    async def _answer(self, call: "_Call", fault: Fault | None) -> Answer:
        if fault is not None and fault.status:
            extra = {"retry_after": fault.retry_after_s} if fault.retry_after_s else {}
            return _refusal(ApiError(fault.status, _fault_text(fault), **extra))
        run = self._methods.get(call.method.lower())
        try:
            if run is None:
                raise ApiError(404, "Not Found: method not found")
            result = await run(call)
        except ApiError as error:
            return _refusal(error)
        except Conflict as error:
            return _refusal(ApiError(409, str(error)))
        return Answer(200, {"ok": True, "result": result}, fault.accept if fault else "")

    # --- sending ------------------------------------------------------------------------------
    async def _send(self, call: "_Call") -> object:
        chat_id = self._reachable_chat(call)
        keyboard, buttons = _keyboard(call.params.get("reply_markup", ""))
        content: dict[str, Any] = {"reply_markup": keyboard} if keyboard else {}
        file: SimFile | None = None
        text = call.params.get("text" if call.method == "sendMessage" else "caption", "")
        if call.method in _FILES:
            file = self._take_file(call, content)
            _check_length(text, CAPTION_CHARS, "message caption is too long")
            content |= {"caption": text} if text else {}
        elif call.method == "sendMessage":
            if not text.strip():
                raise ApiError(400, "Bad Request: message text is empty")
            _check_length(text, TEXT_CHARS, "message is too long")
            content["text"] = text
        else:
            content |= _place(call)
        message = self._state.new_message(chat_id, self._state.bot, **content)
        place = content.get("location", {})
        sent = SentMessage(
            chat_id=chat_id,
            message_id=message["message_id"],
            method=call.method,
            text=text,
            file=file,
            latitude=place.get("latitude"),
            longitude=place.get("longitude"),
            buttons=buttons,
            keyboard=keyboard,
        )
        self._state.sent.append(sent)
        self._on_sent(sent)
        self._log.changed()
        return message

    def _take_file(self, call: "_Call", content: dict[str, Any]) -> SimFile:
        field, folder = _FILES[call.method]
        upload = call.files.get(field)
        if upload is None:
            raise ApiError(400, f"Bad Request: there is no {field} in the request")
        limit = PHOTO_BYTES if field == "photo" else UPLOAD_BYTES
        if len(upload.data) > limit:
            raise ApiError(413, "Request Entity Too Large")
        if not upload.data:
            raise ApiError(400, "Bad Request: file must be non-empty")
        file = self._state.new_file(upload.data, upload.filename, upload.content_type, folder)
        content[field] = file_object(file, field)
        return file

    def _reachable_chat(self, call: "_Call") -> int:
        text = call.need("chat_id")
        chat_id = int(text) if text.lstrip("-").isdigit() else 0
        if chat_id not in self._state.users:
            raise ApiError(400, "Bad Request: chat not found")
        if chat_id in self._state.blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        return chat_id

    async def _chat_action(self, call: "_Call") -> object:
        chat_id = self._reachable_chat(call)
        self._state.actions.append((chat_id, call.need("action")))
        self._log.changed()
        return True

    async def _answer_button(self, call: "_Call") -> object:
        query_id = call.need("callback_query_id")
        if query_id not in self._state.pressed:
            raise ApiError(
                400,
                "Bad Request: query is too old and response timeout expired or query ID is invalid",
            )
        self._state.answered.add(query_id)
        self._log.changed()
        return True

    # --- the rest -----------------------------------------------------------------------------
    async def _get_me(self, _call: "_Call") -> object:
        flags = {"can_join_groups": True, "can_read_all_group_messages": False}
        return self._state.bot | flags | {"supports_inline_queries": False}

    async def _get_file(self, call: "_Call") -> object:
        file = self._state.files.get(call.need("file_id"))
        if file is None:
            raise ApiError(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(file.data) > DOWNLOAD_BYTES:
            raise ApiError(400, "Bad Request: file is too big")
        return file_object(file, "") | {"file_path": file.path}

    async def _get_updates(self, call: "_Call") -> object:
        limit = min(max(call.number("limit", 100), 1), 100)
        wait_s = float(call.number("timeout", 0))
        return await self._feed.get_updates(call.number("offset", 0), limit, wait_s)

    async def _set_webhook(self, call: "_Call") -> object:
        url = call.params.get("url", "")
        if url and not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ApiError(400, "Bad Request: bad webhook: An HTTPS URL must be provided")
        secret = call.params.get("secret_token", "")
        if not all(c.isascii() and (c.isalnum() or c in "_-") for c in secret):
            raise ApiError(400, "Bad Request: secret token contains unallowed characters")
        connections = min(max(call.number("max_connections", 40), 1), 100)
        self._feed.set_webhook(url, secret, connections)
        return True

    async def _delete_webhook(self, _call: "_Call") -> object:
        self._feed.set_webhook("", "", 40)
        return True

    async def _webhook_info(self, _call: "_Call") -> object:
        return {
            "url": self._feed.url,
            "has_custom_certificate": False,
            "pending_update_count": self._feed.waiting,
        }


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    params: dict[str, str]
    files: Mapping[str, Upload]

    def need(self, name: str) -> str:
        value = self.params.get(name, "")
        if not value:
            raise ApiError(400, f"Bad Request: parameter {name} is empty")
        return value

    def number(self, name: str, default: int) -> int:
        text = self.params.get(name, "")
        return int(text) if text.lstrip("-").isdigit() else default


def file_object(file: SimFile, field: str) -> Any:
    """Return the file as the Message field `field` shows it."""
    plain = {
        "file_id": file.file_id,
        "file_unique_id": f"u{file.file_id}",
        "file_size": len(file.data),
    }
    if field == "photo":
        small = plain | {"file_id": f"{file.file_id}s", "file_size": len(file.data) // 4 + 1}
        return [small | {"width": 90, "height": 60}, plain | {"width": 900, "height": 600}]
    if field in ("voice", "audio", "video"):
        plain |= {"duration": 3, "mime_type": file.content_type}
    if field == "video":
        plain |= {"width": 640, "height": 480}
    if field == "document":
        plain |= {"file_name": file.filename, "mime_type": file.content_type}
    return plain


def _place(call: _Call) -> dict[str, Any]:
    try:
        latitude, longitude = float(call.need("latitude")), float(call.need("longitude"))
    except ValueError:
        raise ApiError(400, "Bad Request: can't parse location") from None
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ApiError(400, "Bad Request: wrong location")
    place = {"latitude": latitude, "longitude": longitude}
    if call.method == "sendLocation":
        return {"location": place}
    venue = {"location": place, "title": call.need("title"), "address": call.need("address")}
    return {"location": place, "venue": venue}


def _keyboard(markup: str) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    if not markup:
        return {}, ()
    try:
        keyboard = json.loads(markup)
        rows = keyboard["inline_keyboard"]
        buttons = tuple((one["text"], one["callback_data"]) for row in rows for one in row)
    except (ValueError, KeyError, TypeError):
        raise ApiError(400, "Bad Request: can't parse reply keyboard markup") from None
    if any(not 0 < len(value.encode()) <= CALLBACK_BYTES for _, value in buttons):
        raise ApiError(400, "Bad Request: BUTTON_DATA_INVALID")
    return keyboard, buttons


def _check_length(text: str, limit: int, refusal: str) -> None:
    if len(text) > limit:
        raise ApiError(400, f"Bad Request: {refusal}")


def _fault_text(fault: Fault) -> str:
    if fault.status == 429:
        return f"Too Many Requests: retry after {fault.retry_after_s}"
    return {403: "Forbidden: bot was blocked by the user", 400: "Bad Request: chat not found"}.get(
        fault.status, "Internal Server Error"
    )


def _refusal(error: ApiError) -> Answer:
    body: dict[str, Any] = {
        "ok": False,
        "error_code": error.status,
        "description": error.description,
    }
    if error.parameters:
        body["parameters"] = error.parameters
    return Answer(error.status, body)
