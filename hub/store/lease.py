"""Leases: who acts. A row per name, renewed every second, good for five; epoch + 1 at take-over.

The holder's units begin with `check_lease`; a holder that was replaced is refused there, whatever
its clock says. A lease is taken over when its time has passed, or when it was seen unchanged for
that long by our own stopwatch (`StaleWatch`), so that a clock that jumped back cannot block it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, insert, select, update

from hub.model.clock import from_micros, to_micros
from hub.model.errors import Conflict
from hub.store.statement import stmt
from hub.store.tables import Lease, table
from hub.store.tx import Tx

LEASE_S = 5.0
"""How long a lease holds without renewal."""

_LEASE = table(Lease)
_COLUMNS = (_LEASE.c.name, _LEASE.c.holder, _LEASE.c.epoch, _LEASE.c.until)
_NAMED = _LEASE.c.name == bindparam("the_name")
_LOOK = stmt(select(*_COLUMNS).where(_NAMED).with_for_update(), name="lease.look")
_CHECK = stmt(select(_LEASE.c.epoch).where(_NAMED).with_for_update(read=True), name="lease.check")
_ADD = stmt(
    insert(_LEASE).values(
        name=bindparam("name"), holder=bindparam("holder"), epoch=1, until=bindparam("until")
    ),
    name="lease.add",
)
_SET = stmt(
    update(_LEASE)
    .where(_NAMED)
    .values(holder=bindparam("holder"), epoch=bindparam("epoch"), until=bindparam("until")),
    name="lease.set",
)
_END = stmt(
    update(_LEASE)
    .where(_NAMED, _LEASE.c.holder == bindparam("the_holder"), _LEASE.c.epoch == bindparam("of"))
    .values(until=0),
    name="lease.end",
)


@dataclass(frozen=True, slots=True)
class LeaseView:
    """A lease as it stands after a claim.

    Attributes:
        name: what it is for.
        holder: who has it.
        epoch: grows by one at each take-over.
        until: when it ends unless renewed.
        mine: whether the claimant has it now.
    """

    name: str
    holder: str
    epoch: int
    until: datetime
    mine: bool


class StaleWatch:
    """Tells by a stopwatch whether somebody else's lease has stood still too long."""

    def __init__(self, patience_s: float = LEASE_S) -> None:
        self._patience_s = patience_s
        self._seen: tuple[str, int, datetime] | None = None
        self._since_s = 0.0

    def observe(self, view: LeaseView, stopwatch_s: float) -> bool:
        """Note a claim's answer; True when the next claim may set `stale`.

        Args:
            view: what `claim_lease` returned.
            stopwatch_s: a monotonic clock's reading.
        """
        seen = (view.holder, view.epoch, view.until)
        if view.mine or seen != self._seen:
            self._seen, self._since_s = seen, stopwatch_s
            return False
        return stopwatch_s - self._since_s > self._patience_s


def claim_lease(
    tx: Tx,
    name: str,
    holder: str,
    now: datetime,
    *,
    lease_s: float = LEASE_S,
    stale: LeaseView | None = None,
) -> LeaseView:
    """Take a lease when it is free, renew it when it is ours, else say who has it.

    Args:
        tx: a writing transaction.
        name: what the lease is for.
        holder: a name of this process that no other ever has (a fresh id per start).
        now: the instant, made outside.
        lease_s: how long it holds.
        stale: the view a `StaleWatch` found standing still; taken over if it still stands so.
    """
    until = now + timedelta(seconds=lease_s)
    row = tx.one(_LOOK, {"the_name": name})
    if row is None:
        tx.execute(_ADD, {"name": name, "holder": holder, "until": to_micros(until)})
        return LeaseView(name, holder, 1, until, mine=True)
    view = LeaseView(row[0], row[1], row[2], from_micros(row[3]), mine=row[1] == holder)
    stands_still = stale is not None and (stale.holder, stale.epoch, stale.until) == (
        view.holder, view.epoch, view.until,
    )  # fmt: skip
    if view.mine and view.until > from_micros(0):
        epoch = view.epoch
    elif view.until <= now or stands_still:
        epoch = view.epoch + 1
    else:
        return view
    tx.execute(
        _SET, {"the_name": name, "holder": holder, "epoch": epoch, "until": to_micros(until)}
    )
    return LeaseView(name, holder, epoch, until, mine=True)


def check_lease(tx: Tx, name: str, epoch: int) -> None:
    """First statement of every unit a leader runs; holds the lease's row until COMMIT.

    Raises:
        Conflict: `lease_lost`: somebody else has taken over.
    """
    row = tx.one(_CHECK, {"the_name": name})
    if row is None or row[0] != epoch:
        raise Conflict("lease_lost", lease=name)


def release_lease(tx: Tx, name: str, holder: str, epoch: int) -> bool:
    """Give a lease back, so that another need not wait; False when it was no longer ours."""
    return tx.execute(_END, {"the_name": name, "the_holder": holder, "of": epoch}) == 1
