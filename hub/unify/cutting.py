"""Where a long text may be cut: between paragraphs, else sentences, clauses, words, characters.

What people see as one character (a letter with its marks, an emoji family, a flag, a Hangul
syllable) is never cut; this follows the extended grapheme clusters of UAX #29 closely enough for
that. Chinese and Japanese have no spaces: there every character is a word of its own, except that
a part does not begin with a closing mark nor end with an opening one.
"""

import re
import unicodedata

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_PREPENDED = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2\U000110bd")
_OPENING = frozenset("([{<“‘「『（【《〈〔［｛")
_CLOSING = frozenset(")]}>”’」』）】》〉〕］｝。，、；：！？…—.,;:!?％%")
_CLOSERS = "[\"')\\]}”’」』）】》〉]*"
# Latin marks end a sentence or clause only before white space: addresses of pages stay whole.
_BREAKS = (
    (re.compile(r"\n[^\S\n]*\n\s*"), 0.5),
    (re.compile(r"\n"), 0.5),
    (re.compile(rf"[.!?…]+{_CLOSERS}(?=\s)|[。！？…]+{_CLOSERS}"), 0.5),
    (re.compile(rf"[,;:]{_CLOSERS}(?=\s)|[，、；：]{_CLOSERS}"), 0.6),
)
_WORD_FLOOR = 0.3


def cut_text(text: str, limit: int) -> list[str]:
    """Return the parts of `text`, each of at most `limit` characters, none of them blank.

    Joined they are the text, except for white space where it was cut. A text that fits is returned
    as it is; one that is blank gives no part.
    """
    parts: list[str] = []
    start = 0
    while len(text) - start > limit:
        end = _best_cut(text, start, start + limit)
        parts.append(text[start:end].rstrip())
        start = _skip_space(text, end)
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def is_boundary(text: str, index: int, start: int = 0) -> bool:
    """Tell whether `text` may be cut before `index` without dividing what is seen as one character.

    `start` is an earlier boundary; flags are counted off in pairs from there.
    """
    if index <= start or index >= len(text):
        return True
    before, after = text[index - 1], text[index]
    if before < "\u0300" and after < "\u0300":
        return not (before == "\r" and after == "\n")
    if _extends(after) or before in _PREPENDED or before == _ZWJ:
        return False
    if unicodedata.combining(before) == 9 and unicodedata.category(after) == "Lo":
        return False  # an Indic conjunct: virama and the consonant it joins
    if _is_flag_half(before) and _is_flag_half(after):
        run = index - 1
        while run > start and _is_flag_half(text[run - 1]):
            run -= 1
        return (index - run) % 2 == 0
    return not _hangul_goes_on(before, after)


def _best_cut(text: str, start: int, stop: int) -> int:
    """Return the best index to cut at, after `start` and not after `stop`."""
    room = stop - start
    for pattern, floor in _BREAKS:
        best = 0
        # One character further, for what must be seen after the break but need not fit.
        for match in pattern.finditer(text, start, stop + 1):
            if start + room * floor <= match.end() <= stop and is_boundary(
                text, match.end(), start
            ):
                best = match.end()
        if best:
            return best
    for index in range(stop, start + int(room * _WORD_FLOOR), -1):
        if _between_words(text[index - 1], text[index]) and is_boundary(text, index, start):
            return index
    for index in range(stop, start, -1):
        if is_boundary(text, index, start):
            return index
    return stop  # one "character" longer than a part: hundreds of stacked marks


def _skip_space(text: str, index: int) -> int:
    while index < len(text) and text[index].isspace() and is_boundary(text, index + 1, index):
        index += 1
    return index


def _between_words(before: str, after: str) -> bool:
    if before.isspace() or after.isspace():
        return True
    if after in _CLOSING or before in _OPENING:
        return False
    return _is_ideographic(before) or _is_ideographic(after)


def _is_ideographic(char: str) -> bool:
    code = ord(char)
    return 0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF


def _extends(char: str) -> bool:
    if char in (_ZWNJ, _ZWJ) or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    if "\U000e0020" <= char <= "\U000e007f":
        return True
    return unicodedata.category(char) in ("Mn", "Me", "Mc")


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _hangul_goes_on(before: str, after: str) -> bool:
    if "\u1100" <= before <= "\u115f" or "\ua960" <= before <= "\ua97c":
        return _is_hangul(after)
    return _is_hangul(before) and ("\u1160" <= after <= "\u11ff" or "\ud7b0" <= after <= "\ud7fb")


def _is_hangul(char: str) -> bool:
    return (
        "\u1100" <= char <= "\u11ff" or "\ua960" <= char <= "\ua97c" or "\uac00" <= char <= "\ud7fb"
    )
