"""What mail programs write above a quoted message, in some thirty languages.

Only data and small predicates on one (joined) line; :mod:`hub.unify.content.quoted` decides with
them. Every pattern is linear: no nested repetition, bounded gaps.
"""

from __future__ import annotations

import re

from hub.unify.content import quote_words as words

MAX_ATTRIBUTION_CHARS = 400


def _any(words_: tuple[str, ...]) -> str:
    """Join words to one alternative, the longest first."""
    return "|".join(re.escape(one) for one in sorted(words_, key=len, reverse=True))


_VERB = re.compile(rf"\b(?:{_any(words.VERBS)})|{_any(words.UNSPACED_VERBS)}", re.IGNORECASE)
_STARTER = re.compile(rf"[\s*]*(?:{_any(words.STARTERS)})(?=[\s,\d])", re.IGNORECASE)
_DATE = re.compile(
    r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{4}\s?[年년]\s?\d{1,2}|\b(?:19|20)\d\d\b|\d{1,2}\s?[月월]\s?\d{1,2}"
    r"|\b\d{1,2}[.\s-]{1,2}(?:de )?[^\W\d_]{3,10}\b|[^\W\d_]{3,10}\.?\s\d{1,2}\b"
)
_TIME = re.compile(r"\d{1,2}[:.h]\d{2}")
_DATE_FIRST = re.compile(
    r"[\s*]*(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{4}\s?[年년]|\d{1,2}\.?\s[^\W\d_]{3,10}\.?\s"
    r"|[^\W\d_]{2,12},?\s\d{1,2}\.?\s[^\W\d_]{3,10}\.?\s\d{4})"
)
_MAIL = re.compile(r"[^\s<>@()\[\]]{1,100}@[^\s<>@()\[\],;:]{2,100}")
_NAME_MAIL = re.compile(r"[^<>()\n]{1,120}[<(](?:mailto:)?[^\s<>@]{1,100}@[^\s<>]{1,100}[>)]")
_END = re.compile(r"(?:[:：]|\bwrote)\s*(?:[-–—*_]{0,10})\s*\Z", re.IGNORECASE)
_MID_LINE = re.compile(
    r"(?:[-—]{2,}\s?)?\bOn\s(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},\s[^\n]{6,200}\swrote:\s*\Z"
)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff]")


def ends_like_attribution(line: str) -> bool:
    """Say whether an attribution can end on this line."""
    return len(line) <= MAX_ATTRIBUTION_CHARS and _END.search(line[-40:]) is not None


def is_attribution(line: str, *, quote_follows: bool) -> bool:
    """Say whether a line (wrapped ones joined by a space) begins and ends as an attribution does.

    Customers write sentences such as "yesterday at 10:30 your colleague wrote:" themselves, so
    without a quoted line behind it an attribution needs an address or a complete date with time.
    """
    if not 6 <= len(line) <= MAX_ATTRIBUTION_CHARS:
        return False
    line = _INVISIBLE.sub("", line)
    if not _END.search(line):
        # Old Gmail: "2011/4/7 Nathan <nathan@example.com>" and nothing else.
        return quote_follows and len(line) < 150 and _is_dated_sender(line)
    if _is_dated_sender(line.rstrip(" :：")):
        return True
    bare = line.lstrip(" -—*>")
    if not (_STARTER.match(bare) or _DATE_FIRST.match(bare)) or not _DATE.search(line):
        return False
    mail = _MAIL.search(line) is not None
    if _VERB.search(line):
        return mail or quote_follows or _TIME.search(line) is not None
    return mail and quote_follows


def is_sender_line(line: str, *, quote_follows: bool) -> bool:
    """Say whether a line is "Name <address> wrote …:" without a date in front."""
    if not 6 <= len(line) <= MAX_ATTRIBUTION_CHARS or not _END.search(line):
        return False
    line = _INVISIBLE.sub("", line)
    if not _NAME_MAIL.match(line):
        return False
    return _VERB.search(line) is not None or (quote_follows and _DATE.search(line) is not None)


def is_short_attribution(line: str) -> bool:
    """Say whether a line right above quoted lines introduces them ("Bob wrote:")."""
    return (
        len(line) <= 120
        and _END.search(line) is not None
        and _VERB.search(line) is not None
        and (_DATE.search(line) is not None or line.count(" ") <= 5)
    )


def _is_dated_sender(line: str) -> bool:
    """Match a line that is a date and a sender and nothing else."""
    return (
        _DATE_FIRST.match(line) is not None
        and line.rstrip().endswith((">", ")"))
        and (_NAME_MAIL.fullmatch(line.strip()) is not None)
    )


def mid_line_attribution(line: str) -> int | None:
    """Return where an attribution begins that shares its line with the reply, if one does."""
    if len(line) > 1_000 or not line.rstrip().endswith("wrote:"):
        return None
    match = _MID_LINE.search(line)
    return match.start() if match else None


# --- header blocks ("From: … Sent: … To: … Subject: …") -----------------------------------------

_ROLE_OF = {
    name: role
    for role, names in (
        ("cc", words.CC_FIELDS),
        ("to", words.TO_FIELDS),
        ("date", words.DATE_FIELDS),
        ("subject", words.SUBJECT_FIELDS),
        ("from", words.FROM_FIELDS),
    )
    for name in names
}
_FIELD = re.compile(
    r"[\s>*_|]{0,20}([^\W\d_][^\n:：*]{0,24}?)\s{0,3}[*_]{0,2}\s{0,3}[:：][*_]{0,2}(.*)\Z",
    re.DOTALL,
)


def header_field(line: str) -> tuple[str, str] | None:
    """Return the role (from, date, to, cc, subject) and value of a quoted header line."""
    match = _FIELD.match(line[:1_000])
    if not match:
        return None
    key = " ".join(match.group(1).casefold().split())
    role = _ROLE_OF.get(key) or _ROLE_OF.get(key.replace(" ", ""))
    return (role, match.group(2).strip()) if role else None


# --- separators ----------------------------------------------------------------------------------

_SEPARATOR = re.compile(
    rf"\s*[-_=*—－]{{2,40}}\s*(?:({_any(words.ORIGINAL)})|({_any(words.FORWARDED)}))"
    r"[^\n]{0,60}?[-_=*—－]{2,40}\s*\Z",
    re.IGNORECASE,
)
_BEGIN_FORWARD = re.compile(rf"\s*(?:{_any(words.BEGIN_FORWARDED)})\s*[:：]\s*\Z", re.IGNORECASE)
_ANY_RULED = re.compile(r"\s*[-_=*—－]{3,40}\s*[^-\s_=*—－][^\n]{1,60}?\s*[-_=*—－]{3,40}\s*\Z")
RULE = re.compile(r"[\s>*]{0,10}[-_=—]{5,200}\s*\Z")


def separator_kind(line: str) -> str | None:
    """Return ``"original"``, ``"forwarded"``, ``"unknown"`` (dashes around a text) or ``None``."""
    if len(line) > 200:
        return None
    if _BEGIN_FORWARD.match(line):
        return "forwarded"
    match = _SEPARATOR.match(line)
    if match:
        return "original" if match.group(1) else "forwarded"
    return "unknown" if _ANY_RULED.match(line) else None


# --- signatures ----------------------------------------------------------------------------------

_DEVICE = re.compile(
    rf"\s*(?:(?:{_any(words.DEVICE_STARTS)})|von meine[mr]? [^\n]{{2,40}} gesendet"
    r"|(?:从|從)我的[^\n]{2,20}(?:发送|傳送))",
    re.IGNORECASE,
)
_CLOSING = re.compile(rf"\s*(?:{_any(words.CLOSINGS)})\s*[,.!，。！]?\s*\Z", re.IGNORECASE)


def is_device_line(line: str) -> bool:
    """Say whether a line was added by a phone or program ("Sent from my …", 发自我的 …)."""
    return len(line) <= 120 and _DEVICE.match(line) is not None


def is_closing(line: str) -> bool:
    """Say whether a line is only a closing formula, behind which the name stands."""
    return len(line) <= 60 and _CLOSING.match(line) is not None
