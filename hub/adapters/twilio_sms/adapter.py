"""The Twilio channel: signature, webhook, sending, fetching files, trying the credentials."""

import logging
from email.message import Message
from typing import Final

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.request_validator import RequestValidator

from hub.adapters.twilio_sms.client import basic_auth, is_twilio_host, new_client
from hub.adapters.twilio_sms.config import TwilioConfig
from hub.adapters.twilio_sms.errors import no_answer, refusal
from hub.adapters.twilio_sms.inbound import parse_webhook
from hub.adapters.twilio_sms.payload import read_form
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
)
from hub.model.errors import PayloadInvalid, SendError, SignatureRejected, TooLarge

_log = logging.getLogger(__name__)

_NO_REPLY: Final = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
_MEDIA_TIMEOUT_S: Final = 60.0
_MEDIA_REDIRECTS: Final = 3


class TwilioSms:
    """One sender of one Twilio account. Implements Channel, FetchesMedia and Probes."""

    def __init__(self, manifest: Manifest, config: TwilioConfig, context: ChannelContext) -> None:
        self.manifest = manifest
        self._config = config
        self._context = context
        self._validator = RequestValidator(config.auth_token.get_secret_value())

    def verify(self, request: RawRequest) -> None:
        """Check X-Twilio-Signature over the public URL and every form field.

        Raises:
            SignatureRejected: missing or wrong.
        """
        signature = request.headers.get("x-twilio-signature", "")
        try:
            # The form itself, never a dict of it: a repeated field is signed with all its values.
            valid = bool(signature) and self._validator.validate(
                request.url, read_form(request), signature
            )
        except (ValueError, PayloadInvalid) as error:
            raise SignatureRejected from error
        if not valid:
            raise SignatureRejected

    def parse(self, request: RawRequest) -> Intake:
        """Read a message or a status callback. Raises PayloadInvalid."""
        return parse_webhook(request)

    def respond(self, intake: Intake, outcomes: tuple[ItemOutcome, ...]) -> RawResponse:
        """Answer with empty TwiML: the hub's replies go through the API, never through this."""
        return RawResponse(body=_NO_REPLY, content_type="text/xml; charset=utf-8")

    async def send(self, part: OutgoingPart) -> Receipt:
        """Create one Message. Raises SendError."""
        client, http = new_client(self._config, self._context.http)
        fields = self._message_fields(part)
        try:
            message = await client.messages.create_async(**fields)
        except HttpFailure as failure:
            raise no_answer(failure) from failure
        except (TwilioRestException, TwilioServiceException) as error:
            # Without the cause: its text names the customer's number.
            raise refusal(error.status, error.code, http.retry_after_s) from None
        except (ValueError, TypeError, KeyError, TwilioException) as error:
            # A success that cannot be read is still a success on the other side.
            raise SendError("answer_unreadable", maybe_sent=True) from error
        if not isinstance(message.sid, str) or not message.sid:
            raise SendError("answer_unreadable", maybe_sent=True)
        return Receipt(external_id=message.sid[:255])

    def _message_fields(self, part: OutgoingPart) -> dict[str, object]:
        if not part.content.text and not part.media:
            raise SendError("empty")
        fields: dict[str, object] = {"to": part.to.value}
        if part.content.text:
            fields["body"] = part.content.text
        if part.media:
            fields["media_url"] = [media.url for media in part.media]
        if part.status_url:
            retries = self._config.callback_retries
            # Connection overrides: read and cut off by Twilio, neither sent nor signed.
            fields["status_callback"] = part.status_url + (
                f"#rc={retries}&rp=ct,rt,5xx" if retries else ""
            )
        if self._config.messaging_service_sid:
            fields["messaging_service_sid"] = self._config.messaging_service_sid
        else:
            fields["from_"] = self._config.from_number
        return fields

    async def fetch_media(self, ref: str, *, max_bytes: int) -> FetchedMedia:
        """Fetch one file of an MMS; Twilio redirects to its CDN, which gets no credentials.

        Raises:
            HttpFailure: no answer.
            TooLarge: more than `max_bytes`.
            SendError: Twilio does not give it (retryable when it is only busy).
        """
        config = self._config
        known = is_twilio_host(ref, config.api_base)
        token = config.auth_token.get_secret_value()
        try:
            answer = await self._context.http.request(
                "GET",
                ref,
                headers={"Authorization": basic_auth(config.account_sid, token)} if known else None,
                trusted=known,
                timeout_s=_MEDIA_TIMEOUT_S,
                max_bytes=max_bytes,
                follow_redirects=_MEDIA_REDIRECTS,
            )
        except HttpFailure as failure:
            if failure.code == "too_large":
                raise TooLarge(limit=max_bytes) from failure
            raise
        if answer.status != 200:
            raise _media_refusal(answer.status)
        content_type = answer.headers.get("content-type", "application/octet-stream")
        return FetchedMedia(
            data=answer.body,
            content_type=content_type.partition(";")[0].strip().lower(),
            filename=_filename(answer.headers.get("content-disposition", "")),
        )

    async def probe(self) -> ProbeReport:
        """Fetch the account: proves account SID and token, changes nothing."""
        client, _ = new_client(self._config, self._context.http)
        try:
            account = await client.api.v2010.accounts(self._config.account_sid).fetch_async()
        except HttpFailure as failure:
            _log.debug("probe.not_answered", extra={"code": failure.code})
            return ProbeReport(ok=False, code="cannot_connect", facts={"reason": failure.code})
        except (TwilioRestException, TwilioServiceException) as error:
            code = refusal(error.status, error.code).code
            return ProbeReport(ok=False, code=code, facts={"http_status": error.status})
        except (ValueError, TypeError, KeyError, TwilioException):
            return ProbeReport(ok=False, code="not_twilio")
        status = str(account.status)
        facts = {"account_name": str(account.friendly_name), "account_status": status}
        if status != "active":
            return ProbeReport(ok=False, code="account_not_active", facts=facts)
        return ProbeReport(ok=True, facts=facts)


def _media_refusal(status: int) -> SendError:
    if status in (401, 403):
        return SendError("auth_refused", needs_auth=True, provider_code=str(status))
    if status == 429 or status >= 500:
        return SendError("provider_failed", retryable=True, provider_code=str(status))
    return SendError("media_gone", provider_code=str(status))


def _filename(disposition: str) -> str:
    """Return the file name of a Content-Disposition header as it stands; the hub cleans it."""
    header = Message()
    try:
        header["Content-Disposition"] = disposition[:2000]
        return header.get_filename("")
    except (ValueError, LookupError):  # folded lines, unknown charsets
        return ""
