"""Mails as messages: what tells two apart, what a check of ours proves, what no mail may break."""

import base64
import dataclasses
import time
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from hub.adapters.email.inbound import external_id, sender_of
from hub.adapters.email.pulling import PullingEmailChannel
from hub.model.address import Assurance
from hub.model.channel import InboundMessage, RawRequest
from hub.model.clock import utc_now
from hub.model.errors import PayloadInvalid
from tests.adapters.email import corpus
from tests.adapters.email.fetching import channel, imap, mail, pulling
from tests.servers import DovecotServer

READER = channel(listener={}, smtp={"host": "localhost"})


def request(raw: bytes, **headers: str) -> RawRequest:
    return RawRequest("PULL", "", "", "", headers, raw, utc_now())


def message(raw: bytes, **headers: str) -> InboundMessage:
    [item] = READER.parse(request(raw, **headers)).items
    assert isinstance(item, InboundMessage)
    return item


# --- the external id --------------------------------------------------------------------------
TRACE = (
    b"Received: from a by b; Sat, 21 Nov 2026 10:00:00 +0800\r\n",
    b"Delivered-To: support@shop.example\r\n",
    b"Authentication-Results: mx.shop.example; dmarc=pass header.from=x.example\r\n",
    b"X-Spam-Score: 4\r\n",
    b"Return-Path: <ada@customer.example>\r\n",
)


@given(st.lists(st.sampled_from(TRACE), max_size=5), st.booleans(), st.integers(0, 3))
def test_the_way_a_mail_took_does_not_change_its_id(
    trace: list[bytes], bare: bool, empty_lines: int
) -> None:
    raw = mail(1, "one\r\ntwo")
    other = b"".join(trace) + raw + b"\r\n" * empty_lines
    if bare:
        other = other.replace(b"\r\n", b"\n")
    assert external_id(other) == external_id(raw)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"text", b"other text"),
        (b"ada@", b"eve@"),
        (b"<1@customer", b"<2@customer"),
        (b"Subject: 1\r\n", b"Subject: 1\r\nDate: Sat, 21 Nov 2026 10:00:00 +0800\r\n"),
    ],
)
def test_who_knows_a_message_id_cannot_suppress_a_later_mail(old: bytes, new: bytes) -> None:
    raw = mail(1)
    changed = raw.replace(old, new)
    assert changed != raw
    assert external_id(changed) != external_id(raw)


# --- DKIM -------------------------------------------------------------------------------------
KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.TraditionalOpenSSL,
    serialization.NoEncryption(),
)
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)


class Signed(PullingEmailChannel):
    """A mailbox whose DNS knows one key."""

    def lookup_txt(self, name: bytes, timeout: float) -> bytes | None:
        known = name.rstrip(b".") == b"s1._domainkey.customer.example"
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(PUBLIC) if known else None


def sign(raw: bytes, domain: bytes = b"customer.example") -> bytes:
    header: bytes = dkim.sign(raw, b"s1", domain, PEM, include_headers=[b"from", b"subject"])
    return header + raw


async def test_a_signature_is_checked_when_the_mail_is_fetched(dovecot: DovecotServer) -> None:
    base = channel(imap=imap(dovecot, "dkim"), dkim_check=True)
    reader = Signed(base.manifest, base.config, base.context)
    forged = sign(mail(2)).replace(b"text", b"pay me")
    elsewhere = sign(mail(3), b"attacker.example")
    for raw in (sign(mail(1)), forged, elsewhere, mail(4)):
        dovecot.deliver("dkim", raw)
    found = []
    async with pulling(reader) as pull:
        for _ in range(4):
            pulled = await pull.next()
            [item] = reader.parse(pulled.request).items
            assert isinstance(item, InboundMessage)
            found.append((pulled.request.headers["hub-dkim"], item.assurance))
    assert found == [
        ("pass d=customer.example", Assurance.VERIFIED),
        ("none", Assurance.CLAIMED),
        ("none", Assurance.CLAIMED),
        ("none", Assurance.CLAIMED),
    ]


@pytest.mark.parametrize(
    ("raw", "sender"),
    [
        (mail(1), "ada@customer.example"),
        (b"From: a@b.example\r\nFrom: c@d.example\r\n\r\nx", ""),
        (b"From: a@b.example, c@d.example\r\n\r\nx", ""),
        (b"Subject: none\r\n\r\nFrom: a@b.example", ""),
        (b"", ""),
    ],
)
def test_the_sender_a_signature_must_vouch_for(raw: bytes, sender: str) -> None:
    assert sender_of(raw) == sender


# --- whatever comes ---------------------------------------------------------------------------
@pytest.mark.parametrize("name", [*corpus.ORDINARY, *corpus.HOSTILE])
def test_no_mail_breaks_the_reader(name: str) -> None:
    made: Any = {**corpus.ORDINARY, **corpus.HOSTILE}[name]
    raw = made() if callable(made) else made
    if not raw.strip():
        with pytest.raises(PayloadInvalid):
            READER.parse(request(raw))
        return
    started = time.monotonic()
    intake = READER.parse(request(raw))
    assert time.monotonic() - started < 5
    for item in intake.items:
        if isinstance(item, InboundMessage):
            assert len(item.content.text) <= 1_000_000
            assert item.media[-1].data == raw


@given(st.binary(max_size=2_000))
def test_any_bytes_are_a_message_or_refused(raw: bytes) -> None:
    try:
        items = READER.parse(request(raw)).items
    except PayloadInvalid:
        assert not raw.strip()
        return
    for item in items:
        if isinstance(item, InboundMessage):
            assert 0 < len(item.sender.value) <= 320
            dataclasses.asdict(item)


def test_a_long_text_is_cut_and_whole_in_the_original() -> None:
    raw = mail(1, "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 20_000)
    found = message(raw)
    assert len(found.content.text) == 1_000_000
    assert found.media[-1].data == raw
