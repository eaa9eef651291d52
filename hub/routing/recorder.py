"""One step under way: changes the state and writes down every row it changed.

A `Step` lives for one command. Of a row that changes several times only the last value is kept,
with the version it had when the step began.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from hub.model.events import FACTS, EventKind, NewEvent, new_event
from hub.model.ids import AgentId, ItemId, OfferId, QueueId
from hub.model.router_commands import Outcome
from hub.model.staff import AgentLoad, AgentPresence
from hub.model.work import Assignment, Offer, OfferState, Timer, TimerKind, WorkItem
from hub.routing.changes import (
    DecisionTrace,
    Effect,
    ItemChange,
    OwnerChange,
    Small,
    StepResult,
    TimerKey,
)
from hub.routing.rows import changed
from hub.routing.state import RouterState

ITEM_TIMERS = (
    TimerKind.STEP,
    TimerKind.OWNER_WAIT,
    TimerKind.MEMBER_DELAY,
    TimerKind.EXCLUSION_END,
    TimerKind.OFFER_PROGRESS,
    TimerKind.MAX_WAIT,
    TimerKind.OPENING,
    TimerKind.GRACE,
)
"""Timers of waiting; a handler ends them all."""
SLA_TIMERS = (TimerKind.SLA_WARN_75, TimerKind.SLA_WARN_90, TimerKind.SLA_BREACH)
HELD_TIMERS = (
    TimerKind.LOOK_WITHIN,
    TimerKind.SNOOZE_WAKE,
    TimerKind.IDLE_SHRINK,
    TimerKind.WRAPUP_END,
    TimerKind.RECONNECT,
)
"""Timers of being worked on; losing the handler ends them all."""
_CODE = re.compile(r"[a-z0-9_.:-]{1,60}\Z")


class Step:
    """Records one step on `state` at `now` (aware UTC)."""

    def __init__(self, state: RouterState, now: datetime) -> None:
        self.state = state
        self.now = now
        self.dirty_agents: dict[AgentId, None] = {}
        self.dirty_items: dict[ItemId, None] = {}
        self._versions: dict[ItemId, int] = {}
        self._items: dict[ItemId, WorkItem] = {}
        self._offers: dict[OfferId, Offer] = {}
        self._assignments: dict[str, Assignment] = {}
        self._presence: dict[AgentId, AgentPresence] = {}
        self._timers: dict[TimerKey, Timer | None] = {}
        self._owners: list[OwnerChange] = []
        self._events: list[NewEvent] = []
        self._effects: list[Effect] = []
        self._traces: list[DecisionTrace] = []
        self._touched: dict[AgentId, None] = {}
        self._stale: dict[AgentId, None] = {}

    def after(self, seconds: float) -> datetime:
        """Return the instant so many seconds from now."""
        return self.now + timedelta(seconds=seconds)

    def put_item(self, item: WorkItem, *, move: bool = False, **changes: Any) -> WorkItem:
        """Replace fields of an item; `move` raises its version (state or handler changed)."""
        if move:
            changes["version"] = item.version + 1
        new = changed(item, changes) if changes else item
        self._versions.setdefault(item.id, item.version)
        self._items[item.id] = new
        self.state.enter_item(new)
        return new

    def put_offer(self, offer: Offer) -> None:
        """Enter an offer's new row; the agent's load follows."""
        self._offers[offer.id] = offer
        self.state.enter_offer(offer)
        self.touch(offer.agent_id)

    def put_assignment(self, assignment: Assignment) -> None:
        """Enter an assignment's new row; the agent's load follows."""
        self._assignments[assignment.id] = assignment
        self.state.enter_assignment(assignment)
        self.touch(assignment.agent_id)

    def put_presence(self, presence: AgentPresence) -> None:
        """Enter an agent's presence; counts of staffed members follow."""
        before = self.state.presence_of(presence.agent_id)
        self.state.presence[presence.agent_id] = presence
        self._presence[presence.agent_id] = presence
        if before.staffed != presence.staffed:
            for member in self.state.queues_of.get(presence.agent_id, {}).values():
                self.state.count_staff(member, 1 if presence.staffed else -1)
        if before.offerable != presence.offerable or before.duty != presence.duty:
            self.touch(presence.agent_id)

    def set_timer(self, kind: TimerKind, subject: str, due_at: datetime, epoch: int = 0) -> None:
        """Set a timer, replacing one of the same kind and subject."""
        timer = Timer(kind, subject, due_at, epoch)
        if self.state.timers.get((kind, subject)) != timer:
            self.state.timers[kind, subject] = timer
            self._timers[kind, subject] = timer

    def cancel_timer(self, kind: TimerKind, subject: str) -> None:
        """Take a timer away, if it is set."""
        if self.state.timers.pop((kind, subject), None) is not None:
            self._timers[kind, subject] = None

    def cancel_timers(self, kinds: tuple[TimerKind, ...], subject: str) -> None:
        """Take several timers of one subject away."""
        for kind in kinds:
            self.cancel_timer(kind, subject)

    def set_owner(self, item: WorkItem, agent_id: AgentId | None, reason: str) -> None:
        """Make somebody the owner of the item's case, on all its live items."""
        before = item.owner_agent_id
        if item.case_id is None:
            self.put_item(self.state.items[item.id], owner_agent_id=agent_id)
        else:
            self._owners.append(OwnerChange(item.case_id, agent_id, reason, self.now))
            for other in list(self.state.case_items.get(item.case_id, {})):
                self._change_owner(other, agent_id)
        self.event(
            EventKind.OWNER_CHANGED, item=item, agent_id=agent_id, reason=reason,
            from_=before, to=agent_id,
        )  # fmt: skip

    def _change_owner(self, item_id: ItemId, agent_id: AgentId | None) -> None:
        item = self.state.items[item_id]
        if item.owner_wait_until is not None:
            self.cancel_timer(TimerKind.OWNER_WAIT, item_id)
            self.dirty_items[item_id] = None
        self.put_item(item, owner_agent_id=agent_id, owner_wait_until=None)

    def event(
        self,
        kind: EventKind,
        *,
        item: WorkItem | None = None,
        agent_id: AgentId | None = None,
        queue_id: QueueId | None = None,
        **facts: Small,
    ) -> None:
        """Add a line for the event log. A trailing `_` of a fact's name (`from_`) falls off."""
        data = {name.rstrip("_"): value for name, value in facts.items() if value is not None}
        reason = data.get("reason")
        if isinstance(reason, str) and _CODE.match(reason) is None:
            # A person may have typed it: the log holds no free text.
            data["reason"] = "other"
        if item is not None and kind.startswith("item."):
            data = {"state": item.state.value, "class": item.work_class.value, **data}
        elif item is not None and kind.startswith("offer."):
            data = {"class": item.work_class.value, **data}
        if item is not None and item.case_id is not None and "case" in FACTS[kind]:
            data["case"] = item.case_id
        self._events.append(
            new_event(
                kind,
                self.now,
                conversation=item.conversation_id if item else None,
                customer=item.customer_id if item else None,
                item=item.id if item else None,
                queue=queue_id or (item.queue_id if item else None),
                agent=agent_id,
                data=data,
            )
        )

    def effect(
        self, kind: str, *, item: WorkItem | None = None, agent_id: AgentId | None = None,
        **data: Small,
    ) -> None:  # fmt: skip
        """Ask for something outside routing, after the unit is committed."""
        self._effects.append(Effect(kind, item.id if item else None, agent_id, data))

    def trace(self, trace: DecisionTrace) -> None:
        """Keep why a decision fell."""
        self._traces.append(trace)

    def touch(self, agent_id: AgentId) -> None:
        """Note that an agent's load or reachability changed."""
        self._touched[agent_id] = None
        self._stale[agent_id] = None

    def settle(self) -> None:
        """Bring what matching reads up to date with the loads changed so far."""
        for agent_id in list(self._stale):
            if agent_id in self.state.config.agents:
                self._clear_overcommitted(agent_id)
                self.state.refresh_free(agent_id)
        self._stale.clear()

    def _clear_overcommitted(self, agent_id: AgentId) -> None:
        """Take the flag off once what the agent holds fits again."""
        flagged = self.state.over_items.get(agent_id)
        if not flagged:
            return
        book, agent = self.state.books[agent_id], self.state.config.agents[agent_id]
        for item_id in list(flagged):
            item = self.state.items[item_id]
            cap = self.state.cap_of(agent, item.work_class)
            if not book.over() and book.counts.get(item.work_class, 0) <= cap:
                self.put_item(item, overcommitted=False)
                self.dirty_agents[agent_id] = None

    def _mark_interrupted(self, agent_id: AgentId) -> None:
        stopped = self.state.books[agent_id].interrupted_classes()
        for assignment_id in list(self.state.agent_assignments.get(agent_id, {})):
            item = self.state.items.get(self.state.assignments[assignment_id].item_id)
            if item is not None and item.interrupted is not (item.work_class in stopped):
                self.put_item(item, interrupted=item.work_class in stopped)
                reason = "interrupted" if item.work_class in stopped else "resumed"
                self.event(EventKind.ITEM_CHANGED, item=item, agent_id=agent_id, reason=reason)

    def result(self, outcome: Outcome) -> StepResult:
        """Return everything recorded. The step is over."""
        known = [agent for agent in self._touched if agent in self.state.books]
        for agent_id in known:
            self._mark_interrupted(agent_id)
        timers: Mapping[TimerKey, Timer | None] = self._timers
        return StepResult(
            outcome=outcome,
            items=tuple(ItemChange(item, self._versions[key]) for key, item in self._items.items()),
            offers=tuple(sorted(self._offers.values(), key=_holds_place)),
            assignments=tuple(sorted(self._assignments.values(), key=lambda a: a.ended_at is None)),
            presence=tuple(self._presence.values()),
            loads=tuple(load_of(self.state, agent_id) for agent_id in known),
            timers_set=tuple(timer for timer in timers.values() if timer is not None),
            timers_cancelled=tuple(key for key, timer in timers.items() if timer is None),
            owners=tuple(self._owners),
            events=tuple(self._events),
            effects=tuple(self._effects),
            traces=tuple(self._traces),
        )


def _holds_place(offer: Offer) -> bool:
    """Order ended offers before running ones: the store allows one of these per item."""
    return offer.state in (OfferState.OFFERED, OfferState.ACCEPTED)


def load_of(state: RouterState, agent_id: AgentId) -> AgentLoad:
    """Return the load row of an agent as live offers and assignments make it."""
    book = state.books[agent_id]
    over = bool(state.over_items.get(agent_id))
    return AgentLoad(
        agent_id=agent_id,
        used=book.used(),
        capacity=book.capacity,
        by_class={cls: count for cls, count in book.counts.items() if count},
        overcommitted=over,
        routable=state.presence_of(agent_id).offerable and not over,
    )
