"""A delivery sent again on a person's order."""

from hub.model.errors import Conflict, NotFound
from hub.model.visibility import Viewer, require_note
from hub.services import deliver
from hub.services.deps import Deps
from hub.store.queries import deliveries, messages
from hub.store.queries.rows import one_dict
from hub.store.queries.visibility import facts_of
from hub.store.tx import Tx


async def send_again(deps: Deps, viewer: Viewer, delivery_id: str) -> str:
    """Queue a failed or unknown delivery again; return its message's id.

    Raises:
        NotFound: no such delivery, or its conversation is not to be seen.
        NotAllowed: may only read.
        Conflict: `delivery_not_failed`; `message_redacted`: there is nothing left to send.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> str:
        row = one_dict(tx, deliveries.ONE, {"id": delivery_id})
        facts = facts_of(tx, row["conversation_id"], viewer, now) if row else None
        if row is None or facts is None:
            raise NotFound
        require_note(viewer, facts)
        message = messages.message(tx, row["message_id"])
        if message is not None and message["redacted_at"] is not None:
            raise Conflict("message_redacted")
        return str(row["message_id"])

    message_id = await deps.db.read(unit)
    await deliver.send_again(deps, delivery_id, viewer.agent_id)
    return message_id
