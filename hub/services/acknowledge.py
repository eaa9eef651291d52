"""The one automatic answer: "we have received your message", or "we are closed at the moment".

Off by default, per queue; at most one per conversation and day (in the organisation's zone). Never
to automatic mail, senders not confirmed or blocked, spam, or who opted out. It is no answer: the
conversation stays open and its clock runs on.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from hub.model.address import Assurance
from hub.model.case import display_number
from hub.model.clock import to_micros
from hub.model.content import Content
from hub.model.conversation import ConversationState
from hub.model.errors import HubError
from hub.model.ids import new_id
from hub.model.work import ItemState, WorkItem
from hub.services.deps import Deps
from hub.services.reply import Author, Reply, write_reply
from hub.store.queries import cases, conversations, customers, outcomes, queues
from hub.store.queries.rows import Row, load_map, one_dict
from hub.store.tx import Tx
from hub.texts import TextKey, say
from hub.unify.language import choose_language

log = structlog.get_logger(__name__)


def acknowledge(
    tx: Tx, deps: Deps, conversation_id: str, item: WorkItem, now: datetime
) -> str | None:
    """Write the automatic answer inside a unit, if there is one; return its message's id."""
    queue = queues.queue(tx, item.queue_id) if item.queue_id else None
    if queue is None or not queue["acknowledge"]:
        return None
    row = conversations.conversation(tx, conversation_id)
    if row is None or row["spam"] or row["state"] != ConversationState.OPEN.value:
        return None
    last = outcomes.last_inbound(tx, conversation_id)
    if last is None or last["auto_reply"] or outcomes.wants_nothing(tx, last["identity_id"]):
        return None
    if last["assurance"] == Assurance.CLAIMED.value:
        return None  # a forged sender must not make us write to its victim
    midnight = now.astimezone(ZoneInfo(deps.organisation.zone)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    if outcomes.system_sent_since(tx, conversation_id, midnight):
        return None
    return _send(tx, deps, row, queue, last, item, now)


def _send(  # noqa: PLR0913 - everything the sentence is made of
    tx: Tx, deps: Deps, row: Row, queue: Row, last: Row, item: WorkItem, now: datetime
) -> str | None:
    text = _sentence(tx, deps, row, queue, last, item)
    reply = Reply(client_id=new_id(), text=text)
    try:
        message_id = write_reply(
            tx, deps, row, Author("system", None, deps.organisation.name), reply, new_id(), now
        )
    except HubError as error:
        # No way, window closed, channel paused: the customer simply gets no automatic answer.
        log.info("acknowledge.not_sent", conversation_id=row["id"], code=error.code)
        return None
    tx.execute(
        outcomes.STILL_OPEN,
        {
            "conversation_id": row["id"],
            "old_state": row["state"],
            "old_waiting_since": row["waiting_since"] or to_micros(now),
            "old_preview": row["preview"],
            "old_snoozed_until": row["snoozed_until"],
        },
    )
    return message_id


def _sentence(  # noqa: PLR0913 - everything the sentence is made of
    tx: Tx, deps: Deps, row: Row, queue: Row, last: Row, item: WorkItem
) -> str:
    root = customers.root_of(tx, row["customer_id"])
    customer = one_dict(tx, customers.CUSTOMER, {"id": root})
    language = choose_language(
        customer=customer["locale"] if customer else None,
        last_message=Content.model_validate_json(last["content"]).text,
        organisation=deps.organisation.language,
    )
    own = load_map(queue["config"]).get("texts", {})
    wordings = own.get(language, {}) if isinstance(own, dict) else {}
    if item.state is ItemState.CLOSED_HOURS:
        key = TextKey.CLOSED_HOURS_UNKNOWN
        return say(key, language, wording=wordings.get(key.value))
    case = cases.case(tx, item.case_id) if item.case_id else None
    number = display_number(case["number"]) if case else ""
    key = TextKey.ACKNOWLEDGED
    return say(key, language, wording=wordings.get(key.value), number=number)
