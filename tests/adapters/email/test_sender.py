"""References of ours, Authentication-Results, DKIM: what lets a mail count as from its sender."""

import base64
from uuid import uuid4

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.adapters.email.auth_results import dmarc_passed, parse_results
from hub.adapters.email.dkim_check import dkim_aligned
from hub.adapters.email.domains import domain_of, is_aligned, normal_domain
from hub.adapters.email.references import (
    find_reference,
    make_message_id,
    make_plus_address,
    verify_plus_address,
    verify_reference,
)

KEY = b"k" * 32
CHANNEL = "0190aaaa-0000-7000-8000-000000000001"
CONVERSATION = "0190bbbb-0000-7000-8000-000000000002"
DELIVERY = "0190cccc-0000-7000-8000-000000000003"


def test_our_message_id_comes_back():
    message_id = make_message_id(KEY, CHANNEL, CONVERSATION, DELIVERY, "hub.example")
    assert len(message_id) < 100
    for form in (message_id, f"<{message_id}>", message_id.upper(), message_id + "\n"):
        found = verify_reference(KEY, CHANNEL, form)
        assert found is not None
        assert (found.conversation_id, found.delivery_id) == (CONVERSATION, DELIVERY)


def test_references_of_others_do_not_verify():
    message_id = make_message_id(KEY, CHANNEL, CONVERSATION, DELIVERY, "hub.example")
    assert verify_reference(b"x" * 32, CHANNEL, message_id) is None
    assert verify_reference(KEY, "another channel", message_id) is None
    local, _, domain = message_id.partition("@")
    for index in range(3, len(local)):
        changed = "a" if local[index] != "a" else "b"
        forged = f"{local[:index]}{changed}{local[index + 1 :]}@{domain}"
        assert verify_reference(KEY, CHANNEL, forged) is None
    for nonsense in ("", "@", "h1.@x", "h1." + "a" * 71 + "@x", "h1.\u0131" * 9, "<" * 1_000_000):
        assert verify_reference(KEY, CHANNEL, nonsense) is None


def test_the_newest_reference_of_ours_wins():
    older = make_message_id(KEY, CHANNEL, str(uuid4()), DELIVERY, "h.example")
    newer = make_message_id(KEY, CHANNEL, CONVERSATION, DELIVERY, "h.example")
    found = find_reference(KEY, CHANNEL, ["a@b", older, newer, "c@d"])
    assert found is not None
    assert found.conversation_id == CONVERSATION
    assert find_reference(KEY, CHANNEL, ["a@b"]) is None


def test_plus_addresses():
    address = make_plus_address(KEY, CHANNEL, CONVERSATION, "help@example.net")
    assert len(address.partition("@")[0]) <= 64
    assert verify_plus_address(KEY, CHANNEL, address) == CONVERSATION
    assert verify_plus_address(KEY, CHANNEL, address.upper()) == CONVERSATION
    assert verify_plus_address(KEY, CHANNEL, address.replace("+c", "+d")) is None
    assert verify_plus_address(b"x", CHANNEL, address) is None
    assert verify_plus_address(KEY, "other", address) is None
    assert verify_plus_address(KEY, CHANNEL, "help@example.net") is None
    with pytest.raises(ValueError, match="@"):
        make_plus_address(KEY, CHANNEL, CONVERSATION, "help")


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_no_text_is_a_reference(text):
    assert verify_reference(KEY, CHANNEL, text) is None
    assert verify_plus_address(KEY, CHANNEL, text) is None


PASSED = "mx.hub.example; spf=pass smtp.mailfrom=b.com; dmarc=pass (p=NONE) header.from=b.com"


@pytest.mark.parametrize(
    "field",
    [
        PASSED,
        "MX.hub.example 1; dmarc=pass header.from=B.com",
        "mx.hub.example; dkim=pass header.b=ab=cd; dmarc=pass action=none header.from=b.com",
        'mx.hub.example; dmarc=pass reason="a; b=c" header.from="b.com"',
        "mx.hub.example (a (b\\) c) d); dmarc = pass header.from = b.com",
    ],
)
def test_trusted_dmarc_counts(field):
    assert dmarc_passed([field, "other; dmarc=fail"], "mx.hub.example", "a@b.com")


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["mx.evil.example; dmarc=pass header.from=b.com"],
        ["mx.evil.example; none", PASSED],
        ["mx.hub.example; dmarc=fail header.from=b.com", PASSED],
        ["mx.hub.example; dmarc=pass header.from=evil.com"],
        ["mx.hub.example; dmarc=pass"],
        ["mx.hub.example; dmarc=pass header.from=b.com; dmarc=fail header.from=b.com"],
        ["mx.hub.example; dmarc=pass header.from=b.com header.from=evil.com"],
        ['mx.hub.example; spf=fail smtp.mailfrom="x; dmarc=pass header.from=b.com"'],
        ["mx.hub.example; spf=fail (x; dmarc=pass header.from=b.com)"],
        ['mx.hub.example; spf=fail smtp.mailfrom="x\\"; dmarc=pass header.from=b.com'],
        ["mx.hub.example; spf=fail (x; dmarc=pass header.from=b.com"],
        ["mx.hub.example) ; dmarc=pass header.from=b.com"],
        ["; dmarc=pass header.from=b.com"],
        ["dmarc=pass header.from=b.com"],
        ["mx.hub.example; none"],
        ["mx.hub.example; dmarc=pass header.from=b.com" + " " * 20_000],
    ],
)
def test_untrusted_or_malformed_results_do_not_count(fields):
    assert not dmarc_passed(fields, "mx.hub.example", "a@b.com")


def test_without_a_trusted_server_nothing_counts():
    assert not dmarc_passed([PASSED], "", "a@b.com")
    assert not dmarc_passed([PASSED], "mx.hub.example", "b.com")


@settings(max_examples=50)
@given(st.text(alphabet='a;="()\\ .', max_size=100))
def test_any_text_is_parsed_or_refused(text):
    parse_results(text)


def test_alignment():
    assert is_aligned("example.com", "example.com")
    assert is_aligned("example.com", "mail.example.com")
    assert is_aligned("example.com.cn", "a.example.com.cn")
    assert not is_aligned("mail.example.com", "example.com")
    assert not is_aligned("ample.com", "example.com")
    assert not is_aligned("com", "example.com")
    assert not is_aligned("com.cn", "example.com.cn")
    assert not is_aligned("co.uk", "example.co.uk")
    assert not is_aligned("", "")
    assert normal_domain("BÜCHER.example.") == "xn--bcher-kva.example"
    assert domain_of("a@b@c.example") == "c.example"
    assert domain_of("@c.example") == ""


@pytest.fixture(scope="module")
def signer():
    private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)

    def sign(raw: bytes, domain: bytes, **options: object) -> bytes:
        return bytes(dkim.sign(raw, b"s1", domain, pem, **options)) + raw

    def lookup(name: bytes, timeout: float) -> bytes | None:
        assert timeout <= 6
        return record if name.startswith(b"s1._domainkey.") else None

    return sign, lookup


RAW = b"From: Wang <wf@example.com>\r\nTo: h@x.example\r\nSubject: hi\r\n\r\nbody\r\n"


def test_an_aligned_signature_counts(signer):
    sign, lookup = signer
    assert dkim_aligned(sign(RAW, b"example.com"), "wf@example.com", lookup)


def test_signatures_that_do_not_count(signer):
    sign, lookup = signer
    good = sign(RAW, b"example.com")
    assert not dkim_aligned(RAW, "wf@example.com", lookup)
    assert not dkim_aligned(sign(RAW, b"evil.example"), "wf@example.com", lookup)
    assert not dkim_aligned(good.replace(b"body", b"changed"), "wf@example.com", lookup)
    assert not dkim_aligned(good.replace(b"Wang", b"Someone"), "wf@example.com", lookup)
    assert not dkim_aligned(b"From: x@example.com\r\n" + good, "x@example.com", lookup)
    assert not dkim_aligned(good + b"more", "wf@example.com", lookup)
    with_length = sign(RAW, b"example.com", length=True)
    assert b" l=" in with_length
    assert not dkim_aligned(with_length, "wf@example.com", lookup)


def test_dns_that_fails_or_lies_is_no_pass(signer):
    sign, _ = signer
    good = sign(RAW, b"example.com")
    records = [None, b"", b"v=DKIM1; p=", b"v=DKIM1; p=!!", b"v=DKIM1; p=" + b"A" * 5_000, b"\xff"]
    for record in records:
        assert not dkim_aligned(good, "wf@example.com", lambda name, timeout, r=record: r)


def test_many_signatures_cost_few_lookups(signer):
    sign, _ = signer
    asked = []

    def count(name: bytes, timeout: float) -> bytes | None:
        asked.append(name)
        return None

    line = sign(RAW, b"example.com").split(b"\r\nFrom:", 1)[0] + b"\r\n"
    assert not dkim_aligned(line * 200 + RAW, "wf@example.com", count)
    assert len(asked) <= 3
