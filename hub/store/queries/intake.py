"""Channels and what came in through them: cursors, the intake log, the counters."""

from datetime import datetime

from sqlalchemy import bindparam, func, or_, select, update

from hub.model.clock import to_micros
from hub.store.engine import Tx
from hub.store.queries.rows import Row, dicts, insert_row, one_dict, upsert
from hub.store.statement import stmt
from hub.store.tables import Channel, ChannelCursor, IntakeCount, IntakeLog, table

_channel = table(Channel)
_cursor = table(ChannelCursor)
_count = table(IntakeCount)
_log = table(IntakeLog)

CHANNELS = stmt(select(_channel).order_by(_channel.c.created_at), name="channels")
CHANNEL = stmt(select(_channel).where(_channel.c.id == bindparam("id")), name="channel")
CHANNEL_STATE = stmt(
    update(_channel)
    .where(
        _channel.c.id == bindparam("channel_id"),
        or_(
            _channel.c.state != bindparam("new_state"),
            _channel.c.state_reason != bindparam("reason"),
        ),
    )
    .values(
        state=bindparam("new_state"),
        state_reason=bindparam("reason"),
        version=_channel.c.version + 1,
    ),
    name="channel.state",
)
CHANNEL_UPDATE = stmt(
    update(_channel)
    .where(_channel.c.id == bindparam("channel_id"), _channel.c.version == bindparam("if_version"))
    .values(
        name=bindparam("new_name"),
        config=bindparam("new_config"),
        state=bindparam("new_state"),
        state_reason=bindparam("reason"),
        separate=bindparam("new_separate"),
        language=bindparam("new_language"),
        region=bindparam("new_region"),
        settings=bindparam("new_settings"),
        version=_channel.c.version + 1,
    ),
    name="channel.update",
)
CURSOR = stmt(
    select(_cursor.c.cursor).where(_cursor.c.channel_id == bindparam("id")), name="cursor"
)
CURSOR_SET = upsert(
    _cursor, keys=("channel_id",), update=("cursor", "updated_at"), name="cursor.set"
)
COUNT_UP = upsert(
    _count,
    keys=("day", "channel_id", "outcome"),
    update=(),
    add=("count",),
    name="intake_count.up",
)
COUNTS = stmt(
    select(_count.c.channel_id, _count.c.outcome, func.sum(_count.c.count).label("count")).group_by(
        _count.c.channel_id, _count.c.outcome
    ),
    name="intake_counts",
)
LOG_ONE = stmt(select(_log).where(_log.c.id == bindparam("id")), name="intake_log.one")
LOG_SEEN = stmt(select(_log.c.id).where(_log.c.id == bindparam("id")), name="intake_log.seen")
LOG_LIST = stmt(
    select(_log.c.id, _log.c.channel_id, _log.c.at, _log.c.outcome, _log.c.code, _log.c.headers)
    .where(_log.c.id < bindparam("before"))
    .order_by(_log.c.id.desc())
    .limit(bindparam("limit")),
    name="intake_log.list",
)


def count(tx: Tx, at: datetime, channel_id: str, outcome: str, by: int = 1) -> None:
    """Raise the counter of today (UTC) for a channel and an outcome, in the deciding unit."""
    tx.execute(
        COUNT_UP,
        {"day": f"{at:%Y-%m-%d}", "channel_id": channel_id, "outcome": outcome, "count": by},
    )


def counts(tx: Tx) -> dict[str, dict[str, int]]:
    """Return channel id to outcome to count, over all days kept."""
    out: dict[str, dict[str, int]] = {}
    for channel_id, outcome, number in tx.run(COUNTS, {}):
        out.setdefault(channel_id, {})[outcome] = int(number)
    return out


def set_cursor(tx: Tx, channel_id: str, cursor: str, at: datetime) -> None:
    """Store how far a fetching channel has read."""
    tx.execute(
        CURSOR_SET, {"channel_id": channel_id, "cursor": cursor, "updated_at": to_micros(at)}
    )


def cursor_of(tx: Tx, channel_id: str) -> str | None:
    """Return how far a fetching channel has read, or None at the first start."""
    row = tx.one(CURSOR, {"id": channel_id})
    return None if row is None else str(row[0])


def log_intake(  # noqa: PLR0913 - the columns of the row
    tx: Tx,
    *,
    id: str,
    channel_id: str | None,
    at: datetime,
    outcome: str,
    code: str,
    headers: str,
    request: bytes,
) -> None:
    """Keep a request (already encrypted) in the intake log."""
    insert_row(
        tx,
        IntakeLog,
        id=id,
        channel_id=channel_id,
        at=to_micros(at),
        outcome=outcome,
        code=code,
        headers=headers,
        request=request,
    )


def was_logged(tx: Tx, intake_id: str) -> bool:
    """Tell whether a request was stored before under this id."""
    return tx.one(LOG_SEEN, {"id": intake_id}) is not None


def channels(tx: Tx) -> list[Row]:
    """Return every channel row, oldest first."""
    return dicts(tx, CHANNELS)


def channel(tx: Tx, channel_id: str) -> Row | None:
    """Return one channel row."""
    return one_dict(tx, CHANNEL, {"id": channel_id})


def move_channel(tx: Tx, channel_id: str, state: str, reason: str) -> bool:
    """Set a channel's state and why; False when both were already so."""
    return (
        tx.execute(
            CHANNEL_STATE, {"channel_id": channel_id, "new_state": state, "reason": reason[:100]}
        )
        > 0
    )
