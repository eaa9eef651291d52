"""The audit table: who read or changed what, from which screen, and why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.model.clock import to_micros
from hub.model.ids import new_id
from hub.store.queries.rows import dump, insert_row
from hub.store.tables import Audit
from hub.store.tx import Tx


def add_audit(  # noqa: PLR0913 - the columns of the row
    tx: Tx,
    at: datetime,
    *,
    actor: str,
    action: str,
    target: str,
    reason: str = "",
    screen: str = "",
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Insert one row.

    Args:
        tx: a writing transaction.
        at: the instant.
        actor: an agent's or token's id.
        action: `noun.verb_past`, as of events.
        target: `noun:id`.
        reason: what the person gave as their reason.
        screen: where in the web client.
        facts: ids, codes and names of fields; never text, names or addresses.
    """
    insert_row(
        tx,
        Audit,
        id=new_id(),
        at=to_micros(at),
        actor=actor[:60],
        action=action[:60],
        target=target[:80],
        reason=reason[:300],
        screen=screen[:60],
        facts=dump(dict(facts or {})),
    )
