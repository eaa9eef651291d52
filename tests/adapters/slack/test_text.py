"""mrkdwn to plain text: examples, and what holds for every text."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.adapters.slack.text import clean, emoji_of, escape, mentions, to_plain


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("a &lt;b&gt; &amp;lt;", "a <b> &lt;"),
        ("<@U1|li> <@U2> <#C1|help> <#C2> <#C3|>", "@li @U2 #help #C2 #C3"),
        ("<!here> <!channel|channel> <!subteam^S1|@team> <!subteam^S2>", "@here channel @team @S2"),
        ("<!date^1700000000^{date}^https://x.example|Nov 14>", "Nov 14"),
        ("<https://x.example/a|x.example/a>", "https://x.example/a"),
        ("<https://x.example|here>", "here (https://x.example)"),
        ("<mailto:a@x.example|a@x.example> <tel:+431|+43 1>", "a@x.example +43 1 (+431)"),
        ("<javascript:alert(1)|x>", "x (javascript:alert(1))"),
        ("1 < 2 > 1", "1 < 2 > 1"),
        ("<>", "<>"),
        ("nul \x00 half \ud800", "nul  half ?"),
    ],
)
def test_examples(raw: str, plain: str) -> None:
    assert to_plain(raw) == plain


def test_only_the_first_call_of_the_app_is_left_out() -> None:
    assert to_plain(" <@U1>, hi <@U1>", own_user="U1") == "hi @U1"
    assert to_plain("<@U12> hi", own_user="U1") == "@U12 hi"
    assert mentions("x <@U1|hub>", "U1")
    assert not mentions("x <@U12>", "U1")
    assert not mentions("x", "")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_what_we_escape_reads_as_it_was_written(text: str) -> None:
    assert to_plain(escape(text)) == clean(text)
    assert "<" not in escape(text)


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda s: st.lists(s, max_size=3) | st.dictionaries(st.sampled_from(["type", "name", "unicode", "elements"]), s | st.just("emoji"), max_size=4)))  # fmt: skip  # noqa: E501
def test_blocks_of_any_shape_are_survived(blocks: object) -> None:
    for name, character in emoji_of(blocks).items():
        assert name is not None
        character.encode()


def test_hostile_texts_take_no_time() -> None:
    deep: object = []
    for _ in range(50_000):
        deep = [deep]
    started = time.perf_counter()
    for hostile in ("<" * 300_000, "<a|" * 100_000, ":" * 300_000, ":a" * 150_000, "<@" * 150_000):
        to_plain(hostile, own_user="U1", emoji={"a": "b"})
    emoji_of(deep)
    assert time.perf_counter() - started < 5
