"""Subjects compared for threading: prefixes, tags, case and spaces do not count."""

from __future__ import annotations

import re
import unicodedata

_MAX_CHARS = 1_000
_REPLY_WORDS = (
    "re", "res", "r", "aw", "antw", "antwort", "sv", "vs", "vl", "ref", "rif", "odp", "ynt", "ilt",
    "回复", "回覆", "答复", "答覆", "回", "ответ", "отв", "απ", "σχετ", "replica", "rép", "rep",
    "réf", "返信", "답장", "回信", "atb", "ats", "vá", "на", "rv", "bls", "balas", "trả lời",
)  # fmt: skip
_FORWARD_WORDS = (
    "fw", "fwd", "wg", "tr", "enc", "i", "rv", "doorst", "vb", "vs", "pd", "转发", "轉寄", "转寄",
    "轉發", "转", "転送", "전달", "пересл", "fwd (forwarded)", "πρθ", "továbbítás", "továb",
    "továbbít",
    "i̇lt", "trs", "inoltra", "reenv", "chuyển tiếp",
)  # fmt: skip
_WORDS = "|".join(
    sorted({re.escape(word) for word in _REPLY_WORDS + _FORWARD_WORDS}, key=len, reverse=True)
)
# "Re:", "RE[2]:", "Re^3:", "回复：", "AW (2):", also "自动回复:" and "Auto:" of responders.
_PREFIX = re.compile(
    rf"\s*(?:{_WORDS}|自动回复|自動回覆)\s?(?:[\[(^]\s?\d{{1,3}}\s?[\])]?)?\s?[:：]"
)
_BRACKET = re.compile(r"\s*(?:\[[^\[\]]{0,60}\]|【[^【】]{0,60}】|\(#[^()]{0,40}\))")
_TRAILING = re.compile(r"(?:\[[^\[\]]{0,60}#[^\[\]]{0,60}\]|\(#[^()]{0,40}\))\s*\Z")
_DROPPED = re.compile(r"[\s\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]+")


def normal_subject(subject: str) -> str:
    """Return what two subjects of one thread have in common.

    Reply and forward prefixes in two dozen languages, tags in brackets (``[#10482]``, ``[EXT]``,
    ``【…】``), case and all white space are removed; a subject that is only a tag keeps it.

    Returns:
        The normal form, ``""`` for an empty subject.
    """
    text = unicodedata.normalize("NFKC", subject[:_MAX_CHARS]).casefold()
    text = _DROPPED.sub(" ", text).strip()
    bare = text
    while True:
        shorter = _PREFIX.sub("", bare, count=1) if _PREFIX.match(bare) else bare
        match = _BRACKET.match(shorter)
        if match and shorter[match.end() :].strip():
            shorter = shorter[match.end() :]
        if shorter == bare:
            break
        bare = shorter
    ending = _TRAILING.search(bare)
    if ending and bare[: ending.start()].strip():
        bare = bare[: ending.start()]
    return _DROPPED.sub("", bare)
