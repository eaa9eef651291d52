"""Deliveries: claims that only one process wins, moves that only the table of moves allows."""

from datetime import datetime

from sqlalchemy import and_, bindparam, exists, func, null, or_, select, update

from hub.model.clock import to_micros
from hub.model.delivery import DeliveryState, MoveBy, sources_of
from hub.store.engine import Tx
from hub.store.queries.rows import Row, dicts, insert_row, one_dict
from hub.store.statement import stmt
from hub.store.tables import Delivery, DeliveryAttempt, table

_d = table(Delivery)
_e = _d.alias("earlier")
_attempt = table(DeliveryAttempt)

# Order is kept per (conversation, identity). An earlier delivery holds later ones while it is on
# its way, at most HOLD seconds while it waits for a retry; the parts of one message stop for good
# at the first that is not sent.
_UNSENT = ("queued", "sending", "failed", "unknown")
_blocked = exists(
    select(_e.c.id).where(
        _e.c.conversation_id == _d.c.conversation_id,
        _e.c.identity_id == _d.c.identity_id,
        or_(
            and_(
                _e.c.message_id == _d.c.message_id,
                _e.c.part_no < _d.c.part_no,
                _e.c.state.in_(_UNSENT),
            ),
            and_(
                _e.c.position < _d.c.position,
                or_(
                    and_(_e.c.state == "queued", _e.c.updated_at > bindparam("hold_since")),
                    _e.c.state == "sending",
                ),
            ),
        ),
    )
)
DUE = stmt(
    select(_d.c.id, _d.c.channel_id)
    .where(
        _d.c.state == DeliveryState.QUEUED.value,
        _d.c.due_at <= bindparam("now"),
        _d.c.channel_id.in_(bindparam("channels", expanding=True)),
        ~_blocked,
    )
    .order_by(_d.c.due_at, _d.c.id)
    .limit(bindparam("limit")),
    name="delivery.due",
)
CLAIM = stmt(
    update(_d)
    .where(
        _d.c.id == bindparam("delivery_id"),
        _d.c.state == DeliveryState.QUEUED.value,
        _d.c.due_at <= bindparam("now"),
    )
    .values(
        state=DeliveryState.SENDING.value,
        attempt=_d.c.attempt + 1,
        claimed_until=bindparam("until"),
        claimed_by=bindparam("by"),
        updated_at=bindparam("now"),
    )
    .returning(_d),
    name="delivery.claim",
)
MOVE = stmt(
    update(_d)
    .where(
        _d.c.id == bindparam("delivery_id"),
        _d.c.state.in_(bindparam("sources", expanding=True)),
    )
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("new_due"),
        external_id=func.coalesce(bindparam("new_external"), _d.c.external_id),
        error_code=bindparam("new_error"),
        provider_code=bindparam("new_provider"),
        maybe_sent=bindparam("new_maybe"),
        claimed_until=null(),
        updated_at=bindparam("now"),
    )
    .returning(_d),
    name="delivery.move",
)
EXTERNAL = stmt(
    update(_d)
    .where(_d.c.id == bindparam("delivery_id"), _d.c.external_id.is_(None))
    .values(external_id=bindparam("new_external")),
    name="delivery.external",
)
ONE = stmt(select(_d).where(_d.c.id == bindparam("id")), name="delivery")
BY_EXTERNAL = stmt(
    select(_d).where(
        _d.c.channel_id == bindparam("channel_id"), _d.c.external_id == bindparam("external_id")
    ),
    name="delivery.by_external",
)
OF_MESSAGES = stmt(
    select(_d)
    .where(_d.c.message_id.in_(bindparam("messages", expanding=True)))
    .order_by(_d.c.part_no),
    name="delivery.of_messages",
)
# A claim that ran out: the process died between the call and its record. Nobody knows whether the
# provider took it, so it is unknown, never sent again by itself.
LAPSED = stmt(
    select(_d.c.id).where(
        _d.c.state == DeliveryState.SENDING.value, _d.c.claimed_until < bindparam("now")
    ),
    name="delivery.lapsed",
)
UP_TO = stmt(
    select(_d.c.id, _d.c.state).where(
        _d.c.conversation_id == bindparam("conversation_id"),
        _d.c.channel_id == bindparam("channel_id"),
        _d.c.identity_id == bindparam("identity_id"),
        _d.c.position <= bindparam("position"),
        _d.c.state.in_(("sent", "delivered")),
    ),
    name="delivery.up_to",
)
STATES = stmt(
    select(_d.c.state, func.count().label("count")).group_by(_d.c.state), name="delivery.states"
)
NEXT_DUE = stmt(
    select(func.min(_d.c.due_at)).where(
        _d.c.state == DeliveryState.QUEUED.value, _d.c.due_at > bindparam("now")
    ),
    name="delivery.next_due",
)
ATTEMPT_END = stmt(
    update(_attempt)
    .where(
        _attempt.c.delivery_id == bindparam("d_id"),
        _attempt.c.attempt == bindparam("d_attempt"),
    )
    .values(ended_at=bindparam("at"), outcome=bindparam("new_outcome"), code=bindparam("new_code")),
    name="delivery_attempt.end",
)
ATTEMPTS = stmt(
    select(_attempt).where(_attempt.c.delivery_id == bindparam("id")).order_by(_attempt.c.attempt),
    name="delivery_attempts",
)


def claim(tx: Tx, delivery_id: str, *, now: datetime, until: datetime, by: str) -> Row | None:
    """Take a due delivery for sending; None when another process was first."""
    row = one_dict(
        tx,
        CLAIM,
        {"delivery_id": delivery_id, "now": to_micros(now), "until": to_micros(until), "by": by},
    )
    if row is not None:
        insert_row(
            tx,
            DeliveryAttempt,
            delivery_id=delivery_id,
            attempt=row["attempt"],
            started_at=to_micros(now),
        )
    return row


def move(  # noqa: PLR0913 - what a move writes
    tx: Tx,
    delivery_id: str,
    new: DeliveryState,
    by: MoveBy,
    *,
    now: datetime,
    due: datetime | None = None,
    external_id: str | None = None,
    error_code: str = "",
    provider_code: str = "",
    maybe_sent: bool = False,
) -> Row | None:
    """Move a delivery if the table of moves allows it; None when it does not (ignored, counted)."""
    return one_dict(
        tx,
        MOVE,
        {
            "delivery_id": delivery_id,
            "sources": [s.value for s in sources_of(new, by)],
            "new_state": new.value,
            "new_due": to_micros(due or now),
            "new_external": external_id or None,
            "new_error": error_code[:60],
            "new_provider": provider_code[:60],
            "new_maybe": maybe_sent,
            "now": to_micros(now),
        },
    )


def of_messages(tx: Tx, messages: list[str]) -> dict[str, list[Row]]:
    """Return the deliveries of several messages, by message, parts in order."""
    out: dict[str, list[Row]] = {}
    for row in dicts(tx, OF_MESSAGES, {"messages": messages}):
        out.setdefault(row["message_id"], []).append(row)
    return out
