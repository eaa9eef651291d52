"""The one writer of routing rows: what router steps decided, in one unit that checks the lease.

`write` takes the decisions of one or several steps and executes exactly what they say: items fenced
by their version, offers, assignments, presence, loads, timers, owners and events, and the copies on
conversations and cases (`dispatch_copies`). Either all of it is kept or nothing.

How far the router has acted on the log is a row of `setting` (`router.cursor`), written in the same
unit: after a crash the log is read on from there, so no message is acted on twice or left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hub.model.errors import Conflict
from hub.model.ids import CustomerId, new_id
from hub.model.router_commands import Command, Outcome
from hub.model.work import ItemState, WorkItem
from hub.routing.changes import StepResult
from hub.routing.config import Rows
from hub.services.deps import Deps
from hub.services.dispatch_copies import copy_to_desk, revive
from hub.store.lease import LeaseView, check_lease, claim_lease, release_lease
from hub.store.queries import customers, items, orders, work
from hub.store.queries.orders import OpenCommand
from hub.store.queries.rows import one_dict
from hub.store.tx import Tx

LEASE = "router"
"""The lease of whoever may write routing rows."""

ANSWERED = "router.answered"
"""Topic of wake-ups: commands of other processes have their outcomes."""
COMMANDS_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one step decided.

    Attributes:
        at: the instant the step was made for.
        command: what was asked; says who acted where the result does not.
        command_id: of the `router_command` row to be answered, if it came from another process.
        revive: an ended item whose customer wrote when it was just being ended: the conversation is
            opened again with a new item.
    """

    result: StepResult
    at: datetime
    command: Command | None = None
    command_id: str | None = None
    revive: WorkItem | None = None


@dataclass(frozen=True, slots=True)
class LiveRows:
    """What a router starts from: live rows, new items and its place in the log."""

    rows: Rows
    new: list[WorkItem] = field(default_factory=list)
    cursor: int | None = None


async def write(
    deps: Deps, epoch: int, decisions: Sequence[Decision], *, cursor: int | None = None
) -> None:
    """Write decisions in their order, in one unit.

    Args:
        epoch: of the lease the caller leads by.
        cursor: the number of the last event acted on; None: unchanged.

    Raises:
        Conflict: `lease_lost`: another process leads; `stale_item`: a row has another version than
            the router believed. Nothing was kept; the router starts anew from the rows.
        StoreUnavailable: nothing was kept.
    """

    def unit(tx: Tx) -> None:
        check_lease(tx, LEASE, epoch)
        for decision in decisions:
            _write_one(tx, deps, decision)
        if any(decision.command_id for decision in decisions):
            tx.after_commit(lambda: deps.wake.notify(ANSWERED))
        if cursor is not None:
            orders.set_cursor(tx, cursor)

    await deps.db.run(unit, name="router.write")


def _write_one(tx: Tx, deps: Deps, decision: Decision) -> None:
    result = decision.result
    for change in result.items:
        if not items.save_item(tx, change.item, change.expected_version):
            raise Conflict("stale_item", item=change.item.id)
    conversations: dict[str, str | None] = {
        change.item.id: change.item.conversation_id for change in result.items
    }
    work.save_offers(tx, result.offers)
    work.save_assignments(tx, result.assignments, conversations)
    work.save_presences(tx, result.presence)
    work.save_loads(tx, result.loads)
    work.save_timers(tx, result.timers_set, result.timers_cancelled)
    events = copy_to_desk(tx, deps, result, decision.command, decision.at)
    if decision.revive is not None:
        events += revive(tx, decision.revive, decision.at)
    tx.append(events)
    if decision.command_id is not None:
        orders.answer_command(tx, decision.command_id, result.outcome, decision.at)


async def load_live(deps: Deps) -> LiveRows:
    """Return everything a router is rebuilt from, as one snapshot."""

    def unit(tx: Tx) -> LiveRows:
        found = items.live_items(tx)
        rows = Rows(
            items=[item for item in found if item.state is not ItemState.NEW],
            offers=work.live_offers(tx),
            assignments=work.live_assignments(tx),
            presence=work.presences(tx),
            timers=work.timers(tx),
        )
        new = [item for item in found if item.state is ItemState.NEW]
        return LiveRows(rows, new, orders.cursor(tx))

    return await deps.db.read(unit)


async def load_items(deps: Deps, item_ids: Sequence[str]) -> list[WorkItem]:
    """Return items as their rows are now, ended ones too."""
    if not item_ids:
        return []

    def unit(tx: Tx) -> list[WorkItem]:
        found = [items.item(tx, item_id) for item_id in item_ids]
        return [item for item in found if item is not None]

    return await deps.db.read(unit)


async def customer_levels(deps: Deps, customer_ids: Sequence[str]) -> dict[CustomerId, str]:
    """Return the levels of customers (merged ones stand under their root)."""
    if not customer_ids:
        return {}

    def unit(tx: Tx) -> dict[CustomerId, str]:
        found = {}
        for customer_id in customer_ids:
            root = customers.root_of(tx, customer_id)
            row = one_dict(tx, customers.CUSTOMER, {"id": root})
            if row is not None:
                found[CustomerId(root)] = str(row["level"])
        return found

    return await deps.db.read(unit)


async def claim(deps: Deps, holder: str, stale: LeaseView | None = None) -> LeaseView:
    """Take or renew the router's lease."""
    now = deps.clock.now()

    def unit(tx: Tx) -> LeaseView:
        return claim_lease(tx, LEASE, holder, now, stale=stale)

    return await deps.db.run(unit, name="router.claim")


async def release(deps: Deps, holder: str, epoch: int) -> None:
    """Give the lease back at the end of a process."""

    def unit(tx: Tx) -> None:
        release_lease(tx, LEASE, holder, epoch)

    await deps.db.run(unit, name="router.release")


async def send_command(deps: Deps, command: Command) -> str:
    """Leave a command for whichever process leads; return the id of its row."""
    now, command_id = deps.clock.now(), new_id()

    def unit(tx: Tx) -> None:
        orders.add_command(tx, command_id, command, now)
        tx.after_commit(lambda: deps.wake.notify(LEASE))

    await deps.db.run(unit, name="router.send")
    return command_id


async def open_commands(deps: Deps) -> list[OpenCommand]:
    """Return the commands other processes left, oldest first."""
    return await deps.db.read(orders.open_commands)


async def refuse_commands(deps: Deps, epoch: int, answers: Sequence[tuple[str, Outcome]]) -> None:
    """Answer commands that are not carried out (too old, or of a version we do not know)."""
    now = deps.clock.now()

    def unit(tx: Tx) -> None:
        check_lease(tx, LEASE, epoch)
        for command_id, outcome in answers:
            orders.answer_command(tx, command_id, outcome, now)

    await deps.db.run(unit, name="router.refuse")


async def outcome_of(deps: Deps, command_id: str) -> Outcome | None:
    """Return how a command ended, None while it has not."""

    def unit(tx: Tx) -> Outcome | None:
        return orders.outcome_of(tx, command_id)

    return await deps.db.read(unit)


async def prune_commands(deps: Deps) -> None:
    """Remove commands nobody will ask about any more."""
    before = deps.clock.now() - COMMANDS_KEPT

    def unit(tx: Tx) -> None:
        orders.prune_commands(tx, before)

    await deps.db.run(unit, name="router.prune")
