"""python-telegram-bot's `Bot` on the hub's HTTP port, and what its errors mean to the sender.

The SDK names the parameters, encodes them and reads the answers; connections, time-outs, caps and
the guard are the port's. Nothing here retries, and `Bot.initialize()` (a getMe) is never called.
"""

import contextlib
import json
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from telegram import Bot
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    TelegramError,
    TimedOut,
)
from telegram.request import BaseRequest, RequestData
from typing_extensions import override

from hub.adapters.telegram.config import TelegramConfig
from hub.model.channel import FormFile, HttpAnswer, HttpFailure, HttpPort
from hub.model.errors import SendError

T = TypeVar("T")

CALL_TIMEOUT_S = 20.0
UPLOAD_TIMEOUT_S = 120.0
_ANSWER_BYTES = 20_000_000
_SDK_STATUSES = frozenset({400, 401, 403, 404, 409})

# The SDK logs its base URL, which holds the token, every parameter and, when an answer is not
# JSON, the answer: none of it may reach a log.
logging.getLogger("telegram").setLevel(logging.CRITICAL + 1)


class NoAnswer(TimedOut):
    """The port brought no answer. A TelegramError, because the SDK flattens all others."""

    def __init__(self, failure: HttpFailure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class OddStatus(NetworkError):
    """An answer that is neither success nor an error the SDK tells apart (429, 413, 5xx)."""

    def __init__(self, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.retry_after_s = retry_after_s


class PortRequest(BaseRequest):
    """Carries the SDK's calls over the hub's HTTP port."""

    def __init__(self, http: HttpPort) -> None:
        self._http = http

    @property
    @override
    def read_timeout(self) -> float:
        """Seconds a call may take in all; getUpdates adds its own waiting to it."""
        return CALL_TIMEOUT_S

    @override
    async def initialize(self) -> None:
        """Do nothing: the port is open."""

    @override
    async def shutdown(self) -> None:
        """Do nothing: the port is not ours to close."""

    @staticmethod
    @override
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Read an answer without logging it. Raises TelegramError."""
        try:
            answer = json.loads(payload)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise TelegramError("answer is not a JSON object")
        return answer

    @override
    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Make one call. Raises NoAnswer, OddStatus."""
        timeout_s = read_timeout if isinstance(read_timeout, int | float) else CALL_TIMEOUT_S
        if request_data is not None and request_data.contains_files:
            timeout_s = max(timeout_s, UPLOAD_TIMEOUT_S)
        try:
            answer = await self._http.request(
                method,
                url,
                form=_form(request_data) if request_data is not None else None,
                trusted=True,
                timeout_s=timeout_s,
                max_bytes=_ANSWER_BYTES,
            )
        except HttpFailure as failure:
            raise NoAnswer(failure) from failure
        if not (200 <= answer.status <= 299 or answer.status in _SDK_STATUSES):
            raise OddStatus(answer.status, _retry_after(answer))
        return answer.status, answer.body


class PollRequest(PortRequest):
    """For getUpdates: keeps the updates as they came and gives the SDK an empty list.

    The SDK turns a whole batch into objects at once: one update it cannot read would cost the
    other ninety-nine. Ours are read one by one, by the same `parse` as webhooks. One poll at a
    time per object.
    """

    def __init__(self, http: HttpPort) -> None:
        super().__init__(http)
        self._updates: list[dict[str, Any]] = []

    def take(self) -> list[tuple[int, bytes]]:
        """Return number and JSON of the updates fetched last, and forget them."""
        fetched, self._updates = self._updates, []
        return [(update["update_id"], json.dumps(update).encode()) for update in fetched]

    @override
    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Make one poll. Raises NoAnswer, OddStatus, TelegramError."""
        status, body = await super().do_request(url, method, request_data, read_timeout)
        if not 200 <= status <= 299:
            return status, body
        result = self.parse_json_payload(body).get("result")
        if not isinstance(result, list) or not all(map(_is_numbered, result)):
            raise TelegramError("getUpdates brought something else than updates")
        self._updates = result
        return status, b'{"ok": true, "result": []}'


@dataclass(frozen=True, slots=True)
class Client:
    """A bot of one configuration. `repr` shows nothing: the SDK's own shows the token."""

    bot: Bot
    polls: PollRequest

    async def call(self, awaited: Awaitable[T]) -> T:
        """Await a call of the bot. Raises SendError for everything the SDK may raise."""
        try:
            return await awaited
        except TelegramError as error:
            raise send_error(error) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # A success whose body is not what the documentation says: most likely it was sent.
            raise SendError("provider_answer_invalid", maybe_sent=True) from error

    @override
    def __repr__(self) -> str:
        return "Client()"


def make_client(config: TelegramConfig, http: HttpPort) -> Client:
    """Make the bot; no I/O. A request left out would become an httpx client of the SDK's own."""
    polls = PollRequest(http)
    bot = Bot(
        config.bot_token.get_secret_value(),
        base_url=f"{config.base}/bot",
        base_file_url=f"{config.base}/file/bot",
        request=PortRequest(http),
        get_updates_request=polls,
    )
    return Client(bot, polls)


def send_error(error: TelegramError) -> SendError:
    """Say what an error of the SDK means for a delivery.

    Certain: nothing reached Telegram, or Telegram said no. All else, every 5xx included, may have
    been sent: the Bot API has no idempotency key and no way to ask.
    """
    if isinstance(error, Forbidden):
        return SendError(_forbidden_code(str(error)), provider_code="403")
    if isinstance(error, InvalidToken):
        return SendError("auth_refused", needs_auth=True, provider_code="401")
    if isinstance(error, Conflict):
        return SendError(_conflict_code(str(error)), retryable=True, provider_code="409")
    if isinstance(error, BadRequest):
        code = _refusal_code(str(error))
        return SendError(code, retryable=code == "photo_unfit", provider_code="400")
    if isinstance(error, NoAnswer):
        failure = error.failure
        return SendError(
            failure.code,
            retryable=not failure.maybe_sent and failure.code != "target_refused",
            maybe_sent=failure.maybe_sent,
        )
    if isinstance(error, OddStatus):
        return _odd_status_error(error)
    return SendError("provider_answer_invalid", maybe_sent=True)


def _is_numbered(update: object) -> bool:
    return isinstance(update, dict) and isinstance(update.get("update_id"), int)


def _odd_status_error(error: OddStatus) -> SendError:
    code, status = "provider_refused", error.status
    if status >= 500:
        return SendError("provider_error", maybe_sent=True, provider_code=str(status))
    if status == 429:
        return SendError(
            "rate_limited", retryable=True, retry_after_s=error.retry_after_s, provider_code="429"
        )
    if status == 413:
        code = "file_too_large"
    return SendError(code, provider_code=str(status))


def _retry_after(answer: HttpAnswer) -> float | None:
    """Return the seconds to wait, from the answer's parameters or its header."""
    told: object = answer.headers.get("retry-after")
    # A proxy's answer is not the Bot API's.
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):
        told = json.loads(answer.body)["parameters"]["retry_after"]
    text = str(told)
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None


def _form(data: RequestData) -> list[tuple[str, str | FormFile]]:
    form: list[tuple[str, str | FormFile]] = list(data.json_parameters.items())
    for name, (filename, content, content_type) in data.multipart_data.items():
        # We hand bytes to InputFile; anything else would be a handle the port cannot read.
        if isinstance(content, bytes):
            form.append((name, FormFile(filename, content_type, content)))
    return form


def _forbidden_code(description: str) -> str:
    if "deactivated" in description:
        return "recipient_gone"
    if "initiate conversation" in description:
        return "customer_must_write_first"
    return "blocked_by_customer"


def _conflict_code(description: str) -> str:
    return "webhook_is_set" if "webhook" in description else "other_poller"


def _refusal_code(description: str) -> str:
    lowered = description.lower()
    for sign, code in _REFUSALS:
        if sign in lowered:
            return code
    return "provider_refused"


_REFUSALS = (
    ("chat not found", "recipient_unknown"),
    ("too long", "text_too_long"),
    ("file is too big", "file_too_large"),
    ("photo_invalid_dimensions", "photo_unfit"),
    ("image_process_failed", "photo_unfit"),
    ("wrong file_id", "media_unavailable"),
    ("file is temporarily unavailable", "media_unavailable"),
)
"""Signs in the description of a 400; Telegram has no finer codes."""
