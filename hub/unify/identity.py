"""Who wrote: an existing customer, a new one, and what may be worth a person's look.

Automatic linking goes only through verified identifiers (house.md): a number or account the
network vouches for, an address that answered a keyed reference of ours or whose mail was checked,
a signed widget identity, an agent's confirmation. Anything weaker is a suggestion and changes
nothing.

An identity row that nobody verified (typed in a form, named by a stranger) holds nothing: when the
address's real holder turns up, the row becomes theirs and the earlier claimant is only suggested.
Otherwise whoever first *claimed* a victim's address would receive the victim's talk.

A mail whose sender is not confirmed is filed under the same address with the scope `unconfirmed`
and a customer of its own: it can be answered (the answer goes to the address's real holder), and
nobody else's record is touched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hub.model.address import Address, Assurance, IdentityKind
from hub.model.ids import CustomerId, IdentityId
from hub.unify.known import (
    CLAIMABLE,
    Book,
    Claim,
    IdentityFacts,
    KnownIdentity,
    addresses_to_load,
    resolve_root,
    unconfirmed,
)
from hub.unify.suggestions import Lookalike, Reason, Suggestion, suggest

__all__ = [
    "Claim",
    "IdentityDecision",
    "IdentityFacts",
    "IdentityRule",
    "KnownIdentity",
    "Lookalike",
    "Reason",
    "Suggestion",
    "addresses_to_load",
    "decide_identity",
    "resolve_root",
    "unconfirmed",
]

_CLAIM_ORDER = (IdentityKind.WEB, IdentityKind.EMAIL, IdentityKind.PHONE)


class IdentityRule(StrEnum):
    """How the customer was found; the fact `how` of `identity.linked`."""

    KNOWN = "known"
    """The sender's address is a verified identity of the customer."""
    SIGNED = "signed"
    """A signed widget identity names an address or account of the customer."""
    SIGNED_ABSORBED = "signed_absorbed"
    """The same, and the nameless visitor met before is merged into that customer."""
    ANSWERED_REFERENCE = "answered_reference"
    """The address answered a mail of ours that went to it; so far it was not confirmed."""
    RECLAIMED = "reclaimed"
    """New: the address was held by a row that nobody verified, or whose validity is over."""
    NOT_CONFIRMED = "not_confirmed"
    """The sender is not confirmed: a customer of its own."""
    NEW = "new"
    """New: the address is not known."""


@dataclass(frozen=True, slots=True)
class IdentityDecision:
    """What the caller writes, in its unit.

    Attributes:
        customer_id: a root; None: make a customer.
        address: to file the sender under (its scope is `unconfirmed` when not confirmed).
        identity_id: the sender's row, whose address becomes `address` where it differs (it was
            filed as unconfirmed); None: insert one.
        move: rows that become the customer's and verified (the sender's among them, if it was
            another's), each an event and an audit row.
        verified: set `verified_at` on the sender's row, where it has none.
        confirmed: false: mark the conversation "sender not confirmed" and thread it alone.
        candidate: found by a telephone number alone: account matters need an identity check.
        link: addresses to insert for the customer, verified.
        absorb: a nameless visitor to merge into the customer (a `customer_merge`, can be undone).
        suggestions: best first.
    """

    customer_id: CustomerId | None
    rule: IdentityRule
    address: Address
    identity_id: IdentityId | None = None
    move: tuple[IdentityId, ...] = ()
    verified: bool = True
    confirmed: bool = True
    candidate: bool = False
    link: tuple[Address, ...] = ()
    absorb: CustomerId | None = None
    suggestions: tuple[Suggestion, ...] = ()


def decide_identity(
    rows: Sequence[KnownIdentity],
    facts: IdentityFacts,
    *,
    merged_into: Mapping[CustomerId, CustomerId] | None = None,
    lookalikes: Sequence[Lookalike] = (),
) -> IdentityDecision:
    """Decide whose message this is.

    Args:
        rows: the identities of `addresses_to_load(facts)`, as far as they exist.
        merged_into: the merge pointers reachable from the rows' customers.
        lookalikes: customers of the sender's name; may be empty.
    """
    book = Book(rows, merged_into or {})
    if facts.assurance is Assurance.CLAIMED and facts.sender.kind in CLAIMABLE:
        decision = _not_confirmed(book, facts)
    else:
        decision = _signed(book, facts) or _by_sender(book, facts)
    settled = (decision.customer_id, decision.absorb)
    suggestions = suggest(book, facts, lookalikes, settled=settled)
    return replace(decision, suggestions=suggestions) if suggestions else decision


def _not_confirmed(book: Book, facts: IdentityFacts) -> IdentityDecision:
    address = unconfirmed(facts.sender)
    row = book.row(address)
    return IdentityDecision(
        row.customer_id if row else None,
        IdentityRule.NOT_CONFIRMED,
        address,
        row.id if row else None,
        verified=False,
        confirmed=False,
    )


def _by_sender(book: Book, facts: IdentityFacts) -> IdentityDecision:
    """Decide by the sender's own address; verified claims that nobody holds come along."""
    link, move = _belongings(book, facts)
    new = IdentityDecision(
        None,
        IdentityRule.NEW,
        facts.sender,
        move=move,
        link=link,
        verified=facts.assurance is not Assurance.CLAIMED,
    )
    row = book.row(facts.sender)
    if row is not None and row.holds(facts.at):
        by_number = row.address.kind in (IdentityKind.PHONE, IdentityKind.SHORT_CODE)
        return replace(
            new,
            customer_id=row.customer_id,
            rule=IdentityRule.KNOWN,
            identity_id=row.id,
            candidate=by_number and facts.assurance is Assurance.NETWORK,
        )
    if row is not None:
        moved = tuple(dict.fromkeys((row.id, *move)))
        return replace(new, rule=IdentityRule.RECLAIMED, identity_id=row.id, move=moved)
    shadow = book.row(unconfirmed(facts.sender))
    if shadow is not None and shadow.customer_id == book.referenced(facts):
        # The row itself becomes the confirmed one, so that a later forgery finds no customer.
        rule = IdentityRule.ANSWERED_REFERENCE
        return replace(new, customer_id=shadow.customer_id, rule=rule, identity_id=shadow.id)
    return new


def _signed(book: Book, facts: IdentityFacts) -> IdentityDecision | None:
    """Decide by what a signed identity names: the account first, then e-mail, then phone."""
    held = (book.row(claim.address) for claim in _verified_claims(facts))
    first = next((row for row in held if row is not None and row.holds(facts.at)), None)
    own = book.row(facts.sender)
    if first is None or (own is not None and own.customer_id == first.customer_id):
        return None
    link, move = _belongings(book, facts)
    decision = IdentityDecision(
        first.customer_id,
        IdentityRule.SIGNED,
        facts.sender,
        move=move,
        verified=facts.assurance is not Assurance.CLAIMED,
        link=link,
    )
    if own is None:
        return decision
    if own.alone and own.address.kind is IdentityKind.WEB and own.holds(facts.at):
        absorbed = IdentityRule.SIGNED_ABSORBED
        return replace(decision, rule=absorbed, identity_id=own.id, absorb=own.customer_id)
    # Another person signed in at the same browser: it is theirs now, nothing else moves.
    moved = tuple(dict.fromkeys((own.id, *move)))
    return replace(decision, identity_id=own.id, move=moved)


def _verified_claims(facts: IdentityFacts) -> list[Claim]:
    """Return the claims that count, the account before e-mail before phone."""
    claims = [
        claim
        for claim in facts.claims
        if claim.assurance is not Assurance.CLAIMED and claim.address.kind in _CLAIM_ORDER
    ]
    return sorted(claims, key=lambda claim: _CLAIM_ORDER.index(claim.address.kind))


def _belongings(
    book: Book, facts: IdentityFacts
) -> tuple[tuple[Address, ...], tuple[IdentityId, ...]]:
    """Return of the verified claims what to insert for the customer, and which rows to move."""
    link: dict[Address, None] = {}
    move: dict[IdentityId, None] = {}
    for claim in _verified_claims(facts):
        row = book.row(claim.address)
        if row is None and claim.address != facts.sender:
            link[claim.address] = None
        elif row is not None and not row.holds(facts.at):
            move[row.id] = None
    return tuple(link), tuple(move)
