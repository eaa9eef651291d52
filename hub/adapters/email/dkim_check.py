"""DKIM verified by us: does a valid signature of the sender's own domain cover this mail?"""

from __future__ import annotations

from typing import Protocol

import dkim
from dkim.util import InvalidTagValueList, parse_tag_value

from hub.adapters.email.domains import domain_of, is_aligned
from hub.adapters.email.headers import split_headers

MAX_SIGNATURES = 3
MAX_MAIL_BYTES = 30 * 1_024 * 1_024
_MAX_SEEN = 20
# A key record of 4096-bit RSA has about 750 bytes; huge keys would cost us seconds each.
_MAX_RECORD_BYTES = 1_500


class TxtLookup(Protocol):
    """Looks up a TXT record; blocking, so call :func:`dkim_aligned` in a thread."""

    def __call__(self, name: bytes, timeout: float) -> bytes | None:
        """Return the joined TXT record of ``name``, ``None`` when there is none.

        Must give up after ``timeout`` seconds.
        """
        ...


def dkim_aligned(raw: bytes, from_email: str, lookup: TxtLookup, *, timeout_s: float = 6.0) -> bool:
    """Say whether a valid DKIM signature vouches for the From address.

    Counts: at most three signatures whose domain is aligned with the sender's, that cover the whole
    body (no ``l=``) and sign From. A mail with several From fields is never vouched for.

    Args:
        raw: The mail exactly as received.
        from_email: The one address of its From field.
        lookup: DNS, injected.
        timeout_s: For all look-ups together.
    """
    sender = domain_of(from_email)
    headers, _, _ = split_headers(raw)
    signatures = headers.all("dkim-signature")[:_MAX_SEEN]
    if not sender or not signatures or len(raw) > MAX_MAIL_BYTES or len(headers.all("from")) != 1:
        return False
    share_s = timeout_s / MAX_SIGNATURES

    def guarded(name: bytes, timeout: float = share_s) -> bytes | None:
        record = lookup(name, min(timeout, share_s))
        return record if record is None or len(record) <= _MAX_RECORD_BYTES else None

    tried = 0
    for index, signature in enumerate(signatures):
        if tried >= MAX_SIGNATURES or not _worth_checking(signature, sender):
            continue
        tried += 1
        if _verifies(raw, index, guarded):
            return True
    return False


def _worth_checking(signature: bytes, sender: str) -> bool:
    """Look at the tags before any network or arithmetic is spent."""
    try:
        tags = parse_tag_value(signature)
    except (InvalidTagValueList, ValueError):
        return False
    domain = tags.get(b"d", b"").decode("ascii", "replace")
    signed = [one.strip().lower() for one in tags.get(b"h", b"").split(b":")]
    return b"l" not in tags and b"from" in signed and is_aligned(domain, sender)


def _verifies(raw: bytes, index: int, lookup: object) -> bool:
    try:
        return bool(dkim.DKIM(raw).verify(idx=index, dnsfunc=lookup))
    except (dkim.DKIMException, ValueError, TypeError, LookupError, ArithmeticError):
        # dkimpy lets errors of hostile keys and tags through; none of them is a pass.
        return False
