"""Customers and their identities: look-up in normal form, roots of merges, suggestions."""

from datetime import datetime

from sqlalchemy import bindparam, func, null, or_, select, update

from hub.model.address import Address
from hub.model.clock import to_micros
from hub.store.engine import Tx
from hub.store.queries.rows import Row, dicts, insert_row, one_dict, upsert
from hub.store.statement import stmt
from hub.store.tables import Customer, CustomerLink, CustomerMerge, Identity, table

_customer = table(Customer)
_identity = table(Identity)
_link = table(CustomerLink)
_merge = table(CustomerMerge)

BY_ADDRESS = stmt(
    select(_identity, _customer.c.merged_into.label("customer_merged_into"))
    .join(_customer, _customer.c.id == _identity.c.customer_id)
    .where(
        _identity.c.kind == bindparam("kind"),
        _identity.c.scope == bindparam("scope"),
        _identity.c.value == bindparam("value"),
    ),
    name="identity.by_address",
)
BY_VALUE = stmt(
    select(_identity)
    .where(_identity.c.kind == bindparam("kind"), _identity.c.value == bindparam("value"))
    .limit(20),
    name="identity.by_value",
)
IDENTITY = stmt(select(_identity).where(_identity.c.id == bindparam("id")), name="identity")
CUSTOMER = stmt(select(_customer).where(_customer.c.id == bindparam("id")), name="customer")
# A merge points at a root of its time; later merges of that root make chains, hence the recursion.
_up = (
    select(_customer.c.id, _customer.c.merged_into)
    .where(_customer.c.id == bindparam("id"))
    .cte("up", recursive=True)
)
_up = _up.union(
    select(_customer.c.id, _customer.c.merged_into).join(_up, _customer.c.id == _up.c.merged_into)
)
ROOT = stmt(select(_up.c.id).where(_up.c.merged_into.is_(None)), name="customer.root")
_down = select(_customer.c.id).where(_customer.c.id == bindparam("id")).cte("down", recursive=True)
_down = _down.union(select(_customer.c.id).join(_down, _customer.c.merged_into == _down.c.id))
FAMILY = stmt(select(_down.c.id), name="customer.family")
IDENTITIES = stmt(
    select(_identity)
    .where(_identity.c.customer_id.in_(bindparam("customers", expanding=True)))
    .order_by(_identity.c.created_at),
    name="identities",
)
IDENTITY_VERIFIED = stmt(
    update(_identity)
    .where(_identity.c.id == bindparam("identity_id"), _identity.c.verified_at.is_(None))
    .values(
        verified_at=bindparam("at"),
        verified_how=bindparam("how"),
        version=_identity.c.version + 1,
    ),
    name="identity.verified",
)
IDENTITY_OPT = stmt(
    update(_identity)
    .where(_identity.c.id == bindparam("identity_id"))
    .values(opted_out_at=bindparam("at"), version=_identity.c.version + 1),
    name="identity.opt",
)
IDENTITY_BLOCK = stmt(
    update(_identity)
    .where(_identity.c.id == bindparam("identity_id"))
    .values(blocked_at=bindparam("at"), version=_identity.c.version + 1),
    name="identity.block",
)
IDENTITY_MOVE = stmt(
    update(_identity)
    .where(_identity.c.id == bindparam("identity_id"))
    .values(customer_id=bindparam("to_customer"), version=_identity.c.version + 1),
    name="identity.move",
)
IDENTITY_ADDRESS = stmt(
    update(_identity)
    .where(_identity.c.id == bindparam("identity_id"))
    .values(
        scope=bindparam("new_scope"), value=bindparam("new_value"), version=_identity.c.version + 1
    ),
    name="identity.address",
)
IDENTITY_NAME = stmt(
    update(_identity)
    .where(_identity.c.id == bindparam("identity_id"), _identity.c.name == "")
    .values(name=bindparam("new_name")),
    name="identity.name",
)
CUSTOMER_NAME = stmt(
    update(_customer)
    .where(_customer.c.id == bindparam("customer_id"), _customer.c.name == "")
    .values(name=bindparam("new_name"), version=_customer.c.version + 1),
    name="customer.name",
)
CUSTOMER_UPDATE = stmt(
    update(_customer)
    .where(
        _customer.c.id == bindparam("customer_id"), _customer.c.version == bindparam("if_version")
    )
    .values(
        name=bindparam("new_name"),
        locale=bindparam("new_locale"),
        zone=bindparam("new_zone"),
        level=bindparam("new_level"),
        care_group=bindparam("new_care_group"),
        attributes=bindparam("new_attributes"),
        updated_at=bindparam("at"),
        version=_customer.c.version + 1,
    ),
    name="customer.update",
)
POINT = stmt(
    update(_customer)
    .where(_customer.c.id == bindparam("from_id"), _customer.c.merged_into.is_(None))
    .values(merged_into=bindparam("into_id"), version=_customer.c.version + 1),
    name="customer.point",
)
# Changes nothing, but no other unit may merge the root away until this one has ended.
HOLD = stmt(
    update(_customer)
    .where(_customer.c.id == bindparam("root_id"), _customer.c.merged_into.is_(None))
    .values(merged_into=null()),
    name="customer.hold",
)
UNPOINT = stmt(
    update(_customer)
    .where(_customer.c.id == bindparam("from_id"), _customer.c.merged_into.is_not(None))
    .values(merged_into=null(), version=_customer.c.version + 1),
    name="customer.unpoint",
)
MERGE_LIVE = stmt(
    select(_merge).where(
        _merge.c.undone_at.is_(None),
        or_(_merge.c.id == bindparam("id"), _merge.c.from_id == bindparam("id")),
    ),
    name="merge.live",
)
MERGES_INTO = stmt(
    select(_merge).where(_merge.c.into_id == bindparam("into_id"), _merge.c.undone_at.is_(None)),
    name="merges.into",
)
MERGE_UNDO = stmt(
    update(_merge)
    .where(_merge.c.id == bindparam("merge_id"), _merge.c.undone_at.is_(None))
    .values(undone_at=bindparam("at"), undone_by=bindparam("by")),
    name="merge.undo",
)
SUGGEST = upsert(
    _link,
    keys=("customer_id", "other_id", "reason"),
    update=("score",),
    name="customer_link.suggest",
)
SUGGESTIONS = stmt(
    select(_link).where(
        _link.c.state == "suggested",
        or_(
            _link.c.customer_id.in_(bindparam("customers", expanding=True)),
            _link.c.other_id.in_(bindparam("customers", expanding=True)),
        ),
    ),
    name="customer_links",
)
DECIDE_LINK = stmt(
    update(_link)
    .where(_link.c.id == bindparam("link_id"), _link.c.state == "suggested")
    .values(state=bindparam("new_state"), decided_by=bindparam("by"), decided_at=bindparam("at")),
    name="customer_link.decide",
)
LINK = stmt(select(_link).where(_link.c.id == bindparam("id")), name="customer_link")
CUSTOMERS_PAGE = stmt(
    select(_customer)
    .where(
        _customer.c.merged_into.is_(None),
        _customer.c.id < bindparam("before"),
        func.lower(_customer.c.name).like(bindparam("pattern")),
    )
    .order_by(_customer.c.id.desc())
    .limit(bindparam("limit")),
    name="customers.page",
)


def identity_at(tx: Tx, address: Address) -> Row | None:
    """Return the identity row of an address, with `customer_merged_into` of its customer."""
    return one_dict(
        tx, BY_ADDRESS, {"kind": address.kind, "scope": address.scope, "value": address.value}
    )


def root_of(tx: Tx, customer_id: str) -> str:
    """Return the customer that stands for `customer_id` after merges (itself without one)."""
    row = tx.one(ROOT, {"id": customer_id})
    return customer_id if row is None else str(row[0])


def family_of(tx: Tx, root_id: str) -> list[str]:
    """Return the root and every customer merged into it, directly or through others."""
    return [str(row[0]) for row in tx.run(FAMILY, {"id": root_id})]


def add_customer(tx: Tx, customer_id: str, *, name: str, locale: str, at: datetime) -> None:
    """Insert a new customer."""
    now = to_micros(at)
    insert_row(
        tx, Customer, id=customer_id, name=name[:300], locale=locale, created_at=now, updated_at=now
    )


def add_identity(  # noqa: PLR0913 - the columns of the row
    tx: Tx,
    identity_id: str,
    customer_id: str,
    address: Address,
    *,
    name: str,
    at: datetime,
    verified_how: str = "",
) -> None:
    """Insert an identity; `verified_how` empty means it is only claimed."""
    now = to_micros(at)
    insert_row(
        tx,
        Identity,
        id=identity_id,
        customer_id=customer_id,
        kind=address.kind.value,
        scope=address.scope,
        value=address.value,
        name=name[:300],
        verified_at=now if verified_how else None,
        verified_how=verified_how,
        created_at=now,
    )


def identities_of(tx: Tx, customers: list[str]) -> list[Row]:
    """Return the identities of several customers, oldest first."""
    return dicts(tx, IDENTITIES, {"customers": customers})


def suggest(
    tx: Tx, *, id: str, customer_id: str, other_id: str, reason: str, score: int, at: datetime
) -> None:  # noqa: PLR0913 - the columns of the row
    """Write a suggestion that two customers are one, unless it was made or decided before."""
    if customer_id == other_id or tx.one(LINKED, {"a": customer_id, "b": other_id}) is not None:
        return
    insert_row(
        tx,
        CustomerLink,
        id=id,
        customer_id=customer_id,
        other_id=other_id,
        reason=reason,
        score=score,
        created_at=to_micros(at),
    )


LINKED = stmt(
    select(_link.c.id).where(
        or_(
            (_link.c.customer_id == bindparam("a")) & (_link.c.other_id == bindparam("b")),
            (_link.c.customer_id == bindparam("b")) & (_link.c.other_id == bindparam("a")),
        )
    ),
    name="customer_link.exists",
)
