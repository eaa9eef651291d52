"""In which language the hub speaks to a customer.

The customer's own, else that of the last message, else the channel's, else the organisation's
(house.md). Only languages there are texts for count; any other is passed over.
"""

import re

from hub.texts import LANGUAGES

HAN_SHARE = 0.3
"""From this share of Han characters among the letters on, a text is Chinese."""
_READ_CHARS = 4_000
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# ASCII, Latin-1, Extended-A/B, Additional, and the full-width forms; ª º × ÷ are no letters here.
_LATIN_SET = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a"
_LATIN = re.compile(f"[{_LATIN_SET}]")
_OTHER_LETTERS = re.compile(
    f"[^\\W\\d_{_LATIN_SET}\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_MIN_WORDS, _MIN_LETTERS = 3, 12
_NEAREST = {"zh": "zh-CN", "en": "en"}


def language_of(text: str) -> str | None:
    """Return `zh-CN` or `en`, None when the text does not say.

    Digits, signs and emoji do not count. A short Latin text ("ok", an order number) says nothing:
    Chinese customers write those too.
    """
    sample = text[:_READ_CHARS]
    han = len(_HAN.findall(sample))
    latin = len(_LATIN.findall(sample))
    rest = _OTHER_LETTERS.findall(sample)
    other = sum(char.isalpha() for char in rest)
    letters = han + latin + other
    if not letters:
        return None
    if han >= HAN_SHARE * letters:
        return "zh-CN"
    enough = latin >= _MIN_LETTERS or len(sample.split()) >= _MIN_WORDS
    return "en" if enough and latin > letters / 2 else None


def is_han(char: str) -> bool:
    """Tell whether a character is a Han ideograph."""
    code = ord(char)
    return 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF


def known_language(tag: str | None) -> str | None:
    """Return the one of `LANGUAGES` nearest to a BCP 47 tag (`zh-Hans`: `zh-CN`), or None."""
    primary = (tag or "").strip().replace("_", "-").partition("-")[0].lower()
    return _NEAREST.get(primary)


def choose_language(
    *,
    customer: str | None = None,
    last_message: str | None = None,
    channel: str | None = None,
    organisation: str | None = None,
) -> str:
    """Return the language to speak, always one of `LANGUAGES`.

    Args:
        customer: the tag of the customer's record.
        last_message: the text of their last message (the part that is new).
        channel, organisation: their configured tags.
    """
    return (
        known_language(customer)
        or language_of(last_message or "")
        or known_language(channel)
        or known_language(organisation)
        or LANGUAGES[0]
    )
