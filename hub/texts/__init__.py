"""What the hub itself says to customers, in their language.

One JSON file per language with the same keys and the same placeholders. An administrator may put
another wording in place of one, per queue (`say(…, wording=…)`); `check_wording` judges it when it
is saved. Placeholders are `{name}`; nothing else in braces is looked at, so that a wording can
neither reach into a program nor break it.
"""

import json
import re
from enum import StrEnum
from functools import cache
from importlib import resources

from hub.model.errors import BadInput

LANGUAGES = ("en", "zh-CN")
"""Languages there are texts for, as BCP 47 tags; the first is the last resort."""

MAX_WORDING_CHARS = 1_000
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class TextKey(StrEnum):
    """Every sentence; behind it the placeholders it has."""

    ACKNOWLEDGED = "acknowledged"  # number
    ACKNOWLEDGED_WITHIN = "acknowledged_within"  # number, minutes
    CLOSED_HOURS = "closed_hours"  # opens_at
    CLOSED_HOURS_UNKNOWN = "closed_hours_unknown"
    WAITING_NEXT = "waiting_next"
    WAITING_AHEAD = "waiting_ahead"  # ahead
    WAITING_AHEAD_ONE = "waiting_ahead_one"
    WAIT_UNDER_1 = "wait_under_1"
    WAIT_1_2 = "wait_1_2"
    WAIT_2_5 = "wait_2_5"
    WAIT_5_10 = "wait_5_10"
    WAIT_10_15 = "wait_10_15"
    WAIT_15_30 = "wait_15_30"
    WAIT_OVER_30 = "wait_over_30"
    WAIT_LONGER = "wait_longer"
    WAIT_NOBODY = "wait_nobody"
    CALLBACK_OFFER = "callback_offer"
    HANDED_OVER = "handed_over"  # agent
    HANDED_OVER_UNNAMED = "handed_over_unnamed"
    HANDED_OVER_EXPERTS = "handed_over_experts"
    RESOLVED = "resolved"  # number
    REOPENED = "reopened"  # number
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    OPT_HELP = "opt_help"
    FILE_TYPE_REFUSED = "file_type_refused"  # filename
    FILE_TOO_LARGE = "file_too_large"  # filename, max_mb
    FILE_FAILED = "file_failed"
    NOT_READABLE = "not_readable"
    MAIL_SUBJECT = "mail_subject"  # number, subject
    MAIL_NO_SUBJECT = "mail_no_subject"
    MAIL_FOOTER = "mail_footer"  # number


_BUCKETS = (
    (1, TextKey.WAIT_UNDER_1),
    (2, TextKey.WAIT_1_2),
    (5, TextKey.WAIT_2_5),
    (10, TextKey.WAIT_5_10),
    (15, TextKey.WAIT_10_15),
    (30, TextKey.WAIT_15_30),
)


def say(key: TextKey, language: str, /, *, wording: str | None = None, **params: str | int) -> str:
    """Return the sentence.

    Args:
        key: which sentence.
        language: one of `LANGUAGES`; another one gives English (see `unify.language`).
        wording: the administrator's own, in place of ours.
        params: a value for every placeholder of the key.

    Raises:
        ValueError: a placeholder of the key has no value (a mistake in the program).
    """
    ours = wordings(language)[key]
    missing = _names(ours) - params.keys()
    if missing:
        raise ValueError(f"{key} needs {', '.join(sorted(missing))}")
    return _PLACEHOLDER.sub(
        lambda found: str(params.get(found[1], found[0])), ours if wording is None else wording
    )


def placeholders(key: TextKey) -> frozenset[str]:
    """Return the names a wording of this sentence may use."""
    return _names(wordings(LANGUAGES[0])[key])


def check_wording(key: TextKey, wording: str) -> None:
    """Raise unless an administrator's wording can be said.

    Raises:
        BadInput: code `wording_invalid`, param `reason` (empty, too_long, placeholder) and `name`.
    """
    if not wording.strip():
        raise BadInput("wording_invalid", reason="empty")
    if len(wording) > MAX_WORDING_CHARS:
        raise BadInput("wording_invalid", reason="too_long", limit=MAX_WORDING_CHARS)
    unknown = sorted(_names(wording) - placeholders(key))
    if unknown:
        raise BadInput("wording_invalid", reason="placeholder", name=unknown[0])


def wait_key(minutes: float) -> TextKey:
    """Return the sentence for an estimated wait, rounded up into its bucket (routing.md 2.9)."""
    for limit, key in _BUCKETS:
        if minutes < limit or (minutes == limit and limit > 1):
            return key
    return TextKey.WAIT_OVER_30


def ahead_key(ahead: int) -> TextKey:
    """Return the sentence for so many waiting customers before this one."""
    if ahead <= 0:
        return TextKey.WAITING_NEXT
    return TextKey.WAITING_AHEAD_ONE if ahead == 1 else TextKey.WAITING_AHEAD


@cache
def wordings(language: str) -> dict[TextKey, str]:
    """Return every sentence of one language; of an unknown one, the English."""
    known = language if language in LANGUAGES else LANGUAGES[0]
    raw = resources.files("hub.texts").joinpath(f"{known}.json").read_text(encoding="utf-8")
    return {TextKey(name): text for name, text in json.loads(raw).items()}


def _names(text: str) -> frozenset[str]:
    return frozenset(_PLACEHOLDER.findall(text))
