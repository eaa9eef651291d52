"""Addresses on networks: who a customer is there, in one normal form per kind."""

from dataclasses import dataclass
from enum import StrEnum


class IdentityKind(StrEnum):
    """What sort of address an identity holds; the scope is what makes the value unique."""

    PHONE = "phone"  # value: E.164, scope empty
    SHORT_CODE = "short_code"  # value: digits, scope: country or empty
    EMAIL = "email"  # value: normal form of unify.address, scope empty
    TELEGRAM = "telegram"  # value: user id, scope empty
    SLACK = "slack"  # value: user id, scope: team id
    WEB = "web"  # value: visitor id, scope: channel id


class Assurance(StrEnum):
    """How sure the hub may be that whoever wrote holds the address they wrote from."""

    VERIFIED = "verified"  # keyed reference of ours, aligned DKIM, signed widget identity
    NETWORK = "network"  # the network vouches for it (a phone number, a platform's user id)
    CLAIMED = "claimed"  # only said; links nothing


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One address: kind, scope, value. Equal addresses are the same identity.

    `value` is at most 320 characters and in the normal form of its kind; adapters hand in what
    the network gave (already canonical for telegram, slack, web), `unify.address` normalises
    phone numbers and e-mail before anything is looked up.
    """

    kind: IdentityKind
    value: str
    scope: str = ""
