"""Two customers are one: merge, undo, and suggestions that a person accepts or rejects.

A merge writes one row and one pointer and changes nothing else; undoing it clears the pointer. What
came in meanwhile stays with the customer of its own address.
"""

from dataclasses import dataclass
from datetime import datetime

from hub.model.clock import to_micros
from hub.model.conversation import SystemLine
from hub.model.errors import Conflict, NotAllowed, NotFound
from hub.model.events import EventKind, Fact, new_event
from hub.model.ids import ConversationId, CustomerId, QueueId, new_id
from hub.model.visibility import Role, Viewer, may_supervise
from hub.services.customer_views import customer_view
from hub.services.customers import Family, require_edit, require_family
from hub.services.deps import Deps
from hub.services.views import CustomerView
from hub.store.queries import customers, history, outcomes
from hub.store.queries.audits import add_audit
from hub.store.queries.rows import Row, dicts, insert_row, one_dict
from hub.store.tables import CustomerMerge
from hub.store.tx import Tx

ACCEPTED = "accepted"
REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class _Pair:
    """Who goes into whom."""

    gone: Family
    root: Family


async def merge_customers(
    deps: Deps, viewer: Viewer, customer_id: str, into_id: str, *, reason: str = ""
) -> CustomerView:
    """Merge a customer into another; both are resolved to their roots first.

    Raises:
        NotFound, NotAllowed: one of them is not to be seen, or customers not to be changed.
        Conflict: `already_merged`: they are one already.
    """
    require_edit(viewer)
    now = deps.clock.now()

    def unit(tx: Tx) -> CustomerView:
        gone = require_family(tx, viewer, customer_id, now)
        root = require_family(tx, viewer, into_id, now)
        return _merge(tx, viewer, _Pair(gone, root), reason, now)

    return await deps.db.run(unit, name="customer.merge")


def _merge(tx: Tx, viewer: Viewer, pair: _Pair, reason: str, now: datetime) -> CustomerView:
    gone, root = pair.gone, pair.root
    if gone.id == root.id:
        raise Conflict("already_merged", customer=root.id)
    # Lines go where people look: into the newest talk of either side, before they are one.
    talks = [history.newest(tx, gone.ids), history.newest(tx, root.ids)]
    pointed = tx.execute(customers.POINT, {"from_id": gone.id, "into_id": root.id})
    # Two people who merge the same two the other way round at once must not make a circle.
    if not pointed or not tx.execute(customers.HOLD, {"root_id": root.id}):
        raise Conflict("already_merged", customer=root.id)
    insert_row(
        tx, CustomerMerge, id=new_id(), from_id=gone.id, into_id=root.id,
        merged_by=viewer.agent_id, merged_at=to_micros(now),
    )  # fmt: skip
    _settle(tx, viewer, {*gone.ids, *root.ids}, now)
    facts: dict[str, Fact] = {"into": root.id, "by": str(viewer.agent_id)}
    _tell(tx, viewer, EventKind.CUSTOMER_MERGED, gone.id, now, facts)
    for talk in dict.fromkeys(talk for talk in talks if talk is not None):
        _line(tx, viewer, talk, gone.id, now)
    add_audit(
        tx, now, actor=viewer.agent_id, action="customer.merged", target=f"customer:{gone.id}",
        reason=reason, facts={"into": root.id},
    )  # fmt: skip
    after = require_family(tx, viewer, root.id, now)
    return customer_view(tx, viewer, after.root, after.ids, now)


async def undo_merge(
    deps: Deps, viewer: Viewer, merge_or_customer_id: str, *, reason: str = ""
) -> CustomerView:
    """Undo a merge, named by itself or by the customer that went into another; latest first.

    The person who merged may undo it, and whoever supervises a queue of the customer's talk.

    Raises:
        NotFound: no such merge that stands, or the customer is not to be seen.
        NotAllowed: neither merged it nor supervises.
        Conflict: `merged_since`: what it went into was itself merged later (param `customer`).
    """
    require_edit(viewer)
    now = deps.clock.now()

    def unit(tx: Tx) -> CustomerView:
        row = one_dict(tx, customers.MERGE_LIVE, {"id": merge_or_customer_id})
        if row is None:
            raise NotFound
        before = require_family(tx, viewer, row["from_id"], now)
        _require_undo(tx, viewer, row, before)
        if before.id != row["into_id"]:
            raise Conflict("merged_since", customer=row["into_id"])
        tx.execute(
            customers.MERGE_UNDO,
            {"merge_id": row["id"], "at": to_micros(now), "by": viewer.agent_id},
        )
        tx.execute(customers.UNPOINT, {"from_id": row["from_id"]})
        facts: dict[str, Fact] = {"from": row["into_id"], "by": str(viewer.agent_id)}
        _tell(tx, viewer, EventKind.CUSTOMER_UNMERGED, CustomerId(row["from_id"]), now, facts)
        add_audit(
            tx, now, actor=viewer.agent_id, action="customer.unmerged", reason=reason,
            target=f"customer:{row['from_id']}", facts={"from": row["into_id"]},
        )  # fmt: skip
        alone = customers.family_of(tx, row["from_id"])
        root = one_dict(tx, customers.CUSTOMER, {"id": row["from_id"]})
        if root is None:
            raise NotFound
        return customer_view(tx, viewer, root, alone, now)

    return await deps.db.run(unit, name="customer.unmerge")


def _require_undo(tx: Tx, viewer: Viewer, row: Row, family: Family) -> None:
    if row["merged_by"] == viewer.agent_id:
        return
    if not supervises(tx, viewer, family):
        raise NotAllowed


def supervises(tx: Tx, viewer: Viewer, family: Family) -> bool:
    """Tell whether the viewer supervises a queue of the family's talk."""
    if Role.SUPERVISOR not in viewer.roles:
        return False
    return any(may_supervise(viewer, QueueId(q)) for q in history.queues_of(tx, family.ids))


async def accept_suggestion(
    deps: Deps, viewer: Viewer, link_id: str, *, into_id: str | None = None, reason: str = ""
) -> CustomerView:
    """Merge the two customers of a suggestion, the younger into the older one.

    Args:
        into_id: which of the two shall stand for both instead.

    Raises:
        NotFound, NotAllowed: as the viewer's sight and roles say.
        Conflict: `already_decided`, `already_merged`.
    """
    require_edit(viewer)
    now = deps.clock.now()

    def unit(tx: Tx) -> CustomerView:
        row = _open_link(tx, link_id)
        one = require_family(tx, viewer, row["customer_id"], now)
        other = require_family(tx, viewer, row["other_id"], now)
        pair = _direct(one, other, None if into_id is None else customers.root_of(tx, into_id))
        view = _merge(tx, viewer, pair, reason, now)
        _decide(tx, viewer, row["id"], ACCEPTED, now)
        return view

    return await deps.db.run(unit, name="suggestion.accept")


def _direct(one: Family, other: Family, into: str | None) -> _Pair:
    by_age = sorted((one, other), key=lambda f: (f.root["created_at"], f.id))
    older, younger = by_age
    if into is None or into == older.id:
        return _Pair(younger, older)
    if into == younger.id:
        return _Pair(older, younger)
    raise NotFound


async def reject_suggestion(deps: Deps, viewer: Viewer, link_id: str) -> None:
    """Say that two customers are not one; the suggestion does not come back.

    Raises:
        NotFound, NotAllowed: as the viewer's sight and roles say.
        Conflict: `already_decided`.
    """
    require_edit(viewer)
    now = deps.clock.now()

    def unit(tx: Tx) -> None:
        row = _open_link(tx, link_id)
        one = require_family(tx, viewer, row["customer_id"], now)
        require_family(tx, viewer, row["other_id"], now)
        _decide(tx, viewer, row["id"], REJECTED, now)
        add_audit(
            tx, now, actor=viewer.agent_id, action="suggestion.rejected",
            target=f"customer:{one.id}", facts={"other": row["other_id"]},
        )  # fmt: skip
        facts: dict[str, Fact] = {"fields": ["suggestions"], "by": str(viewer.agent_id)}
        _tell(tx, viewer, EventKind.CUSTOMER_CHANGED, one.id, now, facts)

    await deps.db.run(unit, name="suggestion.reject")


def _open_link(tx: Tx, link_id: str) -> Row:
    row = one_dict(tx, customers.LINK, {"id": link_id})
    if row is None:
        raise NotFound
    if row["state"] != "suggested":
        raise Conflict("already_decided", state=row["state"])
    return row


def _settle(tx: Tx, viewer: Viewer, family: set[str], now: datetime) -> None:
    """Close suggestions that the merge made true."""
    for link in dicts(tx, customers.SUGGESTIONS, {"customers": sorted(family)}):
        if {link["customer_id"], link["other_id"]} <= family:
            _decide(tx, viewer, link["id"], ACCEPTED, now)


def _decide(tx: Tx, viewer: Viewer, link_id: str, state: str, now: datetime) -> None:
    tx.execute(
        customers.DECIDE_LINK,
        {"link_id": link_id, "new_state": state, "by": viewer.agent_id, "at": to_micros(now)},
    )


def _tell(  # noqa: PLR0913 - the columns of the event
    tx: Tx,
    viewer: Viewer,
    kind: EventKind,
    customer_id: CustomerId,
    now: datetime,
    facts: dict[str, Fact],
) -> None:
    tx.append([new_event(kind, now, actor=viewer.agent_id, customer=customer_id, data=facts)])


def _line(tx: Tx, viewer: Viewer, talk: str, gone: str, now: datetime) -> None:
    """Leave a remark in a timeline; the event that carries it makes open screens show it."""
    line = outcomes.add_line(
        tx, talk, SystemLine.CUSTOMER_MERGED.value, {"from": gone, "agent": viewer.agent_id}, now
    )
    tx.append(
        [
            new_event(
                EventKind.CONVERSATION_CHANGED, now, actor=viewer.agent_id,
                conversation=ConversationId(talk), message=line,
                data={"fields": ["customer"], "by": viewer.agent_id},
            )
        ]
    )  # fmt: skip
