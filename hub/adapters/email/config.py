"""What an administrator enters for a mailbox, and what mail can carry."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from hub.adapters.email.domains import domain_of, normal_domain
from hub.model.channel import Capabilities, ChannelConfig

Security = Literal["tls", "starttls", "none"]
"""`tls`: from the first byte; `starttls`: required, not only tried; `none`: plain text."""
MAX_MEDIA = 20
MAX_MEDIA_BYTES = 20_000_000
MAX_MAIL_BYTES = 50_000_000
_MAX_MESSAGE_ID_DOMAIN = 120


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImapConfig(_Part):
    """The mailbox mails are fetched from.

    Attributes:
        folder: watched; never changed unless `processed_folder` is set.
        processed_folder: an existing folder to move stored mails to; empty leaves them.
        start: of a mailbox never read before: `all` mails, or only `new` ones.
        max_bytes: of a larger mail only the beginning is fetched.
    """

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=993, ge=1, le=65_535)
    security: Security = "tls"
    user: str = Field(min_length=1, max_length=320)
    password: SecretStr
    folder: str = Field(default="INBOX", min_length=1, max_length=500)
    processed_folder: str = Field(default="", max_length=500)
    start: Literal["all", "new"] = "all"
    max_bytes: int = Field(default=MAX_MAIL_BYTES, ge=10_000, le=200_000_000)


class SmtpConfig(_Part):
    """The server mails are handed to. Without a user nobody logs in (a relay that knows us)."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=587, ge=1, le=65_535)
    security: Security = "starttls"
    user: str = Field(default="", max_length=320)
    password: SecretStr = SecretStr("")


class ListenerConfig(_Part):
    """Our own door for mail, behind a mail server of the organisation's.

    Attributes:
        recipients: addresses it takes mail for, beside the mailbox's own; `@domain` takes any of
            that domain. Everything else is refused: it never relays.
        protocol: `lmtp` takes one recipient per mail, as each must get an answer of its own.
        max_bytes: larger mails are refused with 552.
    """

    bind: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    port: int = Field(default=2525, ge=0, le=65_535)
    protocol: Literal["smtp", "lmtp"] = "smtp"
    recipients: tuple[str, ...] = ()
    max_bytes: int = Field(default=MAX_MAIL_BYTES, ge=10_000, le=200_000_000)


class EmailConfig(ChannelConfig):
    """Configuration of one mailbox; each of the three ways is optional, not all of them.

    Attributes:
        address: the mailbox's own; what customers write to and answers come from.
        display_name: shown beside it.
        trusted_authserv_id: the name the receiving server writes into Authentication-Results.
            Only set it when every mail passes that server and it removes forged ones.
        dkim_check: verify DKIM signatures ourselves (one DNS look-up per signed mail).
        plus_addressing: the server delivers name+anything@: answers then also find their
            conversation when a mail program drops References.
        message_id_domain: behind the @ of our Message-IDs; empty: the address's domain.
    """

    address: str
    display_name: str = Field(default="", max_length=200)
    imap: ImapConfig | None = None
    smtp: SmtpConfig | None = None
    listener: ListenerConfig | None = None
    trusted_authserv_id: str = Field(default="", max_length=253)
    dkim_check: bool = True
    plus_addressing: bool = False
    message_id_domain: str = Field(default="", max_length=_MAX_MESSAGE_ID_DOMAIN)

    @field_validator("address")
    @classmethod
    def _address_is_one(cls, value: str) -> str:
        text = value.strip()
        local = text.rpartition("@")[0]
        odd = any(char.isspace() or char in '<>",;:()[]\\' or ord(char) < 32 for char in text)
        if not domain_of(text) or odd or "@" in local or not text.isascii() or len(text) > 254:
            raise ValueError("an address reads name@example.com")
        return text

    @field_validator("message_id_domain")
    @classmethod
    def _domain_is_one(cls, value: str) -> str:
        if value and not normal_domain(value):
            raise ValueError("a domain reads example.com")
        return normal_domain(value)

    @model_validator(mode="after")
    def _some_way_is_open(self) -> Self:
        if self.imap is None and self.smtp is None and self.listener is None:
            raise ValueError("at least one of imap, smtp and listener is needed")
        return self

    @property
    def id_domain(self) -> str:
        """What stands behind the @ of our Message-IDs."""
        return self.message_id_domain or domain_of(self.address)[:_MAX_MESSAGE_ID_DOMAIN]


CAPABILITIES = Capabilities(
    max_text_chars=500_000,
    max_media=MAX_MEDIA,
    max_media_bytes=MAX_MEDIA_BYTES,
    subject=True,
    html=True,
    cc=True,
    can_start=True,
    rate_per_s=5.0,
)
"""Delivery is known only when it fails: bounces come back, successes do not."""
