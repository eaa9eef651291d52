"""Why a work item waits and why the asking person is not asked to take it.

The router's state answers; a process that does not lead makes it from the rows, which say the same.
"""

from dataclasses import replace

from hub.model.clock import iso
from hub.model.errors import Conflict, NotFound
from hub.model.ids import ConversationId, ItemId
from hub.model.visibility import Viewer, may_supervise, require_sight
from hub.model.work import ItemState, WorkItem
from hub.routing.state import RouterState
from hub.routing.why import Candidate, why_not, why_waiting
from hub.services import dispatch, routing_config
from hub.services.deps import Deps
from hub.services.views import View
from hub.store.queries import items
from hub.store.queries.visibility import facts_of
from hub.store.tx import Tx


class CandidateView(View):
    """An agent and the first reason they are not asked; `none`: nothing keeps them."""

    agent_id: str
    reason: str
    tier: int | None
    data: dict[str, str | int | float | bool | None]


class NextView(View):
    """What happens by itself, and when."""

    kind: str
    at: str


class WhyView(View):
    """Why an item waits. `candidates` names colleagues to supervisors of its queue alone."""

    item_id: str
    waiting: str
    rule_id: str | None
    queue_id: str | None
    step_no: int
    tiers: tuple[int, ...]
    skills: dict[str, int]
    terms: dict[str, str | int | float | bool | None]
    me: CandidateView
    candidates: tuple[CandidateView, ...]
    passed_over: dict[str, int]
    next: tuple[NextView, ...]


async def why(deps: Deps, viewer: Viewer, item_id: str) -> WhyView:
    """Return why an item waits, to whoever may see its conversation.

    Raises:
        NotFound: no such item, or not to be seen.
        Conflict: `not_configured`: there is no queue; `item_gone`: it is over.
    """
    item = await _seen(deps, viewer, item_id)
    if not item.live:
        raise Conflict("item_gone", item=item.id)
    state, now = await _state(deps, item), deps.clock.now()
    found = why_waiting(state, item.id, now)
    if found is None:
        raise Conflict("item_gone", item=item.id)
    mine = why_not(state, state.items[item.id], viewer.agent_id, now)
    named = found.candidates if may_supervise(viewer, found.queue_id) else ()
    return WhyView(
        item_id=item.id,
        waiting=found.waiting.value,
        rule_id=found.rule_id,
        queue_id=found.queue_id,
        step_no=found.step_no,
        tiers=found.tiers,
        skills=dict(found.skills),
        terms=dict(found.terms),
        me=_view(mine),
        candidates=tuple(_view(one) for one in named),
        passed_over=dict(found.passed_over),
        next=tuple(NextView(kind=kind.value, at=iso(at)) for kind, at in found.next_at),
    )


def _view(found: Candidate) -> CandidateView:
    return CandidateView(
        agent_id=found.agent_id, reason=found.reason.value, tier=found.tier, data=dict(found.data)
    )


async def _seen(deps: Deps, viewer: Viewer, item_id: str) -> WorkItem:
    now = deps.clock.now()

    def unit(tx: Tx) -> WorkItem:
        item = items.item(tx, ItemId(item_id))
        if item is None:
            raise NotFound
        if item.conversation_id is None:
            if not may_supervise(viewer, item.queue_id):
                raise NotFound
            return item
        facts = facts_of(tx, ConversationId(item.conversation_id), viewer, now)
        if facts is None:
            raise NotFound
        require_sight(viewer, facts)
        return item

    return await deps.db.read(unit)


async def _state(deps: Deps, item: WorkItem) -> RouterState:
    """Return the leading router's state, else one made from the rows. Read only."""
    leading = getattr(deps.router, "state", None)
    if isinstance(leading, RouterState) and item.id in leading.items:
        return leading
    loaded = await routing_config.load_config(deps)
    if loaded is None:
        raise Conflict("not_configured")
    rows = (await dispatch.load_live(deps)).rows
    if item.state is ItemState.NEW:  # stored, but the router has not come to it
        rows = replace(rows, items=[*rows.items, item])
    return RouterState.from_rows(loaded.config, rows)
