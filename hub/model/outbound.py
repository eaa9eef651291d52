"""What goes out: the part an adapter is handed, its receipt, and what a channel can carry."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from hub.model.address import Address
from hub.model.content import Content, MediaKind
from hub.model.delivery import DeliveryState
from hub.model.ids import ConversationId, DeliveryId, MessageId


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
        automatic: nobody wrote it (an acknowledgement): mails say so, so that no machine answers.
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
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider took the part. `provider_thread`: the thread it opened, if any."""

    external_id: str
    state: DeliveryState = DeliveryState.SENT
    provider_thread: str = ""


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
