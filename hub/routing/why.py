"""Why an item still waits, and why a given agent is not asked: read from the state, never changed.

The reasons are the conditions of matching in their order; the first that fails is named, so that
"nobody is free" and "nobody has the skill" are told apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hub.model.ids import AgentId, ItemId, QueueId
from hub.model.staff import AgentPresence, Duty, Link, Queue, QueueMode, Readiness
from hub.model.work import HELD_STATES, ItemState, TimerKind, WorkItem
from hub.routing.changes import NO_DATA, Small
from hub.routing.eligibility import opening_of, order_of, signature_of, tier_in
from hub.routing.exclusion import barrier_of, is_excluded
from hub.routing.index import Signature
from hub.routing.ordering import score
from hub.routing.state import RouterState

MOST_CANDIDATES = 10


class Passed(StrEnum):
    """Why an agent is not asked, in the order of looking: the later, the nearer they were."""

    NOT_A_MEMBER = "not_a_member"
    INACTIVE = "inactive"
    CLASS_DISABLED = "class_disabled"
    BARRED = "barred"
    TIER_NOT_OPEN = "tier_not_open"
    SKILL_MISSING = "skill_missing"
    OFF_DUTY = "off_duty"
    LINK_DOWN = "link_down"
    PAUSED = "paused"
    NOT_RESPONDING = "not_responding"
    OVERCOMMITTED = "overcommitted"
    CLASS_CAP = "class_cap"
    NO_UNITS = "no_units"
    DELAYED = "delayed"
    EXCLUDED = "excluded"
    HELD_FOR_OWNER = "held_for_owner"
    IN_POOL = "in_pool"
    ASKED = "asked"
    NONE = "none"


_NEARNESS = {reason: place for place, reason in enumerate(Passed)}


class Waiting(StrEnum):
    """Why an item waits, or that it does not."""

    NOT_WAITING = "not_waiting"
    BEING_ASKED = "being_asked"
    CLOSED_HOURS = "closed_hours"
    HELD_FOR_OWNER = "held_for_owner"
    IN_POOL = "in_pool"
    NOBODY_QUALIFIED = "nobody_qualified"
    NOBODY_ON_DUTY = "nobody_on_duty"
    EVERYBODY_BUSY = "everybody_busy"
    EVERYBODY_EXCLUDED = "everybody_excluded"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One agent and the first reason they are not asked; `none`: they would be."""

    agent_id: AgentId
    reason: Passed
    tier: int | None = None
    data: Mapping[str, Small] = field(default_factory=lambda: NO_DATA)


@dataclass(frozen=True, slots=True)
class Why:
    """Everything a person needs to understand one item's waiting.

    Attributes:
        terms: the parts of its score.
        candidates: agents, the nearest to being asked first.
        passed_over: how many agents fall under each reason.
        next_at: what happens by itself and when (steps, delays, exclusions, opening).
    """

    item_id: ItemId
    waiting: Waiting
    rule_id: str | None
    queue_id: QueueId | None
    step_no: int
    tiers: tuple[int, ...]
    skills: tuple[tuple[str, int], ...]
    terms: Mapping[str, Small]
    candidates: tuple[Candidate, ...]
    passed_over: Mapping[str, int]
    next_at: tuple[tuple[TimerKind, datetime], ...]


_SELF_MOVING = (
    TimerKind.STEP, TimerKind.OWNER_WAIT, TimerKind.MEMBER_DELAY, TimerKind.EXCLUSION_END,
    TimerKind.OFFER_PROGRESS, TimerKind.MAX_WAIT, TimerKind.OPENING,
)  # fmt: skip


def why_waiting(
    state: RouterState, item_id: ItemId, now: datetime, most: int = MOST_CANDIDATES
) -> Why | None:
    """Return why an item waits; None when it is not live. O(agents of its queue)."""
    item = state.items.get(item_id)
    if item is None:
        return None
    opening = opening_of(item)
    queue = state.config.queues.get(item.queue_id) if item.queue_id else None
    found = [why_not(state, item, agent_id, now) for agent_id in _members(state, item)]
    found.sort(key=lambda one: (-_NEARNESS[one.reason], one.tier or 0, one.agent_id))
    counts: dict[str, int] = {}
    for one in found:
        counts[one.reason.value] = counts.get(one.reason.value, 0) + 1
    timers = [state.timers.get((kind, item_id)) for kind in _SELF_MOVING]
    return Why(
        item_id=item_id,
        waiting=_waiting(item, queue, counts),
        rule_id=item.plan.rule_id if item.plan else None,
        queue_id=item.queue_id,
        step_no=item.step_no,
        tiers=tuple(sorted(opening.tiers)),
        skills=opening.skills,
        terms=_terms(state, item, now),
        candidates=tuple(found[:most]),
        passed_over=counts,
        next_at=tuple(sorted(
            ((timer.kind, timer.due_at) for timer in timers if timer), key=lambda one: one[1]
        )),
    )  # fmt: skip


def _members(state: RouterState, item: WorkItem) -> list[AgentId]:
    """Return who serves the item's queue or one it borrows from, and its owner."""
    found: dict[AgentId, None] = {}
    for queue_id in (item.queue_id, *opening_of(item).borrow):
        if queue_id is not None:
            found.update(dict.fromkeys(state.members.get(queue_id, {})))
    if item.owner_agent_id in state.config.agents and item.owner_agent_id is not None:
        found[item.owner_agent_id] = None
    return list(found)


def _waiting(item: WorkItem, queue: Queue | None, counts: Mapping[str, int]) -> Waiting:
    if item.state is ItemState.CLOSED_HOURS:
        return Waiting.CLOSED_HOURS
    if item.state is ItemState.OFFERED:
        return Waiting.BEING_ASKED
    if item.state is not ItemState.QUEUED or queue is None:
        return Waiting.NOT_WAITING
    if item.owner_wait_until is not None:
        return Waiting.HELD_FOR_OWNER
    if queue.mode is QueueMode.GRAB and not opening_of(item).pushed:
        return Waiting.IN_POOL
    busy = (Passed.CLASS_CAP, Passed.NO_UNITS, Passed.OVERCOMMITTED)
    if any(counts.get(reason) for reason in busy):
        return Waiting.EVERYBODY_BUSY
    if counts.get(Passed.EXCLUDED) or counts.get(Passed.DELAYED):
        return Waiting.EVERYBODY_EXCLUDED
    away = (Passed.OFF_DUTY, Passed.LINK_DOWN, Passed.PAUSED, Passed.NOT_RESPONDING)
    if any(counts.get(reason) for reason in away):
        return Waiting.NOBODY_ON_DUTY
    return Waiting.NOBODY_QUALIFIED


def _terms(state: RouterState, item: WorkItem, now: datetime) -> dict[str, Small]:
    queue = state.config.queues.get(item.queue_id) if item.queue_id else None
    if queue is None:
        return {}
    order, vstart_s = order_of(item, state.config.order)
    waited_s = now.timestamp() - vstart_s
    first, _ = score(queue.discipline, order, vstart_s, now.timestamp())
    return {
        "discipline": queue.discipline.value, "head": order.head, "weight": order.weight,
        "target_s": order.target_s, "waited_s": round(waited_s, 3), "score": round(first, 4),
    }  # fmt: skip


def why_not(state: RouterState, item: WorkItem, agent_id: AgentId, now: datetime) -> Candidate:
    """Return the first condition that keeps an agent from being asked for an item now."""
    queue = state.config.queues.get(item.queue_id) if item.queue_id else None
    agent = state.config.agents.get(agent_id)
    if queue is None or agent is None:
        return Candidate(agent_id, Passed.NOT_A_MEMBER)
    opening = opening_of(item)
    signature = signature_of(item, queue) or Signature(
        queue.id, item.work_class, opening.skills, tuple(sorted(opening.tiers)), opening.borrow
    )
    tier = tier_in(state, signature, agent_id)
    if tier is None:
        return Candidate(agent_id, Passed.NOT_A_MEMBER)
    if not agent.active:
        return Candidate(agent_id, Passed.INACTIVE, tier)
    if item.work_class in agent.disabled_classes:
        return Candidate(agent_id, Passed.CLASS_DISABLED, tier)
    if agent_id in item.barred:
        return Candidate(agent_id, Passed.BARRED, tier)
    if tier not in signature.tiers:
        return Candidate(agent_id, Passed.TIER_NOT_OPEN, tier)
    for skill, level in signature.skills:
        has = agent.skills.get(skill, 0)
        if has < level:
            data: dict[str, Small] = {"skill": skill, "needed": level, "has": has}
            return Candidate(agent_id, Passed.SKILL_MISSING, tier, data)
    return _not_now(state, item, queue, agent_id, tier, now)


def _away(presence: AgentPresence) -> Passed | None:
    if presence.duty is not Duty.ON:
        return Passed.OFF_DUTY
    if presence.link is not Link.UP:
        return Passed.LINK_DOWN
    if presence.readiness is Readiness.PAUSED:
        return Passed.PAUSED
    return Passed.NOT_RESPONDING if presence.readiness is Readiness.NOT_RESPONDING else None


def _not_now(  # noqa: PLR0913 - what was already looked up
    state: RouterState, item: WorkItem, queue: Queue, agent_id: AgentId, tier: int, now: datetime
) -> Candidate:
    """Return what keeps a qualified agent from being asked at this moment."""
    if item.handler_agent_id == agent_id or any(
        offer.agent_id == agent_id for offer in state.live_offers(item.id)
    ):
        return Candidate(agent_id, Passed.ASKED, tier)
    away = _away(state.presence_of(agent_id))
    if away is not None:
        return Candidate(agent_id, away, tier)
    if state.over_items.get(agent_id):
        return Candidate(agent_id, Passed.OVERCOMMITTED, tier)
    if item.state not in HELD_STATES and not state.has_room(agent_id, item):
        return _no_room(state, item, agent_id, tier)
    delay_s = state.queues_of[agent_id][queue.id].delay_s if (
        queue.id in state.queues_of.get(agent_id, {})
    ) else 0.0  # fmt: skip
    if (now - (item.vstart or now)).total_seconds() < delay_s:
        return Candidate(agent_id, Passed.DELAYED, tier, {"delay_s": delay_s})
    if is_excluded(state, item, agent_id, now):
        barrier = barrier_of(item, agent_id)
        until = barrier.until.isoformat() if barrier else None
        return Candidate(agent_id, Passed.EXCLUDED, tier, {"until": until})
    if item.owner_wait_until is not None and item.owner_agent_id != agent_id:
        return Candidate(agent_id, Passed.HELD_FOR_OWNER, tier)
    if queue.mode is QueueMode.GRAB and not opening_of(item).pushed:
        return Candidate(agent_id, Passed.IN_POOL, tier)
    return Candidate(agent_id, Passed.NONE, tier)


def _no_room(state: RouterState, item: WorkItem, agent_id: AgentId, tier: int) -> Candidate:
    book, agent = state.books[agent_id], state.config.agents[agent_id]
    cap = state.cap_of(agent, item.work_class)
    held = book.counts.get(item.work_class, 0)
    if held >= cap:
        return Candidate(agent_id, Passed.CLASS_CAP, tier, {"held": held, "cap": cap})
    used = book.standing_against(item.work_class)
    data: dict[str, Small] = {"used": used, "needed": state.units_of(item), "of": book.capacity}
    return Candidate(agent_id, Passed.NO_UNITS, tier, data)
