"""The Telegram channel: verify, parse, respond, send, fetch, probe, signal (pull: polling.py)."""

import asyncio
import hmac
import json
import mimetypes
from collections.abc import Mapping
from importlib import import_module
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from hub.adapters.telegram.config import ALLOWED_UPDATES, TelegramConfig
from hub.adapters.telegram.parse import callback_id, parse_update
from hub.model.address import Address
from hub.model.channel import (
    ChannelContext,
    FetchedMedia,
    HttpFailure,
    Intake,
    ItemOutcome,
    Manifest,
    OutgoingPart,
    ProbeReport,
    RawRequest,
    RawResponse,
    Receipt,
    SignalKind,
)
from hub.model.errors import HubError, SendError, SignatureRejected, TooLarge
from hub.model.filename import clean_filename

if TYPE_CHECKING:
    from hub.adapters.telegram.client import Client

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - the header's name
_DOWNLOAD_TIMEOUT_S = 120.0


class TelegramChannel:
    """One bot whose updates arrive by webhook."""

    def __init__(self, manifest: Manifest, config: TelegramConfig, context: ChannelContext) -> None:
        self.manifest = manifest
        self.config = config
        self.context = context
        self._client: Client | None = None
        self._secret = config.secret_token.get_secret_value().encode()

    # --- the way in ---------------------------------------------------------------------------
    def verify(self, request: RawRequest) -> None:
        """Compare the secret token. PULL is our own poll's; an empty token never matches."""
        if request.method == "PULL":
            return
        given = request.headers.get(SECRET_HEADER, "").encode(errors="replace")
        if not self._secret or not given or not hmac.compare_digest(given, self._secret):
            raise SignatureRejected

    def parse(self, request: RawRequest) -> Intake:
        """Read one update, from a webhook or from getUpdates."""
        return parse_update(request, allow_groups=self.config.allow_groups)

    def respond(self, intake: Intake, outcomes: tuple[ItemOutcome, ...]) -> RawResponse:
        """Answer 200; for a pressed button with the call that stops its progress circle.

        Telegram takes one call of the Bot API as the answer to a webhook and does not say what
        came of it: https://core.telegram.org/bots/api#making-requests-when-getting-updates
        """
        pressed = next((found for item in intake.items if (found := callback_id(item))), "")
        if not pressed:
            return RawResponse()
        body = json.dumps({"method": "answerCallbackQuery", "callback_query_id": pressed})
        return RawResponse(body=body.encode(), content_type="application/json")

    # --- the way out --------------------------------------------------------------------------
    async def send(self, part: OutgoingPart) -> Receipt:
        """Hand one part over. Raises SendError."""
        client = await self.client()
        from hub.adapters.telegram.send import send_part

        return await send_part(client, part)

    async def signal(self, kind: SignalKind, to: Address, display: Mapping[str, str]) -> None:
        """Show "typing…" for five seconds; other signals do not exist here. Raises SendError."""
        if kind is SignalKind.TYPING:
            chat = display.get("chat_id", "") or to.value
            client = await self.client()
            await client.call(client.bot.send_chat_action(chat, "typing"))

    async def probe(self) -> ProbeReport:
        """Ask the Bot API who we are (getMe)."""
        client = await self.client()
        try:
            me = await client.call(client.bot.get_me())
        except SendError as error:
            unreachable = error.code in ("timeout", "cut_off", "connect_failed", "target_refused")
            return ProbeReport(ok=False, code="cannot_connect" if unreachable else error.code)
        return ProbeReport(ok=True, facts={"bot_id": me.id, "username": me.username or ""})

    async def subscribe(self) -> None:
        """Tell Telegram where updates go: our webhook, or nowhere so that polling may begin.

        Updates that wait at Telegram are kept either way. Raises SendError.
        """
        client = await self.client()
        if self.config.mode == "polling":
            await client.call(client.bot.delete_webhook())
            return
        await client.call(
            client.bot.set_webhook(
                self.context.webhook_url,
                secret_token=self.config.secret_token.get_secret_value(),
                allowed_updates=ALLOWED_UPDATES,
            )
        )

    async def fetch_media(self, ref: str, *, max_bytes: int) -> FetchedMedia:
        """Fetch a file by its file_id. Its URL holds the token and never leaves this method.

        Raises:
            SendError: Telegram knows no such file any more, or cannot be asked.
            HttpFailure: the download brought no answer.
            TooLarge: over `max_bytes`, or over the 20 MB a bot may download.
        """
        path = await self._file_path(ref, max_bytes)
        token = self.config.bot_token.get_secret_value()
        url = f"{self.config.base}/file/bot{token}/{quote(path)}"
        try:
            answer = await self.context.http.request(
                "GET", url, trusted=True, timeout_s=_DOWNLOAD_TIMEOUT_S, max_bytes=max_bytes
            )
        except HttpFailure as failure:
            if failure.code == "too_large":
                raise TooLarge(None, limit_bytes=max_bytes) from None
            raise
        if answer.status != 200:
            raise SendError(
                "media_unavailable",
                retryable=answer.status >= 500 or answer.status == 429,
                provider_code=str(answer.status),
            )
        return _named(answer.body, answer.headers.get("content-type", ""), path)

    # --- inside -------------------------------------------------------------------------------
    async def client(self) -> "Client":
        """Return the bot of this configuration; made on first use."""
        if self._client is None:
            # The SDK takes a second to import: not on the loop, and not for who only reads.
            await asyncio.to_thread(import_module, "hub.adapters.telegram.send")
            from hub.adapters.telegram.client import make_client

            self._client = make_client(self.config, self.context.http)
        return self._client

    async def _file_path(self, ref: str, max_bytes: int) -> str:
        client = await self.client()
        try:
            file = await client.call(client.bot.get_file(ref))
        except SendError as error:
            if error.code == "file_too_large":
                raise TooLarge(None, limit_bytes=20_000_000) from None
            # Nothing was sent to anybody: asking again is always safe.
            again = error.maybe_sent or error.retryable or error.code == "media_unavailable"
            raise SendError(
                error.code,
                retryable=again,
                retry_after_s=error.retry_after_s,
                provider_code=_text_param(error, "provider_code"),
                needs_auth=error.needs_auth,
            ) from None
        if file.file_size is not None and file.file_size > max_bytes:
            raise TooLarge(None, limit_bytes=max_bytes)
        # The SDK has put base URL and token in front.
        token = self.config.bot_token.get_secret_value()
        path = (file.file_path or "").removeprefix(f"{self.config.base}/file/bot{token}/")
        if not path or ".." in path.split("/"):
            raise SendError("media_unavailable")
        return path


def _text_param(error: HubError, name: str) -> str | None:
    value = error.params.get(name)
    return value if isinstance(value, str) else None


def _named(data: bytes, declared: str, path: str) -> FetchedMedia:
    """Name the file; Telegram's file server calls nearly everything octet-stream."""
    name = clean_filename(PurePosixPath(path).name)
    content_type = declared.split(";")[0].strip().lower()
    if content_type in ("", "application/octet-stream"):
        guessed, _ = mimetypes.guess_type(name)
        content_type = guessed or "application/octet-stream"
    return FetchedMedia(data, content_type, name)
