"""The live rows of routing: offers, assignments, timers, presence, loads; written by `dispatch`.

Columns repeat what claims and lists look at; `body` is the whole value of `model.work` or
`model.staff`. Items have a module of their own (`items`).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter
from sqlalchemy import bindparam, delete, select, update

from hub.model.clock import from_micros, to_micros
from hub.model.staff import AgentLoad, AgentPresence
from hub.model.work import Assignment, Offer, OfferState, Timer, TimerKind
from hub.store.queries.rows import dump, upsert
from hub.store.statement import stmt
from hub.store.tables import Agent, table
from hub.store.tables import AgentLoad as LoadRow
from hub.store.tables import AgentState as StateRow
from hub.store.tables import Assignment as AssignmentRow
from hub.store.tables import Offer as OfferRow
from hub.store.tables import Timer as TimerRow
from hub.store.tables import WorkItem as ItemRow
from hub.store.tx import Tx

T = TypeVar("T")

_offer = table(OfferRow)
_assignment = table(AssignmentRow)
_item = table(ItemRow)
_agent = table(Agent)
_timer = table(TimerRow)
_state = table(StateRow)
_load = table(LoadRow)

_OFFER = TypeAdapter(Offer)
_ASSIGNMENT = TypeAdapter(Assignment)
_PRESENCE = TypeAdapter(AgentPresence)

# By way of live items and of agents, so that a new router does not read what is long over.
_OFFERS_LIVE = stmt(
    select(_offer.c.body).where(
        _offer.c.item_id.in_(select(_item.c.id).where(_item.c.closed_at.is_(None))),
        _offer.c.state.in_((OfferState.OFFERED.value, OfferState.ACCEPTED.value)),
    ),
    name="offers.live",
)
_ASSIGNMENTS_LIVE = stmt(
    select(_assignment.c.body).where(
        _assignment.c.agent_id.in_(select(_agent.c.id)), _assignment.c.ended_at.is_(None)
    ),
    name="assignments.live",
)
_TIMERS = stmt(
    select(_timer.c.kind, _timer.c.subject_id, _timer.c.due_at, _timer.c.epoch), name="timers"
)
_PRESENCES = stmt(select(_state.c.body), name="agent_states")
_OFFER_ONE = stmt(select(_offer.c.body).where(_offer.c.id == bindparam("id")), name="offer")
_OFFERS_OF_AGENT = stmt(
    select(_offer.c.body).where(
        _offer.c.agent_id == bindparam("agent_id"), _offer.c.state == OfferState.OFFERED.value
    ),
    name="offers.of_agent",
)
_SAVE_OFFER = upsert(
    _offer,
    keys=("id",),
    update=("item_id", "agent_id", "state", "mode", "created_at", "expires_at", "body"),
    name="offer.save",
)
_ADD_ASSIGNMENT = upsert(
    _assignment,
    keys=("id",),
    update=(
        "item_id", "conversation_id", "agent_id", "role", "since", "ended_at", "body",
    ),
    name="assignment.save",
)  # fmt: skip
# Idle units and ends: the item is not at hand, and its conversation stays what it is.
_CHANGE_ASSIGNMENT = stmt(
    update(_assignment)
    .where(_assignment.c.id == bindparam("assignment_id"))
    .values(ended_at=bindparam("new_ended_at"), body=bindparam("new_body")),
    name="assignment.change",
)
_SAVE_PRESENCE = upsert(
    _state,
    keys=("agent_id",),
    update=("duty", "readiness", "link", "pause_reason", "since", "body"),
    name="agent_state.save",
)
_SAVE_LOAD = upsert(
    _load,
    keys=("agent_id",),
    update=("used", "capacity", "routable", "overcommitted", "by_class"),
    name="agent_load.save",
)
_SAVE_TIMER = upsert(
    _timer, keys=("kind", "subject_id"), update=("due_at", "epoch"), name="timer.save"
)
_DROP_TIMER = stmt(
    delete(_timer).where(
        _timer.c.kind == bindparam("of_kind"), _timer.c.subject_id == bindparam("of_subject")
    ),
    name="timer.drop",
)


def live_offers(tx: Tx) -> list[Offer]:
    """Return every offer that is offered, or accepted and its assignment running."""
    return _values(tx.run(_OFFERS_LIVE), _OFFER)


def live_assignments(tx: Tx) -> list[Assignment]:
    """Return every running assignment."""
    return _values(tx.run(_ASSIGNMENTS_LIVE), _ASSIGNMENT)


def presences(tx: Tx) -> list[AgentPresence]:
    """Return the presence of everybody who ever signed in."""
    return _values(tx.run(_PRESENCES), _PRESENCE)


def timers(tx: Tx) -> list[Timer]:
    """Return every timer."""
    return [
        Timer(TimerKind(kind), subject, from_micros(due), epoch)
        for kind, subject, due, epoch in tx.run(_TIMERS)
    ]


def offer(tx: Tx, offer_id: str) -> Offer | None:
    """Return one offer, live or over."""
    row = tx.one(_OFFER_ONE, {"id": offer_id})
    return None if row is None else _OFFER.validate_json(row[0])


def offers_of(tx: Tx, agent_id: str) -> list[Offer]:
    """Return what an agent is being asked."""
    return _values(tx.run(_OFFERS_OF_AGENT, {"agent_id": agent_id}), _OFFER)


def save_offers(tx: Tx, offers: Iterable[Offer]) -> None:
    """Write offers; ended ones first, so that no unique index sees two for a moment."""
    live = (OfferState.OFFERED, OfferState.ACCEPTED)
    for row in sorted(offers, key=lambda one: one.state in live):
        tx.execute(
            _SAVE_OFFER,
            {
                "id": row.id,
                "item_id": row.item_id,
                "agent_id": row.agent_id,
                "state": row.state.value,
                "mode": row.mode.value,
                "created_at": to_micros(row.created_at),
                "expires_at": to_micros(row.expires_at),
                "body": _json(row),
            },
        )


def save_assignments(
    tx: Tx, assignments: Iterable[Assignment], conversations: Mapping[str, str | None]
) -> None:
    """Write assignments, ended ones first.

    `conversations` holds the items changed in the same step; a new assignment's is among them.
    """
    for row in sorted(assignments, key=lambda one: one.ended_at is None):
        body, ended_at = _json(row), _micros(row.ended_at)
        if row.item_id not in conversations:
            params = {"assignment_id": row.id, "new_ended_at": ended_at, "new_body": body}
            tx.execute(_CHANGE_ASSIGNMENT, params)
            continue
        tx.execute(
            _ADD_ASSIGNMENT,
            {
                "id": row.id,
                "item_id": row.item_id,
                "conversation_id": conversations[row.item_id],
                "agent_id": row.agent_id,
                "role": row.role.value,
                "since": to_micros(row.since),
                "ended_at": ended_at,
                "body": body,
            },
        )


def save_presences(tx: Tx, rows: Iterable[AgentPresence]) -> None:
    """Write agents' presence."""
    for row in rows:
        tx.execute(
            _SAVE_PRESENCE,
            {
                "agent_id": row.agent_id,
                "duty": row.duty.value,
                "readiness": row.readiness.value,
                "link": row.link.value,
                "pause_reason": row.pause_reason[:60] if row.pause_reason else None,
                "since": _micros(row.since),
                "body": _json(row),
            },
        )


def save_loads(tx: Tx, rows: Iterable[AgentLoad]) -> None:
    """Write what agents hold."""
    for row in rows:
        tx.execute(
            _SAVE_LOAD,
            {
                "agent_id": row.agent_id,
                "used": row.used,
                "capacity": row.capacity,
                "routable": row.routable,
                "overcommitted": row.overcommitted,
                "by_class": dump({cls.value: count for cls, count in row.by_class.items()}),
            },
        )


def save_timers(tx: Tx, added: Iterable[Timer], dropped: Iterable[tuple[TimerKind, str]]) -> None:
    """Set and cancel timers."""
    for kind, subject in dropped:
        tx.execute(_DROP_TIMER, {"of_kind": kind.value, "of_subject": subject})
    for row in added:
        tx.execute(
            _SAVE_TIMER,
            {
                "kind": row.kind.value,
                "subject_id": row.subject_id,
                "due_at": to_micros(row.due_at),
                "epoch": row.epoch,
            },
        )


def _values(rows: Iterable[tuple[Any, ...]], codec: TypeAdapter[T]) -> list[T]:
    return [codec.validate_json(row[0]) for row in rows]


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def _json(value: object) -> str:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: object) -> object:
    """Give orjson what it does not know: read-only mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)
