"""Message-IDs and plus-addresses of ours that only we can have written.

An answer carries our Message-ID in ``References``; because it holds a keyed MAC, a stranger cannot
invent one that joins another customer's conversation (trust.md, attack 8). Lower-case base32 is
used because mail programs and gateways change the case of addresses.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from hub.adapters.email.domains import same_mailbox

_MAC_BYTES = 12
_RECIPIENT_BYTES = 8
_TOKEN_MAC_BYTES = 10
_LOCAL = re.compile(r"h1\.([a-z2-7]{84})\Z")
_PLUS = re.compile(r"\+c([a-z2-7]{42})(?:\+|\Z)")
_MAX_REFERENCES = 200


@dataclass(frozen=True, slots=True)
class Reference:
    """What a verified Message-ID of ours says.

    Attributes:
        recipient_tag: keyed hash of the address the mail went to, see `was_sent_to`.
    """

    conversation_id: str
    delivery_id: str
    recipient_tag: bytes = b""


def make_message_id(
    key: bytes,
    channel_id: str,
    conversation_id: str,
    delivery_id: str,
    domain: str,
    *,
    recipient: str = "",
) -> str:
    """Make the Message-ID (without brackets) of an outgoing mail.

    Args:
        key: Secret of the installation for this purpose.
        channel_id: The sending channel; an id is only valid for its own channel.
        conversation_id: A UUID.
        delivery_id: A UUID; lets a bounce find its delivery.
        domain: What stands behind the ``@``.
        recipient: The address the mail goes to (To). Others learn the id too (Cc, forwards, the
            writer's own other conversations), so only an answer *from* it proves anything.

    Raises:
        ValueError: An id is no UUID.
    """
    body = UUID(conversation_id).bytes + UUID(delivery_id).bytes
    body += _recipient_tag(key, channel_id, body, recipient)
    mac = _mac(key, b"message-id", channel_id, body, _MAC_BYTES)
    return f"h1.{_encode(body + mac)}@{domain}"


def verify_reference(key: bytes, channel_id: str, reference: str) -> Reference | None:
    """Return what a Message-ID says when we wrote it for this channel, else ``None``.

    Takes the id with or without brackets, in any case. Constant time in the MAC.
    """
    local = reference[:400].strip().strip("<>").rsplit("@", 1)[0].lower()
    match = _LOCAL.match(local)
    data = _decode(match.group(1)) if match else None
    size = 32 + _RECIPIENT_BYTES
    if data is None or len(data) != size + _MAC_BYTES:
        return None
    body, mac = data[:size], data[size:]
    if not hmac.compare_digest(mac, _mac(key, b"message-id", channel_id, body, _MAC_BYTES)):
        return None
    ids = str(UUID(bytes=body[:16])), str(UUID(bytes=body[16:32]))
    return Reference(*ids, recipient_tag=body[32:])


def was_sent_to(key: bytes, channel_id: str, reference: Reference, address: str) -> bool:
    """Say whether the mail a verified reference names went to this address; constant time."""
    if not address:
        return False
    body = UUID(reference.conversation_id).bytes + UUID(reference.delivery_id).bytes
    tag = _recipient_tag(key, channel_id, body, address)
    return hmac.compare_digest(tag, reference.recipient_tag)


def find_reference(key: bytes, channel_id: str, references: Iterable[str]) -> Reference | None:
    """Return the newest reference of ours (the last one that verifies) out of a mail's ids."""
    ids = list(references)[-_MAX_REFERENCES:]
    for one in reversed(ids):
        found = verify_reference(key, channel_id, one)
        if found is not None:
            return found
    return None


def make_plus_address(key: bytes, channel_id: str, conversation_id: str, address: str) -> str:
    """Return ``name+c<token>@host`` for a mailbox, for Reply-To of servers that keep the plus part.

    Raises:
        ValueError: The conversation id is no UUID or the address has no ``@``.
    """
    local, at, domain = address.rpartition("@")
    if not at or not local:
        raise ValueError("an address needs an @")
    body = UUID(conversation_id).bytes
    mac = _mac(key, b"plus-address", channel_id, body, _TOKEN_MAC_BYTES)
    return f"{local}+c{_encode(body + mac)}@{domain}"


def verify_plus_address(key: bytes, channel_id: str, address: str) -> str | None:
    """Return the conversation id in a plus-address of ours, else ``None``; constant time."""
    local = address[:400].strip().strip("<>").rsplit("@", 1)[0].lower()
    match = _PLUS.search(local)
    data = _decode(match.group(1)) if match else None
    if data is None or len(data) != 16 + _TOKEN_MAC_BYTES:
        return None
    body, mac = data[:16], data[16:]
    if not hmac.compare_digest(mac, _mac(key, b"plus-address", channel_id, body, _TOKEN_MAC_BYTES)):
        return None
    return str(UUID(bytes=body))


def _mac(key: bytes, purpose: bytes, channel_id: str, body: bytes, size: int) -> bytes:
    message = b"\0".join((b"hub", purpose, channel_id.encode(), body))
    return hmac.new(key, message, hashlib.sha256).digest()[:size]


def _recipient_tag(key: bytes, channel_id: str, body: bytes, address: str) -> bytes:
    signed = body + same_mailbox(address).encode("utf-8", "replace")
    return _mac(key, b"recipient", channel_id, signed, _RECIPIENT_BYTES)


def _encode(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def _decode(text: str) -> bytes | None:
    """Decode canonical base32; other spellings of the same bytes are refused."""
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None
    return data if _encode(data) == text else None
