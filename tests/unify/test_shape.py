"""Shaping: nothing is lost, nothing that people see as one character is cut, limits are kept."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.channel import Capabilities
from hub.model.content import Choice, Content, Location
from hub.model.errors import BadInput, ShapeRefused
from hub.unify.cutting import cut_text, is_boundary
from hub.unify.shape import MediaDescriptor, shape, sms_segments

PLAIN = Capabilities(max_text_chars=20)
SMS = Capabilities(max_text_chars=1600, sms_segments=True, max_segments=10)
FILES = Capabilities(
    max_text_chars=20, max_media=2, media_types=("image/*", "application/pdf"), max_media_bytes=1000
)
PICTURE = MediaDescriptor("image", "image/PNG; x=y", 1000, "p")
PAPER = MediaDescriptor("file", "application/pdf", 10, "d")
FAMILY = "👨‍👩‍👧‍👦"
THUMB = "👍🏽"
FLAG = "🇨🇳"


def texts(content: Content, capabilities: Capabilities = PLAIN) -> list[str]:
    return [part.content.text for part in shape(content, [], capabilities)]


def refusal(content: Content, media=(), capabilities: Capabilities = PLAIN):
    with pytest.raises(ShapeRefused) as caught:
        shape(content, media, capabilities)
    assert caught.value.code == "cannot_shape"
    assert isinstance(caught.value, BadInput)
    return caught.value.params


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        (" \n ", []),
        ("short", ["short"]),
        ("  kept as it is  ", ["  kept as it is  "]),
        ("one two three\n\nfour five six", ["one two three", "four five six"]),
        ("one two three\nfour five six", ["one two three", "four five six"]),
        ("One two. Three four five", ["One two. Three four", "five"]),
        ("It is done. Have a nice day", ["It is done.", "Have a nice day"]),
        ("one two three, four five", ["one two three,", "four five"]),
        ("one two three four five six", ["one two three four", "five six"]),
        ("see https://example.com/a/b?c=d.e", ["see https://example.", "com/a/b?c=d.e"]),
        (
            "订单已经发货了。预计明天下午送到您的家里面。",
            ["订单已经发货了。预计明天下午送到您的家里", "面。"],
        ),
        (
            "您的订单已经发货了，谢谢。预计明天下午送到您家里",
            ["您的订单已经发货了，谢谢。", "预计明天下午送到您家里"],
        ),
        (
            "一二三四五六七八九十一二三四五六七八九十，好",
            ["一二三四五六七八九十一二三四五六七八九", "十，好"],
        ),
        (
            "一二三四五六七八九十一二三四五六七八九（十）",
            ["一二三四五六七八九十一二三四五六七八九", "（十）"],
        ),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
        (" " * 50 + "x", ["x"]),
        (
            "他说：“好的，没有问题。”然后就把电话挂断了",
            ["他说：“好的，没有问题。”", "然后就把电话挂断了"],
        ),
    ],
)
def test_where_texts_are_cut(text: str, parts: list[str]) -> None:
    found = cut_text(text, 20)
    assert [part.strip() for part in found] == [part.strip() for part in parts]
    if len(text) <= 20 and parts:
        assert found == [text]


@pytest.mark.parametrize(
    "cluster",
    [
        FAMILY,
        THUMB,
        FLAG,
        "e\u0301",
        "☎\ufe0f",
        "1\ufe0f\u20e3",
        "🏴\U000e0067\U000e0062\U000e007f",  # a flag made of tags
        "\u1112\u1161\u11ab",  # Hangul jamo
        "\ud55c",
        "\uac00\u11a8",
        "\u0915\u094d\u0937",  # Devanagari conjunct
        "\u0646\u200c",
        "\u06001",
        "\r\n",
    ],
)
def test_what_is_seen_as_one_character_is_never_cut(cluster: str) -> None:
    for index in range(1, len(cluster)):
        assert not is_boundary(cluster, index)
    assert is_boundary("x" + cluster, 1) or cluster[0] == "\u0301"
    assert is_boundary(cluster + "x", len(cluster)) or cluster[-1] in "\u200c\u0600"
    if cluster.strip():
        parts = cut_text(cluster * 9, len(cluster) + 1)
        assert parts == [cluster] * 9 or len(cluster) == 1


def test_flags_are_counted_in_pairs_and_marks_without_end_are_cut_somewhere() -> None:
    assert cut_text(FLAG * 5, 5) == [FLAG * 2, FLAG * 2, FLAG]
    stacked = "a" + "\u0301" * 100
    assert "".join(cut_text(stacked, 30)) == stacked
    # a mark on a space keeps its space
    assert cut_text("abc  \u0301d", 4) == ["abc", " \u0301d"]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", ("gsm7", 0, 0)),
        ("a" * 160, ("gsm7", 160, 1)),
        ("a" * 161, ("gsm7", 161, 2)),
        ("a" * 306, ("gsm7", 306, 2)),
        ("a" * 307, ("gsm7", 307, 3)),
        ("€" * 80, ("gsm7", 160, 1)),
        ("€" * 81, ("gsm7", 162, 2)),
        ("a" * 152 + "€" + "a" * 152, ("gsm7", 306, 3)),  # the pair does not fit the first
        ("a" * 151 + "€" + "a" * 153, ("gsm7", 306, 2)),
        ("~[]{}^|\\\f", ("gsm7", 18, 1)),
        ("Ç@\u00e8\n", ("gsm7", 4, 1)),
        ("`", ("ucs2", 1, 1)),
        ("中" * 70, ("ucs2", 70, 1)),
        ("中" * 71, ("ucs2", 71, 2)),
        ("中" * 134, ("ucs2", 134, 2)),
        ("中" * 135, ("ucs2", 135, 3)),
        ("😀" * 35, ("ucs2", 70, 1)),
        ("😀" * 67, ("ucs2", 134, 3)),  # 33 in each: a pair is not divided
    ],
)
def test_sms_segments(text: str, size: tuple[str, int, int]) -> None:
    assert sms_segments(text) == size


def test_an_sms_reply_is_counted_and_refused_beyond_its_segments() -> None:
    (part,) = shape(Content(text="好" * 670), [], SMS)
    assert part.segments == 10
    assert refusal(Content(text="好" * 671), (), SMS) == {
        "reason": "too_many_segments",
        "limit": 10,
        "actual": 11,
    }
    two = shape(Content(text="a" * 161), [], SMS.model_copy(update={"max_text_chars": 160}))
    assert [part.segments for part in two] == [1, 1]
    assert shape(Content(text="a"), [], PLAIN)[0].segments == 0


def test_files_come_after_the_text_in_groups() -> None:
    parts = shape(Content(text="one two three four five six"), [PICTURE, PAPER, PICTURE], FILES)
    assert [part.content.text for part in parts] == ["one two three four", "five six", ""]
    assert [part.media for part in parts] == [(), (PICTURE, PAPER), (PICTURE,)]
    apart = FILES.model_copy(update={"text_with_media": False})
    parts = shape(Content(text="Here"), [PICTURE], apart)
    assert [(part.content.text, part.media) for part in parts] == [("Here", ()), ("", (PICTURE,))]
    (alone,) = shape(Content(), [PICTURE], FILES)
    assert alone.media == (PICTURE,)
    anything = FILES.model_copy(update={"media_types": (), "max_media_bytes": 0})
    assert shape(Content(), [MediaDescriptor("file", "x/y", 10**9)], anything)


def test_what_a_channel_cannot_carry_is_refused_with_a_reason() -> None:
    assert refusal(Content(text=" "))["reason"] == "empty"
    assert refusal(Content(text="x"), [PICTURE])["reason"] == "no_media"
    sound = MediaDescriptor("audio", "audio/mpeg", 1)
    assert refusal(Content(), [PICTURE, sound], FILES) == {"reason": "media_type", "index": 1}
    big = MediaDescriptor("image", "image/png", 1001)
    assert refusal(Content(), [big], FILES)["reason"] == "media_size"
    assert refusal(Content(text="x" * 401))["reason"] == "too_many_parts"
    assert refusal(Content(text="x" * 1_000_000))["actual"] == 50_000
    assert refusal(Content(), [PICTURE] * 41, FILES)["actual"] == 21


def test_choices_and_places_are_said_in_words_where_they_cannot_be_shown() -> None:
    wide = Capabilities(max_text_chars=1000)
    choices = (Choice(label="Yes", value="y"), Choice(label="否", value="n"))
    asked = Content(text="Sure?", choices=choices)
    assert texts(asked, wide) == ["Sure?\n\n1. Yes\n2. 否"]
    rich = Capabilities(max_text_chars=20, choices=True)
    parts = shape(asked.model_copy(update={"text": "one two three four five six"}), [], rich)
    assert [part.content.choices for part in parts] == [(), choices]
    assert refusal(Content(choices=choices), (), rich)["reason"] == "empty"
    place = Location(latitude=31.2304, longitude=121.4737, label="外滩")
    assert texts(Content(location=place), wide) == ["外滩\n31.230400, 121.473700"]
    bare = Location(latitude=0, longitude=0)
    assert texts(Content(text="Here:", location=bare), wide) == ["Here:\n\n0.000000, 0.000000"]


def test_subject_and_html_only_where_they_belong() -> None:
    mail = Content(text="Hello", html="<p>Hello</p>", subject="Re: x", visible="Hello")
    able = Capabilities(max_text_chars=100_000, subject=True, html=True, max_media=1)
    (part,) = shape(mail, [], able)
    assert part.content == Content(text="Hello", html="<p>Hello</p>", subject="Re: x")
    (only,) = shape(mail.model_copy(update={"text": ""}), [PICTURE], able)
    assert only.content == Content(subject="Re: x")
    assert shape(mail, [], PLAIN)[0].content == Content(text="Hello")
    short = able.model_copy(update={"max_text_chars": 3})
    assert all(part.content.html is None for part in shape(mail, [], short))


CHARS = st.text(
    alphabet=st.one_of(
        st.sampled_from([*"ab .,\n，。中文!?€", "\u0301", "\u200d", "👍", "🏽", "🇨", "🇳", "\r"]),
        st.characters(codec="utf-8"),
    ),
    max_size=120,
)


def squeezed(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=300)
@given(CHARS, st.integers(1, 30))
def test_parts_are_the_text_and_keep_the_limit(text: str, limit: int) -> None:
    parts = cut_text(text, limit)
    assert squeezed("".join(parts)) == squeezed(text)
    assert all(0 < len(part) <= limit for part in parts)
    at = 0
    for part in parts:
        found = text.index(part, at)
        assert not text[at:found].strip()
        at = found + len(part)
    assert not text[at:].strip()


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from([FAMILY, THUMB, FLAG, "e\u0301", "中", "a", " ", "。"]), max_size=60)
)
def test_clusters_survive_any_cut(clusters: list[str]) -> None:
    pieces = cut_text("".join(clusters), 12)
    rest = [cluster for cluster in clusters if cluster != " "]
    for piece in pieces:
        left = squeezed(piece)
        while left:
            assert left.startswith(rest[0])
            left = left.removeprefix(rest.pop(0))
    assert not rest


def test_hostile_texts_are_cut_quickly() -> None:
    began = time.perf_counter()
    for hostile in ("🇨", "\u0301", " \u0301", "\n", ". ", "（", "a\u200d", "\r\n"):
        cut_text((hostile * 80_000)[:80_000], 4096)
    assert time.perf_counter() - began < 5
