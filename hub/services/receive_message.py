"""Inside the unit of `receive`: one customer's message becomes rows.

Duplicate? identity, thread, message, case and, when there is no live contact item, a work item in
state `new`; events. No routing rule is evaluated here.
"""

from dataclasses import dataclass
from datetime import datetime

from hub.model.case import CaseBrief, CaseCause, CaseState, case_for_message, case_sources_of
from hub.model.channel import ItemOutcome
from hub.model.clock import to_micros
from hub.model.conversation import Cause, ConversationBrief, ConversationState, next_state
from hub.model.events import EventKind, NewEvent, new_event
from hub.model.ids import (
    CaseId,
    ConversationId,
    CustomerId,
    ItemId,
    MessageId,
)
from hub.model.work import ItemKind, ItemState, WorkClass, WorkItem
from hub.services.deps import ChannelInfo, KindFacts
from hub.services.identify import Sender, identify
from hub.services.prepare import PreparedFile, PreparedMessage
from hub.store.queries import cases, conversations, items, messages
from hub.store.queries.rows import dump, insert_row, load_list
from hub.store.tables import Attachment, Message
from hub.store.tx import Tx
from hub.unify.identity import Claim
from hub.unify.threading import ThreadDecision, ThreadFacts, choose_thread

MAX_REFERENCES = 50


@dataclass(frozen=True, slots=True)
class Place:
    """Where the message goes: a conversation and whether it was made for it."""

    conversation_id: ConversationId
    new: bool
    decision: ThreadDecision
    state: ConversationState
    brief: ConversationBrief | None


@dataclass(frozen=True, slots=True)
class Setting:
    """What the unit knows beside the message."""

    channel: ChannelInfo
    kind: KindFacts
    claims: tuple[Claim, ...]
    reopen_s: int


def store_message(tx: Tx, setting: Setting, prepared: PreparedMessage) -> ItemOutcome:
    """Write one message and all that follows from it; a known one changes nothing."""
    external_id = prepared.message.external_id
    if messages.seen(tx, setting.channel.id, external_id) is not None:
        return ItemOutcome.DUPLICATE
    sender, events = _identify(tx, setting, prepared)
    place = _place(tx, setting, prepared, sender)
    if place.new:
        events.append(_start(tx, setting, prepared, sender, place))
    number = _next_number(tx, place.conversation_id)
    state = _state_after(prepared, sender, place)
    reopened = not place.new and place.state is ConversationState.RESOLVED and state.value == "open"
    case_id: CaseId | None = None
    item_id: str | None = None
    new_item = False
    if not sender.blocked:
        case, more = _case(tx, prepared, sender, place)
        case_id = case.id
        events += more
        if state is ConversationState.OPEN:
            item_id, new_item = _item(tx, setting, prepared, sender, place, case, reopened)
    _insert(tx, setting, prepared, sender, place, number, case_id)
    _note_way(tx, setting, prepared, sender, place)
    _head(tx, setting, prepared, sender, place, state, case_id, item_id)
    if reopened:
        events.append(_reopened(prepared, place, sender))
    events.append(_received(setting, prepared, sender, place, number, case_id, item_id, new_item))
    if new_item:
        events.append(_item_created(setting, prepared, sender, place, case_id, item_id))
    tx.append(events)
    return ItemOutcome.STORED


def _identify(tx: Tx, setting: Setting, prepared: PreparedMessage) -> tuple[Sender, list[NewEvent]]:
    referenced: CustomerId | None = None
    hint = prepared.message.thread.conversation_id
    if hint is not None:
        row = conversations.conversation(tx, hint)
        referenced = CustomerId(row["customer_id"]) if row else None
    return identify(tx, prepared, setting.channel.id, setting.claims, referenced)


def _place(tx: Tx, setting: Setting, prepared: PreparedMessage, sender: Sender) -> Place:
    """Choose the conversation; candidates are read only where there can be any."""
    message = prepared.message
    candidates: list[ConversationBrief] = []
    hint, thread = message.thread.conversation_id, message.thread.provider_thread
    if hint is not None:
        candidates += conversations.briefs(
            tx, conversations.CANDIDATE, {"id": hint}, root=None, reopen_s=setting.reopen_s
        )
    if thread:
        params = {"channel_id": setting.channel.id, "provider_thread": thread}
        candidates += conversations.briefs(
            tx, conversations.BY_THREAD, params, root=None, reopen_s=setting.reopen_s
        )
    if sender.family:
        statement = conversations.SPAM_CANDIDATES if sender.blocked else conversations.CANDIDATES
        candidates += conversations.briefs(
            tx,
            statement,
            {"customers": list(sender.family)},
            root=sender.customer_id,
            reopen_s=setting.reopen_s,
        )
    facts = ThreadFacts(
        customer_id=None if sender.new else sender.customer_id,
        channel_id=setting.channel.id,
        at=prepared.now,
        separate=setting.channel.separate,
        reference_id=None if sender.blocked else hint,
        provider_thread=thread,
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


def _start(
    tx: Tx, setting: Setting, prepared: PreparedMessage, sender: Sender, place: Place
) -> NewEvent:
    conversations.add_conversation(
        tx,
        place.conversation_id,
        sender.row_customer_id,
        prepared.now,
        previous_id=place.decision.previous_id,
        sender_confirmed=sender.decision.confirmed,
        spam=sender.blocked,
    )
    return new_event(
        EventKind.CONVERSATION_CREATED,
        prepared.now,
        actor="customer",
        conversation=place.conversation_id,
        customer=sender.customer_id,
        data={"channel": setting.channel.id, "previous": place.decision.previous_id},
    )


def _next_number(tx: Tx, conversation_id: str) -> int:
    """Lock the conversation and draw the message's number: from here on its order is fixed."""
    row = tx.one(conversations.NEXT_NUMBER, {"conversation_id": conversation_id})
    assert row is not None  # the row was read or inserted in this unit
    return int(row[0])


def _state_after(prepared: PreparedMessage, sender: Sender, place: Place) -> ConversationState:
    automatic = prepared.message.auto_reply or sender.blocked
    if place.new:
        # Automatic mail asks for nothing: it is kept and found, but opens no clock.
        return ConversationState.RESOLVED if automatic else ConversationState.OPEN
    cause = Cause.AUTO_REPLIED if automatic else Cause.CUSTOMER_WROTE
    return next_state(place.state, cause) or place.state


def _case(
    tx: Tx, prepared: PreparedMessage, sender: Sender, place: Place
) -> tuple[CaseBrief, list[NewEvent]]:
    """Return the case the message belongs to: the newest open one, one reopened, or a new one."""
    now = prepared.now
    known = () if place.new else cases.briefs_of(tx, place.conversation_id)
    case = case_for_message(known)
    if case is None:
        case = CaseBrief(CaseId(prepared.case_id), CaseState.OPEN, now)
        number = cases.open_case(
            tx,
            id=case.id,
            customer_id=sender.row_customer_id,
            conversation_id=place.conversation_id,
            at=now,
        )
        opened = new_event(
            EventKind.CASE_OPENED,
            now,
            actor="customer",
            conversation=place.conversation_id,
            customer=sender.customer_id,
            data={"case": case.id, "number": number, "type": "enquiry", "severity": 3},
        )
        return case, [opened]
    if case.state is CaseState.SOLVED and not prepared.message.auto_reply:
        params = {
            "case_id": case.id,
            "sources": [s.value for s in case_sources_of(CaseCause.REOPENED)],
            "new_state": CaseState.OPEN.value,
            "new_solved_at": None,
            "reopened": 1,
        }
        tx.execute(cases.MOVE, params)
        data = {"case": case.id, "by": "customer"}
        return case, [
            new_event(EventKind.CASE_REOPENED, now, conversation=place.conversation_id, data=data)
        ]
    return case, []


def _item(  # noqa: PLR0913 - everything an item is made of
    tx: Tx,
    setting: Setting,
    prepared: PreparedMessage,
    sender: Sender,
    place: Place,
    case: CaseBrief,
    reopened: bool,
) -> tuple[str, bool]:
    """Return the live contact item, inserting one in state `new` when there is none."""
    if not place.new:
        live = items.live_contact(tx, place.conversation_id)
        if live is not None:
            return live, False
    fresh = WorkItem(
        id=ItemId(prepared.item_id),
        kind=ItemKind.CONTACT,
        work_class=WorkClass(setting.kind.work_class),
        state=ItemState.NEW,
        created_at=prepared.now,
        case_id=case.id,
        conversation_id=place.conversation_id,
        customer_id=sender.customer_id,
        owner_agent_id=case.owner_agent_id,
        reopens=1 if reopened else 0,
    )
    items.add_item(tx, fresh)
    return fresh.id, True


def _insert(  # noqa: PLR0913 - the columns of the row
    tx: Tx,
    setting: Setting,
    prepared: PreparedMessage,
    sender: Sender,
    place: Place,
    number: int,
    case_id: str | None,
) -> None:
    message = prepared.message
    insert_row(
        tx,
        Message,
        id=prepared.message_id,
        conversation_id=place.conversation_id,
        number=number,
        direction="in",
        author_kind="customer",
        author_id=None,
        channel_id=setting.channel.id,
        identity_id=sender.identity_id,
        case_id=case_id,
        external_id=message.external_id[:255],
        content=prepared.content_json,
        thread_rule=place.decision.rule.value,
        assurance=message.assurance.value,
        auto_reply=message.auto_reply,
        recorded_at=to_micros(prepared.now),
        occurred_at=to_micros(message.occurred_at),
    )
    for file in prepared.files:
        _insert_file(tx, setting, prepared, file)


def _insert_file(tx: Tx, setting: Setting, prepared: PreparedMessage, file: PreparedFile) -> None:
    now = to_micros(prepared.now)
    state = "refused" if file.refused else "stored" if file.storage_key else "pending"
    insert_row(
        tx,
        Attachment,
        id=file.id,
        message_id=prepared.message_id,
        channel_id=setting.channel.id,
        kind=file.media.kind,
        filename=file.media.filename[:300],
        content_type=file.media.content_type[:150],
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        storage_key=file.storage_key,
        state=state,
        source_ref=file.media.ref,
        content_id=file.media.content_id[:300],
        inline=file.media.inline,
        due_at=now if state == "pending" else None,
        error=file.refused,
        created_at=now,
    )


def _note_way(
    tx: Tx, setting: Setting, prepared: PreparedMessage, sender: Sender, place: Place
) -> None:
    """Remember through which channel and identity, and what an answer there must carry."""
    message, now = prepared.message, to_micros(prepared.now)
    refs: list[str] = []
    if prepared.is_mail:
        refs = [str(r) for r in load_list(message.display.get("references"))][-MAX_REFERENCES:]
    tx.execute(
        conversations.CHANNEL_IN,
        {
            "conversation_id": place.conversation_id,
            "channel_id": setting.channel.id,
            "identity_id": sender.identity_id,
            "provider_thread": message.thread.provider_thread[:255],
            "mail_subject": prepared.subject_key[:1000] if prepared.is_mail else None,
            "display": dump(dict(message.display)),
            "refs": dump(refs),
            "touched_at": now,
            "inbound_at": now,
        },
    )


def _head(  # noqa: PLR0913 - the columns of the row
    tx: Tx,
    setting: Setting,
    prepared: PreparedMessage,
    sender: Sender,
    place: Place,
    state: ConversationState,
    case_id: str | None,
    item_id: str | None,
) -> None:
    """Bring the head of the conversation up to date with its newest message."""
    resolved: datetime | None = prepared.now if state is ConversationState.RESOLVED else None
    tx.execute(
        conversations.INBOUND,
        {
            "conversation_id": place.conversation_id,
            "new_state": state.value,
            "keep_resolved": not place.new,
            "new_resolved_at": to_micros(resolved) if resolved else None,
            "new_preview": prepared.preview,
            "new_subject": (prepared.content.subject or "")[:1000],
            "new_language": prepared.language,
            "channel_id": setting.channel.id,
            "identity_id": sender.identity_id,
            "at": to_micros(prepared.now),
            "waits": state is ConversationState.OPEN,
            "new_case_id": case_id,
            "new_item_id": item_id,
        },
    )


def _received(  # noqa: PLR0913 - the facts of the event
    setting: Setting,
    prepared: PreparedMessage,
    sender: Sender,
    place: Place,
    number: int,
    case_id: CaseId | None,
    item_id: str | None,
    new_item: bool,
) -> NewEvent:
    return new_event(
        EventKind.MESSAGE_RECEIVED,
        prepared.now,
        actor="customer",
        conversation=place.conversation_id,
        customer=sender.customer_id,
        message=MessageId(prepared.message_id),
        item=ItemId(item_id) if item_id else None,
        data={
            "number": number,
            "kind": setting.kind.kind,
            "channel": setting.channel.id,
            "case": case_id,
            "first": place.new,
            "auto_reply": prepared.message.auto_reply,
            "new_item": new_item,
        },
    )


def _item_created(  # noqa: PLR0913 - the facts of the event
    setting: Setting,
    prepared: PreparedMessage,
    sender: Sender,
    place: Place,
    case_id: CaseId | None,
    item_id: str | None,
) -> NewEvent:
    return new_event(
        EventKind.ITEM_CREATED,
        prepared.now,
        conversation=place.conversation_id,
        customer=sender.customer_id,
        item=ItemId(item_id) if item_id else None,
        data={"kind": "contact", "class": setting.kind.work_class, "case": case_id},
    )


def _reopened(prepared: PreparedMessage, place: Place, sender: Sender) -> NewEvent:
    return new_event(
        EventKind.CONVERSATION_REOPENED,
        prepared.now,
        actor="customer",
        conversation=place.conversation_id,
        customer=sender.customer_id,
        data={"by": "customer"},
    )
