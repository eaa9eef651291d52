"""The way to the one writer of routing rows, and the loop that is that writer when it leads.

Every process has a `Router`; the one that holds the lease `router` carries out what the others
leave as rows. `submit` waits at most two seconds; later the result comes over the live feed.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from time import monotonic

import structlog

from hub.model.errors import Conflict, HubError, RouterPending, StoreUnavailable
from hub.model.ids import new_id
from hub.model.router_commands import Command, Outcome, OutcomeCode
from hub.routing.changes import DecisionTrace, Effect
from hub.routing.state import RouterState
from hub.services import dispatch
from hub.services.deps import Deps
from hub.store.follower import Follower
from hub.store.lease import LEASE_S, LeaseView, StaleWatch
from hub.workers import router_gauges
from hub.workers.leading import Leader
from hub.workers.router_inputs import NotLeading, Order
from hub.workers.router_log import RELEVANT
from hub.workers.supervisor import first_of, pause

log = structlog.get_logger(__name__)

ANSWER_S = 2.0
"""How long `submit` waits for an outcome."""
RENEW_S = 1.0
IDLE_S = 1.0
POLL_S = 0.1
RETRY_S = 0.5
TOO_OLD_S = 30.0
"""A command that waited so long for a leader is answered `stale`: nobody expects it any more."""
PRUNE_EVERY_S = 600.0
MEASURE_EVERY_S = 5.0


def _ignore(effect: Effect) -> None:
    log.debug("router.effect", kind=effect.kind, item_id=effect.item_id)


class Router:
    """`RouterPort` and loop in one; make one per process and run it under the supervisor.

    Args:
        follower: of this process; started before `run`.
        holder: a name no other process ever has; None: a fresh id.
        on_effect: told what is to be done outside routing (`routing.changes.Effect`) after the unit
            was written; must be quick and not fail.

    A process that runs no loops (`--no-loops`) makes one too and never calls `run`: `submit` then
    hands everything over.
    """

    def __init__(
        self,
        deps: Deps,
        follower: Follower,
        *,
        holder: str | None = None,
        on_effect: Callable[[Effect], None] = _ignore,
    ) -> None:
        self._deps = deps
        self._follower = follower
        self._holder = holder or new_id()
        self._on_effect = on_effect
        self._queue: deque[Order] = deque()
        self._bell = asyncio.Event()
        self._answered = asyncio.Event()
        self._remote = True
        self._leader: Leader | None = None
        self._renewed = 0.0
        self._lost = False
        self._pruned = monotonic()
        self._measured = 0.0
        deps.wake.listen(dispatch.LEASE, self._remote_ring)
        deps.wake.listen(dispatch.ANSWERED, self._answered.set)

    @property
    def leading(self) -> bool:
        """Tell whether this process writes routing rows now."""
        return self._leader is not None

    @property
    def state(self) -> RouterState | None:
        """What the router decides on, for waiting estimates and pool order; never change it."""
        return self._leader.state if self._leader else None

    def traces_of(self, item_id: str) -> list[DecisionTrace]:
        """Return why the last decisions about an item fell, as far as this process made them."""
        return (
            [one for one in self._leader.traces if one.item_id == item_id] if self._leader else []
        )

    def poke(self) -> None:
        """Look for something to do now (a test moved the clock)."""
        self._remote = True
        self._bell.set()

    async def submit(self, command: Command) -> Outcome:
        """Have the leader carry out a command and say how it ended.

        Raises:
            RouterPending: no answer within 2 s; the result comes over the live feed.
            StoreUnavailable: nothing was kept.
        """
        if self._leader is not None:
            order = Order(command, asyncio.get_running_loop().create_future())
            assert order.future is not None
            order.future.add_done_callback(_seen)
            self._queue.append(order)
            self._bell.set()
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await asyncio.shield(order.future)
            except TimeoutError:
                raise RouterPending from None
            except NotLeading:
                pass
        return await self._hand_over(command)

    async def _hand_over(self, command: Command) -> Outcome:
        """Leave the command as a row and wait for the outcome somebody writes into it."""
        command_id = await dispatch.send_command(self._deps, command)
        until = monotonic() + ANSWER_S
        while (left_s := until - monotonic()) > 0:
            self._answered.clear()
            outcome = await dispatch.outcome_of(self._deps, command_id)
            if outcome is not None:
                return outcome
            await first_of(min(POLL_S, left_s), self._answered)
        raise RouterPending(command=command_id)

    async def run(self, stop: asyncio.Event) -> None:
        """Lead whenever the lease is free, until `stop`."""
        watch = StaleWatch()
        stale: LeaseView | None = None
        while not stop.is_set():
            try:
                view = await dispatch.claim(self._deps, self._holder, stale)
            except StoreUnavailable:
                await pause(stop, RETRY_S)
                continue
            # A SQLite file has one process: whoever held the lease before us is dead.
            alone = self._deps.db.dialect == "sqlite"
            stale = view if watch.observe(view, monotonic()) or alone else None
            if view.mine:
                await self._lead(view.epoch, stop)
            else:
                await pause(stop, 0.0 if alone else RENEW_S)

    async def _lead(self, epoch: int, stop: asyncio.Event) -> None:
        """Be the writer of one epoch."""
        leader = Leader(self._deps, self._follower, epoch, self._on_effect)
        self._lost, self._renewed, self._remote = False, monotonic(), True
        tasks = [
            asyncio.create_task(self._renew(epoch), name="router-renew"),
            asyncio.create_task(self._listen(), name="router-listen"),
        ]
        log.info("router.leads", epoch=epoch)
        try:
            self._leader = leader
            while not (stop.is_set() or self._lost):
                await self._turn(leader, stop)
        finally:
            self._leader = None
            router_gauges.forget()
            while self._queue:
                self._queue.popleft().fail(NotLeading())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(HubError):
                await dispatch.release(self._deps, self._holder, epoch)
            log.info("router.left", epoch=epoch)

    async def _turn(self, leader: Leader, stop: asyncio.Event) -> None:
        """Make one round, then wait for something to do."""
        self._bell.clear()
        orders: list[Order] = []
        try:
            orders = await self._remote_orders(leader.epoch)
            while self._queue:
                orders.append(self._queue.popleft())
            busy = await leader.round(orders)
        except Conflict as error:
            log.warning("router.lost", code=error.code)
            self._lost = True
            return
        except StoreUnavailable as error:
            self._remote = True
            for order in orders:
                order.fail(error)
            await pause(stop, RETRY_S)
            return
        if leader.state is not None and monotonic() - self._measured > MEASURE_EVERY_S:
            self._measured = monotonic()
            router_gauges.measure(leader.state, self._deps.clock.now())
        if busy:
            return
        wait_s, due = IDLE_S, leader.next_due()
        if due is not None:
            wait_s = min(wait_s, max(0.0, (due - self._deps.clock.now()).total_seconds()))
        if leader.state is None:
            wait_s = RETRY_S
        await first_of(wait_s, self._bell, stop)
        if not self._bell.is_set():
            self._remote = True  # a hint may be lost: rows are looked at once a second

    async def _remote_orders(self, epoch: int) -> list[Order]:
        """Return what other processes left, refusing what is too old or unreadable."""
        if not self._remote:
            return []
        self._remote = False
        now, orders, refused = self._deps.clock.now(), [], []
        for one in await dispatch.open_commands(self._deps):
            age_s = (now - one.created_at).total_seconds()
            if one.command is None or age_s > TOO_OLD_S:
                refused.append((one.id, Outcome(OutcomeCode.STALE)))
            else:
                orders.append(Order(one.command, command_id=one.id))
        if refused:
            await dispatch.refuse_commands(self._deps, epoch, refused)
        if monotonic() - self._pruned > PRUNE_EVERY_S:
            self._pruned = monotonic()
            await dispatch.prune_commands(self._deps)
        return orders

    async def _renew(self, epoch: int) -> None:
        """Renew the lease every second; without a renewal for its length it is given up."""
        while not self._lost:
            await asyncio.sleep(RENEW_S)
            mine: bool | None = None
            with contextlib.suppress(StoreUnavailable):
                view = await dispatch.claim(self._deps, self._holder)
                mine = view.mine and view.epoch == epoch
            if mine:
                self._renewed = monotonic()
            elif mine is False or monotonic() - self._renewed > LEASE_S:
                self._lost = True
                self._bell.set()

    async def _listen(self) -> None:
        """Wake the loop when the log grew by something that concerns it."""
        subscription = self._follower.subscribe()
        try:
            async for batch in subscription:
                if any(event.kind in RELEVANT for event in batch):
                    self._bell.set()
        finally:
            subscription.close()

    def _remote_ring(self) -> None:
        self._remote = True
        self._bell.set()


def _seen(future: "asyncio.Future[Outcome]") -> None:
    """Take note of an error nobody waits for any more."""
    if not future.cancelled():
        future.exception()
