"""What every change of places shares: who may, the head after it, and work for what is open."""

from datetime import datetime

from hub.model.case import CaseBrief, CaseCause, CaseState, case_for_message, case_sources_of
from hub.model.content import Content
from hub.model.errors import NotFound, VersionMismatch
from hub.model.events import EventKind, new_event
from hub.model.ids import CaseId, ConversationId, CustomerId, ItemId, new_id
from hub.model.visibility import Viewer, require_note
from hub.model.work import ItemKind, ItemState, WorkClass, WorkItem
from hub.services.deps import Deps
from hub.store.queries import cases, conversations, customers, items, moving
from hub.store.queries.rows import Row, one_dict
from hub.store.queries.visibility import facts_of
from hub.store.tx import Tx


def require_movable(
    tx: Tx, viewer: Viewer, conversation_id: str, now: datetime, if_version: int | None = None
) -> Row:
    """Return a conversation the viewer may change.

    Raises:
        NotFound: none, or not to be seen.
        NotAllowed: may only read.
        VersionMismatch: somebody changed it before.
    """
    facts = facts_of(tx, conversation_id, viewer, now)
    row = conversations.conversation(tx, conversation_id)
    if facts is None or row is None:
        raise NotFound
    require_note(viewer, facts)
    if if_version is not None and row["version"] != if_version:
        raise VersionMismatch(version=row["version"])
    return row


def same_customer(tx: Tx, one: Row, other: Row) -> bool:
    """Tell whether two conversations are one person's, merges considered."""
    first = customers.root_of(tx, one["customer_id"])
    return first == customers.root_of(tx, other["customer_id"])


def rehead(tx: Tx, conversation_id: str) -> Row | None:
    """Bring a head up to date with the newest message of the merged timeline.

    Returns that message; None when no message to or from the customer is left.
    """
    family = moving.family_of(tx, conversation_id)
    newest = moving.newest(tx, family)
    row = conversations.conversation(tx, conversation_id)
    if row is None:
        return None
    inbound = moving.last_inbound(tx, family)
    hidden = newest is None or newest["deleted_at"] or newest["redacted_at"]
    preview = "" if newest is None or hidden else preview_of(newest)
    moving.set_head(
        tx,
        conversation_id,
        {
            "new_preview": preview,
            "new_channel": newest["channel_id"] if newest else row["last_channel_id"],
            "new_identity": newest["identity_id"] if newest else row["last_identity_id"],
            "new_at": newest["recorded_at"] if newest else row["last_message_at"],
            "new_inbound_at": inbound[1] if inbound else None,
        },
    )
    if row["state"] == "open" and newest is not None and newest["direction"] == "out":
        # What asked for an answer has gone: what is left was answered.
        moving.set_state(tx, conversation_id, "waiting", waiting_since=None)
    return newest


def preview_of(message: Row) -> str:
    """Return the line lists show of a message."""
    return Content.model_validate_json(message["content"]).preview()


def ensure_work(tx: Tx, deps: Deps, conversation_id: str, now: datetime) -> str | None:
    """Give an open conversation without a live item a case and a new item; return that item.

    None when there is a live item, or the conversation does not ask for anything.
    """
    row = conversations.conversation(tx, conversation_id)
    if row is None or row["state"] != "open":
        return None
    if items.live_contact(tx, conversation_id) is not None:
        return None
    case = _case(tx, row, now)
    fresh = WorkItem(
        id=ItemId(new_id()),
        kind=ItemKind.CONTACT,
        work_class=WorkClass(_work_class(tx, deps, row)),
        state=ItemState.NEW,
        created_at=now,
        case_id=case.id,
        conversation_id=ConversationId(conversation_id),
        customer_id=CustomerId(customers.root_of(tx, row["customer_id"])),
        owner_agent_id=case.owner_agent_id,
    )
    items.add_item(tx, fresh)
    tx.execute(
        conversations.HOLD,
        {
            "conversation_id": conversation_id,
            "new_handler": None,
            "new_queue": row["queue_id"],
            "new_item": fresh.id,
            "new_due": None,
        },
    )
    moving.set_case(tx, conversation_id, case.id)
    tx.append(
        [
            new_event(
                EventKind.ITEM_CREATED, now, conversation=fresh.conversation_id,
                customer=fresh.customer_id, item=fresh.id,
                data={"kind": "contact", "class": fresh.work_class.value, "case": case.id},
            )
        ]
    )  # fmt: skip
    return fresh.id


def _case(tx: Tx, row: Row, now: datetime) -> CaseBrief:
    """Return the newest open case, the newest solved one opened again, or a new one."""
    found = case_for_message(cases.briefs_of(tx, row["id"]))
    if found is None:
        return open_case(tx, row["id"], row["customer_id"], now)
    if found.state is CaseState.SOLVED:
        params = {
            "case_id": found.id,
            "sources": [state.value for state in case_sources_of(CaseCause.REOPENED)],
            "new_state": CaseState.OPEN.value,
            "new_solved_at": None,
            "reopened": 1,
        }
        tx.execute(cases.MOVE, params)
        tx.append(
            [
                new_event(
                    EventKind.CASE_REOPENED, now, conversation=ConversationId(row["id"]),
                    customer=CustomerId(row["customer_id"]), data={"case": found.id},
                )
            ]
        )  # fmt: skip
    return found


def open_case(tx: Tx, conversation_id: str, customer_id: str, now: datetime) -> CaseBrief:
    """Open a case of a conversation."""
    case_id = CaseId(new_id())
    number = cases.open_case(
        tx, id=case_id, customer_id=customer_id, conversation_id=conversation_id, at=now
    )
    tx.append(
        [
            new_event(
                EventKind.CASE_OPENED, now, conversation=ConversationId(conversation_id),
                customer=CustomerId(customer_id),
                data={"case": case_id, "number": number, "type": "enquiry", "severity": 3},
            )
        ]
    )  # fmt: skip
    return CaseBrief(case_id, CaseState.OPEN, now)


def _work_class(tx: Tx, deps: Deps, row: Row) -> str:
    """Return the class of the channel the talk was last on."""
    channel = one_dict(tx, conversations.CHANNEL_HEAD, {"id": row["last_channel_id"] or ""})
    kind = deps.kinds.get(channel["kind"]) if channel else None
    return kind.work_class if kind else WorkClass.FOLLOWUP.value
