"""Who may take an item, as far as configuration and the plan's opened steps say.

Tiers only add up from step to step and skill levels only fall, unless a step says `narrow`:
eligibility grows with waiting. Whether an agent is free is not asked here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.model.ids import AgentId, QueueId
from hub.model.staff import Queue, QueueMode
from hub.model.work import OfferMode, PlanStep, WorkClass, WorkItem
from hub.routing.index import Signature
from hub.routing.ordering import OrderClass, OrderTable, class_of

if TYPE_CHECKING:
    from hub.routing.state import RouterState

BUILT_IN_STEPS = (
    PlanStep(at_s=0, tiers=(1,)),
    PlanStep(at_s=300, tiers=(1, 2)),
    PlanStep(at_s=900, tiers=(1, 2, 3)),
)
"""Steps of an item whose queue and rule say none (a transfer, a dispatched task)."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What the steps opened so far add up to."""

    tiers: frozenset[int]
    skills: tuple[tuple[str, int], ...]
    borrow: tuple[QueueId, ...]
    offers: PlanStep | None
    owner_step: bool
    pushed: bool


def steps_of(item: WorkItem) -> tuple[PlanStep, ...]:
    """Return the item's steps; the built-in ladder when it has no plan."""
    return item.plan.steps if item.plan is not None and item.plan.steps else BUILT_IN_STEPS


def opening_of(item: WorkItem) -> Opening:
    """Return what the item's opened steps allow. `min_tier` is open whatever the steps say."""
    tiers: set[int] = set()
    skills = dict(item.req_skills)
    borrow: list[QueueId] = []
    offers: PlanStep | None = None
    owner_step = pushed = False
    for step in steps_of(item)[: item.step_no + 1]:
        tiers = set(step.tiers) if step.narrow else tiers | set(step.tiers)
        for skill, level in step.relax.items():
            skills[skill] = min(level, skills.get(skill, 0))
        borrow += [queue for queue in step.borrow if queue not in borrow]
        offers = step if step.offer_mode is not None else offers
        owner_step = owner_step or step.owner_wait_s is not None
        pushed = pushed or step.push
    allowed = frozenset(tier for tier in tiers if tier >= item.min_tier)
    if tiers and not allowed:
        allowed = frozenset((item.min_tier,))
    needed = tuple(sorted((skill, level) for skill, level in skills.items() if level > 0))
    return Opening(allowed, needed, tuple(borrow), offers, owner_step, pushed)


def offer_policy(item: WorkItem) -> tuple[OfferMode, int, float]:
    """Return how offers of the item are made now: mode, how many, seconds between."""
    step = opening_of(item).offers
    if step is None or step.offer_mode is None:
        return OfferMode.SINGLE, 1, 0.0
    many = step.offer_k if step.offer_mode is not OfferMode.SINGLE else 1
    return step.offer_mode, many, step.offer_every_s


def signature_of(item: WorkItem, queue: Queue) -> Signature | None:
    """Return the item's signature; None while it lies in a pool for members to grab."""
    opening = opening_of(item)
    if queue.mode is QueueMode.GRAB and not opening.pushed:
        return None
    tiers = tuple(sorted(opening.tiers))
    return Signature(queue.id, item.work_class, opening.skills, tiers, opening.borrow)


def order_of(item: WorkItem, table: OrderTable) -> tuple[OrderClass, float]:
    """Return the item's order class and virtual start in seconds; follow-ups go by due date."""
    start = item.vstart or item.created_at
    if item.work_class is WorkClass.FOLLOWUP and item.follow_up_at is not None:
        start = item.follow_up_at
    return class_of(item, table), start.timestamp()


def admits(state: "RouterState", signature: Signature, agent_id: AgentId) -> bool:
    """Tell whether configuration lets the agent take items of the signature."""
    agent = state.config.agents.get(agent_id)
    if agent is None or not agent.active or signature.work_class in agent.disabled_classes:
        return False
    if tier_in(state, signature, agent_id) not in signature.tiers:
        return False
    return all(agent.skills.get(skill, 0) >= level for skill, level in signature.skills)


def tier_in(state: "RouterState", signature: Signature, agent_id: AgentId) -> int | None:
    """Return the agent's tier in the signature's queue, or in a queue it borrows from."""
    memberships = state.queues_of.get(agent_id, {})
    for queue_id in (signature.queue_id, *signature.borrow):
        if queue_id in memberships:
            return memberships[queue_id].tier
    return None


def has_staff(state: "RouterState", item: WorkItem) -> bool:
    """Tell whether any open tier of the item has a staffed member."""
    opening = opening_of(item)
    queues = (item.queue_id, *opening.borrow)
    return any(
        state.staff.get((queue_id, tier), 0) > 0
        for queue_id in queues
        if queue_id is not None
        for tier in opening.tiers
    )


def delay_of(state: "RouterState", signature: Signature, agent_id: AgentId) -> float:
    """Return from which age of an item on the agent may take it, in seconds."""
    member = state.queues_of.get(agent_id, {}).get(signature.queue_id)
    return member.delay_s if member is not None else 0.0
