"""The chat widget's vocabulary: what a chat channel allows, who a site says its visitor is, frames.

A frame is what the widget's API hands to the ingress as the body of a `SOCKET` request: what the
visitor sent, beside facts only the server knows. The channel's adapter reads it back. A kind of
channel that serves the widget is a `HasWidget`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, Protocol, TypeAlias, runtime_checkable

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.model.content import MediaKind

UPLOADER_PREFIX = "visitor:"
"""In front of the visitor's id in `attachment.uploaded_by`."""
ACCOUNT_PREFIX = "account:"
"""In front of a site's own account id in the value of a WEB identity."""

PrechatName = Literal["name", "email", "phone", "topic"]


class PrechatField(BaseModel):
    """One question asked before the chat begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: PrechatName
    required: bool = False


@dataclass(frozen=True, slots=True)
class WidgetPolicy:
    """What a chat channel allows and shows; nothing in it is secret.

    Attributes:
        allowed_origins: `scheme://host[:port]`, where the widget may be embedded.
        greeting, welcome: by language; an empty greeting is not shown.
        extensions: of files taken, lower case without dot.
    """

    allowed_origins: frozenset[str] = frozenset()
    title: str = ""
    colour: str = ""
    position: str = "right"
    languages: tuple[str, ...] = ("en", "zh-CN")
    greeting: Mapping[str, str] = field(default_factory=dict)
    welcome: Mapping[str, str] = field(default_factory=dict)
    prechat: tuple[PrechatField, ...] = ()
    extensions: frozenset[str] = frozenset()
    max_file_bytes: int = 10_000_000
    max_files: int = 10
    max_text_chars: int = 10_000


@dataclass(frozen=True, slots=True)
class SignedIdentity:
    """Who a site's signature says its visitor is. An unverified address is only claimed."""

    subject: str
    name: str = ""
    email: str = ""
    email_verified: bool = False
    phone: str = ""
    phone_verified: bool = False
    level: str = ""


@runtime_checkable
class HasWidget(Protocol):
    """A channel whose customers write by the hub's own widget."""

    policy: WidgetPolicy

    def read_identity(self, token: str, now: datetime) -> SignedIdentity:
        """Read a site's signed token; constant time.

        Raises:
            NotAuthenticated: `identity_invalid`, `identity_expired`, `identity_too_long`,
                `identity_not_set_up`.
        """
        ...


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Short: TypeAlias = Annotated[str, Field(max_length=320)]


class VisitorFacts(_Part):
    """Who is at the other end, as the session knows it; never as the frame's sender says."""

    visitor_id: str = Field(min_length=1, max_length=36)
    signed: bool = False
    subject: Short = ""
    name: str = Field(default="", max_length=300)
    email: Short = ""
    email_verified: bool = False
    phone: str = Field(default="", max_length=40)
    phone_verified: bool = False
    level: str = Field(default="", max_length=20)
    language: str = Field(default="", max_length=20)
    page: str = Field(default="", max_length=1_000)
    topic: str = Field(default="", max_length=300)


class UploadedFile(_Part):
    """A file the visitor put into the hub before."""

    id: str = Field(min_length=1, max_length=36)
    kind: MediaKind
    filename: str = Field(default="", max_length=300)
    content_type: str = Field(max_length=150)
    size_bytes: int = Field(ge=0, le=10**12)


class SaidFrame(_Part):
    """The visitor said something. `sent_at` is the browser's word (an offline queue)."""

    type: Literal["message"] = "message"
    visitor: VisitorFacts
    client_id: str = Field(min_length=1, max_length=36)
    text: str = Field(default="", max_length=100_000)
    chosen: str | None = Field(default=None, max_length=200)
    attachments: tuple[UploadedFile, ...] = Field(default=(), max_length=20)
    sent_at: AwareDatetime | None = None


class DeliveredFrame(_Part):
    """The visitor's browser holds these deliveries."""

    type: Literal["delivered"] = "delivered"
    visitor: VisitorFacts
    deliveries: tuple[Annotated[str, Field(min_length=1, max_length=36)], ...] = Field(
        max_length=200
    )


class ReadFrame(_Part):
    """The visitor has seen everything up to this delivery."""

    type: Literal["read"] = "read"
    visitor: VisitorFacts
    delivery: str = Field(min_length=1, max_length=36)


class TypingFrame(_Part):
    """The visitor types."""

    type: Literal["typing"] = "typing"
    visitor: VisitorFacts


WidgetFrame: TypeAlias = SaidFrame | DeliveredFrame | ReadFrame | TypingFrame
