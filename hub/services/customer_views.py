"""The view of a customer: the root's row with addresses and suggestions of the whole family."""

from datetime import datetime

from hub.model.address import Address, IdentityKind
from hub.model.visibility import Viewer, sees_numbers
from hub.services.views import CustomerView, IdentityView, SuggestionView, at, when
from hub.store.queries import customers, history
from hub.store.queries.rows import Row, dicts, load_map
from hub.store.tx import Tx
from hub.unify.address import masked


def customer_view(
    tx: Tx, viewer: Viewer, root: Row, family: list[str], now: datetime
) -> CustomerView:
    """Make the view; addresses are masked for roles that must not see them whole."""
    whole = sees_numbers(viewer)
    return CustomerView(
        id=root["id"],
        name=root["name"],
        locale=root["locale"],
        zone=root["zone"],
        level=root["level"],
        care_group=root["care_group"],
        attributes=load_map(root["attributes"]),
        merged_ids=tuple(one for one in family if one != root["id"]),
        identities=tuple(
            identity_view(row, whole=whole) for row in customers.identities_of(tx, family)
        ),
        suggestions=_suggestions(tx, viewer, root["id"], family, now),
        created_at=at(root["created_at"]),
        version=root["version"],
    )


def identity_view(row: Row, *, whole: bool) -> IdentityView:
    """Make the view of an identity row."""
    address = Address(IdentityKind(row["kind"]), row["value"], row["scope"])
    return IdentityView(
        id=row["id"],
        customer_id=row["customer_id"],
        kind=row["kind"],
        scope=row["scope"],
        value=row["value"] if whole else masked(address),
        name=row["name"],
        verified_at=when(row["verified_at"]),
        verified_how=row["verified_how"],
        opted_out_at=when(row["opted_out_at"]),
        blocked_at=when(row["blocked_at"]),
        version=row["version"],
    )


def _suggestions(
    tx: Tx, viewer: Viewer, root_id: str, family: list[str], now: datetime
) -> tuple[SuggestionView, ...]:
    """Return who else it may be, best first: roots the viewer may see, each once."""
    own = set(family)
    best: dict[str, SuggestionView] = {}
    for row in dicts(tx, customers.SUGGESTIONS, {"customers": family}):
        other = row["other_id"] if row["customer_id"] in own else row["customer_id"]
        other_root = customers.root_of(tx, other)
        if other_root in own or not _seen(tx, viewer, other_root, now):
            continue
        known = best.get(other_root)
        if known is None or known.score < row["score"]:
            best[other_root] = SuggestionView(
                id=row["id"], customer_id=root_id, other_id=other_root, reason=row["reason"],
                score=row["score"],
            )  # fmt: skip
    return tuple(sorted(best.values(), key=lambda one: (-one.score, one.id)))


def _seen(tx: Tx, viewer: Viewer, root_id: str, now: datetime) -> bool:
    return history.sees_customer(tx, viewer, customers.family_of(tx, root_id), now)
