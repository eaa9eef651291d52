"""Socket Mode: events over a WebSocket we open, for installations without a public address.

bolt keeps the connection (`AsyncSocketModeHandler`: pings, refreshed links, envelopes). One
catch-all hands every payload on as a RawRequest of method SOCKET and returns only when the hub has
stored it: bolt acknowledges then. Without that, or with an exception, Slack repeats.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from typing_extensions import override

from hub.adapters.slack.client import PortWebClient, no_answer, slack_error
from hub.adapters.slack.config import SlackConfig
from hub.model.channel import HttpFailure, HttpPort, Pulled, RawRequest, StopSignal
from hub.model.clock import utc_now
from hub.model.errors import SendError

_STORE_LIMIT_S = 30.0
"""How long the hub may take to store one payload before its envelope counts as not taken."""
_CONNECT_LIMIT_S = 30.0
_CHECK_EVERY_S = 5.0
_GONE_LIMIT = 6
"""Checks in a row that find no connection before the pull ends with an error."""


class NotStored(Exception):
    """The hub did not store a payload; raised inside bolt, so that it does not acknowledge."""


@dataclass(slots=True)
class _Inbox:
    """What came over the socket and waits for the hub."""

    waiting: "asyncio.Queue[Pulled]" = field(default_factory=asyncio.Queue)
    open: "set[asyncio.Future[None]]" = field(default_factory=set)

    async def take(self, request: RawRequest) -> None:
        """Hand a payload on; return when it is stored, raise NotStored when it is not."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def ack() -> None:
            if not stored.done():
                stored.set_result(None)

        self.open.add(stored)
        try:
            await self.waiting.put(Pulled(request=request, cursor="", ack=ack))
            await asyncio.wait_for(stored, _STORE_LIMIT_S)
        except TimeoutError as error:
            raise NotStored from error
        finally:
            self.open.discard(stored)

    def close(self) -> None:
        """Tell everybody who still waits that nothing will be stored any more."""
        for stored in self.open:
            if not stored.done():
                stored.set_exception(NotStored())


async def pull(config: SlackConfig, http: HttpPort, stop: StopSignal) -> AsyncIterator[Pulled]:
    """Yield payloads until `stop`; each is acknowledged to Slack when its `ack` was awaited.

    Raises:
        SendError: Slack refuses the token (`needs_auth`) or cannot be reached.
    """
    inbox = _Inbox()
    handler = _handler(config, http, inbox)
    stopping = asyncio.ensure_future(_wait(stop))
    try:
        await _connect(handler)
        missing = 0
        while not stopping.done():
            getting = asyncio.ensure_future(inbox.waiting.get())
            try:
                await asyncio.wait(
                    {getting, stopping},
                    timeout=_CHECK_EVERY_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if getting.done():
                    yield getting.result()
                    continue
            finally:
                getting.cancel()
            missing = 0 if await handler.client.is_connected() else missing + 1
            if missing >= _GONE_LIMIT:
                raise SendError("connect_failed", retryable=True)
    finally:
        stopping.cancel()
        inbox.close()
        await handler.close_async()  # type: ignore[no-untyped-call]


async def _wait(stop: StopSignal) -> None:
    await stop.wait()


async def _connect(handler: AsyncSocketModeHandler) -> None:
    """Open the WebSocket. The first link is asked for here: the SDK would retry for ever."""
    client = handler.client
    try:
        client.wss_uri = await client.issue_new_wss_url()
        connecting = handler.connect_async()  # type: ignore[no-untyped-call]
        await asyncio.wait_for(connecting, _CONNECT_LIMIT_S)
    except SlackApiError as error:
        raise slack_error(error, visible=False) from None
    except HttpFailure as failure:
        raise no_answer(failure, visible=False) from failure
    except TimeoutError as error:
        raise SendError("timeout", retryable=True) from error


def _handler(config: SlackConfig, http: HttpPort, inbox: _Inbox) -> AsyncSocketModeHandler:
    logger = _logger()
    token = config.bot_token.get_secret_value()

    async def authorize() -> AuthorizeResult:
        # bolt asks who is meant before it calls anybody; a channel is one installation.
        return AuthorizeResult(enterprise_id=None, team_id=config.team_id or None, bot_token=token)

    app = AsyncApp(
        name="hub",
        logger=logger,
        # Without a token of its own bolt asks `authorize`; with one it would call auth.test.
        client=PortWebClient(http, base_url=config.api_base, token=None),
        authorize=authorize,
        process_before_response=True,
        # `parse` knows our own messages, for both ways in alike.
        ignoring_self_events_enabled=False,
        # Nothing comes by HTTP here; the socket was opened with our token.
        request_verification_enabled=False,
    )

    async def catch_all(
        req: AsyncBoltRequest,
        next: Callable[[], Awaitable[None]],
    ) -> BoltResponse:
        # `next` is never called: no listener behind this one may answer for the hub.
        await inbox.take(_request(req))
        return BoltResponse(status=200, body="")

    app.middleware(catch_all)
    app_token = config.app_token.get_secret_value()
    return AsyncSocketModeHandler(
        app,
        app_token=app_token,
        logger=logger,
        web_client=PortWebClient(http, base_url=config.api_base, token=app_token),
        ping_interval=5,
    )


def _request(req: AsyncBoltRequest) -> RawRequest:
    kind = req.body.get("type")
    retries = {
        name.lower(): ", ".join(values)
        for name, values in req.headers.items()
        if name.lower().startswith("x-slack-retry-")
    }
    return RawRequest(
        method="SOCKET",
        url="",
        path="",
        query="",
        headers={"content-type": "application/json", **retries},
        body=json.dumps(req.body, ensure_ascii=True).encode(),
        received_at=utc_now(),
        action="interactivity" if kind == "block_actions" else "",
    )


class _Sparing(logging.Filter):
    """Keeps where something happened in the SDK, drops what it says: payloads, links, tokens."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = "slack socket: %s", (record.funcName,)
        record.exc_info = None
        record.exc_text = None
        return True


def _logger() -> logging.Logger:
    logger = logging.getLogger("hub.adapters.slack.sdk")
    if not any(isinstance(known, _Sparing) for known in logger.filters):
        logger.addFilter(_Sparing())
    return logger
