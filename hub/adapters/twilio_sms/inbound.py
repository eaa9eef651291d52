"""From Twilio's webhooks to the hub's words. Pure."""

from urllib.parse import parse_qsl

from hub.adapters.kit.sms import Keyword, is_silent, keyword_of, media_kind, opt_signal, sms_address
from hub.adapters.kit.text import clean_text
from hub.adapters.twilio_sms.errors import delivery_error, is_opt_out
from hub.adapters.twilio_sms.payload import (
    first_values,
    read_form,
    read_media,
    read_message,
    read_status,
)
from hub.model.channel import (
    ContactSignal,
    InboundItem,
    InboundMedia,
    InboundMessage,
    Intake,
    RawRequest,
    SignalKind,
    StatusReport,
)
from hub.model.content import Content
from hub.model.delivery import DeliveryState
from hub.model.errors import PayloadInvalid
from hub.model.ids import DeliveryId, is_id

_MAX_BODY_CHARS = 100_000

_STATES = {
    "sent": DeliveryState.SENT,
    "delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.READ,
    "undelivered": DeliveryState.FAILED,
    "failed": DeliveryState.FAILED,
    "canceled": DeliveryState.FAILED,
}
# Still on its way inside Twilio: `queued` when we were answered says the same.
_ON_ITS_WAY = frozenset({"accepted", "scheduled", "queued", "sending"})
_KEYWORDS = {"STOP": Keyword.STOP, "START": Keyword.START, "HELP": Keyword.HELP}


def parse_webhook(request: RawRequest) -> Intake:
    """Read one webhook. Raises PayloadInvalid."""
    fields = first_values(read_form(request))
    if request.action == "status":
        return _parse_status(request, fields)
    if request.action:
        return Intake(ignored=(f"action.{_name(request.action)}",))
    if fields.get("MessageStatus", "received") not in ("", "received", "receiving"):
        # A number's own status callback was pointed at the message URL.
        return _parse_status(request, fields)
    return _parse_message(request, fields)


def _parse_message(request: RawRequest, fields: dict[str, str]) -> Intake:
    payload = read_message(fields)
    if ":" in payload.sender:  # whatsapp:+1…, messenger:…, rcs:…: networks of their own
        return Intake(ignored=(f"network.{_name(payload.sender.partition(':')[0])}",))
    sender = sms_address(payload.sender, payload.country)
    if sender is None:
        raise PayloadInvalid(field="From", reason="not_an_address")
    text = clean_text(payload.body, _MAX_BODY_CHARS)
    # Twilio names the keyword when advanced opt-out is on, in the languages set there.
    keyword = _KEYWORDS.get(payload.opt_out_type.upper()) or keyword_of(text)
    message = InboundMessage(
        external_id=payload.message_sid,
        sender=sender,
        content=Content(text=text),
        occurred_at=request.received_at,  # the webhook carries no time
        media=tuple(
            InboundMedia(
                kind=media_kind(item.content_type), ref=item.url, content_type=item.content_type
            )
            for item in read_media(fields)
        ),
        auto_reply=is_silent(keyword),
    )
    signal = opt_signal(keyword, sender, request.received_at)
    items: tuple[InboundItem, ...] = (message,) if signal is None else (message, signal)
    return Intake(items=items)


def _parse_status(request: RawRequest, fields: dict[str, str]) -> Intake:
    payload = read_status(fields)
    state = _STATES.get(payload.status)
    if state is None:
        known = payload.status in _ON_ITS_WAY
        return Intake(ignored=(f"status.{payload.status if known else _name(payload.status)}",))
    failed = state is DeliveryState.FAILED
    report = StatusReport(
        state=state,
        occurred_at=request.received_at,
        delivery_id=_delivery_id(request.query),
        external_id=payload.message_sid,
        error_code=delivery_error(payload.error_code) if failed else "",
        provider_code=payload.error_code if failed else "",
    )
    recipient = sms_address(payload.to)
    if failed and is_opt_out(payload.error_code) and recipient is not None:
        signal = ContactSignal(SignalKind.OPTED_OUT, recipient, request.received_at)
        return Intake(items=(report, signal))
    return Intake(items=(report,))


def _delivery_id(query: str) -> DeliveryId | None:
    """Return our id from the callback's URL, which the signature covers."""
    for name, value in parse_qsl(query[:1000]):
        if name == "delivery" and is_id(value):
            return DeliveryId(value)
    return None


def _name(text: str) -> str:
    """Return a word from outside fit for a log field and a metric."""
    kept = "".join(char for char in text[:40].lower() if char.isascii() and char.isalnum())
    return kept or "unnamed"
