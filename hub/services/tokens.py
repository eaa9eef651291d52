"""API tokens: programs' access, with scopes and the queues they are bound to."""

from datetime import datetime

from hub.model.clock import to_micros
from hub.model.errors import BadInput, NotFound
from hub.model.ids import new_id
from hub.model.visibility import Scope
from hub.services.access import QUEUE_SCOPE, fingerprint, new_secret
from hub.services.deps import Deps
from hub.services.people import access_event
from hub.store.queries import access, queues
from hub.store.queries.rows import Row, dump, insert_row
from hub.store.tables import ApiToken
from hub.store.tx import Tx

PREFIX = "hub_"
"""Begins every token, so that secret scanners find one that leaked."""


async def list_tokens(deps: Deps) -> list[Row]:
    """Return every token, revoked ones too; never the secret or its hash."""

    def unit(tx: Tx) -> list[Row]:
        return access.tokens(tx)

    rows = await deps.db.read(unit)
    return [{k: v for k, v in row.items() if k != "token_hash"} for row in rows]


async def create_token(
    deps: Deps,
    name: str,
    scopes: frozenset[Scope],
    queue_ids: tuple[str, ...],
    expires_at: datetime | None,
    *,
    actor: str,
) -> tuple[Row, str]:
    """Make a token; returns its row and the secret, which is shown once.

    Raises:
        BadInput: `scopes_empty`, `queue_unknown`, `expiry_passed`.
    """
    now = deps.clock.now()
    if not scopes:
        raise BadInput("scopes_empty")
    if expires_at is not None and expires_at <= now:
        raise BadInput("expiry_passed")
    id_, secret = new_id(), PREFIX + new_secret()
    entries = sorted(scopes) + [f"{QUEUE_SCOPE}{one}" for one in sorted(set(queue_ids))]
    row: Row = {
        "id": id_,
        "name": name,
        "agent_id": None,
        "scopes": dump(entries),
        "created_at": to_micros(now),
        "expires_at": None if expires_at is None else to_micros(expires_at),
        "used_at": None,
        "revoked_at": None,
    }

    def unit(tx: Tx) -> None:
        if any(queues.queue(tx, one) is None for one in queue_ids):
            raise BadInput("queue_unknown")
        insert_row(tx, ApiToken, token_hash=fingerprint(secret), **row)
        tx.append([access_event(deps, id_, actor, ["token_created"])])

    await deps.db.run(unit, name="token.create")
    return row, secret


async def revoke_token(deps: Deps, token_id: str, *, actor: str) -> None:
    """End a token at once; its sockets close.

    Raises:
        NotFound: there is none, or it was revoked.
    """
    now = to_micros(deps.clock.now())

    def unit(tx: Tx) -> None:
        if not access.revoke_token(tx, token_id, now):
            raise NotFound("token_not_found")
        tx.append([access_event(deps, token_id, actor, ["token_revoked"])])

    await deps.db.run(unit, name="token.revoke")
