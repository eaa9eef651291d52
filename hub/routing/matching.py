"""Matching: which free agent gets which waiting item, after every command.

Two ways meet here: an agent has room (the best item for them), an item waits (the best agent for
it). Both run until nothing more fits, so that no waiting item has an eligible agent with room.
"""

from collections.abc import Callable, Iterator
from math import inf
from typing import Any, TypeVar

from hub.model.ids import AgentId, ItemId
from hub.model.staff import Discipline
from hub.model.work import ItemState, OfferMode, TimerKind, WorkClass, WorkItem
from hub.routing.changes import DecisionTrace
from hub.routing.eligibility import delay_of, offer_policy, opening_of
from hub.routing.exclusion import is_excluded
from hub.routing.index import Signature
from hub.routing.offering import make_offer
from hub.routing.ordering import OrderClass, Score, score
from hub.routing.queueing import owner_may_take
from hub.routing.recorder import Step
from hub.routing.selecting import best_agents
from hub.routing.state import OWN_UNITS, RouterState

_Id = TypeVar("_Id", AgentId, ItemId)

Pick = tuple[ItemId, OrderClass, float, bool]
"""Item, its order class, its virtual start, and whether the fairness guard chose it."""


def run_matching(step: Step) -> None:
    """Offer until no dirty agent and no dirty item is left. Deterministic."""
    state = step.state
    while True:
        step.settle()
        if step.dirty_agents:
            agent_id = _first(step.dirty_agents, lambda a: agent_order(state, a))
            del step.dirty_agents[agent_id]
            match_agent(step, agent_id)
        elif step.dirty_items:
            item_id = _first(step.dirty_items, lambda i: item_order(state, i))
            del step.dirty_items[item_id]
            match_item(step, item_id)
        else:
            return


def _first(found: dict[_Id, None], key: Callable[[_Id], tuple[Any, ...]]) -> _Id:
    """Return the first by order; most often there is one alone."""
    return min(found, key=key) if len(found) > 1 else next(iter(found))


def agent_order(state: RouterState, agent_id: AgentId) -> tuple[str, str]:
    """Return the order in which agents who became free together choose: longest idle first."""
    idle = state.presence_of(agent_id).idle_since.values()
    return (min(idle).isoformat() if idle else "9", agent_id)


def item_order(state: RouterState, item_id: ItemId) -> tuple[float, str]:
    """Return the order in which items that came together are offered: oldest first."""
    place = state.index.place_of(item_id)
    return (place.vstart_s if place else 0.0, item_id)


def match_agent(step: Step, agent_id: AgentId) -> None:
    """Offer the best items to one agent until nothing more fits."""
    state = step.state
    if agent_id not in state.config.agents:
        return
    while True:
        step.settle()
        if not state.presence_of(agent_id).offerable or state.over_items.get(agent_id):
            return
        held = _held_for(step, agent_id)
        if held is not None:
            make_offer(step, held, agent_id, OfferMode.SINGLE)
            continue
        pick = best_item(step, agent_id)
        if pick is None:
            return
        item = state.items[pick[0]]
        _trace(step, item, agent_id, pick)
        mode, many, _ = offer_policy(item)
        others = best_agents(step, item, many - 1, skip=agent_id) if many > 1 else []
        offer_to(step, item, [agent_id, *others], mode)


def match_item(step: Step, item_id: ItemId) -> None:
    """Offer one waiting item to the best free agents, if there are any."""
    item = step.state.items.get(item_id)
    if item is None or item.state is not ItemState.QUEUED:
        return
    place = step.state.index.place_of(item_id)
    if place is None:
        if item.owner_wait_until is not None and item.owner_agent_id is not None:
            match_agent(step, item.owner_agent_id)
        return
    owner = _free_owner(step, item)
    mode, many, _ = offer_policy(item)
    if owner is not None:
        many, mode = 1, OfferMode.SINGLE
        chosen = [owner]
    else:
        wanted = many if mode is OfferMode.BROADCAST else 1
        chosen = best_agents(step, item, wanted)
    if chosen:
        _trace(step, item, chosen[0], (item_id, place.order, place.vstart_s, False))
        offer_to(step, item, chosen, mode)


def offer_to(step: Step, item: WorkItem, agents: list[AgentId], mode: OfferMode) -> None:
    """Make the offers of one decision. Progressive ones begin with one agent."""
    _, many, every_s = offer_policy(item)
    if mode is OfferMode.PROGRESSIVE:
        agents = agents[:1]
    for agent_id in agents:
        current = step.state.items[item.id]
        if current.state in (ItemState.QUEUED, ItemState.OFFERED):
            make_offer(step, current, agent_id, mode)
    if mode is OfferMode.PROGRESSIVE and many > 1:
        step.set_timer(TimerKind.OFFER_PROGRESS, item.id, step.after(every_s))


def _free_owner(step: Step, item: WorkItem) -> AgentId | None:
    """Return the owner when a step allows asking them first and they could take it this moment."""
    owner = item.owner_agent_id
    if owner is None or not opening_of(item).owner_step:
        return None
    state = step.state
    if not owner_may_take(state, item, owner) or not state.routable(owner, item.work_class):
        return None
    if is_excluded(state, item, owner, step.now) or not state.has_room(owner, item):
        return None
    return owner


def _held_for(step: Step, agent_id: AgentId) -> WorkItem | None:
    """Return the oldest item that waits for this agent alone and fits."""
    state = step.state
    held = [state.items[i] for i in state.owner_held.get(agent_id, {})]
    fitting = [
        item
        for item in held
        if state.routable(agent_id, item.work_class)
        and state.has_room(agent_id, item)
        and not is_excluded(state, item, agent_id, step.now)
    ]
    return min(fitting, key=lambda i: (i.vstart or i.created_at, i.id), default=None)


def best_item(step: Step, agent_id: AgentId) -> Pick | None:
    """Return the item this agent is to be offered next, by order or by the fairness guard."""
    quick = _quick_pick(step, agent_id)
    if quick is not None:
        return quick
    heads = list(_heads_for(step, agent_id))
    if not heads:
        return None
    return _guarded(step, agent_id, heads) or _by_order(step, heads)


def _quick_pick(step: Step, agent_id: AgentId) -> Pick | None:
    """Return the highest share of promised time among first items, None when in doubt.

    Nobody's own first item comes before the first item of all: if that one may be offered to the
    agent, it is the pick. Guarded picks, other disciplines and small pieces go the long way.
    """
    state, now_s = step.state, step.now.timestamp()
    picks = state.presence_of(agent_id).picks + 1
    best = (-inf, 0.0, ItemId(""))
    chosen: tuple[Signature, OrderClass] | None = None
    for signature in state.index.signatures_of(agent_id):
        if agent_id not in state.free[signature.work_class]:
            continue
        queue = state.config.queues[signature.queue_id]
        guarded = queue.fairness_n > 0 and picks % queue.fairness_n == 0
        ratio = queue.discipline is Discipline.SLA_RATIO
        if guarded or not ratio or signature.work_class in OWN_UNITS:
            return None
        for head, weight, target_s, vstart_s, item_id, order in state.index.tops(signature):
            value = head + weight * (now_s - vstart_s) / target_s
            if value > best[0] or (value == best[0] and (vstart_s, item_id) < best[1:]):
                best, chosen = (value, vstart_s, item_id), (signature, order)
    if chosen is None:
        return None
    _, vstart_s, item_id = best
    item = state.items[item_id]
    late_enough = now_s - vstart_s >= delay_of(state, chosen[0], agent_id)
    if item.units is not None or not late_enough:
        return None
    if is_excluded(state, item, agent_id, step.now):
        return None
    return item_id, chosen[1], vstart_s, False


Head = tuple[Signature, OrderClass, float, ItemId]


def _heads_for(step: Step, agent_id: AgentId) -> Iterator[Head]:
    state, now_s = step.state, step.now.timestamp()
    items = state.items
    for signature in list(state.index.signatures_of(agent_id)):
        if agent_id not in state.free[signature.work_class]:
            continue
        if not _reserve_kept(state, signature, agent_id):
            continue
        delay_s = delay_of(state, signature, agent_id)
        # Among the free there is room for a whole piece of the class.
        whole = signature.work_class not in OWN_UNITS

        def admit(
            item_id: ItemId, vstart_s: float, delay_s: float = delay_s, whole: bool = whole
        ) -> bool | None:
            if delay_s and now_s - vstart_s < delay_s:
                return None
            item = items[item_id]
            if (not whole or item.units is not None) and not state.has_room(agent_id, item):
                return False
            if not item.excluded and not item.barred:
                return True
            return not is_excluded(state, item, agent_id, step.now)

        for order, vstart_s, item_id in state.index.heads(signature, admit):
            yield signature, order, vstart_s, item_id


def _reserve_kept(state: RouterState, signature: Signature, agent_id: AgentId) -> bool:
    """Tell whether a follow-up may be offered: more members free than the queue reserves."""
    if signature.work_class is not WorkClass.FOLLOWUP:
        return True
    queue = state.config.queues[signature.queue_id]
    free = state.free[WorkClass.MESSAGING]
    members = state.members.get(queue.id, {})
    return sum(1 for a in members if a in free and a != agent_id) >= queue.reserve_free


def _guarded(step: Step, agent_id: AgentId, heads: list[Head]) -> Pick | None:
    """Return the oldest item when it is the agent's n-th pick and a queue wants that."""
    picks = step.state.presence_of(agent_id).picks + 1
    queues = step.state.config.queues
    guarded = [
        head
        for head in heads
        if head[0].work_class is not WorkClass.FOLLOWUP
        and (every := queues[head[0].queue_id].fairness_n) > 0
        and picks % every == 0
    ]
    if not guarded:
        return None
    _, order, vstart_s, item_id = min(guarded, key=lambda head: (head[2], head[3]))
    return item_id, order, vstart_s, True


def _by_order(step: Step, heads: list[Head]) -> Pick:
    """Return the highest score. Queues of unlike disciplines compare by share of promised time."""
    queues, now_s = step.state.config.queues, step.now.timestamp()
    best: dict[Discipline, tuple[Score, Head]] = {}
    for head in heads:
        discipline = queues[head[0].queue_id].discipline
        scored = (score(discipline, head[1], head[2], now_s), head)
        if discipline not in best or _before(scored, best[discipline]):
            best[discipline] = scored
    finalists = list(best.values())
    if len(finalists) > 1:
        finalists = [(score(Discipline.SLA_RATIO, h[1], h[2], now_s), h) for _, h in finalists]
    top = finalists[0]
    for scored in finalists[1:]:
        if _before(scored, top):
            top = scored
    head = top[1]
    return head[3], head[1], head[2], False


def _before(a: tuple[Score, Head], b: tuple[Score, Head]) -> bool:
    """Tell whether a comes before b: higher score, then older, then smaller id."""
    if a[0] != b[0]:
        return a[0] > b[0]
    return (a[1][2], a[1][3]) < (b[1][2], b[1][3])


def _trace(step: Step, item: WorkItem, agent_id: AgentId, pick: Pick) -> None:
    _, order, vstart_s, guarded = pick
    waited_s = step.now.timestamp() - vstart_s
    step.trace(
        DecisionTrace(
            kind="offer",
            item_id=item.id,
            at=step.now,
            agent_id=agent_id,
            queue_id=item.queue_id,
            rule_id=item.plan.rule_id if item.plan else None,
            terms={
                "head": order.head,
                "weight": order.weight,
                "target_s": order.target_s,
                "waited_s": round(waited_s, 3),
                "guard": guarded,
                "step": item.step_no,
                "score": round(order.head + order.weight * waited_s / order.target_s, 4),
            },
        )
    )
