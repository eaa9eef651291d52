"""THE CONTRACT an adapter author reads: what a channel is, gets and gives back.

A channel is one configured account on one network. It holds its configuration and an HTTP port and
no other state. It never sees the database: it returns values, and `services` decide what they mean.

    verify(request)            raises SignatureRejected; constant time; no I/O
    parse(request) -> Intake   pure; raises PayloadInvalid; an empty Intake = not for us
    respond(intake, outcomes)  what the provider is answered (TwiML, challenges); 200 by default
    await send(part)           one attempt, no retry inside; raises SendError

`send` makes at most one call that the customer can notice; preparing calls (uploads) may precede it.
Further abilities are optional protocols, found by `isinstance`: `Pulls`, `FetchesMedia`, `Probes`,
`Signals`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from hub.model.address import Address, Assurance, IdentityKind
from hub.model.content import Content, MediaKind
from hub.model.delivery import DeliveryState
from hub.model.errors import Param
from hub.model.ids import ChannelId, ConversationId, DeliveryId, MessageId


# --- the way in -------------------------------------------------------------------------------
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
    """

    kind: MediaKind
    ref: str = ""
    filename: str = ""
    content_type: str = "application/octet-stream"
    size_bytes: int | None = None
    data: bytes | None = None
    content_id: str = ""
    inline: bool = False


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
        ignored: names of events the adapter knows nothing about; answered 200, logged once per kind.
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


# --- the way out ------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class OutgoingMedia:
    """A file to send. `read` gives the bytes; `url` is a public link valid for 15 minutes."""

    kind: MediaKind
    filename: str
    content_type: str
    size_bytes: int
    url: str
    read: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class OutgoingPart:
    """One part of one message to one address: what `send` hands over.

    Attributes:
        content: already shaped to the channel's capabilities (`unify.shape`).
        display: of the last inbound message of this conversation on this channel (see
            InboundMessage.display); empty when the hub starts the conversation.
        status_url: where the provider may report, carries our delivery id; empty when the
            channel has no webhook.
        provider_thread: the provider's thread to answer in.
        cc: further recipients (mail).
        references: Message-IDs for the References header, oldest first (mail).
        sender_name: the agent's display name as customers see it.
        attempt: 1 for the first.
    """

    delivery_id: DeliveryId
    message_id: MessageId
    conversation_id: ConversationId
    part_no: int
    to: Address
    content: Content
    media: tuple[OutgoingMedia, ...] = ()
    display: Mapping[str, str] = field(default_factory=dict)
    status_url: str = ""
    provider_thread: str = ""
    cc: tuple[Address, ...] = ()
    references: tuple[str, ...] = ()
    sender_name: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider took the part. `provider_thread`: the thread it opened, if any."""

    external_id: str
    state: DeliveryState = DeliveryState.SENT
    provider_thread: str = ""


# --- what a channel can do --------------------------------------------------------------------
class Capabilities(BaseModel):
    """What can be sent, as data: `unify.shape` obeys it, the web client greys out the rest.

    Attributes:
        max_text_chars: characters (not bytes) in one part.
        sms_segments: count and cut by SMS segments (GSM-7 160/153, UCS-2 70/67) up to max_segments.
        max_media: files in one part; 0 = none.
        media_types: accepted content types, `image/*` style; empty = any.
        max_media_bytes: of one file.
        text_with_media: text and files may share one part.
        reply_window_h: hours after the customer's last message in which a free answer is allowed.
        can_start: the hub may write first.
        live: somebody is waiting on the other side (retry gives up after 5 minutes).
        rate_per_s: parts per second and account; the sender keeps it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_text_chars: int = Field(gt=0)
    sms_segments: bool = False
    max_segments: int = 10
    max_media: int = 0
    media_types: tuple[str, ...] = ()
    max_media_bytes: int = 0
    text_with_media: bool = True
    subject: bool = False
    html: bool = False
    cc: bool = False
    choices: bool = False
    typing: bool = False
    delivered: bool = False
    read: bool = False
    reply_window_h: int | None = None
    can_start: bool = False
    live: bool = False
    rate_per_s: float = 10.0


class ChannelConfig(BaseModel):
    """Root of every kind's configuration; secrets are `pydantic.SecretStr` fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- the HTTP port ----------------------------------------------------------------------------
class HttpFailure(Exception):  # noqa: N818 - it is a fact the adapter turns into SendError
    """A call that brought no answer.

    Attributes:
        code: connect_failed, timeout, cut_off, too_large, target_refused.
        maybe_sent: false only when it is certain that nothing reached the other side.
    """

    def __init__(self, code: str, *, maybe_sent: bool) -> None:
        self.code = code
        self.maybe_sent = maybe_sent
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class FormFile:
    """One file of a multipart body."""

    filename: str
    content_type: str
    data: bytes


class HttpPort(Protocol):
    """Every outgoing HTTP call goes through this: time-outs, size caps, guard, no retry.

    `trusted=True` is for addresses an administrator configured (API base): exactly that host:port
    is reached also when it is private. Everything that came from outside is `trusted=False`:
    private, loopback and link-local targets are refused, through redirects and DNS rebinding.
    Credentials go to the first host only: redirects drop Authorization.
    """

    async def request(  # noqa: PLR0913 - one call, all of HTTP
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        form: list[tuple[str, str | FormFile]] | None = None,
        trusted: bool = False,
        timeout_s: float = 20.0,
        max_bytes: int = 2_000_000,
        follow_redirects: int = 0,
    ) -> HttpAnswer:
        """Make one call. Raises HttpFailure; an error status is an answer."""
        ...


# --- the contract -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What a channel is built with, beside its configuration.

    Attributes:
        webhook_url: public base of this channel's webhooks, `{HUB_PUBLIC_URL}/in/{channel_id}`.
        http: the guarded port.
        mac_key: 32 bytes derived for this channel, for keyed references and tokens.
    """

    channel_id: ChannelId
    webhook_url: str
    http: HttpPort
    mac_key: bytes


class Channel(Protocol):
    """One configured account on one network. Holds config and an HTTP port; no other state."""

    manifest: "Manifest"

    def verify(self, request: RawRequest) -> None:
        """Raise SignatureRejected unless the request is from the provider. No I/O."""
        ...

    def parse(self, request: RawRequest) -> Intake:
        """Read a verified request. Pure; may run in a thread and twice. Raises PayloadInvalid."""
        ...

    def respond(self, intake: Intake, outcomes: tuple[ItemOutcome, ...]) -> RawResponse:
        """Say what the provider is answered once the items are stored or spooled."""
        ...

    async def send(self, part: OutgoingPart) -> Receipt:
        """Hand one part over: one attempt. Raises SendError."""
        ...


@dataclass(frozen=True, slots=True)
class Pulled:
    """One thing fetched. `cursor` is stored in the unit that stores it, then `ack` is awaited."""

    request: RawRequest
    cursor: str
    ack: Callable[[], Awaitable[None]] | None = None


@runtime_checkable
class Pulls(Protocol):
    """Channels that fetch (IMAP, long polling, sockets). Ends when `stop` is set; raises to retry."""

    def pull(self, cursor: str | None, stop: "StopSignal") -> AsyncIterator[Pulled]:
        """Yield what is new after `cursor`, for ever. The caller restarts it after an error."""
        ...


class StopSignal(Protocol):
    """The part of asyncio.Event a loop needs."""

    def is_set(self) -> bool:
        """Tell whether the loop should end."""
        ...

    async def wait(self) -> object:
        """Return when the loop should end."""
        ...


@dataclass(frozen=True, slots=True)
class FetchedMedia:
    """A file's bytes with what the server called it."""

    data: bytes
    content_type: str
    filename: str = ""


@runtime_checkable
class FetchesMedia(Protocol):
    """Channels whose messages only name their files."""

    async def fetch_media(self, ref: str, *, max_bytes: int) -> FetchedMedia:
        """Fetch one file. Raises HttpFailure, SendError (retryable or not) or TooLarge."""
        ...


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a harmless real call found. `facts` may be shown (account name, never a secret)."""

    ok: bool
    code: str = ""  # empty when ok; else cannot_connect, auth_refused, …
    facts: Mapping[str, Param] = field(default_factory=dict)


@runtime_checkable
class Probes(Protocol):
    """Channels that can try their credentials before they are saved."""

    async def probe(self) -> ProbeReport:
        """Make one harmless real call. Never raises for what the provider says."""
        ...


@runtime_checkable
class Signals(Protocol):
    """Channels that carry typing and read marks to the customer."""

    async def signal(self, kind: SignalKind, to: Address, display: Mapping[str, str]) -> None:
        """Send one signal, best effort. Raises SendError."""
        ...


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the hub knows of a kind of channel before any is configured.

    Attributes:
        kind: the metric label and folder name (surface.md).
        work_class: webchat, email, sms, messaging, voice: how its work is weighed.
        identity_kind: of the customers who write here.
        deadline_s: seconds `receive` may take before the verified request is spooled.
        config: the pydantic model of its configuration.
        build: makes a channel; no I/O.
    """

    kind: str
    work_class: str
    identity_kind: IdentityKind
    capabilities: Capabilities
    config: type[ChannelConfig]
    build: Callable[[ChannelConfig, ChannelContext], Channel]
    deadline_s: float = 20.0
    max_body_bytes: int = 2_000_000
