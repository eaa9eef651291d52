"""Questions about the database itself."""

from sqlalchemy import text

from hub.store.statement import stmt
from hub.store.tx import Tx

_PING = stmt(text("SELECT 1"), name="ping")
_CLOCK_SQLITE = stmt(
    text("SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"), name="clock"
)
_CLOCK_POSTGRES = stmt(
    text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"), name="clock"
)


def ping(tx: Tx) -> None:
    """Run the smallest statement there is."""
    tx.one(_PING)


def clock_micros(tx: Tx) -> int:
    """Return the database's time in microseconds UTC."""
    row = tx.one(_CLOCK_SQLITE if tx.dialect == "sqlite" else _CLOCK_POSTGRES)
    return int(row[0]) if row else 0
