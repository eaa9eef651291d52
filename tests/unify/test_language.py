"""Which language the hub speaks: what a text says, and the order of those who may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.texts import LANGUAGES
from hub.unify.language import choose_language, known_language, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("你好", "zh-CN"),
        ("我的 router 坏了", "zh-CN"),  # 5 of 11 letters
        ("好 abcdefg", None),  # 1 of 8 and too short to be English
        ("订单号 AB1234567890123456", "zh-CN"),  # digits are no letters
        ("中中中abcdefg", "zh-CN"),  # exactly 30 %
        ("中中中abcdefgh", None),  # under it, and one word of eight letters
        ("My order has not arrived", "en"),
        ("Ｍｙ ｏｒｄｅｒ ｉｓ ｌａｔｅ", "en"),
        ("ok", None),
        ("10086", None),
        ("👍👍", None),
        ("", None),
        ("Где мой заказ сейчас", None),
        ("𠀀𠀁", "zh-CN"),
    ],
)
def test_what_a_text_says(text: str, language: str | None) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("zh", "zh-CN"),
        ("zh-Hans-CN", "zh-CN"),
        ("zh_TW", "zh-CN"),
        ("EN-gb", "en"),
        ("fr", None),
        ("", None),
        (None, None),
    ],
)
def test_tags_are_read_by_their_nearest(tag: str | None, language: str | None) -> None:
    assert known_language(tag) == language


def test_the_order_of_those_who_may_say() -> None:
    everybody = {
        "customer": "en",
        "last_message": "我要投诉",
        "channel": "en",
        "organisation": "zh-CN",
    }
    assert choose_language(**everybody) == "en"
    assert choose_language(**{**everybody, "customer": "fr"}) == "zh-CN"
    assert choose_language(last_message="ok", channel="zh", organisation="en") == "zh-CN"
    assert choose_language(channel=None, organisation="zh-CN") == "zh-CN"
    assert choose_language() == "en"


@given(st.text(max_size=200), st.text(max_size=12))
def test_always_a_language_there_are_texts_for(text: str, tag: str) -> None:
    assert choose_language(customer=tag, last_message=text) in LANGUAGES
