"""The simulated Twilio REST API: create a message, fetch an account, fetch media.

Answers and error codes as documented (docs/messaging/api/message-resource, docs/api/errors).
"""

import asyncio
import base64
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import TypeAlias
from urllib.parse import urlsplit

from aiohttp import web
from multidict import MultiDictProxy

from hub.demo.operations import OperationLog, OpKind, OpOutcome
from hub.demo.sim_twilio_state import Fault, SimMessage, TwilioState
from hub.model.clock import utc_now

Routes: TypeAlias = list[web.RouteDef]
_Form: TypeAlias = MultiDictProxy[str | bytes | bytearray | web.FileField]

_NUMBER = re.compile(r"\A\+[1-9]\d{6,14}\Z")
_SERVICE = re.compile(r"\AMG[0-9a-fA-F]{32}\Z")
_FIELDS = frozenset(
    {"To", "From", "MessagingServiceSid", "Body", "MediaUrl", "StatusCallback", "ApplicationSid",
     "MaxPrice", "ProvideFeedback", "Attempt", "ValidityPeriod", "ForceDelivery",
     "ContentRetention", "AddressRetention", "SmartEncoded", "PersistentAction", "TrafficType",
     "ShortenUrls", "ScheduleType", "SendAt", "SendAsMms", "ContentVariables", "MessageIntent",
     "RiskCheck", "FallbackFrom", "ContentSid"}
)  # fmt: skip
_MAX_BODY_CHARS = 1600
_MAX_MEDIA = 10


class Refused(Exception):
    """The API's no: HTTP status, Twilio's code, a sentence."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


class MessagesApi:
    """The endpoints of one account; `take` gets every accepted message."""

    def __init__(
        self, state: TwilioState, log: OperationLog, take: Callable[[SimMessage], None]
    ) -> None:
        self._state = state
        self._log = log
        self._take = take

    def routes(self) -> Routes:
        """Return the API's routes."""
        account = "/2010-04-01/Accounts/{account}"
        return [
            web.post(f"{account}/Messages.json", self._create),
            web.get(f"{account}/Messages/{{sid}}.json", self._fetch_message),
            web.get(f"{account}/Messages/{{message}}/Media/{{sid}}", self._fetch_media),
            web.get(f"{account}.json", self._fetch_account),
        ]

    def cdn_routes(self) -> Routes:
        """Return the routes of the CDN the media redirect leads to."""
        return [web.get("/cdn/{sid}", self._serve_media)]

    # --- messages -----------------------------------------------------------------------------
    async def _create(self, request: web.Request) -> web.StreamResponse:
        fault = self._state.next_fault("messages")
        try:
            self._check_account(request)
            if fault is not None and not fault.accepts:
                operation = self._log.begin(OpKind.OUTBOUND, "", "create")
                self._log.finish(operation, OpOutcome.FAILED)
                return await _answer_fault(request, fault)
            message = self._read(await request.post())
        except Refused as refused:
            operation = self._log.begin(OpKind.OUTBOUND, "", "create")
            self._log.attempt(operation, refused.status)
            self._log.finish(operation, OpOutcome.FAILED)
            return _refusal(refused)
        operation = self._log.begin(OpKind.OUTBOUND, message.sid, "create")
        self._state.messages[message.sid] = message
        # What is answered is how it stood when it was taken, however fast it moves on.
        answer = web.json_response(self._resource(message), status=201)
        self._take(message)
        if fault is not None:
            self._log.finish(operation, OpOutcome.UNKNOWN)
            return await _answer_fault(request, fault)
        self._log.attempt(operation, 201)
        self._log.finish(operation, OpOutcome.OK)
        return answer

    def _read(self, form: _Form) -> SimMessage:
        """Read and judge the form as Twilio does. Raises Refused."""
        self._state.odd_fields |= set(form) - _FIELDS
        to, body = _text(form, "To"), _text(form, "Body")
        media = tuple(value for value in form.getall("MediaUrl", []) if isinstance(value, str))
        callback = _text(form, "StatusCallback")
        sender, service = _text(form, "From"), _text(form, "MessagingServiceSid")
        if not to:
            raise Refused(400, 21604, "A 'To' phone number is required.")
        if not _NUMBER.match(to):
            raise Refused(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if not sender and not service:
            raise Refused(400, 21603, "A 'From' phone number is required.")
        if service and not _SERVICE.match(service):
            raise Refused(400, 21701, "The Messaging Service does not exist.")
        if not service and sender != self._state.number:
            raise Refused(400, 21606, "The 'From' phone number is not a valid number of yours.")
        if not body and not media:
            raise Refused(400, 21602, "Message body is required.")
        if len(body) > _MAX_BODY_CHARS:
            raise Refused(400, 21617, "The concatenated message body exceeds 1600 characters.")
        if len(media) > _MAX_MEDIA:
            raise Refused(400, 21623, "Number of media files exceeds the allowed limit.")
        if not all(_is_url(url) for url in media):
            raise Refused(400, 21620, "Invalid media URL(s).")
        if callback and not _is_url(callback):
            raise Refused(400, 21609, "The 'StatusCallback' URL is not a valid URL.")
        if to in self._state.opted_out:
            raise Refused(400, 21610, "Attempt to send to unsubscribed recipient")
        sid = ("MM" if media else "SM") + secrets.token_hex(16)
        number = sender or self._state.number
        return SimMessage(sid, to, number, body, media, callback, service)

    async def _fetch_message(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_account(request)
        except Refused as refused:
            return _refusal(refused)
        message = self._state.messages.get(request.match_info["sid"])
        if message is None:
            return _refusal(Refused(404, 20404, "The requested resource was not found"))
        return web.json_response(self._resource(message))

    def _resource(self, message: SimMessage) -> Mapping[str, object]:
        uri = f"/2010-04-01/Accounts/{self._state.account_sid}/Messages/{message.sid}"
        created = format_datetime(message.created_at)
        return {
            "account_sid": self._state.account_sid,
            "api_version": "2010-04-01",
            "body": message.body,
            "date_created": created,
            "date_sent": None,
            "date_updated": created,
            "direction": "outbound-api",
            "error_code": int(message.error_code) if message.error_code else None,
            "error_message": None,
            "from": None if message.messaging_service_sid else message.from_,
            "messaging_service_sid": message.messaging_service_sid or None,
            "num_media": str(len(message.media_urls)),
            "num_segments": "0" if message.messaging_service_sid else "1",
            "price": None,
            "price_unit": "USD",
            "sid": message.sid,
            "status": "accepted" if message.messaging_service_sid else message.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": message.to,
            "uri": f"{uri}.json",
        }

    # --- account and media --------------------------------------------------------------------
    async def _fetch_account(self, request: web.Request) -> web.StreamResponse:
        fault = self._state.next_fault("account")
        if fault is not None:
            return await _answer_fault(request, fault)
        try:
            self._check_account(request)
        except Refused as refused:
            return _refusal(refused)
        now = format_datetime(utc_now())
        return web.json_response(
            {
                "sid": self._state.account_sid,
                "owner_account_sid": self._state.account_sid,
                "friendly_name": "Simulated account",
                "status": "active",
                "type": "Full",
                "date_created": now,
                "date_updated": now,
                "auth_token": None,
                "uri": f"/2010-04-01/Accounts/{self._state.account_sid}.json",
                "subresource_uris": {},
            }
        )

    async def _fetch_media(self, request: web.Request) -> web.StreamResponse:
        """Redirect to the CDN, as Twilio does since media may be protected (needs credentials)."""
        fault = self._state.next_fault("media")
        if fault is not None:
            return await _answer_fault(request, fault)
        try:
            self._check_account(request)
        except Refused as refused:
            return _refusal(refused)
        sid = request.match_info["sid"]
        if sid not in self._state.media:
            return _refusal(Refused(404, 20404, "The requested resource was not found"))
        location = f"{self._state.cdn_url}/cdn/{sid}"
        return web.Response(status=307, headers={"Location": location})

    async def _serve_media(self, request: web.Request) -> web.StreamResponse:
        fault = self._state.next_fault("cdn")
        if fault is not None:
            return await _answer_fault(request, fault)
        if "Authorization" in request.headers and self._state.cdn_url != self._state.base_url:
            self._state.leaked.append(request.path)
        item = self._state.media.get(request.match_info["sid"])
        if item is None:
            return web.Response(status=403)
        headers = {"Content-Type": item.content_type}
        if item.filename:
            name = item.filename.encode("ascii", "replace").decode().replace('"', "'")
            headers["Content-Disposition"] = f'inline; filename="{name}"'
        return web.Response(body=item.data, headers=headers)

    def _check_account(self, request: web.Request) -> None:
        pair = f"{self._state.account_sid}:{self._state.auth_token}".encode()
        wanted = "Basic " + base64.b64encode(pair).decode()
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise Refused(401, 20003, "Authenticate")
        if request.match_info["account"] != self._state.account_sid:
            raise Refused(404, 20404, "The requested resource was not found")


def _refusal(refused: Refused) -> web.Response:
    return web.json_response(
        {
            "code": refused.code,
            "message": refused.message,
            "more_info": f"https://www.twilio.com/docs/errors/{refused.code}",
            "status": refused.status,
        },
        status=refused.status,
    )


async def _answer_fault(request: web.Request, fault: Fault) -> web.StreamResponse:
    if fault.wait_s:
        await asyncio.sleep(fault.wait_s)
    if not fault.status:
        if request.transport is not None:
            request.transport.close()
        return web.Response()  # goes nowhere
    if not fault.code:
        answer = web.Response(status=fault.status, text="<html>error</html>")
    else:
        answer = _refusal(Refused(fault.status, fault.code, "injected"))
    if fault.retry_after_s is not None:
        answer.headers["Retry-After"] = f"{fault.retry_after_s:g}"
    return answer


def _text(form: _Form, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
