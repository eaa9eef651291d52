"""Inside the unit of `receive`: one customer's message becomes rows.

Duplicate? identity, thread, message, case and, when there is no live contact item, a work item in
state `new`; events. No routing rule is evaluated here. `receive_rows` writes what is decided here.
"""

from hub.model.case import CaseBrief, CaseCause, CaseState, case_for_message, case_sources_of
from hub.model.channel import ItemOutcome
from hub.model.conversation import Cause, ConversationBrief, ConversationState, next_state
from hub.model.events import EventKind, Fact, NewEvent, new_event
from hub.model.ids import CaseId, ConversationId, CustomerId, ItemId, MessageId
from hub.model.work import ItemKind, ItemState, WorkClass, WorkItem
from hub.services import metrics
from hub.services.filing import Filing, Place, Setting
from hub.services.identify import Sender, identify
from hub.services.prepare import PreparedMessage
from hub.services.receive_rows import insert_message, note_way, update_head
from hub.store.queries import cases, conversations, items, messages
from hub.store.tx import Tx
from hub.unify.threading import ThreadFacts, choose_thread


def store_message(tx: Tx, setting: Setting, prepared: PreparedMessage) -> ItemOutcome:
    """Write one message and all that follows from it; a known one changes nothing."""
    external_id = prepared.message.external_id[:255]
    if messages.seen(tx, setting.channel.id, external_id) is not None:
        return ItemOutcome.DUPLICATE
    sender, events = _identify(tx, setting, prepared)
    filing = Filing(tx, setting, prepared, sender, _place(tx, setting, prepared, sender))
    if filing.place.new:
        events.append(_start(filing))
    number = _next_number(tx, filing.conversation_id)
    events += _file(filing, number)
    tx.append(events)
    tx.after_commit(metrics.MESSAGES.labels("in", setting.kind.kind).inc)
    return ItemOutcome.STORED


def _file(filing: Filing, number: int) -> list[NewEvent]:
    """Write the message into its place, with its case and work item; return the events."""
    events: list[NewEvent] = []
    state = _state_after(filing)
    was_resolved = filing.place.state is ConversationState.RESOLVED and not filing.place.new
    reopened = was_resolved and state is ConversationState.OPEN
    case_id: CaseId | None = None
    item_id: ItemId | None = None
    new_item = False
    if not filing.sender.blocked:
        case, more = _case(filing)
        case_id = case.id
        events += more
        if state is ConversationState.OPEN:
            item_id, new_item = _item(filing, case, reopened=reopened)
    insert_message(filing, number, case_id)
    note_way(filing)
    update_head(filing, state, case_id, item_id)
    if reopened:
        events.append(_event(filing, EventKind.CONVERSATION_REOPENED, {"by": "customer"}))
    kind = filing.setting.kind
    facts: dict[str, Fact] = {
        "number": number,
        "kind": kind.kind,
        "channel": filing.setting.channel.id,
        "case": case_id,
        "first": filing.place.new,
        "auto_reply": filing.prepared.message.auto_reply,
        "new_item": new_item,
    }
    events.append(_event(filing, EventKind.MESSAGE_RECEIVED, facts, item_id, message=True))
    if new_item:
        facts = {"kind": "contact", "class": kind.work_class, "case": case_id}
        events.append(_event(filing, EventKind.ITEM_CREATED, facts, item_id))
    return events


def _identify(tx: Tx, setting: Setting, prepared: PreparedMessage) -> tuple[Sender, list[NewEvent]]:
    referenced: CustomerId | None = None
    hint = prepared.message.thread.conversation_id
    if hint is not None:
        row = conversations.conversation(tx, hint)
        referenced = CustomerId(row["customer_id"]) if row else None
    return identify(tx, prepared, setting.channel.id, setting.claims, referenced)


def _place(tx: Tx, setting: Setting, prepared: PreparedMessage, sender: Sender) -> Place:
    """Choose the conversation."""
    thread = prepared.message.thread
    candidates = _candidates(tx, setting, prepared, sender)
    facts = ThreadFacts(
        customer_id=None if sender.new else sender.customer_id,
        channel_id=setting.channel.id,
        at=prepared.now,
        separate=setting.channel.separate,
        reference_id=None if sender.blocked else thread.conversation_id,
        provider_thread=thread.provider_thread,
        is_mail=prepared.is_mail,
        subject_key=prepared.subject_key,
        confirmed=sender.decision.confirmed,
    )
    decision = choose_thread(candidates, facts)
    if decision.conversation_id is None:
        fresh = ConversationId(prepared.conversation_id)
        return Place(fresh, True, decision, ConversationState.OPEN, None)
    brief = next(b for b in candidates if b.id == decision.conversation_id)
    return Place(brief.id, False, decision, brief.state, brief)


def _candidates(
    tx: Tx, setting: Setting, prepared: PreparedMessage, sender: Sender
) -> list[ConversationBrief]:
    """Read the conversations the message may join; only where there can be any."""
    candidates: list[ConversationBrief] = []
    hint = prepared.message.thread.conversation_id
    thread = prepared.message.thread.provider_thread
    reopen_s = setting.reopen_s
    if hint is not None:
        candidates += conversations.briefs(
            tx, conversations.CANDIDATE, {"id": hint}, root=None, reopen_s=reopen_s
        )
    if thread:
        params = {"channel_id": setting.channel.id, "provider_thread": thread}
        candidates += conversations.briefs(
            tx, conversations.BY_THREAD, params, root=None, reopen_s=reopen_s
        )
    if not sender.new:
        statement = conversations.SPAM_CANDIDATES if sender.blocked else conversations.CANDIDATES
        candidates += conversations.briefs(
            tx, statement, {"root": sender.customer_id}, root=sender.customer_id, reopen_s=reopen_s
        )
    return candidates


def _start(filing: Filing) -> NewEvent:
    decision = filing.place.decision
    conversations.add_conversation(
        filing.tx,
        filing.conversation_id,
        filing.sender.row_customer_id,
        filing.prepared.now,
        previous_id=decision.previous_id,
        sender_confirmed=filing.sender.decision.confirmed,
        spam=filing.sender.blocked,
    )
    facts: dict[str, Fact] = {
        "channel": filing.setting.channel.id,
        "previous": decision.previous_id,
    }
    return _event(filing, EventKind.CONVERSATION_CREATED, facts)


def _next_number(tx: Tx, conversation_id: str) -> int:
    """Lock the conversation and draw the message's number: from here on its order is fixed."""
    row = tx.one(conversations.NEXT_NUMBER, {"conversation_id": conversation_id})
    assert row is not None  # the row was read or inserted in this unit
    return int(row[0])


def _state_after(filing: Filing) -> ConversationState:
    automatic = filing.prepared.message.auto_reply or filing.sender.blocked
    if filing.place.new:
        # Automatic mail asks for nothing: it is kept and found, but opens no clock.
        return ConversationState.RESOLVED if automatic else ConversationState.OPEN
    cause = Cause.AUTO_REPLIED if automatic else Cause.CUSTOMER_WROTE
    return next_state(filing.place.state, cause) or filing.place.state


def _case(filing: Filing) -> tuple[CaseBrief, list[NewEvent]]:
    """Return the case the message belongs to: the newest open one, one reopened, or a new one."""
    known = () if filing.place.new else cases.briefs_of(filing.tx, filing.conversation_id)
    case = case_for_message(known)
    if case is None:
        return _open_case(filing)
    if case.state is CaseState.SOLVED and not filing.prepared.message.auto_reply:
        params = {
            "case_id": case.id,
            "sources": [s.value for s in case_sources_of(CaseCause.REOPENED)],
            "new_state": CaseState.OPEN.value,
            "new_solved_at": None,
            "reopened": 1,
        }
        filing.tx.execute(cases.MOVE, params)
        return case, [_event(filing, EventKind.CASE_REOPENED, {"case": case.id, "by": "customer"})]
    return case, []


def _open_case(filing: Filing) -> tuple[CaseBrief, list[NewEvent]]:
    case = CaseBrief(CaseId(filing.prepared.case_id), CaseState.OPEN, filing.prepared.now)
    number = cases.open_case(
        filing.tx,
        id=case.id,
        customer_id=filing.sender.row_customer_id,
        conversation_id=filing.conversation_id,
        at=filing.prepared.now,
    )
    facts: dict[str, Fact] = {
        "case": case.id,
        "number": number,
        "type": "enquiry",
        "severity": 3,
    }
    return case, [_event(filing, EventKind.CASE_OPENED, facts)]


def _item(filing: Filing, case: CaseBrief, *, reopened: bool) -> tuple[ItemId, bool]:
    """Return the live contact item, inserting one in state `new` when there is none."""
    if not filing.place.new:
        live = items.live_contact(filing.tx, filing.conversation_id)
        if live is not None:
            return ItemId(live), False
    fresh = WorkItem(
        id=ItemId(filing.prepared.item_id),
        kind=ItemKind.CONTACT,
        work_class=WorkClass(filing.setting.kind.work_class),
        state=ItemState.NEW,
        created_at=filing.prepared.now,
        case_id=case.id,
        conversation_id=filing.conversation_id,
        customer_id=filing.sender.customer_id,
        owner_agent_id=case.owner_agent_id,
        reopens=1 if reopened else 0,
    )
    items.add_item(filing.tx, fresh)
    return fresh.id, True


def _event(
    filing: Filing,
    kind: EventKind,
    facts: dict[str, Fact],
    item_id: ItemId | None = None,
    *,
    message: bool = False,
) -> NewEvent:
    return new_event(
        kind,
        filing.prepared.now,
        actor="customer",
        conversation=filing.conversation_id,
        customer=filing.sender.customer_id,
        message=MessageId(filing.prepared.message_id) if message else None,
        item=item_id,
        data=facts,
    )
