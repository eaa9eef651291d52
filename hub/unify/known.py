"""What the store knows of identities, and what a message says of its sender: the input of identity.

Addresses are canonical (`unify.address.canonical`), instants aware UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from hub.model.address import Address, Assurance, IdentityKind
from hub.model.ids import CustomerId, IdentityId

UNCONFIRMED_SCOPE = "unconfirmed"
CLAIMABLE = frozenset({IdentityKind.PHONE, IdentityKind.SHORT_CODE, IdentityKind.EMAIL})
"""What people can say of themselves; the other kinds come from a network's own session."""


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """A row of `identity`.

    Attributes:
        customer_id: the row's own customer, not resolved.
        address: canonical.
        verified_at: None while nobody vouched for it.
        valid_until: after it the row holds nothing (a number given to somebody else).
        alone: the resolved customer has no other identity; such a web visitor is nameless.
    """

    id: IdentityId
    customer_id: CustomerId
    address: Address
    verified_at: datetime | None = None
    valid_until: datetime | None = None
    alone: bool = False

    def holds(self, at: datetime) -> bool:
        """Tell whether the row says at `at` whose the address is."""
        if self.valid_until is not None and at > self.valid_until:
            return False
        return self.verified_at is not None or self.address.kind not in CLAIMABLE


@dataclass(frozen=True, slots=True)
class Claim:
    """An address somebody says is theirs: VERIFIED when a signed widget identity says so."""

    address: Address
    assurance: Assurance = Assurance.CLAIMED


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """What is known of whoever wrote.

    Attributes:
        sender: canonical (`unify.address.canonical`).
        at: when we recorded it.
        claims: further addresses named with the message or at the start of the chat; an account
            of the signing site is an address of kind WEB.
        name, level: as the network or the signed identity gives them.
        referenced_customer_id: whose conversation the mail answers by a keyed reference of ours.
    """

    sender: Address
    at: datetime
    assurance: Assurance = Assurance.NETWORK
    claims: tuple[Claim, ...] = ()
    name: str = ""
    level: str = ""
    referenced_customer_id: CustomerId | None = None


def resolve_root(
    customer_id: CustomerId, merged_into: Mapping[CustomerId, CustomerId]
) -> CustomerId:
    """Return the customer at the end of the merge pointers.

    A ring of pointers, which no use case writes, has no end: then its smallest id is the root, the
    same from wherever one starts, so that reading never hangs.
    """
    path: list[CustomerId] = []
    current = customer_id
    while current in merged_into:
        if current in path:
            return min(path[path.index(current) :])
        path.append(current)
        current = merged_into[current]
    return current


def unconfirmed(address: Address) -> Address:
    """Return the address under which unconfirmed mail of it is filed."""
    return Address(address.kind, address.value, UNCONFIRMED_SCOPE)


def addresses_to_load(facts: IdentityFacts) -> tuple[Address, ...]:
    """Return the addresses whose identity rows `decide_identity` wants to see."""
    claimed = (claim.address for claim in facts.claims)
    return tuple(dict.fromkeys((facts.sender, unconfirmed(facts.sender), *claimed)))


class Book:
    """The known rows by address, their customers resolved."""

    def __init__(
        self, rows: Iterable[KnownIdentity], merged_into: Mapping[CustomerId, CustomerId]
    ) -> None:
        self._merged_into = merged_into
        self._rows = {row.address: self._resolved(row) for row in rows}

    def _resolved(self, row: KnownIdentity) -> KnownIdentity:
        root = self.root(row.customer_id)
        return row if root == row.customer_id else replace(row, customer_id=root)

    def row(self, address: Address) -> KnownIdentity | None:
        """Return the row of an address, its customer resolved."""
        return self._rows.get(address)

    def root(self, customer_id: CustomerId) -> CustomerId:
        """Return the root of a customer."""
        return resolve_root(customer_id, self._merged_into)

    def referenced(self, facts: IdentityFacts) -> CustomerId | None:
        """Return the customer whose conversation the message answers by a reference of ours."""
        if facts.referenced_customer_id is None:
            return None
        return self.root(facts.referenced_customer_id)
