"""Text that every store can keep."""

from hypothesis import given
from hypothesis import strategies as st

from hub.adapters.kit.text import clean_text


@given(st.text(st.characters(codec=None)))
def test_whatever_comes_out_can_be_stored(text: str) -> None:
    cleaned = clean_text(text)
    assert "\x00" not in cleaned
    cleaned.encode()
    assert clean_text(cleaned) == cleaned


def test_only_what_cannot_be_stored_goes() -> None:
    assert clean_text("a\x00b\ud800c\u202e 你好\n") == "abc\u202e 你好\n"
    assert clean_text("abcdef", 3) == "abc"
