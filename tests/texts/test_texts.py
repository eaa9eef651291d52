"""What the hub says: the same in every language, and an administrator's wording cannot break it."""

import json
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.errors import BadInput
from hub.texts import (
    LANGUAGES,
    TextKey,
    ahead_key,
    check_wording,
    placeholders,
    say,
    wait_key,
    wordings,
)

K = TextKey
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_placeholders(language: str) -> None:
    raw = resources.files("hub.texts").joinpath(f"{language}.json").read_text(encoding="utf-8")
    assert list(json.loads(raw)) == [key.value for key in TextKey]
    for key in TextKey:
        text = wordings(language)[key]
        assert text.strip() == text != ""
        check_wording(key, text)
        assert set(re.findall(r"\{([^{}]*)\}", text)) == placeholders(key)


def test_chinese_is_chinese_and_uses_the_trade_s_words() -> None:
    ours = wordings("zh-CN")
    plain = {key: text for key, text in ours.items() if key is not K.MAIL_SUBJECT}
    assert all(HAN.search(text) for text in plain.values())
    whole = "".join(ours.values())
    for wrong in ("对话", "代理", "座席", "工单", "案例", "恢复单"):
        assert wrong not in whole
    assert not any(HAN.search(text) for text in wordings("en").values())


def test_placeholders_are_filled_and_nothing_else_is() -> None:
    assert say(K.ACKNOWLEDGED, "en", number="#10482").startswith("We have received")
    assert "#10482" in say(K.ACKNOWLEDGED, "zh-CN", number="#10482")
    assert say(K.WAITING_AHEAD, "zh-CN", ahead=3) == "您前面还有 3 位客户。"
    assert say(K.MAIL_SUBJECT, "en", number="#1", subject="{number} {x}") == "[#1] {number} {x}"
    assert say(K.HANDED_OVER, "fr", agent="Li") == say(K.HANDED_OVER, "en", agent="Li")
    with pytest.raises(ValueError, match="needs number"):
        say(K.RESOLVED, "en")


def test_an_administrator_s_wording() -> None:
    assert say(K.RESOLVED, "en", number="#1", wording="Done: {number}.") == "Done: #1."
    odd = "{number.__class__} {0} {} {other} %s"
    assert say(K.RESOLVED, "en", number="#1", wording=odd) == odd
    check_wording(K.RESOLVED, "Done.")


@pytest.mark.parametrize(
    ("wording", "reason"),
    [(" \n", "empty"), ("x" * 1001, "too_long"), ("Dear {name}", "placeholder")],
)
def test_a_wording_that_cannot_be_said_is_refused(wording: str, reason: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_wording(K.RESOLVED, wording)
    assert (caught.value.code, caught.value.params["reason"]) == ("wording_invalid", reason)


@pytest.mark.parametrize(
    ("minutes", "key"),
    [
        (0, K.WAIT_UNDER_1),
        (0.99, K.WAIT_UNDER_1),
        (1, K.WAIT_1_2),
        (2, K.WAIT_1_2),
        (2.01, K.WAIT_2_5),
        (5, K.WAIT_2_5),
        (7, K.WAIT_5_10),
        (15, K.WAIT_10_15),
        (30, K.WAIT_15_30),
        (31, K.WAIT_OVER_30),
    ],
)
def test_waits_are_told_in_buckets(minutes: float, key: TextKey) -> None:
    assert wait_key(minutes) is key


def test_how_many_are_ahead() -> None:
    keys = [ahead_key(ahead) for ahead in (0, 1, 2)]
    assert keys == [K.WAITING_NEXT, K.WAITING_AHEAD_ONE, K.WAITING_AHEAD]


@given(st.text(max_size=200))
def test_any_accepted_wording_can_be_said(wording: str) -> None:
    try:
        check_wording(K.ACKNOWLEDGED, wording)
    except BadInput:
        return
    assert say(K.ACKNOWLEDGED, "en", wording=wording, number="#1")
