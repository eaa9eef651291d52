"""Normal forms of addresses: what two spellings of one phone number or mailbox have in common.

`parse_address` is for what people type and refuses what it cannot read; `canonical` is for what
networks deliver and never refuses, because a message must not be lost over an odd sender.

Phone numbers become E.164. Mail addresses keep their local part, lower-cased: formally it is
case-sensitive, but no mailbox anybody uses is, and customers type it as they like. Nothing is
stripped from it (`+tag`, dots): those are different mailboxes for many servers. Domains become
lower-case A-labels (IDNA 2008, UTS 46 non-transitional), so that `straße.de` and `strasse.de`,
which may have different owners, stay apart.
"""

import re
import unicodedata
from functools import lru_cache

import idna
import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from hub.model.address import Address, IdentityKind
from hub.model.errors import BadInput

DEFAULT_REGION = "CN"
MAX_CHARS = 320

_SHORT_CODE = re.compile(r"\A[0-9]{3,8}\Z")
_SERVICE_NUMBER = re.compile(r"\A[0-9]{3,20}\Z")  # China's 1069… sender numbers go up to 20 digits
# At most 253 characters: with 64 of local part an address always keeps under MAX_CHARS.
_DOMAIN = re.compile(r"\A(?!.*\.\.)[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\Z")
_LITERAL = re.compile(r"\A\[[0-9a-f.:]{3,50}\]\Z")
_LOCAL_BAD = re.compile(r"[\s<>()\[\],;:\\\"@]")
_QUOTED = re.compile(r'\A"[^"\\\r\n]{0,62}"\Z')
_CLAIMABLE = (IdentityKind.PHONE, IdentityKind.SHORT_CODE, IdentityKind.EMAIL)
_CJK_NAMES = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "HANGUL")


def parse_address(
    kind: IdentityKind, raw: str, *, region: str = DEFAULT_REGION, scope: str = ""
) -> Address:
    """Return the address in normal form.

    Args:
        kind: PHONE also accepts a short code and then returns one (`10086`).
        raw: as typed: spaces, dashes, full-width digits, `tel:`, `mailto:` and <> are fine.
        region: ISO country of numbers without a country code.
        scope: for the kinds that have one (Slack team, web channel).

    Raises:
        BadInput: code `address_invalid`, param `kind`.
    """
    text = _clean(raw)
    if kind is IdentityKind.EMAIL:
        return Address(kind, _email(text))
    if kind is IdentityKind.PHONE:
        return _phone(text, region)
    if kind is IdentityKind.SHORT_CODE:
        digits = _digits(text)
        if not _SERVICE_NUMBER.match(digits):
            raise _invalid(kind)
        return Address(kind, digits, region)
    if not text or len(text) > MAX_CHARS:
        raise _invalid(kind)
    return Address(kind, text, scope)


@lru_cache(maxsize=4096)
def canonical(address: Address, *, region: str = DEFAULT_REGION) -> Address:
    """Return what is looked up for an address a network gave. Never raises.

    What cannot be read stays recognisable: cleaned, lower-cased, cut to 320 characters, so that
    the same odd sender is the same identity next time.
    """
    if address.kind not in _CLAIMABLE:
        return Address(address.kind, _clean(address.value)[:MAX_CHARS] or "?", address.scope)
    try:
        parsed = parse_address(address.kind, address.value, region=region)
    except BadInput:
        value = _clean(address.value).lower()[:MAX_CHARS] or "?"
        return Address(address.kind, value, address.scope)
    if parsed.kind is IdentityKind.SHORT_CODE and address.scope:
        return Address(parsed.kind, parsed.value, address.scope)
    return parsed


def display(address: Address, *, region: str = DEFAULT_REGION) -> str:
    """Return how people read an address: grouped phone numbers, mail domains in their script.

    A domain is shown in its own script only when that is Chinese, Japanese, Korean or accented
    Latin: Cyrillic and Greek look-alikes stay `xn--`, so that nobody is deceived.
    """
    if address.kind is IdentityKind.PHONE:
        number = _number(address.value)
        if number is None:
            return address.value
        home = phonenumbers.region_code_for_number(number) == region
        style = PhoneNumberFormat.NATIONAL if home else PhoneNumberFormat.INTERNATIONAL
        return phonenumbers.format_number(number, style)
    if address.kind is IdentityKind.EMAIL and "xn--" in address.value:
        local, _, domain = address.value.rpartition("@")
        return f"{local}@{_shown_domain(domain)}"
    return address.value


def masked(address: Address, *, region: str = DEFAULT_REGION) -> str:
    """Return what those may read who must not see the whole address: `138****1234`, `l***@x.cn`."""
    value = address.value
    if address.kind is IdentityKind.EMAIL:
        local, at, domain = value.rpartition("@")
        return f"{local[:1] if len(local) > 1 else ''}***{at}{domain if at else ''}"
    if address.kind is IdentityKind.PHONE:
        number = _number(value)
        if number is None:
            return _masked_text(value)
        home = phonenumbers.region_code_for_number(number) == region
        digits = phonenumbers.national_significant_number(number)
        return ("" if home else f"+{number.country_code} ") + _masked_text(digits)
    return _masked_text(value)


def _clean(raw: str) -> str:
    """Strip, compose, and drop what cannot be seen (control and format characters, BOM)."""
    composed = unicodedata.normalize("NFC", raw[: MAX_CHARS * 4])
    return "".join(c for c in composed if unicodedata.category(c) not in ("Cc", "Cf", "Cs")).strip()


def _digits(text: str) -> str:
    return "".join(
        c for c in unicodedata.normalize("NFKC", text) if c not in " -.()" and not c.isspace()
    )


def _phone(text: str, region: str) -> Address:
    plain = _digits(text.removeprefix("tel:"))
    try:
        number = phonenumbers.parse(plain, region or None)
    except NumberParseException:
        number = None
    # `10086` passes for a possible land line; only real numbers of that length (Hong Kong) are.
    if _SHORT_CODE.match(plain) and not (number and phonenumbers.is_valid_number(number)):
        return Address(IdentityKind.SHORT_CODE, plain, region)
    if number is not None and phonenumbers.is_possible_number(number):
        return Address(
            IdentityKind.PHONE, phonenumbers.format_number(number, PhoneNumberFormat.E164)
        )
    raise _invalid(IdentityKind.PHONE)


def _number(value: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(value, None)
    except NumberParseException:
        return None


def _email(text: str) -> str:
    text = text.removeprefix("mailto:").strip("<> ")
    local, at, domain = text.rpartition("@")
    local = local.lower()
    readable = _QUOTED.match(local) or (local and not _LOCAL_BAD.search(local))
    if not at or not readable or len(local.encode()) > 64:
        raise _invalid(IdentityKind.EMAIL)
    return f"{local}@{_domain(domain)}"


def _domain(raw: str) -> str:
    domain = raw.strip().rstrip(".").lower()
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True, transitional=False).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise _invalid(IdentityKind.EMAIL) from error
    if not (_DOMAIN.match(domain) or _LITERAL.match(domain)):
        raise _invalid(IdentityKind.EMAIL)
    return domain


def _shown_domain(domain: str) -> str:
    try:
        shown = idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        return domain
    return shown if all(c.isascii() or _honest(c) for c in shown) else domain


def _honest(char: str) -> bool:
    name = unicodedata.name(char, "")
    return name.startswith(_CJK_NAMES) or (name.startswith("LATIN SMALL") and " WITH " in name)


def _masked_text(text: str) -> str:
    if len(text) >= 10:
        return f"{text[:3]}****{text[-4:]}"
    if len(text) >= 6:
        return f"{text[:2]}****{text[-2:]}"
    return "****"


def _invalid(kind: IdentityKind) -> BadInput:
    return BadInput("address_invalid", kind=kind.value)
