"""Customers as people handle them: look, change, add addresses, note who wants no messages.

A customer is shown as the root of those merged into it, with every address of the family. Whoever
sees one conversation of the family sees the customer; every look is in the audit table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.model.address import IdentityKind
from hub.model.case import CaseState
from hub.model.clock import to_micros
from hub.model.errors import BadInput, Conflict, NotAllowed, NotFound, VersionMismatch
from hub.model.events import EventKind, Fact, new_event
from hub.model.ids import CaseId, CustomerId, new_id
from hub.model.router_commands import CaseChanged
from hub.model.visibility import Viewer, may_edit_customers
from hub.services.customer_views import customer_view
from hub.services.deps import Deps
from hub.services.inbox import PAGE, ConversationPage
from hub.services.views import CustomerView, conversation_view
from hub.store.engine import Lane
from hub.store.queries import cases, customers, history, lists
from hub.store.queries.audits import add_audit
from hub.store.queries.lists import Key
from hub.store.queries.rows import Row, dicts, dump, load_map, one_dict
from hub.store.tx import Tx
from hub.unify.address import parse_address
from hub.unify.suggestions import SCORES, Reason

BY_AGENT = "agent"
"""`verified_how` of an address a person of ours vouches for."""
MAX_ATTRIBUTES = 100


@dataclass(frozen=True, slots=True)
class CustomerChange:
    """What is None stays. An attribute of None is removed, the others are set."""

    name: str | None = None
    locale: str | None = None
    zone: str | None = None
    level: str | None = None
    care_group: str | None = None
    attributes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A customer with everybody merged into it; `root` is the row that stands for them."""

    root: Row
    ids: list[str]

    @property
    def id(self) -> CustomerId:
        """The root's id."""
        return CustomerId(self.root["id"])


def require_family(tx: Tx, viewer: Viewer, customer_id: str, now: datetime) -> Family:
    """Return the family of a customer the viewer may see.

    Raises:
        NotFound: there is none, or it is not to be seen.
    """
    root_id = customers.root_of(tx, customer_id)
    row = one_dict(tx, customers.CUSTOMER, {"id": root_id})
    family = customers.family_of(tx, root_id)
    if row is None or not history.sees_customer(tx, viewer, family, now):
        raise NotFound
    return Family(row, family)


def require_edit(viewer: Viewer) -> None:
    """Raise NotAllowed unless the viewer may change customers they see."""
    if not may_edit_customers(viewer):
        raise NotAllowed


async def show_customer(
    deps: Deps, viewer: Viewer, customer_id: str, *, screen: str = ""
) -> CustomerView:
    """Return a customer with addresses and suggestions; the look is audited.

    Raises:
        NotFound: there is none, or it is not to be seen.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> CustomerView:
        family = require_family(tx, viewer, customer_id, now)
        add_audit(
            tx, now, actor=viewer.agent_id, action="customer.read",
            target=f"customer:{family.id}", screen=screen,
        )  # fmt: skip
        return customer_view(tx, viewer, family.root, family.ids, now)

    # One unit: nobody reads a customer's record without the row that says so.
    return await deps.db.run(unit, lane=Lane.BACKGROUND, name="customer.read")


async def customer_history(
    deps: Deps, viewer: Viewer, customer_id: str, *, after: Key | None = None, limit: int = PAGE
) -> ConversationPage:
    """Return the conversations of a customer that the viewer may see, newest first.

    Raises:
        NotFound: there is none, or it is not to be seen.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> ConversationPage:
        family = require_family(tx, viewer, customer_id, now)
        size = min(limit, lists.MAX_PAGE)
        keys = history.page(tx, viewer, family.ids, now, after, size)
        found = lists.heads(tx, [key.id for key in keys])
        tags = lists.tags_of(tx, list(found))
        last = keys[-1] if len(keys) >= size else None
        return ConversationPage(
            items=tuple(
                conversation_view(found[key.id], tags.get(key.id, []))
                for key in keys
                if key.id in found
            ),
            next=f"{last.value}.{last.id}" if last else None,
        )

    return await deps.db.read(unit)


async def change_customer(
    deps: Deps, viewer: Viewer, customer_id: str, change: CustomerChange, if_version: int
) -> CustomerView:
    """Change a customer; of a merged one, the root. A new level reaches the waiting work.

    Raises:
        NotFound, NotAllowed: as the viewer's sight and roles say.
        VersionMismatch: somebody changed it before.
        BadInput: `zone_unknown`, `too_many_attributes`.
    """
    require_edit(viewer)
    now = deps.clock.now()
    _check_zone(change.zone)

    def unit(tx: Tx) -> tuple[CustomerView, list[str]]:
        family = require_family(tx, viewer, customer_id, now)
        new, fields = _merged_fields(family.root, change)
        if family.root["version"] != if_version:
            raise VersionMismatch(version=family.root["version"])
        if fields:
            params: dict[str, Any] = {
                "customer_id": family.id,
                "if_version": if_version,
                "at": to_micros(now),
            }
            if not tx.execute(customers.CUSTOMER_UPDATE, {**params, **new}):
                raise VersionMismatch
            tell(tx, viewer, EventKind.CUSTOMER_CHANGED, family.id, now, {"fields": list(fields)})
            add_audit(
                tx, now, actor=viewer.agent_id, action="customer.changed",
                target=f"customer:{family.id}", facts={"fields": fields},
            )  # fmt: skip
        after = require_family(tx, viewer, customer_id, now)
        view = customer_view(tx, viewer, after.root, after.ids, now)
        return view, _open_cases(tx, after.ids) if "level" in fields else []

    view, open_cases = await deps.db.run(unit, name="customer.change")
    for case_id in open_cases:
        await deps.router.submit(CaseChanged(CaseId(case_id), customer_level=view.level))
    return view


def _check_zone(zone: str | None) -> None:
    if zone:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise BadInput("zone_unknown") from None


def _merged_fields(row: Row, change: CustomerChange) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters of the update and the names of what differs."""
    new: dict[str, Any] = {}
    fields: list[str] = []
    for name in ("name", "locale", "zone", "level", "care_group"):
        value = getattr(change, name)
        new[f"new_{name}"] = row[name] if value is None else value
        if value is not None and value != row[name]:
            fields.append(name)
    old = load_map(row["attributes"])
    merged = {**old, **(change.attributes or {})}
    merged = {name: value for name, value in merged.items() if value is not None}
    if len(merged) > MAX_ATTRIBUTES:
        raise BadInput("too_many_attributes", limit=MAX_ATTRIBUTES)
    new["new_attributes"] = dump(merged)
    if merged != old:
        fields.append("attributes")
    return new, fields


def _open_cases(tx: Tx, family: list[str]) -> list[str]:
    rows = dicts(tx, cases.OF_CUSTOMERS, {"customers": family})
    return [row["id"] for row in rows if row["state"] == CaseState.OPEN.value]


async def add_identity(
    deps: Deps, viewer: Viewer, customer_id: str, kind: IdentityKind, raw: str, *, scope: str = ""
) -> CustomerView:
    """Add an address a person of ours vouches for, or confirm one that was only claimed.

    An address somebody else holds is not taken from them: the two become a suggestion.

    Raises:
        NotFound, NotAllowed: as the viewer's sight and roles say.
        BadInput: `address_invalid`.
        Conflict: `identity_held`, with `customer` when that one may be seen.
    """
    require_edit(viewer)
    now, fresh, link = deps.clock.now(), new_id(), new_id()
    address = parse_address(kind, raw, region=deps.organisation.region, scope=scope)

    def unit(tx: Tx) -> CustomerView | Conflict:
        family = require_family(tx, viewer, customer_id, now)
        row = customers.identity_at(tx, address)
        if row is not None and row["customer_id"] not in family.ids:
            return _held(tx, viewer, family, row, link, now)
        how: dict[str, Any] = {"at": to_micros(now), "how": BY_AGENT}
        if row is None:
            customers.add_identity(
                tx, fresh, family.id, address, name="", at=now, verified_how=BY_AGENT
            )
        elif not tx.execute(customers.IDENTITY_VERIFIED, {"identity_id": row["id"], **how}):
            return customer_view(tx, viewer, family.root, family.ids, now)
        identity_id = fresh if row is None else str(row["id"])
        facts: dict[str, Fact] = {"identity": identity_id, "kind": kind.value, "how": BY_AGENT}
        tell(tx, viewer, EventKind.IDENTITY_LINKED, family.id, now, facts)
        add_audit(
            tx, now, actor=viewer.agent_id, action="identity.confirmed",
            target=f"customer:{family.id}", facts=facts,
        )  # fmt: skip
        return customer_view(tx, viewer, family.root, family.ids, now)

    done = await deps.db.run(unit, name="identity.add")
    if isinstance(done, Conflict):
        raise done
    return done


def _held(
    tx: Tx, viewer: Viewer, family: Family, row: Row, link_id: str, now: datetime
) -> Conflict:
    """Suggest the holder, and say who that is to whoever may know."""
    holder = customers.root_of(tx, row["customer_id"])
    reason = Reason.BOTH_VERIFIED if row["verified_at"] else Reason.CLAIMED_BEFORE
    customers.suggest(
        tx, id=link_id, customer_id=family.id, other_id=holder, reason=reason.value,
        score=SCORES[reason], at=now,
    )  # fmt: skip
    tell(tx, viewer, EventKind.CUSTOMER_CHANGED, family.id, now, {"fields": ["suggestions"]})
    seen = history.sees_customer(tx, viewer, customers.family_of(tx, holder), now)
    return Conflict("identity_held", customer=holder if seen else None)


async def set_opted_out(
    deps: Deps, viewer: Viewer, identity_id: str, *, opted_out: bool, reason: str = ""
) -> CustomerView:
    """Note that an address wants no messages, or wants them again.

    Raises:
        NotFound, NotAllowed: as the viewer's sight and roles say.
    """
    require_edit(viewer)
    now = deps.clock.now()

    def unit(tx: Tx) -> CustomerView:
        row = one_dict(tx, customers.IDENTITY, {"id": identity_id})
        if row is None:
            raise NotFound
        family = require_family(tx, viewer, row["customer_id"], now)
        if (row["opted_out_at"] is not None) is not opted_out:
            at = to_micros(now) if opted_out else None
            tx.execute(customers.IDENTITY_OPT, {"identity_id": identity_id, "at": at})
            facts: dict[str, Fact] = {"identity": identity_id, "opted_out": opted_out}
            tell(tx, viewer, EventKind.IDENTITY_CHANGED, family.id, now, facts)
            add_audit(
                tx, now, actor=viewer.agent_id, action="identity.opted", reason=reason,
                target=f"customer:{family.id}", facts=facts,
            )  # fmt: skip
        return customer_view(tx, viewer, family.root, family.ids, now)

    return await deps.db.run(unit, name="identity.opt")


def tell(
    tx: Tx,
    viewer: Viewer,
    kind: EventKind,
    customer_id: str,
    now: datetime,
    facts: Mapping[str, Fact],
) -> None:  # noqa: PLR0913 - the columns of the event
    """Append an event about a customer, done by the viewer."""
    data = dict(facts)
    if kind is EventKind.CUSTOMER_CHANGED:
        data["by"] = viewer.agent_id
    tx.append(
        [new_event(kind, now, actor=viewer.agent_id, customer=CustomerId(customer_id), data=facts)]
    )
