"""Idempotency: who may carry out a creating request, and the answer kept for its repeats.

A claim is a row inserted before the use case runs; the primary key lets one claimant through, in
whatever process. The answer is written into it afterwards. A process that dies in between leaves a
claim without an answer: whether the use case committed is unknown then, so it is not run again.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from hub.model.clock import to_micros
from hub.model.errors import Conflict
from hub.services.deps import Deps
from hub.store.queries import client_requests
from hub.store.tx import Tx

WAIT_S = 5.0
_POLL_S = 0.1
KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Key:
    """Under what an answer is kept."""

    actor: str
    route: str
    client_id: str


async def claim(deps: Deps, key: Key, body_hash: str) -> str | None:
    """Take the right to run; None: run. Else the answer that was kept.

    Waits up to `WAIT_S` for a request that runs now.

    Raises:
        Conflict: `client_id_reused`, `client_id_unfinished`.
    """
    now = to_micros(deps.clock.now())

    def unit(tx: Tx) -> tuple[str, str] | None:
        return client_requests.claim(tx, key.actor, key.route, key.client_id, body_hash, now)

    rounds = round(WAIT_S / _POLL_S)
    for _ in range(rounds):
        found = await deps.db.run(unit, name="once.claim")
        if found is None:
            return None
        kept_hash, answer = found
        if kept_hash != body_hash:
            raise Conflict("client_id_reused")
        if answer:
            return answer
        await asyncio.sleep(_POLL_S)
    raise Conflict("client_id_unfinished")


async def keep(deps: Deps, key: Key, answer: str) -> None:
    """Store the answer for repeats."""

    def unit(tx: Tx) -> None:
        client_requests.keep(tx, key.actor, key.route, key.client_id, answer)

    await deps.db.run(unit, name="once.keep")


async def give_back(deps: Deps, key: Key) -> None:
    """Forget a claim whose use case failed, so that a repeat may try again."""

    def unit(tx: Tx) -> None:
        client_requests.drop(tx, key.actor, key.route, key.client_id)

    await deps.db.run(unit, name="once.give_back")


async def prune(deps: Deps) -> int:
    """Drop answers older than `KEPT`; returns how many."""
    before = to_micros(deps.clock.now() - KEPT)

    def unit(tx: Tx) -> int:
        return client_requests.prune(tx, before)

    return await deps.db.run(unit, name="once.prune")
