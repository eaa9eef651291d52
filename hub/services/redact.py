"""Redaction of one message: what it said is gone everywhere; that it was there remains."""

from typing import Any

from hub.model.clock import to_micros
from hub.model.content import Content
from hub.model.conversation import SystemLine
from hub.model.errors import BadInput, Conflict, NotAllowed, NotFound
from hub.model.events import EventKind, new_event
from hub.model.ids import ConversationId, MessageId
from hub.model.visibility import Viewer, may_supervise
from hub.services.deps import Deps
from hub.services.inbox import require_visible
from hub.services.intake_traces import Trace, forget_requests, sender_marks
from hub.services.rehead import rehead
from hub.services.squeeze import squeeze_index
from hub.store import search
from hub.store.queries import conversations, customers, erasure, messages, moving, outcomes
from hub.store.queries.audits import add_audit
from hub.store.queries.rows import Row, dicts, dump, load_map
from hub.store.tx import Tx

BLANK = Content().model_dump_json(exclude_defaults=True)


async def redact_message(deps: Deps, viewer: Viewer, message_id: str, reason: str) -> None:
    """Take away what a message says: text, revisions, files, parts sent, search, intake log.

    Repeating it goes on where a first attempt was interrupted.

    Raises:
        NotFound: none, or not to be seen.
        NotAllowed: not a supervisor of its queue.
        BadInput: `reason_required`.
        Conflict: `not_redactable`: a remark of the hub.
    """
    if not reason.strip():
        raise BadInput("reason_required")
    now = deps.clock.now()

    def unit(tx: Tx) -> tuple[list[str], Trace | None]:
        row = messages.message(tx, message_id)
        if row is None:
            raise NotFound
        head = require_visible(tx, viewer, row["conversation_id"], now)
        if not may_supervise(viewer, head["queue_id"]):
            raise NotAllowed
        if row["direction"] == "system":
            raise Conflict("not_redactable")
        trace = _trace(tx, row)
        params: dict[str, Any] = {
            "message_id": message_id,
            "new_content": BLANK,
            "at": to_micros(now),
        }
        tx.execute(messages.REDACT, params)
        keys = erasure.drop_files(tx, [message_id])
        part = dump({"content": {}, "media": [], "sender_name": "", "cc": []})
        erasure.blank_deliveries(tx, message_id, part, to_micros(now))
        erasure.drop_answers(tx, message_id)
        search.unindex(tx, "message", message_id)
        _forget_subject(tx, row)
        rehead(tx, row["conversation_id"])
        line = {"message": message_id, "agent": viewer.agent_id}
        outcomes.add_line(tx, row["conversation_id"], SystemLine.REDACTED.value, dict(line), now)
        tx.append(
            [
                new_event(
                    EventKind.MESSAGE_REDACTED, now, actor=viewer.agent_id,
                    conversation=ConversationId(row["conversation_id"]),
                    message=MessageId(message_id), data={"by": viewer.agent_id},
                )
            ]
        )  # fmt: skip
        add_audit(
            tx, now, actor=viewer.agent_id, action="message.redacted",
            target=f"message:{message_id}", reason=reason,
        )  # fmt: skip
        return keys, trace

    keys, trace = await deps.db.run(unit, name="message.redact")
    for key in keys:
        await deps.files.delete(key)
    if trace is not None:
        await forget_requests(deps, trace)
    await squeeze_index(deps)


def _trace(tx: Tx, row: Row) -> Trace | None:
    """Return what to look for in the intake log; None for what we wrote ourselves."""
    if row["direction"] != "in" or row["channel_id"] is None:
        return None
    identities = dicts(tx, customers.IDENTITY, {"id": row["identity_id"] or ""})
    external = (str(row["external_id"]),) if row["external_id"] else ()
    return Trace(row["channel_id"], sender_marks(identities), (row["recorded_at"],), external)


def _forget_subject(tx: Tx, row: Row) -> None:
    """Take a mail's subject off the conversation and what answers would repeat of it."""
    subject = str(load_map(row["content"]).get("subject") or "")
    if not subject:
        return
    conversation = conversations.conversation(tx, row["conversation_id"])
    if conversation is not None and conversation["subject"] == subject[:1000]:
        moving.set_subject(tx, row["conversation_id"], "")
    for channel_id, identity_id, display in erasure.displays(tx, row["conversation_id"]):
        shown = load_map(display)
        if subject in shown.values():
            kept = {name: "" if value == subject else value for name, value in shown.items()}
            way = (channel_id, identity_id)
            erasure.set_display(tx, row["conversation_id"], way, dump(kept))
