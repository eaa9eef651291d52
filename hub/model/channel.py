"""THE CONTRACT an adapter author reads: what a channel is, gets and gives back.

A channel is one configured account on one network. It holds its configuration and an HTTP port and
no other state. It never sees the database: it returns values, and `services` decide what they mean.

    verify(request)            raises SignatureRejected; constant time; no I/O
    parse(request) -> Intake   pure; raises PayloadInvalid; an empty Intake = not for us
    respond(intake, outcomes)  what the provider is answered (TwiML, challenges); 200 by default
    await send(part)           one attempt, no retry inside; raises SendError

`send` makes at most one call that the customer can notice; preparing calls may precede it.
Further abilities are optional protocols, found by `isinstance`: `Pulls`, `FetchesMedia`, `Probes`,
`Subscribes`, `Signals`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from hub.model.address import Address, IdentityKind
from hub.model.errors import Param
from hub.model.http_port import FormFile, HttpAnswer, HttpFailure, HttpPort
from hub.model.ids import ChannelId
from hub.model.inbound import (
    ChangeKind,
    ClaimedAddress,
    ContactSignal,
    InboundItem,
    InboundMedia,
    InboundMessage,
    Intake,
    ItemOutcome,
    MessageChange,
    Participant,
    RawRequest,
    RawResponse,
    SignalKind,
    StatusReport,
    ThreadHint,
)
from hub.model.outbound import (
    Capabilities,
    ChannelConfig,
    OutgoingMedia,
    OutgoingPart,
    Receipt,
)

__all__ = [
    "Capabilities",
    "ChangeKind",
    "Channel",
    "ChannelConfig",
    "ChannelContext",
    "ClaimedAddress",
    "ContactSignal",
    "FetchedMedia",
    "FetchesMedia",
    "FormFile",
    "HttpAnswer",
    "HttpFailure",
    "HttpPort",
    "InboundItem",
    "InboundMedia",
    "InboundMessage",
    "Intake",
    "ItemOutcome",
    "Manifest",
    "MessageChange",
    "OutgoingMedia",
    "OutgoingPart",
    "Participant",
    "ProbeReport",
    "Probes",
    "Pulled",
    "Pulls",
    "RawRequest",
    "RawResponse",
    "Receipt",
    "SignalKind",
    "Signals",
    "StatusReport",
    "StopSignal",
    "Subscribes",
    "ThreadHint",
]


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
    """Channels that fetch (IMAP, long polling, sockets). End when `stop` is set; raise to retry."""

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
class Subscribes(Protocol):
    """Channels that can tell the network by themselves where it should call."""

    async def subscribe(self) -> None:
        """Make the network call us, as the configuration says; idempotent. Raises SendError."""
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
