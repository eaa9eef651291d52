"""What comes in: raw requests, and the canonical items an adapter reads out of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from hub.model.address import Address, Assurance
from hub.model.content import Content, MediaKind
from hub.model.delivery import DeliveryState
from hub.model.ids import ConversationId, DeliveryId


@dataclass(frozen=True, slots=True)
class RawRequest:
    """What arrived, as bytes, before anybody thought about it.

    Attributes:
        method: the HTTP method, or PULL (fetched by the adapter), SMTP (our listener),
            SOCKET (Slack Socket Mode): only the hub's own workers make those three.
        url: the PUBLIC url of the request (configured public base + path and query as received);
            signatures are computed over it, never over a Host header.
        path, query: as received, not decoded.
        headers: names in lower case; of repeated headers the values joined by ", ".
        body: the bytes as received.
        received_at: aware UTC instant.
        action: last path segment of /in/{channel_id}/{action}; empty without one.
    """

    method: str
    url: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    action: str = ""


@dataclass(frozen=True, slots=True)
class RawResponse:
    """What the provider is answered."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InboundMedia:
    """A file that came with a message.

    Attributes:
        ref: opaque to the hub; `FetchesMedia.fetch_media` gets it back. Empty when `data` is here.
        filename: cleaned name, may be empty.
        content_type: as declared; never trusted for showing.
        size_bytes: as declared, None when unknown.
        data: the bytes when the payload carried them (mail).
        content_id: for cid: references inside a mail's HTML, without brackets.
        inline: shown inside the HTML rather than listed.
        upload_id: of a file the sender put into the hub before (chat widget); nothing is fetched.
    """

    kind: MediaKind
    ref: str = ""
    filename: str = ""
    content_type: str = "application/octet-stream"
    size_bytes: int | None = None
    data: bytes | None = None
    content_id: str = ""
    inline: bool = False
    upload_id: str = ""


@dataclass(frozen=True, slots=True)
class ThreadHint:
    """What the payload says about the thread it belongs to.

    Attributes:
        conversation_id: from a reference of ours whose MAC verified.
        provider_thread: the provider's own thread (Slack thread_ts), opaque.
    """

    conversation_id: ConversationId | None = None
    provider_thread: str = ""


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody named in a mail's To or Cc. Gains no history by that."""

    role: str  # "to" | "cc"
    address: Address
    name: str = ""


@dataclass(frozen=True, slots=True)
class ClaimedAddress:
    """A further address somebody says is theirs; VERIFIED when the site's signature says so."""

    address: Address
    assurance: Assurance = Assurance.CLAIMED


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message from a customer.

    Attributes:
        external_id: the provider's id, at most 255 characters; unique per channel.
        sender: who wrote, on this network.
        assurance: how sure the network or our own check makes the sender.
        occurred_at: the provider's time; the hub's order is the number it gives.
        auto_reply: an automatic answer or list mail (never answered automatically, opens no clock).
        display: the provider's extra addressing an answer must repeat (Slack channel id, mail
            Message-ID and references). Small, opaque to the hub, handed back in OutgoingPart.
        language: BCP 47 tag if the network says it.
        claims: further addresses named with the message (a chat's form, a signed identity).
        level: the customer level a signed identity gives.
    """

    external_id: str
    sender: Address
    content: Content
    occurred_at: datetime
    assurance: Assurance = Assurance.NETWORK
    sender_name: str = ""
    media: tuple[InboundMedia, ...] = ()
    thread: ThreadHint = ThreadHint()
    participants: tuple[Participant, ...] = ()
    auto_reply: bool = False
    display: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    claims: tuple[ClaimedAddress, ...] = ()
    level: str = ""


class ChangeKind(StrEnum):
    """What a customer did to a message after sending it."""

    EDITED = "edited"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class MessageChange:
    """An edit or deletion. `revision` orders and dedupes changes of one message.

    `as_message` is the whole message as it is now; when the change arrives before its message, it
    waits as the message (house.md).
    """

    external_id: str
    kind: ChangeKind
    revision: str
    occurred_at: datetime
    as_message: InboundMessage | None = None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The provider's word on a delivery. One of `delivery_id`, `external_id` is set."""

    state: DeliveryState
    occurred_at: datetime
    delivery_id: DeliveryId | None = None
    external_id: str = ""
    error_code: str = ""
    provider_code: str = ""


class SignalKind(StrEnum):
    """Small things about a contact that are not messages."""

    TYPING = "typing"
    READ = "read"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class ContactSignal:
    """Typing, seen, opted out … `external_id`: up to which message of ours was read."""

    kind: SignalKind
    sender: Address
    occurred_at: datetime
    external_id: str = ""


InboundItem: TypeAlias = InboundMessage | MessageChange | StatusReport | ContactSignal


@dataclass(frozen=True, slots=True)
class Intake:
    """ALL items of one payload, in the payload's order.

    Attributes:
        items: what to act on.
        ignored: names of events the adapter does not know; answered 200, logged once a kind.
        challenge: an answer that must be given as it is (Slack url_verification).
    """

    items: tuple[InboundItem, ...] = ()
    ignored: tuple[str, ...] = ()
    challenge: RawResponse | None = None


class ItemOutcome(StrEnum):
    """What became of one item; the names of `intake_count` rows."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    SPOOLED = "spooled"
