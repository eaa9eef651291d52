"""One term of leadership: the router's state in memory, stepped and written.

A `Leader` lives from taking the lease to losing it. In a round it acts on the log first, then on
orders, then on due timers; up to `BATCH` steps share one unit. When a unit cannot be written, the
state is thrown away and made anew from rows. An input that makes `step` fail is refused alone: what
was decided before it is written, and the state is made anew as well.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from time import perf_counter
from traceback import extract_tb
from typing import Any

import structlog

from hub.model.errors import Conflict, HubError, StoreUnavailable
from hub.model.events import EventKind, LoggedEvent
from hub.model.router_commands import Command, ConfigChanged, Outcome, OutcomeCode, TimerDue
from hub.model.work import ItemState, Timer, TimerKind
from hub.routing.changes import DecisionTrace, Effect, StepResult
from hub.routing.state import RouterState
from hub.routing.step import step
from hub.services import dispatch, metrics, router_facts, routing_config
from hub.services.deps import Deps
from hub.services.dispatch import Decision
from hub.store.follower import Follower
from hub.workers.router_gauges import count_offers
from hub.workers.router_inputs import Input, Order, fail_all
from hub.workers.router_log import Known, command_of, needs_config, orphan_decisions, wanted_items

log = structlog.get_logger(__name__)

BATCH = 16
"""Steps in one unit: more would keep other writers of a SQLite file waiting for too long."""
PAGE = 500
CURSOR_LAG = 2_000
"""Events without effect after which the cursor is written for its own sake."""
TRACES_KEPT = 5_000
TRIES = 2
"""So often an input of the log may fail before it is passed over."""

DueKey = tuple[datetime, str, str]


class Leader:
    """The router's state for one epoch of the lease.

    Attributes:
        state: what is decided on; read only, outside this class.
        traces: why the last decisions fell, newest last.
        acting: a round is under way; what it decided may not be written yet.
    """

    def __init__(
        self, deps: Deps, follower: Follower, epoch: int, on_effect: Callable[[Effect], None]
    ) -> None:
        self._deps = deps
        self._follower = follower
        self._on_effect = on_effect
        self._due: list[DueKey] = []
        self._stored = 0
        self._cursor = 0
        self._fresh: list[Command] = []
        self._failures: dict[str, int] = {}
        self._known = Known()
        self._orphans: Sequence[routing_config.Orphan] = ()
        self._restarted = False
        self.epoch = epoch
        self.state: RouterState | None = None
        self.acting = False
        self.traces: deque[DecisionTrace] = deque(maxlen=TRACES_KEPT)

    async def rebuild(self) -> bool:
        """Make the state anew from rows; False while nothing can be routed (no queue yet)."""
        head = self._follower.head  # before the rows: an event between both is seen twice, not lost
        loaded = await routing_config.load_config(self._deps)
        if loaded is None:
            self.state = None
            return False
        live = await dispatch.load_live(self._deps)
        if live.cursor is None:
            # The first router ever: what was said before it began stands in the rows alone.
            await dispatch.write(self._deps, self.epoch, [], cursor=head)
        self._stored = self._cursor = head if live.cursor is None else live.cursor
        self.state = RouterState.from_rows(loaded.config, live.rows)
        self._due = [_due_key(timer) for timer in self.state.timers.values()]
        heapq.heapify(self._due)
        self._fresh = [ConfigChanged()]
        self._fresh += await router_facts.arrivals_of(self._deps, live.new)
        self._orphans = loaded.orphans
        return True

    def next_due(self) -> datetime | None:
        """Return when the next timer is due."""
        state = self.state
        while state is not None and self._due:
            due, kind, subject = self._due[0]
            timer = _timer(state, kind, subject)
            if timer is not None and timer.due_at == due:
                return due
            heapq.heappop(self._due)
        return None

    def reached(self, seq: int, now: datetime) -> bool:
        """Tell whether all is written that the log up to `seq` and timers up to `now` ask for."""
        due = self.next_due()
        late = due is not None and due <= now
        return not (self.acting or self._fresh or late) and self._cursor >= seq

    async def round(self, orders: Sequence[Order]) -> bool:
        """Act on everything there is now; tell whether there was anything.

        Raises:
            Conflict: `lease_lost`.
            StoreUnavailable: nothing more was written; call `rebuild` before the next round.
        """
        self.acting = True
        try:
            return await self._round(orders)
        finally:
            self.acting = False

    async def _round(self, orders: Sequence[Order]) -> bool:
        left = deque(Input(order=order, command=order.command) for order in orders)
        if self.state is None and not await self.rebuild():
            for one in left:
                one.waiting.fail(Conflict("not_configured"))
            return False
        try:
            acted = await self._act_on_log(orders)
            acted = bool(left) or acted
            await self._process(left)
            acted = await self._process(deque(self._timers_due())) or acted
            if self._cursor - self._stored > CURSOR_LAG:
                await self._write([])
        except BaseException as error:
            self.state = None
            if not isinstance(error, Conflict) or error.code == "lease_lost":
                fail_all(left, error)
                raise
            # A row was not as believed: whoever is left is served from the rows.
            await self.rebuild()
            await self._process(left)
            return True
        return acted

    async def _act_on_log(self, orders: Sequence[Order]) -> bool:
        """Act on new items and on the next page of the log."""
        events, reached = await self._follower.page(self._cursor, PAGE)
        known = await self._look_up(events, orders)
        inputs = deque(Input(command=command) for command in self._fresh)
        self._fresh = []
        inputs += [Input(event=event) for event in events]
        inputs += [Input(command=arrival) for arrival in known.ordered]
        self._known, self._restarted = known, False
        acted = await self._process(inputs)
        if not self._restarted:
            self._cursor = max(self._cursor, reached)
        return acted or self._restarted or len(events) == PAGE

    async def _look_up(self, events: Sequence[LoggedEvent], orders: Sequence[Order]) -> Known:
        """Read what the events and orders speak of and memory does not hold."""
        state = self._ready()
        ids, asked = wanted_items(state, events, [order.command for order in orders])
        found = await dispatch.load_items(self._deps, ids)
        new = [item for item in found if item.state is ItemState.NEW]
        arrivals = {one.item_id: one for one in await router_facts.arrivals_of(self._deps, new)}
        changed = [e.customer for e in events if e.kind is EventKind.CUSTOMER_CHANGED]
        levels = await dispatch.customer_levels(self._deps, [c for c in changed if c])
        known = Known(
            arrivals=arrivals,
            ended={item.id: item for item in found if not item.live},
            levels=levels,
            ordered=[arrivals[i] for i in asked if i in arrivals],
        )
        if any(needs_config(event) for event in events):
            known.loaded = await routing_config.load_config(self._deps)
        if any(e.data.get("what") == "rules_replan" for e in events):
            waiting = [
                item
                for item in state.items.values()
                if item.state in (ItemState.QUEUED, ItemState.CLOSED_HOURS)
            ]
            known.replan = await router_facts.facts_of_items(self._deps, waiting)
        return known

    async def _process(self, inputs: deque[Input]) -> bool:
        """Step inputs in order and write them, batch by batch."""
        acted = False
        while inputs:
            batch: list[tuple[Input, list[Decision]]] = []
            failed: tuple[Input, Exception] | None = None
            while inputs and len(batch) < BATCH and failed is None:
                one = inputs.popleft()
                try:
                    batch.append((one, self._step(one)))
                except Exception as error:
                    failed = (one, error)
            acted = await self._write(batch) or acted
            if failed is not None:
                await self._refuse(*failed)
                if failed[0].order is None:
                    inputs.clear()  # read again, from where the rows say we are
        return acted

    def _step(self, one: Input) -> list[Decision]:
        """Decide one input."""
        state, now = self._ready(), self._deps.clock.now()
        if one.event is not None:
            decisions = self._step_event(one.event, now)
            self._cursor = max(self._cursor, one.event.seq)
            return decisions
        if one.timer is not None and self._failures.get(one.key(), 0) >= TRIES:
            key = (one.timer.kind, one.timer.subject_id)
            state.timers.pop(key, None)
            return [Decision(_nothing(timers_cancelled=(key,)), now)]
        command = one.timer or one.command
        assert command is not None
        if self._failures.get(one.key(), 0) >= TRIES and one.order is None:
            return []
        result = _timed(state, command, now)
        row = one.order.command_id if one.order is not None else None
        more = orphan_decisions(state, self._orphans, now) if _is_config(command) else []
        return [Decision(result, now, command, row), *more]

    def _step_event(self, event: LoggedEvent, now: datetime) -> list[Decision]:
        state = self._ready()
        if self._failures.get(f"event:{event.seq}", 0) >= TRIES:
            return []
        if needs_config(event) and self._known.loaded is not None:
            loaded, self._known.loaded = self._known.loaded, None
            state.configure(loaded.config)
            self._orphans = loaded.orphans
            self._failures.clear()
            changed = step(state, ConfigChanged(), now)
            orphans = orphan_decisions(state, loaded.orphans, now)
            first = [Decision(changed, now), *orphans]
        else:
            first = []
        asked = command_of(state, event, self._known)
        return [*first, *(self._decide(command, now) for command in asked.commands),
                *(Decision(_nothing(), now, revive=item) for item in asked.revived)]  # fmt: skip

    def _decide(self, command: Command, now: datetime) -> Decision:
        return Decision(_timed(self._ready(), command, now), now, command)

    async def _write(self, batch: list[tuple[Input, list[Decision]]]) -> bool:
        """Write a batch in one unit, then answer; tell whether there was anything to write."""
        decisions = [decision for _, found in batch for decision in found]
        decisions = [d for d in decisions if _says_something(d)]
        late = self._cursor - self._stored > CURSOR_LAG
        try:
            if decisions or late:
                cursor = self._cursor if self._cursor > self._stored else None
                await dispatch.write(self._deps, self.epoch, decisions, cursor=cursor)
                self._stored = self._cursor
        except BaseException as error:
            self._answer_failure(batch, error)
            raise
        for decision in decisions:
            self._after(decision.result)
        for one, found in batch:
            if one.order is not None:
                one.order.answer(found[0].result.outcome)
        return bool(decisions)

    def _answer_failure(
        self, batch: list[tuple[Input, list[Decision]]], error: BaseException
    ) -> None:
        """Tell who waits that nothing of the batch was kept."""
        stale = isinstance(error, Conflict) and error.code != "lease_lost"
        for one, _ in batch:
            if one.order is not None and stale:
                item_id = getattr(one.order.command, "item_id", None)
                one.order.answer(Outcome(OutcomeCode.STALE, item_id))
            elif one.order is not None:
                fail_all([one], error)

    def _after(self, result: StepResult) -> None:
        """Mirror new timers, keep traces, and pass on what is to be done outside."""
        for timer in result.timers_set:
            heapq.heappush(self._due, _due_key(timer))
        self.traces.extend(result.traces)
        count_offers(result.events)
        for effect in result.effects:
            self._on_effect(effect)

    async def _refuse(self, one: Input, error: Exception) -> None:
        """Pass over an input that cannot be decided; the state it half changed is made anew."""
        where = [f"{frame.name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
        # No traceback with values: an arrival's facts hold what the customer wrote.
        log.error("router.step_failed", input=one.key(), error=type(error).__name__, where=where)
        self._failures[one.key()] = self._failures.get(one.key(), 0) + 1
        if one.order is not None:
            one.order.fail(error if isinstance(error, HubError) else HubError("router_failed"))
            if one.order.command_id is not None:
                gone = Outcome(OutcomeCode.WRONG_STATE)
                answers = [(one.order.command_id, gone)]
                await dispatch.refuse_commands(self._deps, self.epoch, answers)
        self._restarted = True
        await self.rebuild()

    def _timers_due(self) -> Iterable[Input]:
        now, state = self._deps.clock.now(), self._ready()
        while self._due and self._due[0][0] <= now:
            due, kind, subject = heapq.heappop(self._due)
            timer = _timer(state, kind, subject)
            if timer is not None and timer.due_at == due:
                metrics.TIMER_LAG.set((now - due).total_seconds())
                yield Input(timer=TimerDue(timer.kind, timer.subject_id, timer.epoch))

    def _ready(self) -> RouterState:
        if self.state is None:
            raise StoreUnavailable("router_not_ready")
        return self.state


def _timed(state: RouterState, command: Command, now: datetime) -> StepResult:
    began = perf_counter()
    result = step(state, command, now)
    metrics.MATCH_SECONDS.observe(perf_counter() - began)
    return result


def _says_something(decision: Decision) -> bool:
    return (
        not decision.result.empty or decision.command_id is not None or decision.revive is not None
    )


def _nothing(**more: Any) -> StepResult:
    return StepResult(Outcome(OutcomeCode.OK), **more)


def _is_config(command: Command) -> bool:
    return isinstance(command, ConfigChanged)


def _due_key(timer: Timer) -> DueKey:
    return timer.due_at, timer.kind.value, timer.subject_id


def _timer(state: RouterState, kind: str, subject: str) -> Timer | None:
    return state.timers.get((TimerKind(kind), subject))
