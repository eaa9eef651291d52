"""Inside the unit of `receive`: edits, deletions, the provider's reports, small signals."""

from datetime import datetime

from hub.model.address import Address
from hub.model.channel import (
    ChangeKind,
    ContactSignal,
    ItemOutcome,
    MessageChange,
    SignalKind,
    StatusReport,
)
from hub.model.clock import to_micros
from hub.model.events import EventKind, NewEvent, new_event
from hub.model.ids import ConversationId, CustomerId, MessageId
from hub.services import deliver
from hub.services.filing import Setting
from hub.services.prepare import PreparedMessage
from hub.services.receive_message import store_message
from hub.store.queries import conversations, customers, deliveries, messages
from hub.store.queries.rows import Row, dicts
from hub.store.tx import Tx


def apply_change(
    tx: Tx,
    setting: Setting,
    change: MessageChange,
    as_message: PreparedMessage | None,
    revision_id: str,
) -> ItemOutcome:
    """Edit or delete a message. One that arrives before its message waits as the message.

    A text the customer deleted is kept as a revision (supervisors may look) and hidden.
    """
    known = messages.seen(tx, setting.channel.id, change.external_id)
    if known is None:
        if as_message is None:
            return ItemOutcome.IGNORED
        outcome = store_message(tx, setting, as_message)
        known = messages.seen(tx, setting.channel.id, change.external_id)
        if change.kind is ChangeKind.EDITED or known is None:
            return outcome
        # Deleted before it came: it waits as the deleted message, or the late original would show.
    return _apply_to(tx, setting, change, as_message, revision_id, known)


def _apply_to(
    tx: Tx,
    setting: Setting,
    change: MessageChange,
    as_message: PreparedMessage | None,
    revision_id: str,
    known: tuple[str, str, str, str],
) -> ItemOutcome:
    """Change a stored message; the same revision twice, or an older one, changes nothing."""
    message_id, conversation_id, revision, _identity = known
    deleted = change.kind is ChangeKind.DELETED
    if not deleted and not _newer(change.revision, revision):
        return ItemOutcome.DUPLICATE
    row = messages.message(tx, message_id)
    if row is None or row["redacted_at"] is not None:
        return ItemOutcome.IGNORED
    kept = messages.keep_revision(
        tx,
        id=revision_id,
        message_id=message_id,
        revision=change.revision[:60],
        kind=change.kind.value,
        content=row["content"],
        at=change.occurred_at,
    )
    if not kept:
        return ItemOutcome.DUPLICATE
    now = to_micros(change.occurred_at)
    new = as_message.content_json if as_message and not deleted else row["content"]
    tx.execute(
        messages.CHANGE,
        {
            "message_id": message_id,
            "new_content": new,
            "new_revision": change.revision[:60],
            "new_edited_at": row["edited_at"] if deleted else now,
            "new_deleted_at": now if deleted else row["deleted_at"],
        },
    )
    tx.execute(conversations.BUMP, {"conversation_id": conversation_id})
    tx.append([_changed(setting, change, conversation_id, message_id)])
    return ItemOutcome.STORED


def _changed(
    setting: Setting, change: MessageChange, conversation_id: str, message_id: str
) -> NewEvent:
    return new_event(
        EventKind.MESSAGE_CHANGED,
        change.occurred_at,
        actor="customer",
        conversation=ConversationId(conversation_id),
        message=MessageId(message_id),
        data={
            "change": change.kind.value,
            "revision": change.revision[:60],
            "channel": setting.channel.id,
        },
    )


def _newer(new: str, old: str) -> bool:
    """Compare revisions: numbers as numbers (edit dates), other text as text."""
    try:
        return float(new) > float(old or "-1")
    except ValueError:
        return new > old


def apply_status(tx: Tx, setting: Setting, report: StatusReport, at: datetime) -> ItemOutcome:
    """Apply the provider's word on a delivery; what the table of moves refuses is ignored."""
    if deliver.apply_report(tx, setting.channel.id, report, at):
        return ItemOutcome.STORED
    return ItemOutcome.IGNORED


def apply_signal(
    tx: Tx, setting: Setting, signal: ContactSignal, sender: Address, at: datetime
) -> ItemOutcome:
    """Note that somebody read, typed, opted out or blocked us. Typing leaves no row."""
    identity = customers.identity_at(tx, sender)
    if identity is None:
        return ItemOutcome.IGNORED
    match signal.kind:
        case SignalKind.OPTED_OUT | SignalKind.BLOCKED:
            return _opt(tx, identity, to_micros(at), at)
        case SignalKind.OPTED_IN:
            return _opt(tx, identity, None, at)
        case SignalKind.READ:
            return _read(tx, setting, signal, identity, at)
        case SignalKind.TYPING:
            return ItemOutcome.IGNORED


def _opt(tx: Tx, identity: Row, when: int | None, at: datetime) -> ItemOutcome:
    if (identity["opted_out_at"] is None) == (when is None):
        return ItemOutcome.DUPLICATE
    tx.execute(customers.IDENTITY_OPT, {"identity_id": identity["id"], "at": when})
    tx.append(
        [
            new_event(
                EventKind.IDENTITY_CHANGED,
                at,
                actor="customer",
                customer=CustomerId(identity["customer_id"]),
                data={"identity": identity["id"], "opted_out": when is not None},
            )
        ]
    )
    return ItemOutcome.STORED


def _read(
    tx: Tx, setting: Setting, signal: ContactSignal, identity: Row, at: datetime
) -> ItemOutcome:
    """Everything up to the named message was read."""
    rows = dicts(
        tx,
        deliveries.BY_EXTERNAL,
        {"channel_id": setting.channel.id, "external_id": signal.external_id},
    )
    changed = 0
    for row in rows:
        if row["identity_id"] == identity["id"]:
            changed += deliver.read_up_to(
                tx,
                row["conversation_id"],
                setting.channel.id,
                identity["id"],
                row["position"],
                at,
            )
    return ItemOutcome.STORED if changed else ItemOutcome.IGNORED
