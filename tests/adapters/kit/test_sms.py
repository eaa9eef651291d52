"""What every SMS provider shares: keywords, opt-out, addresses."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.adapters.kit.sms import (
    Keyword,
    is_silent,
    keyword_of,
    media_kind,
    opt_signal,
    sms_address,
    sms_capabilities,
)
from hub.model.address import Address, IdentityKind
from hub.model.channel import SignalKind

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SENDER = Address(IdentityKind.PHONE, "+8613800138000")


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("STOP", Keyword.STOP), ("stop.", Keyword.STOP), (" Stop all\n", Keyword.STOP),
        ("“UNSUBSCRIBE”", Keyword.STOP), ("ＳＴＯＰ", Keyword.STOP), ("退订", Keyword.STOP),
        ("【退訂】", Keyword.STOP), ("td", Keyword.STOP), ("ARRÊT", Keyword.STOP),
        ("Unstop!", Keyword.START), ("恢复订阅", Keyword.START), ("help?", Keyword.HELP),
        ("帮助", Keyword.HELP),
        ("please stop", None), ("stopping", None), ("我要退订宽带，请帮我处理", None), ("t", None),
        ("", None), ("...", None), ("stop " * 5000, None),
    ],
)  # fmt: skip
def test_only_a_whole_message_is_a_keyword(text: str, keyword: Keyword | None) -> None:
    assert keyword_of(text) is keyword


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading(text: str) -> None:
    keyword = keyword_of(text)
    signal = opt_signal(keyword, SENDER, AT)
    assert (signal is None) == (not is_silent(keyword))


def test_what_keywords_change() -> None:
    stopped, started = (opt_signal(k, SENDER, AT) for k in (Keyword.STOP, Keyword.START))
    assert stopped is not None
    assert started is not None
    assert (stopped.kind, started.kind) == (SignalKind.OPTED_OUT, SignalKind.OPTED_IN)
    assert opt_signal(Keyword.HELP, SENDER, AT) is None
    assert not is_silent(Keyword.HELP)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("+15005550001", Address(IdentityKind.PHONE, "+15005550001")),
        (" +8613800138000 ", Address(IdentityKind.PHONE, "+8613800138000")),
        ("12345", Address(IdentityKind.SHORT_CODE, "12345", "US")),
        ("10086", Address(IdentityKind.SHORT_CODE, "10086", "US")),
        ("MyBank", Address(IdentityKind.SHORT_CODE, "MyBank", "US")),
        ("+0123", None), ("+12", None), ("", None), ("12", None), ("+1\n500", None),
        ("whatsapp:+15005550001", None), ("a" * 21, None), ("+" + "1" * 400, None),
    ],
)  # fmt: skip
def test_addresses(value: str, address: Address | None) -> None:
    assert sms_address(value, "us") == address


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("image/jpeg", "image"), ("IMAGE/PNG", "image"), ("audio/amr", "audio"),
        ("video/3gpp", "video"), ("text/vcard", "file"), ("", "file"),
    ],
)  # fmt: skip
def test_media_kinds(content_type: str, kind: str) -> None:
    assert media_kind(content_type) == kind


def test_capabilities_count_segments() -> None:
    plain = sms_capabilities(rate_per_s=1)
    assert (plain.sms_segments, plain.max_segments, plain.max_media) == (True, 10, 0)
    assert plain.can_start
    assert plain.delivered
