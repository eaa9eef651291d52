"""Counts and names that rules of routing ask about."""

from sqlalchemy import bindparam, func, select

from hub.store.statement import stmt
from hub.store.tables import Case, Conversation, ConversationTag, Tag, table
from hub.store.tx import Tx

_case = table(Case)
_c = table(Conversation)
_ct = table(ConversationTag)
_tag = table(Tag)

_CASES_SINCE = stmt(
    select(func.count())
    .select_from(_case)
    .where(
        _case.c.customer_id.in_(bindparam("customers", expanding=True)),
        _case.c.opened_at >= bindparam("since"),
        _case.c.id != bindparam("but"),
    ),
    name="facts.cases_since",
)
_CONVERSATIONS = stmt(
    select(func.count())
    .select_from(_c)
    .where(_c.c.customer_id.in_(bindparam("customers", expanding=True))),
    name="facts.conversations",
)
_TAGS = stmt(
    select(_tag.c.name)
    .select_from(_ct.join(_tag, _tag.c.id == _ct.c.tag_id))
    .where(_ct.c.conversation_id == bindparam("conversation_id"))
    .order_by(_tag.c.name),
    name="facts.tags",
)


def cases_since(tx: Tx, customers: list[str], since: int, but: str) -> int:
    """Return how many other cases a customer's family opened since an instant (microseconds)."""
    return _count(tx.one(_CASES_SINCE, {"customers": customers, "since": since, "but": but}))


def conversations_of(tx: Tx, customers: list[str]) -> int:
    """Return how many conversations a customer's family has."""
    return _count(tx.one(_CONVERSATIONS, {"customers": customers}))


def tags_of(tx: Tx, conversation_id: str) -> tuple[str, ...]:
    """Return the tags of a conversation by name."""
    return tuple(str(row[0]) for row in tx.run(_TAGS, {"conversation_id": conversation_id}))


def _count(row: tuple[int, ...] | None) -> int:
    return 0 if row is None else int(row[0])
