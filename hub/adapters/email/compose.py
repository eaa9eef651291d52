"""An answer as a mail: headers without surprises, text, HTML, files. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from hub.adapters.email.config import MAX_MEDIA, EmailConfig
from hub.adapters.email.domains import domain_of
from hub.adapters.email.inbound import is_plain_id
from hub.adapters.email.references import make_message_id, make_plus_address
from hub.model.address import Address, IdentityKind
from hub.model.channel import ChannelContext, OutgoingPart
from hub.model.errors import SendError

_MAX_REFERENCES = 50
_ANSWERS = re.compile(r"\s*(?:re|aw|sv|antw|回复|答复|回覆|答覆)\s*[:：]", re.IGNORECASE)
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}\Z")
_BAD_LOCAL = re.compile(r"[\s<>()\[\],;:\\\"@\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Composed:
    """A mail ready to be handed over, and its envelope.

    Attributes:
        envelope_from: empty for automatic mails, so that nothing answers them (RFC 3834).
        utf8: an address needs SMTPUTF8.
    """

    raw: bytes
    message_id: str
    envelope_from: str
    to: str
    cc: tuple[str, ...]
    utf8: bool


def compose(
    config: EmailConfig,
    context: ChannelContext,
    part: OutgoingPart,
    files: tuple[bytes, ...],
    now: datetime,
) -> Composed:
    """Write the mail for one part.

    Args:
        files: the bytes of `part.media`, in its order.

    Raises:
        SendError: certain and final: `recipient_invalid`, `nothing_to_send`, `too_many_files`.
    """
    if not (part.content.text.strip() or part.content.html or files):
        raise SendError("nothing_to_send")
    if len(files) > MAX_MEDIA:
        raise SendError("too_many_files")
    to = recipient(part.to)
    cc = tuple(dict.fromkeys(one for one in map(recipient, part.cc) if one != to))
    message_id = make_message_id(
        context.mac_key,
        context.channel_id,
        part.conversation_id,
        part.delivery_id,
        config.id_domain,
        recipient=to,
    )
    utf8 = not all(one.isascii() for one in (to, *cc))
    mail = EmailMessage(policy=SMTPUTF8 if utf8 else SMTP)
    _address(mail, config, context, part, to, cc)
    mail["Date"] = format_datetime(now)
    subject = subject_of(part)
    if subject:
        mail["Subject"] = subject
    if part.automatic:
        mail["Auto-Submitted"] = "auto-replied"
        mail["X-Auto-Response-Suppress"] = "All"
    _body(mail, part)
    for media, data in zip(part.media, files, strict=True):
        _attach(mail, media.filename, media.content_type, data)
    return Composed(
        raw=_thread_headers(part, message_id) + mail.as_bytes(),
        message_id=message_id,
        envelope_from="" if part.automatic else config.address,
        to=to,
        cc=cc,
        utf8=utf8,
    )


def recipient(address: Address) -> str:
    """Return an address that can stand in a header and an envelope. Raises SendError."""
    local, _, domain = address.value.rpartition("@")
    usable = address.kind is IdentityKind.EMAIL and domain_of(address.value)
    # Nothing can be delivered to .invalid: the sender of a mail without a From.
    if not usable or _BAD_LOCAL.search(local) or domain.lower().endswith(".invalid"):
        raise SendError("recipient_invalid")
    return f"{local}@{domain}"


def subject_of(part: OutgoingPart) -> str:
    """Return the subject: the one asked for, else that of the mail answered, as an answer.

    The tag with the case number comes with the content's subject; services know the number.
    """
    own = one_line(part.content.subject or "")
    if own:
        return own
    answered = one_line(part.display.get("subject", ""))
    if not answered:
        return ""
    return answered if _ANSWERS.match(answered) else f"Re: {answered}"


def one_line(text: str, limit: int = 900) -> str:
    """Return text for a header: line breaks and control characters become single spaces."""
    storable = text.encode("utf-8", "ignore").decode("utf-8")
    return " ".join(_BREAKS.sub(" ", storable).split())[:limit]


def _address(  # noqa: PLR0913 - everything the address fields are made of
    mail: EmailMessage,
    config: EmailConfig,
    context: ChannelContext,
    part: OutgoingPart,
    to: str,
    cc: tuple[str, ...],
) -> None:
    names = (one_line(part.sender_name, 100), one_line(config.display_name, 100))
    shown = f"{names[0]} ({names[1]})" if all(names) else names[0] or names[1]
    mail["From"] = Mailbox(display_name=shown, addr_spec=config.address)
    mail["To"] = _mailbox(to)
    if cc:
        mail["Cc"] = [_mailbox(one) for one in cc]
    if config.plus_addressing:
        mail["Reply-To"] = make_plus_address(
            context.mac_key, context.channel_id, part.conversation_id, config.address
        )


def _mailbox(address: str) -> Mailbox:
    local, _, domain = address.rpartition("@")
    return Mailbox(username=local, domain=domain)


def _thread_headers(part: OutgoingPart, message_id: str) -> bytes:
    """Write the id fields ourselves: the standard library encodes ids longer than its lines."""
    lines = [f"Message-ID: <{message_id}>"]
    answered = part.display.get("message_id", "")
    chain = [one.strip().strip("<>") for one in part.references]
    if is_plain_id(answered):
        lines.append(f"In-Reply-To: <{answered}>")
        chain.append(answered)
    known = [one for one in dict.fromkeys(chain) if is_plain_id(one)]
    if len(known) > _MAX_REFERENCES:
        known = known[:1] + known[1 - _MAX_REFERENCES :]
    if known:
        lines.append("References: " + "\r\n ".join(f"<{one}>" for one in known))
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _body(mail: EmailMessage, part: OutgoingPart) -> None:
    content = part.content
    mail.set_content(_storable(content.text), cte=None)
    if content.html:
        mail.add_alternative(_storable(content.html), subtype="html")


def _storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def _attach(mail: EmailMessage, filename: str, content_type: str, data: bytes) -> None:
    """Add a file; what mail programs would open as a mail of ours goes as plain bytes."""
    kind = content_type.partition(";")[0].strip().lower()
    if not _TYPE.match(kind) or kind.startswith(("message/", "multipart/")):
        kind = "application/octet-stream"
    main, _, sub = kind.partition("/")
    name = one_line(filename, 150) or "file"
    mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
