"""Inside the unit of `receive`: find or make the customer an inbound message belongs to."""

from dataclasses import dataclass

from hub.model.address import Address, IdentityKind
from hub.model.clock import from_micros, to_micros
from hub.model.events import EventKind, NewEvent, new_event
from hub.model.ids import CustomerId, IdentityId, new_id
from hub.services.prepare import PreparedMessage
from hub.store.queries import customers
from hub.store.queries.rows import Row, insert_row
from hub.store.tables import CustomerMerge
from hub.store.tx import Tx
from hub.unify.identity import (
    Claim,
    IdentityDecision,
    IdentityFacts,
    KnownIdentity,
    addresses_to_load,
    decide_identity,
)
from hub.unify.known import UNCONFIRMED_SCOPE


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, after the rows were written.

    Attributes:
        customer_id: the root.
        row_customer_id: the identity's own customer (rows made now keep it).
        new: the customer was made for this message.
    """

    customer_id: CustomerId
    identity_id: IdentityId
    row_customer_id: CustomerId
    decision: IdentityDecision
    blocked: bool = False
    new: bool = False


def identify(
    tx: Tx,
    prepared: PreparedMessage,
    channel_id: str,
    region_claims: tuple[Claim, ...],
    referenced: CustomerId | None,
) -> tuple[Sender, list[NewEvent]]:
    """Decide whose message it is, write what follows, return the sender and the events."""
    message = prepared.message
    facts = IdentityFacts(
        sender=prepared.sender,
        at=prepared.now,
        assurance=message.assurance,
        claims=region_claims,
        name=message.sender_name,
        level=message.level,
        referenced_customer_id=referenced,
    )
    rows = {address: customers.identity_at(tx, address) for address in _looked_up(facts)}
    found = {address: row for address, row in rows.items() if row is not None}
    merged = _merge_pointers(tx, list(found.values()))
    known = [_known(tx, row, facts) for row in found.values()]
    decision = decide_identity(known, facts, merged_into=merged)
    return _write(tx, prepared, channel_id, decision, found)


def _looked_up(facts: IdentityFacts) -> list[Address]:
    """Return the addresses to read; only mail is ever filed as unconfirmed."""
    return [
        address
        for address in addresses_to_load(facts)
        if address.scope != UNCONFIRMED_SCOPE or address.kind is IdentityKind.EMAIL
    ]


def _known(tx: Tx, row: Row, facts: IdentityFacts) -> KnownIdentity:
    address = Address(IdentityKind(row["kind"]), row["value"], row["scope"])
    # Only a signed identity asks whether a visitor is nameless; nobody else pays for the count.
    alone = False
    if facts.claims and address.kind is IdentityKind.WEB:
        family = customers.family_of(tx, customers.root_of(tx, row["customer_id"]))
        alone = len(customers.identities_of(tx, family)) == 1
    return KnownIdentity(
        id=IdentityId(row["id"]),
        customer_id=CustomerId(row["customer_id"]),
        address=address,
        verified_at=from_micros(row["verified_at"]) if row["verified_at"] else None,
        valid_until=from_micros(row["valid_until"]) if row["valid_until"] else None,
        alone=alone,
    )


def _merge_pointers(tx: Tx, rows: list[Row]) -> dict[CustomerId, CustomerId]:
    return {
        CustomerId(row["customer_id"]): CustomerId(customers.root_of(tx, row["customer_id"]))
        for row in rows
        if row["customer_merged_into"]
    }


def _write(
    tx: Tx,
    prepared: PreparedMessage,
    channel_id: str,
    decision: IdentityDecision,
    found: dict[Address, Row],
) -> tuple[Sender, list[NewEvent]]:
    now, message = prepared.now, prepared.message
    events: list[NewEvent] = []
    new = decision.customer_id is None
    customer_id = decision.customer_id or CustomerId(prepared.customer_id)
    if new:
        customers.add_customer(
            tx, customer_id, name=message.sender_name, locale=message.language, at=now
        )
        events.append(
            new_event(
                EventKind.CUSTOMER_CREATED, now, customer=customer_id, data={"channel": channel_id}
            )
        )
    own = next((row for row in found.values() if row["id"] == decision.identity_id), None)
    identity_id, linked = _own_identity(tx, prepared, customer_id, decision, own)
    events += linked
    events += _link_further(tx, prepared, customer_id, decision)
    if decision.absorb is not None:
        events.append(_absorb(tx, prepared, decision.absorb, customer_id))
    for one in decision.suggestions:
        customers.suggest(
            tx,
            id=new_id(),
            customer_id=customer_id,
            other_id=one.customer_id,
            reason=one.reasons[0].value,
            score=one.score,
            at=now,
        )
    moved = identity_id in decision.move
    sender = Sender(
        customer_id=customer_id,
        identity_id=identity_id,
        row_customer_id=CustomerId(own["customer_id"]) if own and not moved else customer_id,
        decision=decision,
        blocked=bool(own and own["blocked_at"]),
        new=new,
    )
    return sender, events


def _own_identity(
    tx: Tx,
    prepared: PreparedMessage,
    customer_id: CustomerId,
    decision: IdentityDecision,
    own: Row | None,
) -> tuple[IdentityId, list[NewEvent]]:
    """Make or confirm the row of the sender's address; return its id and the events."""
    how = decision.rule.value if decision.verified else ""
    if decision.identity_id is None or own is None:
        made = IdentityId(prepared.identity_id)
        name = prepared.message.sender_name
        customers.add_identity(
            tx, made, customer_id, decision.address, name=name, at=prepared.now, verified_how=how
        )
        return made, [_linked(prepared, customer_id, made, decision.address, how)]
    if decision.verified and (own["scope"], own["value"]) != (
        decision.address.scope,
        decision.address.value,
    ):
        # It was filed as unconfirmed and answered our mail since: now it is the address itself.
        tx.execute(
            customers.IDENTITY_ADDRESS,
            {
                "identity_id": own["id"],
                "new_scope": decision.address.scope,
                "new_value": decision.address.value,
            },
        )
    if decision.verified and own["verified_at"] is None:
        _verify(tx, decision.identity_id, how, prepared)
    return decision.identity_id, []


def _link_further(
    tx: Tx, prepared: PreparedMessage, customer_id: CustomerId, decision: IdentityDecision
) -> list[NewEvent]:
    """Move rows nobody held to the customer and insert the addresses a signature named."""
    events = []
    how = decision.rule.value
    for moved in decision.move:
        tx.execute(customers.IDENTITY_MOVE, {"identity_id": moved, "to_customer": customer_id})
        _verify(tx, moved, how, prepared)
        events.append(_linked(prepared, customer_id, moved, None, how))
    for address in decision.link:
        identity_id = IdentityId(new_id())
        customers.add_identity(
            tx, identity_id, customer_id, address, name="", at=prepared.now, verified_how=how
        )
        events.append(_linked(prepared, customer_id, identity_id, address, how))
    return events


def _verify(tx: Tx, identity_id: IdentityId, how: str, prepared: PreparedMessage) -> None:
    tx.execute(
        customers.IDENTITY_VERIFIED,
        {"identity_id": identity_id, "at": to_micros(prepared.now), "how": how},
    )


def _absorb(tx: Tx, prepared: PreparedMessage, absorbed: CustomerId, into: CustomerId) -> NewEvent:
    tx.execute(customers.POINT, {"from_id": absorbed, "into_id": into})
    insert_row(
        tx,
        CustomerMerge,
        id=new_id(),
        from_id=absorbed,
        into_id=into,
        merged_by="signed_identity",
        merged_at=to_micros(prepared.now),
    )
    return new_event(
        EventKind.CUSTOMER_MERGED,
        prepared.now,
        customer=absorbed,
        data={"into": into, "by": "signed_identity"},
    )


def _linked(
    prepared: PreparedMessage,
    customer_id: CustomerId,
    identity_id: IdentityId,
    address: Address | None,
    how: str,
) -> NewEvent:
    return new_event(
        EventKind.IDENTITY_LINKED,
        prepared.now,
        customer=customer_id,
        data={
            "identity": identity_id,
            "kind": address.kind.value if address else None,
            "how": how or "claimed",
        },
    )
