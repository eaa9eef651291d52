"""Many rows by their ids in one statement each: what the live feed shows of a batch of events."""

from collections.abc import Sequence

from sqlalchemy import BindParameter, bindparam, select

from hub.store.queries.rows import Row, dicts
from hub.store.statement import Stmt, stmt
from hub.store.tables import (
    Agent,
    AgentLoad,
    AgentSession,
    AgentState,
    ApiToken,
    Case,
    Channel,
    Customer,
    Draft,
    Message,
    Offer,
    Queue,
    WorkItem,
    table,
)
from hub.store.tx import Tx

_message, _case, _item = table(Message), table(Case), table(WorkItem)
_offer, _agent, _customer = table(Offer), table(Agent), table(Customer)
_state, _load = table(AgentState), table(AgentLoad)
_queue, _channel, _draft = table(Queue), table(Channel), table(Draft)
_session, _token = table(AgentSession), table(ApiToken)

_IDS: BindParameter[str] = bindparam("ids", expanding=True)
MESSAGES = stmt(select(_message).where(_message.c.id.in_(_IDS)), name="bulk.messages")
CASES = stmt(select(_case).where(_case.c.id.in_(_IDS)), name="bulk.cases")
ITEMS = stmt(
    select(*(column for column in _item.columns if column.name != "body")).where(
        _item.c.id.in_(_IDS)
    ),
    name="bulk.items",
)
_OFFER_WITH_ITEM = (
    select(
        _offer.c.id,
        _offer.c.item_id,
        _offer.c.agent_id,
        _offer.c.state,
        _offer.c.mode,
        _offer.c.created_at,
        _offer.c.expires_at,
        _item.c.work_class,
        _item.c.conversation_id,
        _item.c.queue_id,
        _item.c.vstart,
        _item.c.severity,
    )
    .select_from(_offer)
    .join(_item, _item.c.id == _offer.c.item_id)
)
OFFERS = stmt(_OFFER_WITH_ITEM.where(_offer.c.id.in_(_IDS)), name="bulk.offers")
OFFERS_TO = stmt(
    _OFFER_WITH_ITEM.where(
        _offer.c.agent_id == bindparam("agent_id"), _offer.c.state == "offered"
    ).order_by(_offer.c.expires_at),
    name="offers.to",
)
AGENTS = stmt(
    select(
        _agent.c.id,
        _agent.c.name,
        _agent.c.display_name,
        _agent.c.kind,
        _agent.c.signature,
        _agent.c.roles,
        _agent.c.active,
        _agent.c.capacity,
        _state.c.duty,
        _state.c.readiness,
        _state.c.link,
        _state.c.pause_reason,
        _state.c.since,
        _load.c.used,
        _load.c.by_class,
    )
    .select_from(_agent)
    .outerjoin(_state, _state.c.agent_id == _agent.c.id)
    .outerjoin(_load, _load.c.agent_id == _agent.c.id)
    .where(_agent.c.id.in_(_IDS)),
    name="bulk.agents",
)
CUSTOMERS = stmt(
    select(
        _customer.c.id,
        _customer.c.name,
        _customer.c.level,
        _customer.c.locale,
        _customer.c.care_group,
        _customer.c.merged_into,
        _customer.c.version,
    ).where(_customer.c.id.in_(_IDS)),
    name="bulk.customers",
)
QUEUES = stmt(
    select(_queue.c.id, _queue.c.name, _queue.c.active, _queue.c.version).where(
        _queue.c.id.in_(_IDS)
    ),
    name="bulk.queues",
)
CHANNELS = stmt(
    select(
        _channel.c.id,
        _channel.c.kind,
        _channel.c.name,
        _channel.c.state,
        _channel.c.state_reason,
        _channel.c.version,
    ).where(_channel.c.id.in_(_IDS)),
    name="bulk.channels",
)
DRAFTS = stmt(select(_draft).where(_draft.c.conversation_id.in_(_IDS)), name="bulk.drafts")
SESSIONS_ALIVE = stmt(
    select(_session.c.id).where(_session.c.id.in_(_IDS), _session.c.expires_at > bindparam("now")),
    name="bulk.sessions_alive",
)
TOKENS_ALIVE = stmt(
    select(_token).where(_token.c.token_hash.in_(_IDS), _token.c.revoked_at.is_(None)),
    name="bulk.tokens_alive",
)


def by_id(tx: Tx, statement: Stmt, ids: Sequence[str]) -> dict[str, Row]:
    """Return the rows of a statement of this module, by id; ids without a row are left out."""
    if not ids:
        return {}
    return {row["id"]: row for row in dicts(tx, statement, {"ids": list(ids)})}


def sessions_alive(tx: Tx, ids: Sequence[str], now: int) -> set[str]:
    """Return those of the session ids that are not over."""
    if not ids:
        return set()
    return {str(row[0]) for row in tx.run(SESSIONS_ALIVE, {"ids": list(ids), "now": now})}


def tokens_alive(tx: Tx, hashes: Sequence[str], now: int) -> dict[str, Row]:
    """Return tokens neither revoked nor over, by hash."""
    if not hashes:
        return {}
    rows = dicts(tx, TOKENS_ALIVE, {"ids": list(hashes)})
    return {
        row["token_hash"]: row
        for row in rows
        if row["expires_at"] is None or row["expires_at"] > now
    }
