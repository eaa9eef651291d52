"""Normal forms: every spelling of one address meets, and different owners stay apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.address import Address, IdentityKind
from hub.model.errors import BadInput
from hub.unify.address import canonical, display, masked, parse_address

K = IdentityKind


@pytest.mark.parametrize(
    ("raw", "region", "value"),
    [
        ("138 0013 8000", "CN", "+8613800138000"),
        ("+86 138-0013-8000", "US", "+8613800138000"),
        ("0086 13800138000", "CN", "+8613800138000"),
        ("１３８００１３８０００", "CN", "+8613800138000"),
        ("tel:+86-10-8888-8888", "CN", "+861088888888"),
        ("(010) 8888 8888", "CN", "+861088888888"),
        ("(415) 555-2671", "US", "+14155552671"),
        ("+39 06 698 83145", "CN", "+390669883145"),  # Italy keeps the leading zero
        ("\u202a+14155552671\u202c", "", "+14155552671"),  # copied from a web page with marks
    ],
)
def test_phone_numbers_become_e164(raw: str, region: str, value: str) -> None:
    assert parse_address(K.PHONE, raw, region=region) == Address(K.PHONE, value)


def test_a_short_number_is_a_short_code_of_its_country() -> None:
    assert parse_address(K.PHONE, "10086", region="CN") == Address(K.SHORT_CODE, "10086", "CN")
    long = parse_address(K.SHORT_CODE, "1069 0000 1234 5678", region="CN")
    assert long == Address(K.SHORT_CODE, "1069000012345678", "CN")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("Li.Wei@Example.COM", "li.wei@example.com"),
        ("<li.wei+news@example.com>", "li.wei+news@example.com"),
        ("mailto:a@b.cn", "a@b.cn"),
        ("李雷@例子.中国", "李雷@xn--fsqu00a.xn--fiqs8s"),
        ("a@例子。中国", "a@xn--fsqu00a.xn--fiqs8s"),  # ideographic full stop
        ("a@STRASSE.de", "a@strasse.de"),
        ("a@straße.de", "a@xn--strae-oqa.de"),
        ("a@example.com.", "a@example.com"),
        ('"john doe"@example.com', '"john doe"@example.com'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("root@localhost", "root@localhost"),
        ("a@under_score.example", "a@under_score.example"),
        ("Cafe\u0301@x.org", "caf\u00e9@x.org"),
        ("\ufeffa@b.cn\u200b", "a@b.cn"),
    ],
)
def test_mail_addresses_in_normal_form(raw: str, value: str) -> None:
    assert parse_address(K.EMAIL, raw) == Address(K.EMAIL, value)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (K.PHONE, ""),
        (K.PHONE, "not a number"),
        (K.PHONE, "12"),
        (K.PHONE, "anonymous"),
        (K.PHONE, "1" * 400),
        (K.SHORT_CODE, "ALIPAY"),
        (K.EMAIL, ""),
        (K.EMAIL, "nobody"),
        (K.EMAIL, "@example.com"),
        (K.EMAIL, "a@"),
        (K.EMAIL, "a b@example.com"),
        (K.EMAIL, "a@b@example.com"),
        (K.EMAIL, "a@ex ample.com"),
        (K.EMAIL, "a@example..com"),
        (K.EMAIL, "a@-例子.中国"),
        (K.EMAIL, "a@" + "例" * 80 + ".中国"),
        (K.EMAIL, "x" * 65 + "@example.com"),
        (K.EMAIL, '"' + "x" * 62 + '"@' + "y" * 251 + ".com"),
        (K.TELEGRAM, " "),
        (K.SLACK, "U" * 321),
    ],
)
def test_what_cannot_be_read_is_refused_but_never_lost(kind: IdentityKind, raw: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_address(kind, raw)
    assert caught.value.code == "address_invalid"
    kept = canonical(Address(kind, raw))
    assert kept.value
    assert len(kept.value) <= 320
    assert canonical(kept) == kept


def test_accounts_of_networks_are_taken_as_they_are() -> None:
    assert parse_address(K.SLACK, " U1 ", scope="T1") == Address(K.SLACK, "U1", "T1")


def test_canonical_keeps_the_scope_a_network_gave() -> None:
    assert canonical(Address(K.SLACK, "U1", "T1")) == Address(K.SLACK, "U1", "T1")
    assert canonical(Address(K.SHORT_CODE, "12345", "US")) == Address(K.SHORT_CODE, "12345", "US")
    assert canonical(Address(K.EMAIL, "A@B.cn", "x")) == Address(K.EMAIL, "a@b.cn")


@pytest.mark.parametrize(
    ("address", "shown", "hidden"),
    [
        (Address(K.PHONE, "+8613812341234"), "138 1234 1234", "138****1234"),
        (Address(K.PHONE, "+14155552671"), "+1 415-555-2671", "+1 415****2671"),
        (Address(K.PHONE, "anonymous"), "anonymous", "an****us"),
        (Address(K.SHORT_CODE, "10086", "CN"), "10086", "****"),
        (Address(K.EMAIL, "li.wei@example.com"), "li.wei@example.com", "l***@example.com"),
        (Address(K.EMAIL, "a@b.cn"), "a@b.cn", "***@b.cn"),
        (Address(K.EMAIL, "undisclosed"), "undisclosed", "***"),
        (Address(K.EMAIL, "a@xn--fsqu00a.xn--fiqs8s"), "a@例子.中国", "***@xn--fsqu00a.xn--fiqs8s"),
        (Address(K.EMAIL, "a@xn--strae-oqa.de"), "a@xn--strae-oqa.de", "***@xn--strae-oqa.de"),
        (Address(K.EMAIL, "a@xn--mnchen-3ya.de"), "a@münchen.de", "***@xn--mnchen-3ya.de"),
        # а cyrillic a: looks like apple.com
        (Address(K.EMAIL, "a@xn--pple-43d.com"), "a@xn--pple-43d.com", "***@xn--pple-43d.com"),
        (Address(K.EMAIL, "a@xn--\xff.com"), "a@xn--\xff.com", "***@xn--\xff.com"),
        (Address(K.TELEGRAM, "123456789012"), "123456789012", "123****9012"),
    ],
)
def test_how_people_read_addresses(address: Address, shown: str, hidden: str) -> None:
    assert display(address) == shown
    assert masked(address) == hidden


@settings(max_examples=150)
@given(st.sampled_from(list(K)), st.text(max_size=400))
def test_any_text_has_a_stable_normal_form(kind: IdentityKind, raw: str) -> None:
    once = canonical(Address(kind, raw))
    assert canonical(once) == once
    assert 1 <= len(once.value) <= 320
    assert display(once)
    assert masked(once)


@settings(max_examples=80)
@given(st.from_regex(r"\A1[3-9][0-9]{9}\Z"), st.sampled_from(["", "+86", "+86 ", "0086", "86"]))
def test_every_spelling_of_a_mobile_number_meets(number: str, prefix: str) -> None:
    spelled = f"{prefix}{number[:3]}-{number[3:7]} {number[7:]}"
    assert parse_address(K.PHONE, spelled) == Address(K.PHONE, "+86" + number)
    assert masked(Address(K.PHONE, "+86" + number)) == f"{number[:3]}****{number[7:]}"
