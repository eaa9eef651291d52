"""Blocking a sender: what they write is kept in the spam view and asks nothing of anybody."""

from datetime import datetime

from hub.model.case import CaseCause, CaseState, case_sources_of
from hub.model.clock import to_micros
from hub.model.errors import Conflict
from hub.model.events import EventKind, new_event
from hub.model.ids import ConversationId, CustomerId, ItemId
from hub.model.router_commands import Cancel
from hub.model.visibility import Viewer
from hub.services.deps import Deps
from hub.services.rehead import ensure_work, require_movable
from hub.store.queries import cases, conversations, customers, items, moving
from hub.store.queries.audits import add_audit
from hub.store.queries.rows import Row, dicts
from hub.store.tx import Tx


async def block_sender(
    deps: Deps, viewer: Viewer, conversation_id: str, if_version: int, *, reason: str = ""
) -> int:
    """Block whoever wrote last in a conversation and put it among the spam; return its version.

    Its work item is taken out through the router, its cases close.

    Raises:
        NotFound, NotAllowed, VersionMismatch: as the viewer's sight and roles say.
        Conflict: `no_sender`: nobody wrote here.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> tuple[str | None, int]:
        row = require_movable(tx, viewer, conversation_id, now, if_version)
        identity = _sender(tx, row)
        tx.execute(customers.IDENTITY_BLOCK, {"identity_id": identity["id"], "at": to_micros(now)})
        tx.execute(conversations.SPAM, {"conversation_id": conversation_id, "new_spam": True})
        for case in cases.briefs_of(tx, conversation_id):
            params = {
                "case_id": case.id,
                "sources": [state.value for state in case_sources_of(CaseCause.DISCARDED)],
                "new_state": CaseState.CLOSED.value,
                "new_solved_at": None,
                "reopened": 0,
            }
            tx.execute(cases.MOVE, params)
        _tell(tx, viewer, row, identity, now, blocked=True, reason=reason)
        return items.live_contact(tx, conversation_id), moving.version_of(tx, conversation_id)

    item_id, version = await deps.db.run(unit, name="sender.block")
    if item_id is not None:
        # "spam" closes the conversation (services.dispatch_copies).
        await deps.router.submit(Cancel(ItemId(item_id), "spam", by=viewer.agent_id))
    return version


async def unblock_sender(
    deps: Deps, viewer: Viewer, conversation_id: str, if_version: int, *, reason: str = ""
) -> int:
    """Let a sender in again; this conversation is open work once more. Returns its version.

    The sender's other talk leaves the spam view too and stays closed.

    Raises:
        NotFound, NotAllowed, VersionMismatch: as the viewer's sight and roles say.
        Conflict: `no_sender`.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> int:
        row = require_movable(tx, viewer, conversation_id, now, if_version)
        identity = _sender(tx, row)
        tx.execute(customers.IDENTITY_BLOCK, {"identity_id": identity["id"], "at": None})
        for other in moving.spam_of_identity(tx, identity["id"]):
            tx.execute(conversations.SPAM, {"conversation_id": other, "new_spam": False})
        if row["spam"]:
            tx.execute(conversations.SPAM, {"conversation_id": conversation_id, "new_spam": False})
            moving.set_state(tx, conversation_id, "open", waiting_since=row["last_inbound_at"])
            ensure_work(tx, deps, conversation_id, now)
        _tell(tx, viewer, row, identity, now, blocked=False, reason=reason)
        return moving.version_of(tx, conversation_id)

    return await deps.db.run(unit, name="sender.unblock")


def _sender(tx: Tx, row: Row) -> Row:
    """Return the identity whose message came in last."""
    identity_id = moving.last_sender(tx, row["id"])
    found = dicts(tx, customers.IDENTITY, {"id": identity_id}) if identity_id else []
    if not found:
        raise Conflict("no_sender")
    return found[0]


def _tell(  # noqa: PLR0913 - what the event and the audit row say
    tx: Tx, viewer: Viewer, row: Row, identity: Row, now: datetime, *, blocked: bool, reason: str
) -> None:
    by = viewer.agent_id
    tx.append(
        [
            new_event(
                EventKind.IDENTITY_CHANGED, now, actor=by,
                customer=CustomerId(identity["customer_id"]),
                data={"identity": identity["id"], "blocked": blocked},
            ),
            new_event(
                EventKind.CONVERSATION_CHANGED, now, actor=by,
                conversation=ConversationId(row["id"]), customer=CustomerId(row["customer_id"]),
                data={"fields": ["spam"], "by": by},
            ),
        ]
    )  # fmt: skip
    add_audit(
        tx, now, actor=by, action="sender.blocked" if blocked else "sender.unblocked",
        target=f"customer:{identity['customer_id']}", reason=reason,
        facts={"identity": identity["id"], "conversation": row["id"]},
    )  # fmt: skip
