"""Encrypted columns that live long, for sealing them with a new key."""

from sqlalchemy import bindparam, select, update

from hub.store.statement import stmt
from hub.store.tables import Agent, Channel, table
from hub.store.tx import Tx

_channel = table(Channel)
_agent = table(Agent)
_SEALED = {
    "channel": (
        "config",
        stmt(select(_channel.c.id, _channel.c.config), name="secrets.channel"),
        stmt(
            update(_channel)
            .where(_channel.c.id == bindparam("row_id"))
            .values(config=bindparam("sealed")),
            name="secrets.channel_set",
        ),
    ),
    "agent": (
        "totp_secret",
        stmt(
            select(_agent.c.id, _agent.c.totp_secret).where(_agent.c.totp_secret.is_not(None)),
            name="secrets.agent",
        ),
        stmt(
            update(_agent)
            .where(_agent.c.id == bindparam("row_id"))
            .values(totp_secret=bindparam("sealed")),
            name="secrets.agent_set",
        ),
    ),
}


def sealed_values(tx: Tx) -> list[tuple[str, str, str, bytes]]:
    """Return table, column, row id and sealed bytes of every long-lived secret."""
    return [
        (name, column, str(row[0]), bytes(row[1]))
        for name, (column, found, _) in _SEALED.items()
        for row in tx.run(found)
    ]


def replace_sealed(tx: Tx, name: str, row_id: str, sealed: bytes) -> None:
    """Write one sealed value."""
    tx.execute(_SEALED[name][2], {"row_id": row_id, "sealed": sealed})
