"""Frames of the widget's API, read into canonical items."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from hub.adapters.kit.text import clean_text
from hub.model.address import Address, Assurance, IdentityKind
from hub.model.channel import (
    ClaimedAddress,
    ContactSignal,
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
from hub.model.filename import clean_filename
from hub.model.ids import DeliveryId
from hub.model.widget import (
    ACCOUNT_PREFIX,
    DeliveredFrame,
    ReadFrame,
    SaidFrame,
    TypingFrame,
    UploadedFile,
    VisitorFacts,
    WidgetFrame,
)

OFFLINE_LIMIT = timedelta(days=7)
"""A browser's time older than this is not believed."""


class _Head(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    type: str


_FRAMES: dict[str, TypeAdapter[WidgetFrame]] = {
    "message": TypeAdapter(SaidFrame),
    "delivered": TypeAdapter(DeliveredFrame),
    "read": TypeAdapter(ReadFrame),
    "typing": TypeAdapter(TypingFrame),
}


def parse(request: RawRequest, channel_id: str) -> Intake:
    """Read one frame. Raises PayloadInvalid."""
    try:
        kind = clean_text(_Head.model_validate_json(request.body).type, 60)
        if kind not in _FRAMES:
            return Intake(ignored=(kind or "empty",))
        frame = _FRAMES[kind].validate_json(request.body)
    except (ValidationError, RecursionError):
        raise PayloadInvalid("payload_invalid", part="frame") from None
    visitor = frame.visitor
    sender = Address(IdentityKind.WEB, _value(visitor.visitor_id), channel_id)
    match frame:
        case SaidFrame():
            return Intake((_said(frame, sender, request.received_at),))
        case DeliveredFrame():
            at = request.received_at
            return Intake(
                tuple(
                    StatusReport(DeliveryState.DELIVERED, at, delivery_id=DeliveryId(_value(one)))
                    for one in frame.deliveries
                )
            )
        case ReadFrame():
            read = ContactSignal(
                SignalKind.READ, sender, request.received_at, external_id=_value(frame.delivery)
            )
            return Intake((read,))
        case TypingFrame():
            return Intake((ContactSignal(SignalKind.TYPING, sender, request.received_at),))


def _said(frame: SaidFrame, sender: Address, received_at: datetime) -> InboundMessage:
    visitor = frame.visitor
    chosen = None if frame.chosen is None else clean_text(frame.chosen)
    text = clean_text(frame.text)
    if not text.strip() and not chosen and not frame.attachments:
        raise PayloadInvalid("payload_invalid", part="text")
    return InboundMessage(
        external_id=f"{sender.value}:{_value(frame.client_id)}",
        sender=sender,
        content=Content(text=text, chosen=chosen),
        occurred_at=_when(frame.sent_at, received_at),
        # The session's token vouches for the visitor, the site's signature for who that is.
        assurance=Assurance.VERIFIED if visitor.signed else Assurance.NETWORK,
        sender_name=clean_text(visitor.name),
        media=tuple(_media(file) for file in frame.attachments),
        display=_display(visitor),
        language=clean_text(visitor.language),
        claims=_claims(visitor, sender.scope),
        level=clean_text(visitor.level) if visitor.signed else "",
    )


def _display(visitor: VisitorFacts) -> dict[str, str]:
    shown = {"page": clean_text(visitor.page), "topic": clean_text(visitor.topic)}
    return {name: text for name, text in shown.items() if text}


def _when(said: datetime | None, received_at: datetime) -> datetime:
    """Believe a browser's clock only backwards, and not too far."""
    if said is None or said > received_at or said < received_at - OFFLINE_LIMIT:
        return received_at
    return said.astimezone(received_at.tzinfo)


def _claims(visitor: VisitorFacts, channel_id: str) -> tuple[ClaimedAddress, ...]:
    """Return the site's account, and addresses; only a signature makes one more than a claim."""
    claims = []
    subject = clean_text(visitor.subject)
    if visitor.signed and subject:
        account = Address(IdentityKind.WEB, f"{ACCOUNT_PREFIX}{subject}"[:320], channel_id)
        claims.append(ClaimedAddress(account, Assurance.VERIFIED))
    for kind, value, verified in (
        (IdentityKind.EMAIL, visitor.email, visitor.email_verified),
        (IdentityKind.PHONE, visitor.phone, visitor.phone_verified),
    ):
        address = clean_text(value).strip()
        if address:
            sure = visitor.signed and verified
            assurance = Assurance.VERIFIED if sure else Assurance.CLAIMED
            claims.append(ClaimedAddress(Address(kind, address), assurance))
    return tuple(claims)


def _media(file: UploadedFile) -> InboundMedia:
    return InboundMedia(
        kind=file.kind,
        filename=clean_filename(clean_text(file.filename)),
        content_type=clean_text(file.content_type),
        size_bytes=file.size_bytes,
        upload_id=_value(file.id),
    )


def _value(text: str) -> str:
    found = clean_text(text).strip()
    if not found:
        raise PayloadInvalid("payload_invalid", part="id")
    return found
