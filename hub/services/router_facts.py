"""What rules may ask about: loads an item's case, customer and last message into facts.

Values are read when an item arrives (and when a set is published with re-planning). A fact that is
not known is left out: conditions on it are then unknown, never true.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from hub.model.clock import to_micros
from hub.model.content import Content
from hub.model.ids import AgentId, CaseId, ConversationId, CustomerId, ItemId
from hub.model.router_commands import Fact, ItemArrived
from hub.model.work import WorkItem
from hub.services.deps import Deps
from hub.store.queries import cases, conversations, customers, facts, messages, outcomes, routing
from hub.store.queries.rows import Row, one_dict
from hub.store.tx import Tx
from hub.unify.language import known_language, language_of

REPEAT_WITHIN = timedelta(hours=24)
MAX_TEXT_CHARS = 4_000

PHRASES: Mapping[str, tuple[str, ...]] = {
    "zh-CN": (
        "人工", "转人工", "真人", "找客服", "人工客服", "不要机器人", "接线员",
    ),
    "en": (
        "human", "real person", "speak to someone", "talk to someone", "talk to a person",
        "speak to a person", "representative", "live agent", "speak to an agent",
        "talk to an agent", "operator", "not a bot", "call me back",
    ),
}  # fmt: skip
"""What customers say who want a person; `routing.phrases` in `setting` replaces a language's."""


async def arrivals_of(deps: Deps, found: Sequence[WorkItem]) -> list[ItemArrived]:
    """Return new items as the router takes them in, in their order."""
    if not found:
        return []

    def unit(tx: Tx) -> list[ItemArrived]:
        phrases = _phrases(tx)
        return [_arrival(tx, item, phrases) for item in found]

    return await deps.db.read(unit)


async def facts_of_items(deps: Deps, found: Sequence[WorkItem]) -> dict[ItemId, Mapping[str, Fact]]:
    """Return the rules' fields of items that are planned anew."""
    return {arrival.item_id: arrival.facts for arrival in await arrivals_of(deps, found)}


def _phrases(tx: Tx) -> dict[str, tuple[str, ...]]:
    own = routing.values(tx).get("phrases")
    edited = own if isinstance(own, dict) else {}
    return {**PHRASES, **{str(k): tuple(map(str, v)) for k, v in edited.items()}}


def _arrival(tx: Tx, item: WorkItem, phrases: Mapping[str, tuple[str, ...]]) -> ItemArrived:
    case = cases.case(tx, item.case_id) if item.case_id else None
    row = conversations.conversation(tx, item.conversation_id) if item.conversation_id else None
    root = customers.root_of(tx, item.customer_id) if item.customer_id else None
    customer = one_dict(tx, customers.CUSTOMER, {"id": root}) if root else None
    level = customer["level"] if customer else item.customer_level
    found: dict[str, Fact] = {
        **_of_case(tx, item, case, root),
        **_of_customer(tx, customer, root),
        **(_of_conversation(tx, row, phrases) if row else {}),
    }
    owner = case["owner_agent_id"] if case else item.owner_agent_id
    return ItemArrived(
        item_id=item.id,
        work_class=item.work_class,
        kind=item.kind,
        created_at=item.created_at,
        case_id=CaseId(item.case_id) if item.case_id else None,
        conversation_id=ConversationId(item.conversation_id) if item.conversation_id else None,
        customer_id=CustomerId(root) if root else None,
        parent_item_id=item.parent_item_id,
        owner_agent_id=AgentId(owner) if owner else None,
        severity=case["severity"] if case else item.severity,
        customer_level=level,
        reopened=item.reopens > 0,
        reopens=item.reopens,
        vstart=item.vstart,
        queue_id=item.queue_id,
        req_skills=dict(item.req_skills),
        barred=item.barred,
        due_at=item.follow_up_at,
        facts=found,
    )


def _of_case(tx: Tx, item: WorkItem, case: Row | None, root: str | None) -> dict[str, Fact]:
    if case is None:
        return {}
    family = customers.family_of(tx, root) if root else []
    since = to_micros(item.created_at - REPEAT_WITHIN)
    others = facts.cases_since(tx, family, since, str(case["id"])) if family else 0
    return {
        "case.type": case["type"],
        "case.class": case["class_code"],
        "case.severity": case["severity"],
        "case.severity_by_person": case["severity_by"] == "person",
        "case.reopens": case["reopens"],
        "case.has_owner": case["owner_agent_id"] is not None,
        "case.repeat_24h": others > 0 or (item.reopens > 0 and case["opened_at"] >= since),
    }


def _of_customer(tx: Tx, customer: Row | None, root: str | None) -> dict[str, Fact]:
    if customer is None or root is None:
        return {}
    known: dict[str, Fact] = {
        "customer.level": customer["level"],
        "customer.known": facts.conversations_of(tx, customers.family_of(tx, root)) > 1,
    }
    if customer["care_group"]:
        known["customer.group"] = customer["care_group"]
    language = known_language(customer["locale"])
    if language is not None:
        known["customer.language"] = language
    return known


def _of_conversation(tx: Tx, row: Row, phrases: Mapping[str, tuple[str, ...]]) -> dict[str, Fact]:
    found: dict[str, Fact] = {
        "conversation.subject": row["subject"],
        "conversation.messages": row["last_number"],
        "conversation.tags": facts.tags_of(tx, row["id"]),
    }
    if row["last_channel_id"]:
        head = one_dict(tx, conversations.CHANNEL_HEAD, {"id": row["last_channel_id"]})
        if head is not None:
            found |= {"channel.id": head["id"], "channel.kind": head["kind"]}
    last = outcomes.last_inbound(tx, row["id"])
    if last is not None:
        found |= _of_message(tx, last, row, phrases)
    return found


def _of_message(
    tx: Tx, last: Row, row: Row, phrases: Mapping[str, tuple[str, ...]]
) -> dict[str, Fact]:
    text = Content.model_validate_json(last["content"]).text[:MAX_TEXT_CHARS]
    found: dict[str, Any] = {
        "message.text": text,
        "message.asks_for_person": asks_for_person(text, phrases),
        "message.has_attachment": bool(messages.attachments_of(tx, [last["id"]])),
    }
    language = language_of(text) or known_language(row["language"])
    if language is not None:
        found["message.language"] = language
    identity = one_dict(tx, customers.IDENTITY, {"id": last["identity_id"]})
    if identity is not None:
        found["message.address"] = identity["value"]
    return found


def asks_for_person(text: str, phrases: Mapping[str, tuple[str, ...]] = PHRASES) -> bool:
    """Tell whether a text asks for a person: it contains one of the phrases, in any language."""
    folded = " ".join(text.casefold().split())
    return any(phrase.casefold() in folded for own in phrases.values() for phrase in own)
