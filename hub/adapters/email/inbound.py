"""One raw mail to what the hub acts on: a message, a delivery's failure, or nothing. Pure.

The checks that need the network (DKIM) ran when the mail was fetched; their verdict stands in
`hub-*` headers of the request, which only our own puller and listener can write.
"""

import hashlib
import json
from datetime import datetime

from hub.adapters.email.auth_results import dmarc_passed
from hub.adapters.email.automatic import Bounce
from hub.adapters.email.config import EmailConfig
from hub.adapters.email.domains import domain_of, same_mailbox
from hub.adapters.email.headers import split_headers
from hub.adapters.email.mime import MailAttachment, ParsedMail, parse_mail
from hub.adapters.email.references import (
    Reference,
    find_reference,
    verify_plus_address,
    verify_reference,
    was_sent_to,
)
from hub.adapters.kit.text import clean_text
from hub.model.address import Address, Assurance, IdentityKind
from hub.model.channel import (
    ChannelContext,
    InboundMedia,
    InboundMessage,
    Intake,
    Participant,
    RawRequest,
    StatusReport,
    ThreadHint,
)
from hub.model.content import Content, MediaKind
from hub.model.delivery import DeliveryState
from hub.model.errors import PayloadInvalid
from hub.model.ids import ConversationId, DeliveryId

DKIM_HEADER = "hub-dkim"
SENDER_HEADER = "hub-envelope-from"
CUT_HEADER = "hub-cut"
"""Set to the whole size when only the beginning of a mail was fetched."""
MARK_HEADER = "hub-mark"
"""Set on what carries a cursor and no mail."""
UNKNOWN_SENDER = "unknown@sender.invalid"
MAIL_METHODS = frozenset({"PULL", "SMTP"})

_MAX_TEXT, _MAX_HTML, _MAX_SUBJECT = 1_000_000, 5_000_000, 1_000
_MAX_FILES = 200
_MAX_PARTICIPANTS = 100
_MAX_REFERENCES = 50
_MAX_ID_CHARS = 250
_MAX_NAME = 200
_MAX_ADDRESS = 320


def read_mail(config: EmailConfig, context: ChannelContext, request: RawRequest) -> Intake:
    """Read one mail; only an empty one is refused (PayloadInvalid)."""
    if MARK_HEADER in request.headers:
        return Intake()
    if not request.body.strip():
        raise PayloadInvalid("mail_empty")
    mail = parse_mail(request.body)
    if _is_own(config, context, mail):
        return Intake(ignored=("own_mail",))
    if mail.bounce is not None:
        return _read_bounce(context, mail.bounce, request.received_at)
    return Intake(items=(_message(config, context, request, mail),))


def sender_of(raw: bytes) -> str:
    """Return the one address a mail is from, empty when it has none or several."""
    # The whole mail is not needed: its head tells.
    _, body_at, _ = split_headers(raw)
    mail = parse_mail(raw[:body_at])
    return "" if "from_repeated" in mail.problems else mail.from_email


def dkim_verdict(passed: bool, from_email: str) -> str:
    """Return the value of the `hub-dkim` header: it holds for this sender's domain only."""
    return f"pass d={domain_of(from_email)}" if passed else "none"


# --- not a customer's message -----------------------------------------------------------------
def _is_own(config: EmailConfig, context: ChannelContext, mail: ParsedMail) -> bool:
    """Tell whether our own mail came back to us: a loop, or a copy in the watched folder."""
    if mail.message_id and _verified(context, mail.message_id) is not None:
        return True
    return is_own_address(config, mail.from_email)


def is_own_address(config: EmailConfig, email: str) -> bool:
    """Tell whether an address is the mailbox's own, also with something behind a plus."""
    given, own = same_mailbox(email), same_mailbox(config.address)
    if given == own:
        return True
    local, _, domain = own.rpartition("@")
    return config.plus_addressing and given.startswith(f"{local}+") and given.endswith(f"@{domain}")


def _read_bounce(context: ChannelContext, bounce: Bounce, at: datetime) -> Intake:
    """Turn a delivery report into the word on the delivery its keyed Message-ID names."""
    reference = _verified(context, bounce.original_message_id or "")
    if reference is None:
        return Intake(ignored=("delivery_report_of_others",))
    actions = {one.action for one in bounce.recipients}
    statuses = [one.status for one in bounce.recipients if one.status]
    delivery = DeliveryId(reference.delivery_id)
    if bounce.permanent or "failed" in actions or not bounce.recipients:
        code = next((one for one in statuses if one.startswith("5")), "")
        return Intake(
            items=(
                StatusReport(
                    DeliveryState.FAILED,
                    at,
                    delivery_id=delivery,
                    error_code=_bounce_code(code),
                    provider_code=code,
                ),
            )
        )
    if actions and actions <= {"delivered"}:
        return Intake(items=(StatusReport(DeliveryState.DELIVERED, at, delivery_id=delivery),))
    # Delayed, relayed, expanded: the mail is still on its way.
    return Intake(ignored=("delivery_delayed",))


_BOUNCE_CODES = {
    "5.1": "recipient_unknown",
    "5.2.1": "recipient_gone",
    "5.2.2": "mailbox_full",
    "5.2.3": "message_too_large",
    "5.3.4": "message_too_large",
    "5.4": "unreachable",
    "5.7": "provider_refused",
}


def _bounce_code(status: str) -> str:
    """Name an enhanced status code (RFC 3463), the most exact entry first."""
    for length in (3, 2):
        name = _BOUNCE_CODES.get(".".join(status.split(".")[:length]))
        if name:
            return name
    return "bounced"


# --- a customer's message ---------------------------------------------------------------------
def _message(
    config: EmailConfig, context: ChannelContext, request: RawRequest, mail: ParsedMail
) -> InboundMessage:
    reference = find_reference(
        context.mac_key, context.channel_id, (*mail.references, *mail.in_reply_to)
    )
    cut = CUT_HEADER in request.headers
    when = min(mail.date, request.received_at) if mail.date else request.received_at
    return InboundMessage(
        external_id=external_id(request.body),
        sender=Address(IdentityKind.EMAIL, _sender(mail, request)),
        content=Content(
            text=clean_text(mail.text or "", _MAX_TEXT),
            html=clean_text(mail.html, _MAX_HTML) if mail.html is not None else None,
            subject=clean_text(mail.subject, _MAX_SUBJECT) or None,
            unsupported="mail_too_large" if cut else None,
        ),
        occurred_at=when,
        assurance=_assurance(config, context, request, mail, reference),
        sender_name=clean_text(mail.from_name, _MAX_NAME),
        media=_media(mail, request.body, cut=cut),
        thread=_thread(config, context, mail, reference),
        participants=_participants(config, mail),
        auto_reply=mail.auto_submitted or mail.list_id is not None,
        display=_display(mail),
    )


def external_id(raw: bytes) -> str:
    """Return the hash that tells two mails apart: id, date, sender and body, no trace headers.

    A Message-ID alone would let anyone who knows it suppress a later mail.
    """
    headers, body_at, _ = split_headers(raw)
    digest = hashlib.sha256()
    for name in ("message-id", "date", "from"):
        value = b" ".join(b"\0".join(headers.all(name)).split())
        digest.update(name.encode() + b":" + value + b"\n")
    # Servers change line ends and add empty lines at the end on the way.
    digest.update(raw[body_at:].replace(b"\r\n", b"\n").strip(b"\n"))
    return digest.hexdigest()


def _sender(mail: ParsedMail, request: RawRequest) -> str:
    envelope = request.headers.get(SENDER_HEADER, "")
    for one in (mail.from_email, mail.from_name if "@" in mail.from_name else "", envelope):
        value = clean_text(one, _MAX_ADDRESS).strip()
        if value:
            return value
    return UNKNOWN_SENDER


def _assurance(
    config: EmailConfig,
    context: ChannelContext,
    request: RawRequest,
    mail: ParsedMail,
    reference: Reference | None,
) -> Assurance:
    """Say whether the mail is from its address (house.md, Identity); when in doubt only claimed."""
    sender = mail.from_email
    if not sender or "from_repeated" in mail.problems or not domain_of(sender):
        return Assurance.CLAIMED
    key, channel = context.mac_key, context.channel_id
    confirmed = (
        (reference is not None and was_sent_to(key, channel, reference, sender))
        or request.headers.get(DKIM_HEADER) == dkim_verdict(True, sender)
        or dmarc_passed(mail.authentication_results, config.trusted_authserv_id, sender)
    )
    return Assurance.VERIFIED if confirmed else Assurance.CLAIMED


def _thread(
    config: EmailConfig, context: ChannelContext, mail: ParsedMail, reference: Reference | None
) -> ThreadHint:
    if reference is not None:
        return ThreadHint(conversation_id=ConversationId(reference.conversation_id))
    if config.plus_addressing:
        named = (*mail.delivered_to, *(email for _, email in (*mail.to, *mail.cc)))
        for address in named[:_MAX_PARTICIPANTS]:
            found = verify_plus_address(context.mac_key, context.channel_id, address)
            if found is not None:
                return ThreadHint(conversation_id=ConversationId(found))
    return ThreadHint()


def _verified(context: ChannelContext, message_id: str) -> Reference | None:
    return verify_reference(context.mac_key, context.channel_id, message_id)


def _participants(config: EmailConfig, mail: ParsedMail) -> tuple[Participant, ...]:
    named: dict[str, Participant] = {}
    for role, people in (("to", mail.to), ("cc", mail.cc)):
        for name, email in people:
            value = clean_text(email, _MAX_ADDRESS).strip()
            if not value or is_own_address(config, value):
                continue
            address = Address(IdentityKind.EMAIL, value)
            shown = clean_text(name, _MAX_NAME)
            named.setdefault(same_mailbox(value), Participant(role, address, shown))
    return tuple(named.values())[:_MAX_PARTICIPANTS]


def _display(mail: ParsedMail) -> dict[str, str]:
    """Return what an answer must repeat, and what shows an agent whom it would go to."""
    chain = mail.references or mail.in_reply_to[:1]
    known = [one for one in chain if is_plain_id(one)][-_MAX_REFERENCES:]
    own_id = mail.message_id or ""
    fields = {
        "message_id": own_id if is_plain_id(own_id) else "",
        "references": json.dumps(known),
        "subject": clean_text(mail.subject, _MAX_SUBJECT),
        "from": clean_text(mail.from_email, _MAX_ADDRESS),
        "reply_to": clean_text(mail.reply_to[0][1], _MAX_ADDRESS) if mail.reply_to else "",
        "problems": ",".join(mail.problems),
    }
    return {name: value for name, value in fields.items() if value and value != "[]"}


def is_plain_id(message_id: str) -> bool:
    """Tell whether an id can be written into a header as it is."""
    return 0 < len(message_id) <= _MAX_ID_CHARS and all(
        "!" <= char <= "~" and char not in "<>" for char in message_id
    )


# --- files ------------------------------------------------------------------------------------
def _media(mail: ParsedMail, raw: bytes, *, cut: bool) -> tuple[InboundMedia, ...]:
    """Return the files and the mail as it came; files past the limit are in the original."""
    files = [_file(one) for one in mail.attachments[:_MAX_FILES]]
    original = InboundMedia(
        kind="original",
        filename="original-beginning.eml" if cut else "original.eml",
        content_type="message/rfc822",
        size_bytes=len(raw),
        data=raw,
    )
    return (*files, original)


def _file(one: MailAttachment) -> InboundMedia:
    return InboundMedia(
        kind=_kind(one.content_type),
        filename=clean_text(one.filename),
        content_type=clean_text(one.content_type) or "application/octet-stream",
        size_bytes=one.size,
        data=one.content,
        content_id=clean_text(one.content_id or ""),
        inline=one.inline,
    )


def _kind(content_type: str) -> MediaKind:
    match content_type.partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
    return "file"
