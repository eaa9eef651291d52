"""A desk for tests: people, a queue, a follower and a router over the services' `World`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text

from hub.model.clock import to_micros
from hub.model.ids import AgentId, QueueId, new_id
from hub.model.router_commands import Presence, PresenceMove
from hub.model.visibility import Role, Viewer
from hub.routing.state import RouterState
from hub.store.follower import Follower
from hub.store.queries.rows import dump, insert_row
from hub.store.statement import stmt
from hub.store.tables import Agent, Membership, OrgUnit, Queue
from hub.store.tx import Tx
from hub.workers.leading import Leader
from hub.workers.router import Router
from tests.services.conftest import World

PATIENCE_S = 10.0


async def until(condition: Callable[[], Awaitable[Any]], what: str = "") -> Any:
    """Wait until a condition gives something true, and return it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await condition()
            if found:
                return found
            await asyncio.sleep(0.005)


async def rows(world: World, sql: str, **params: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a SELECT."""

    def unit(tx: Tx) -> list[tuple[Any, ...]]:
        return tx.run(stmt(text(sql)), params)

    return await world.deps.db.read(unit)


class Desk:
    """Agents by name, one queue, and a running router."""

    def __init__(self, world: World, follower: Follower) -> None:
        self.world = world
        self.follower = follower
        self.router = Router(world.deps, follower)
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.agents: dict[str, AgentId] = {}
        self.queues: dict[str, QueueId] = {}
        self.unit_id = ""

    async def seed(self, agents: dict[str, int], queues: tuple[str, ...] = ("front",)) -> None:
        """Insert a unit, queues, and agents with their tier in every queue (0: a supervisor)."""
        self.unit_id = new_id()
        self.queues = {name: QueueId(new_id()) for name in queues}
        self.agents = {name: AgentId(new_id()) for name in agents}
        now = to_micros(self.world.clock.now())

        def unit(tx: Tx) -> None:
            insert_row(tx, OrgUnit, id=self.unit_id, name="Unit", path=self.unit_id)
            for name, id_ in self.queues.items():
                insert_row(tx, Queue, id=id_, name=name, unit_id=self.unit_id)
            for name, tier in agents.items():
                insert_row(
                    tx, Agent, id=self.agents[name], email=f"{name}@hub.test", name=name,
                    unit_id=self.unit_id, created_at=now,
                    roles=dump(["agent"] if tier else ["supervisor"]),
                )  # fmt: skip
                for queue_id in self.queues.values() if tier else ():
                    insert_row(
                        tx, Membership, agent_id=self.agents[name], queue_id=queue_id, tier=tier
                    )

        await self.world.deps.db.run(unit)

    async def start(self) -> None:
        """Run a router of a new process."""
        self.router = Router(self.world.deps, self.follower)
        self.world.deps.router = self.router
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self.router.run(self._stop))

        async def leads() -> bool:
            return self.router.leading and self.router.state is not None

        await until(leads)

    async def stop(self) -> None:
        """End the router as a process that ends does."""
        self._stop.set()
        self.router.poke()
        if self._task is not None:
            await self._task
            self._task = None

    async def kill(self, after: int = 0) -> None:
        """Cut the router off after so many turns of the loop; what it began is left as it is."""
        for _ in range(after):
            await asyncio.sleep(0)
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def leader(self) -> Leader:
        """The running leader."""
        assert self.router._leader is not None
        return self.router._leader

    @property
    def state(self) -> RouterState:
        """What the router believes."""
        assert self.router.state is not None
        return self.router.state

    async def execute(self, sql: str, **params: Any) -> None:
        """Run one statement."""

        def unit(tx: Tx) -> None:
            tx.execute(stmt(text(sql)), params)

        await self.world.deps.db.run(unit)

    async def sign_in(self, *names: str) -> None:
        """Bring agents on duty."""
        for name in names:
            outcome = await self.router.submit(Presence(self.agents[name], PresenceMove.SIGN_IN))
            assert outcome.ok

    async def item(self, **want: Any) -> dict[str, Any]:
        """Wait for the newest item to have these column values; return the row."""
        columns = "id, state, version, handler_agent_id, queue_id, conversation_id, case_id"

        async def found() -> dict[str, Any] | None:
            got = await rows(
                self.world, f"SELECT {columns} FROM work_item ORDER BY id DESC LIMIT 1"
            )
            if not got:
                return None
            row = dict(zip(columns.split(", "), got[0], strict=True))
            return row if all(row[name] == value for name, value in want.items()) else None

        row: dict[str, Any] = await until(found, str(want))
        return row

    async def offer(self) -> tuple[str, str]:
        """Wait for the one live offer; return its id and whom it asks."""

        async def found() -> tuple[Any, ...] | None:
            got = await rows(self.world, "SELECT id, agent_id FROM offer WHERE state = 'offered'")
            return got[0] if got else None

        offer: tuple[str, str] = await until(found)
        return offer

    async def conversation(self, **want: Any) -> dict[str, Any]:
        """Wait for the newest conversation to have these column values."""
        columns = "id, state, handler_agent_id, queue_id, item_id, case_id, last_number, due_at"

        async def found() -> dict[str, Any] | None:
            got = await rows(
                self.world, f"SELECT {columns} FROM conversation ORDER BY id DESC LIMIT 1"
            )
            row = dict(zip(columns.split(", "), got[0], strict=True))
            return row if all(row[name] == value for name, value in want.items()) else None

        row: dict[str, Any] = await until(found, str(want))
        return row

    def viewer(self, name: str, *roles: Role) -> Viewer:
        """Return an agent as a viewer with every queue."""
        return Viewer(
            self.agents[name],
            frozenset(roles or {Role.AGENT}),
            frozenset(self.queues.values()),
            frozenset(self.queues.values()) if Role.SUPERVISOR in roles else frozenset(),
        )

    async def settled(self) -> None:
        """Wait until the router has acted on the whole log and every due timer."""

        async def done() -> bool:
            self.router.poke()
            leader = self.router._leader
            top = (await rows(self.world, "SELECT COALESCE(MAX(seq), 0) FROM event"))[0][0]
            if leader is None or leader.state is None or self.router._queue:
                return False
            return leader.reached(top, self.world.clock.now())

        await until(done)

    async def advance(self, seconds: float) -> None:
        """Move the clock and let the router act."""
        self.world.clock.advance(seconds=seconds)
        await self.settled()

    async def beat(self, seconds: float, *names: str) -> None:
        """Move the clock while these agents' sockets answer."""
        while seconds > 0:
            await self.advance(min(10, seconds))
            seconds -= 10
            for name in names:
                await self.router.submit(Presence(self.agents[name], PresenceMove.HEARTBEAT))


@asynccontextmanager
async def open_desk(world: World, agents: dict[str, int], *queues: str) -> AsyncIterator[Desk]:
    """Seed a desk and run its router."""
    follower = Follower(world.deps.db, wake=world.deps.wake, clock=world.clock, poll_s=0.05)
    await follower.start()
    desk = Desk(world, follower)
    await desk.seed(agents, queues or ("front",))
    await desk.start()
    try:
        yield desk
    finally:
        await desk.stop()
        await follower.close()
