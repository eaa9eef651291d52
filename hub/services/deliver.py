"""What became of a delivery: our own attempts, and the provider's word about them.

Only the table of moves (`model.delivery`) decides what changes; whatever it does not know is
ignored and counted. An attempt that may have reached the provider is never repeated by the hub.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.model.channel import Receipt, StatusReport
from hub.model.clock import from_micros, to_micros
from hub.model.delivery import (
    CHAT_RETRY_LIMIT_S,
    HOLD_LATER_LIMIT_S,
    RETRY_DELAYS_S,
    DeliveryState,
    MoveBy,
)
from hub.model.errors import Conflict, NotFound, SendError
from hub.model.events import EventKind, new_event
from hub.model.ids import ConversationId, MessageId
from hub.services import metrics
from hub.services.deps import Deps
from hub.store.engine import Lane
from hub.store.queries import conversations, deliveries
from hub.store.queries.rows import Row, dicts, one_dict
from hub.store.statement import Params
from hub.store.tx import Tx

CLAIM_S = 60
"""A claim lasts this long; an attempt is cut off well before (see workers.sender)."""


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose time has come."""

    id: str
    channel_id: str


async def due(deps: Deps, channels: Sequence[str], limit: int = 50) -> list[Due]:
    """Return deliveries of these channels that may be sent now, oldest first.

    Order is kept per conversation and identity: what must wait for an earlier one is left out.
    """
    now = deps.clock.now()
    params: Params = {
        "now": to_micros(now),
        "hold_since": to_micros(now - timedelta(seconds=HOLD_LATER_LIMIT_S)),
        "channels": channels,
        "limit": limit,
    }

    def unit(tx: Tx) -> list[Due]:
        return [Due(row[0], row[1]) for row in tx.run(deliveries.DUE, params)]

    return await deps.db.read(unit)


async def next_due(deps: Deps) -> datetime | None:
    """Return when the next delivery that waits for a retry is due, for the sender's sleep."""
    now = to_micros(deps.clock.now())

    def unit(tx: Tx) -> datetime | None:
        row = tx.one(deliveries.NEXT_DUE, {"now": now})
        return None if row is None or row[0] is None else from_micros(row[0])

    return await deps.db.read(unit)


async def claim(deps: Deps, delivery_id: str, by: str) -> Row | None:
    """Take a due delivery for one attempt; None when somebody else was first."""
    now = deps.clock.now()
    until = now + timedelta(seconds=CLAIM_S)

    def unit(tx: Tx) -> Row | None:
        row = deliveries.claim(tx, delivery_id, now=now, until=until, by=by)
        if row is not None:
            _told(tx, row, "queued", now)
        return row

    return await deps.db.run(unit, lane=Lane.BACKGROUND, name="deliver.claim")


async def record_sent(deps: Deps, row: Row, receipt: Receipt) -> None:
    """Write that the provider took the part.

    The provider's own callback may have been faster: then the move is refused, and only the
    external id is added.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> None:
        moved = deliveries.move(
            tx, row["id"], receipt.state, MoveBy.SENDER, now=now, external_id=receipt.external_id
        )
        _attempt_ended(tx, row, "ok", "", now)
        if moved is None:
            tx.execute(
                deliveries.EXTERNAL,
                {"delivery_id": row["id"], "new_external": receipt.external_id or None},
            )
        else:
            _told(tx, moved, "sending", now)

    await deps.db.run(unit, lane=Lane.BACKGROUND, name="deliver.sent")


async def record_failure(deps: Deps, row: Row, error: SendError, *, live: bool) -> DeliveryState:
    """Write how an attempt failed and what follows: a retry, the end, or not knowing."""
    now = deps.clock.now()
    state, wait_s = after_failure(row, error, now, live=live)
    due_at = now + timedelta(seconds=wait_s)

    def unit(tx: Tx) -> None:
        moved = deliveries.move(
            tx,
            row["id"],
            state,
            MoveBy.SENDER,
            now=now,
            due=due_at,
            error_code=error.code,
            provider_code=error.provider_code or "",
            maybe_sent=error.maybe_sent,
        )
        _attempt_ended(tx, row, "unknown" if error.maybe_sent else "failed", error.code, now)
        if moved is not None:
            _told(tx, moved, "sending", now)

    await deps.db.run(unit, lane=Lane.BACKGROUND, name="deliver.failed")
    return state


def after_failure(
    row: Row, error: SendError, now: datetime, *, live: bool, spread: float | None = None
) -> tuple[DeliveryState, float]:
    """Decide the state after a failed attempt and how many seconds to wait before the next.

    Args:
        spread: in [-1, 1], by default random: the back-off varies by 20 %.
    """
    if error.maybe_sent:
        return DeliveryState.UNKNOWN, 0.0
    attempt = int(row["attempt"])
    if not error.retryable or attempt > len(RETRY_DELAYS_S):
        return DeliveryState.FAILED, 0.0
    jitter = random.uniform(-1, 1) if spread is None else spread  # noqa: S311 - not a secret
    wait_s = RETRY_DELAYS_S[attempt - 1] * (1 + 0.2 * jitter)
    if error.retry_after_s is not None:
        wait_s = max(wait_s, error.retry_after_s)
    age_s = (now - from_micros(row["created_at"])).total_seconds()
    if live and age_s + wait_s > CHAT_RETRY_LIMIT_S:
        return DeliveryState.FAILED, 0.0
    return DeliveryState.QUEUED, wait_s


async def sweep_lapsed(deps: Deps) -> int:
    """Turn claims that ran out into `unknown`: whoever held them died between call and record."""
    now = deps.clock.now()

    def unit(tx: Tx) -> int:
        lapsed = dicts(tx, deliveries.LAPSED, {"now": to_micros(now)})
        for row in lapsed:
            moved = deliveries.move(
                tx,
                row["id"],
                DeliveryState.UNKNOWN,
                MoveBy.SENDER,
                now=now,
                error_code="interrupted",
                maybe_sent=True,
            )
            if moved is not None:
                _told(tx, moved, "sending", now)
        return len(lapsed)

    return await deps.db.run(unit, lane=Lane.BACKGROUND, name="deliver.sweep")


def apply_report(tx: Tx, channel_id: str, report: StatusReport, now: datetime) -> bool:
    """Apply the provider's word inside a unit of `receive`; False when it changes nothing."""
    for row in _meant(tx, channel_id, report):
        moved = deliveries.move(
            tx,
            row["id"],
            report.state,
            MoveBy.PROVIDER,
            now=now,
            external_id=report.external_id,
            error_code=report.error_code,
            provider_code=report.provider_code,
        )
        if moved is not None:
            _told(tx, moved, row["state"], now, actor="provider")
            return True
    return False


def read_up_to(
    tx: Tx, conversation_id: str, channel_id: str, identity_id: str, position: int, now: datetime
) -> int:  # noqa: PLR0913 - one query's conditions
    """Mark as read what stands at or before a message's number; for channels with one read mark."""
    rows = dicts(
        tx,
        deliveries.UP_TO,
        {
            "conversation_id": conversation_id,
            "channel_id": channel_id,
            "identity_id": identity_id,
            "position": position,
        },
    )
    for row in rows:
        moved = deliveries.move(tx, row["id"], DeliveryState.READ, MoveBy.PROVIDER, now=now)
        if moved is not None:
            _told(tx, moved, row["state"], now, actor="provider")
    return len(rows)


async def send_again(deps: Deps, delivery_id: str, actor: str) -> None:
    """Queue a failed or unknown delivery on a person's order.

    Raises:
        NotFound: no such delivery.
        Conflict: `delivery_not_failed`: it is on its way or has arrived.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> None:
        rows = dicts(tx, deliveries.ONE, {"id": delivery_id})
        if not rows:
            raise NotFound
        moved = deliveries.move(tx, delivery_id, DeliveryState.QUEUED, MoveBy.PERSON, now=now)
        if moved is None:
            raise Conflict("delivery_not_failed", state=rows[0]["state"])
        _told(tx, moved, rows[0]["state"], now, actor=actor)
        tx.after_commit(lambda: deps.wake.notify("sender"))

    await deps.db.run(unit, name="deliver.again")


def _meant(tx: Tx, channel_id: str, report: StatusReport) -> Sequence[Row]:
    if report.delivery_id:
        rows = dicts(tx, deliveries.ONE, {"id": report.delivery_id})
        # A callback names its delivery in the URL; another channel's deliveries are not its own.
        rows = [row for row in rows if row["channel_id"] == channel_id]
        if rows:
            return rows
    if not report.external_id:
        return ()
    return dicts(
        tx, deliveries.BY_EXTERNAL, {"channel_id": channel_id, "external_id": report.external_id}
    )


def _attempt_ended(tx: Tx, row: Row, outcome: str, code: str, now: datetime) -> None:
    tx.execute(
        deliveries.ATTEMPT_END,
        {
            "d_id": row["id"],
            "d_attempt": row["attempt"],
            "at": to_micros(now),
            "new_outcome": outcome,
            "new_code": code[:60],
        },
    )


def _told(tx: Tx, row: Row, was: str, now: datetime, actor: str = "system") -> None:
    channel = one_dict(tx, conversations.CHANNEL_HEAD, {"id": row["channel_id"]})
    kind = str(channel["kind"]) if channel is not None else ""
    tx.after_commit(metrics.DELIVERIES.labels(kind, row["state"]).inc)
    tx.append(
        [
            new_event(
                EventKind.DELIVERY_MOVED,
                now,
                actor=actor,
                conversation=ConversationId(row["conversation_id"]),
                message=MessageId(row["message_id"]),
                data={
                    "delivery": row["id"],
                    "from": was,
                    "to": row["state"],
                    "code": row["error_code"],
                    "kind": kind,
                    "channel": row["channel_id"],
                    "attempt": row["attempt"],
                },
            )
        ]
    )
