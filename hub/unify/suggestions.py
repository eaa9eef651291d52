"""Who else a sender may be: for a person to decide, never acted on by the hub."""

import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hub.model.address import Assurance, IdentityKind
from hub.model.ids import CustomerId
from hub.unify.known import CLAIMABLE, Book, IdentityFacts, KnownIdentity, unconfirmed


class Reason(StrEnum):
    """Why two customers may be the same person. The score is a percentage, for sorting only."""

    BOTH_VERIFIED = "both_verified"
    NOT_CONFIRMED = "not_confirmed"
    CLAIMS_EMAIL = "claims_email"
    CLAIMS_PHONE = "claims_phone"
    CLAIMED_BEFORE = "claimed_before"
    FORMERLY = "formerly"
    ANSWERED_REFERENCE = "answered_reference"
    SAME_NAME_AND_LEVEL = "same_name_and_level"
    SAME_NAME = "same_name"


SCORES: Mapping[Reason, int] = {
    Reason.BOTH_VERIFIED: 95,
    Reason.NOT_CONFIRMED: 80,
    Reason.CLAIMS_EMAIL: 60,
    Reason.CLAIMS_PHONE: 60,
    Reason.ANSWERED_REFERENCE: 50,
    Reason.CLAIMED_BEFORE: 40,
    Reason.FORMERLY: 40,
    Reason.SAME_NAME_AND_LEVEL: 35,
    Reason.SAME_NAME: 20,
}


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A customer of the same name, as the store found them."""

    customer_id: CustomerId
    name: str
    level: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A customer who may be the same person; for a human being to decide."""

    customer_id: CustomerId
    reasons: tuple[Reason, ...]
    score: int


def suggest(
    book: Book,
    facts: IdentityFacts,
    lookalikes: Sequence[Lookalike] = (),
    *,
    settled: Collection[CustomerId | None] = (),
) -> tuple[Suggestion, ...]:
    """Return who else it may be, without `settled` customers, best first.

    Several reasons add up as independent chances would.
    """
    found: dict[CustomerId, dict[Reason, None]] = {}
    for customer_id, reason in (
        *_by_address(book, facts),
        *_by_claims(book, facts),
        *_by_name(book, facts, lookalikes),
    ):
        if customer_id not in settled:
            found.setdefault(customer_id, {})[reason] = None
    made = []
    for customer_id, reasons in found.items():
        doubt = 1.0
        for reason in reasons:
            doubt *= 1 - SCORES[reason] / 100
        made.append(Suggestion(customer_id, tuple(reasons), round(100 * (1 - doubt))))
    return tuple(sorted(made, key=lambda one: (-one.score, one.customer_id)))


def _by_address(book: Book, facts: IdentityFacts) -> Iterator[tuple[CustomerId, Reason]]:
    row = book.row(facts.sender)
    if row is not None:
        # Seen only when the row did not decide: the decision's own customer is left out.
        yield row.customer_id, _held(row, facts) or Reason.NOT_CONFIRMED
    shadow = book.row(unconfirmed(facts.sender))
    if shadow is not None:
        yield shadow.customer_id, Reason.CLAIMED_BEFORE
    answered = book.referenced(facts)
    if answered is not None:
        yield answered, Reason.ANSWERED_REFERENCE


def _by_claims(book: Book, facts: IdentityFacts) -> Iterator[tuple[CustomerId, Reason]]:
    for claim in facts.claims:
        row = book.row(claim.address)
        if row is None:
            continue
        if (former := _held(row, facts)) is not None:
            yield row.customer_id, former
        elif claim.assurance is not Assurance.CLAIMED:
            yield row.customer_id, Reason.BOTH_VERIFIED
        elif claim.address.kind is IdentityKind.EMAIL:
            yield row.customer_id, Reason.CLAIMS_EMAIL
        elif claim.address.kind in CLAIMABLE:
            yield row.customer_id, Reason.CLAIMS_PHONE


def _by_name(
    book: Book, facts: IdentityFacts, lookalikes: Sequence[Lookalike]
) -> Iterator[tuple[CustomerId, Reason]]:
    wanted = name_key(facts.name)
    for other in lookalikes:
        if len(wanted) >= 2 and name_key(other.name) == wanted:
            same_level = bool(facts.level) and facts.level == other.level
            reason = Reason.SAME_NAME_AND_LEVEL if same_level else Reason.SAME_NAME
            yield book.root(other.customer_id), reason


def _held(row: KnownIdentity, facts: IdentityFacts) -> Reason | None:
    """Say what a row that holds nothing (any more) tells; None when it holds its address."""
    if row.holds(facts.at):
        return None
    return Reason.CLAIMED_BEFORE if row.verified_at is None else Reason.FORMERLY


def name_key(name: str) -> str:
    """Return the form in which two spellings of a person's name are equal."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if char.isalnum())
