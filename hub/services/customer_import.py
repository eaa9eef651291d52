"""Customers known from elsewhere: a CRM's export, or the demo's people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.model.address import Address
from hub.model.clock import to_micros
from hub.model.events import EventKind, NewEvent, new_event
from hub.model.ids import CustomerId, new_id
from hub.services.deps import Deps
from hub.store.queries import customers
from hub.store.queries.rows import insert_row
from hub.store.tables import Customer, Identity
from hub.store.tx import Tx
from hub.unify.address import canonical


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    """One customer with addresses that whoever imports them vouches for."""

    name: str
    addresses: tuple[Address, ...]
    locale: str = ""
    zone: str = ""
    level: str = "basic"
    care_group: str = ""


async def import_customers(deps: Deps, known: Sequence[KnownCustomer], *, actor: str) -> int:
    """Insert customers whose addresses nobody holds yet, in one unit; return how many.

    A customer of whom any address is known already is left as it is.

    Raises:
        BadInput: an address that is none.
    """
    now, region = deps.clock.now(), deps.organisation.region
    rows = [
        (one, [canonical(address, region=region) for address in one.addresses], new_id())
        for one in known
    ]

    def unit(tx: Tx) -> int:
        made = 0
        for one, addresses, customer_id in rows:
            if any(customers.identity_at(tx, address) is not None for address in addresses):
                continue
            _insert(tx, deps, one, addresses, customer_id)
            tx.append([_told(now, customer_id, actor)])
            made += 1
        return made

    return await deps.db.run(unit, name="customer.import")


def _told(now: datetime, customer_id: str, actor: str) -> NewEvent:
    return new_event(
        EventKind.CUSTOMER_CHANGED,
        now,
        actor=actor,
        customer=CustomerId(customer_id),
        data={"fields": ["created"], "by": actor},
    )


def _insert(
    tx: Tx, deps: Deps, one: KnownCustomer, addresses: list[Address], customer_id: str
) -> None:
    at = to_micros(deps.clock.now())
    insert_row(
        tx, Customer, id=customer_id, name=one.name, locale=one.locale, zone=one.zone,
        level=one.level, care_group=one.care_group, created_at=at, updated_at=at,
    )  # fmt: skip
    for address in addresses:
        insert_row(
            tx, Identity, id=new_id(), customer_id=customer_id, kind=address.kind.value,
            scope=address.scope, value=address.value, name=one.name, verified_at=at,
            verified_how="imported", created_at=at,
        )  # fmt: skip
