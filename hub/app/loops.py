"""Every background loop of a process, in the order they start. To add one: a line in `LOOPS`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from hub.app.build import House
from hub.services import reopening, retention
from hub.workers.indexer import Indexer
from hub.workers.media import MediaFetcher
from hub.workers.puller import Puller
from hub.workers.sender import Sender
from hub.workers.spooled import SpoolDrain
from hub.workers.supervisor import Supervisor
from hub.workers.upkeep import Upkeep

Run: TypeAlias = Callable[[asyncio.Event], Awaitable[None]]
Make: TypeAlias = Callable[[House], Run]


def _upkeep(house: House) -> Run:
    more = (reopening.close_expired, retention.prune)
    return Upkeep(house.deps, house.spool, house.health.store_told, more).run


def _spool(house: House) -> Run:
    return SpoolDrain(house.spool, house.ingress).run


def _sender(house: House) -> Run:
    return Sender(house.deps, house.channels, house.process).run


def _puller(house: House) -> Run:
    return Puller(house.deps, house.channels, house.ingress, house.leases.held).run


def _media(house: House) -> Run:
    return MediaFetcher(house.deps, house.channels).run


def _indexer(house: House) -> Run:
    return Indexer(house.deps, house.follower, house.leases).run


ALWAYS: tuple[tuple[str, Make], ...] = (
    # what every process needs for itself, also with --no-loops
    ("watch", lambda house: house.watch.run),
    ("leases", lambda house: house.leases.run),
    ("upkeep", _upkeep),
    ("spool", _spool),
)
LOOPS: tuple[tuple[str, Make], ...] = (
    # one line per loop that does the hub's work, shared among processes by claims and leases
    ("router", lambda house: house.router.run),
    ("sender", _sender),
    ("puller", _puller),
    ("media", _media),
    ("indexer", _indexer),
)


def start_loops(house: House, supervisor: Supervisor, *, work: bool) -> None:
    """Start the loops; without `work` only those every process needs."""
    for name, make in (*ALWAYS, *(LOOPS if work else ())):
        supervisor.start(name, make(house))
