"""What people do with a conversation's work: resolve, put aside, hand on, take, open again.

Each checks who may, asks the router, and returns its outcome; the router writes. Whoever holds the
work may do with it what they like; a supervisor of its queue may do so too; while nobody holds it,
whoever may answer may. Outcomes that are conflicts are raised with their code.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.model.clock import to_micros
from hub.model.conversation import (
    LIVE_STATES,
    Cause,
    ConversationState,
    SystemLine,
    sources_of,
)
from hub.model.errors import BadInput, Conflict, NotAllowed, NotFound
from hub.model.events import EventKind, NewEvent, new_event
from hub.model.ids import AgentId, ConversationId, CustomerId, ItemId, QueueId
from hub.model.router_commands import (
    Assign,
    Command,
    Complete,
    CustomerWrote,
    Escalate,
    Outcome,
    OutcomeCode,
    Snooze,
    Take,
    TransferToAgent,
    TransferToQueue,
)
from hub.model.visibility import Viewer, may_supervise, require_reply
from hub.services.deps import Deps
from hub.services.reopening import reopen_in_unit
from hub.store.queries import conversations, outcomes
from hub.store.queries.rows import Row
from hub.store.queries.visibility import facts_of
from hub.store.tx import Tx

LONGEST_SNOOZE = timedelta(days=365)
_CODE = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,59}\Z")


@dataclass(frozen=True, slots=True)
class Standing:
    """A conversation's work and in which right somebody orders something.

    Attributes:
        by: the viewer when they act for themselves; None in a supervisor's right.
        actor: the viewer, for the record, in a supervisor's right.
    """

    row: Row
    by: AgentId | None
    actor: AgentId | None

    @property
    def item_id(self) -> ItemId:
        """The live item.

        Raises:
            Conflict: `no_work`: there is none.
        """
        if self.row["item_id"] is None:
            raise Conflict("no_work", state=self.row["state"])
        return ItemId(self.row["item_id"])


async def standing(deps: Deps, viewer: Viewer, conversation_id: str) -> Standing:
    """Return in which right `viewer` may order something about a conversation's work.

    Raises:
        NotFound: no such conversation, or not to be seen.
        NotAllowed: may only read.
        Conflict: `not_handler {handler}`: somebody else works on it.
    """
    row = await _seen(deps, viewer, conversation_id)
    handler = row["handler_agent_id"]
    if handler in (None, viewer.agent_id):
        return Standing(row, viewer.agent_id, None)
    if not may_supervise(viewer, _queue(row)):
        raise Conflict("not_handler", handler=handler)
    return Standing(row, None, viewer.agent_id)


async def _seen(deps: Deps, viewer: Viewer, conversation_id: str) -> Row:
    now = deps.clock.now()

    def unit(tx: Tx) -> Row:
        facts = facts_of(tx, conversation_id, viewer, now)
        row = conversations.conversation(tx, conversation_id)
        if facts is None or row is None:
            raise NotFound
        require_reply(viewer, facts, take=True)
        return row

    return await deps.db.read(unit)


def _queue(row: Row) -> QueueId | None:
    return QueueId(row["queue_id"]) if row["queue_id"] else None


async def _order(deps: Deps, command: Command) -> Outcome:
    """Ask the router; a refusal is raised as a conflict."""
    outcome = await deps.router.submit(command)
    if not outcome.ok:
        raise Conflict(outcome.code.value, holder=outcome.holder, version=outcome.version)
    return outcome


async def resolve(  # noqa: PLR0913 - what the form asks
    deps: Deps,
    viewer: Viewer,
    conversation_id: str,
    *,
    disposition: str = "resolved",
    solve_case: bool = False,
    version: int | None = None,
) -> Outcome:
    """End the work on a conversation; with `solve_case` its case is solved as well.

    Raises:
        BadInput: `disposition_invalid`: not a code of at most 60 characters.
        Conflict: as `standing`; `stale`; `already_resolved`.
    """
    if _CODE.match(disposition) is None:
        raise BadInput("disposition_invalid")
    found = await standing(deps, viewer, conversation_id)
    if found.row["item_id"] is not None:
        command = Complete(found.item_id, disposition, found.by, version, solve_case, found.actor)
        outcome = await deps.router.submit(command)
        if outcome.ok:
            return outcome
        if outcome.code is not OutcomeCode.ITEM_GONE:
            raise Conflict(outcome.code.value, holder=outcome.holder, version=outcome.version)
    return await _resolve_idle(deps, viewer, conversation_id, disposition)


async def _resolve_idle(
    deps: Deps, viewer: Viewer, conversation_id: str, disposition: str
) -> Outcome:
    """Resolve a conversation that has no work (everything was moved away)."""
    now = deps.clock.now()

    def unit(tx: Tx) -> bool:
        row = conversations.conversation(tx, conversation_id)
        if row is None or ConversationState(row["state"]) not in LIVE_STATES:
            return False
        _move(tx, row, Cause.RESOLVED, ConversationState.RESOLVED, to_micros(now))
        params: dict[str, object] = {"disposition": disposition, "agent": viewer.agent_id}
        line = outcomes.add_line(tx, conversation_id, SystemLine.RESOLVED.value, params, now)
        data = {"disposition": disposition, "by": viewer.agent_id}
        event = _event(EventKind.CONVERSATION_RESOLVED, row, now, viewer.agent_id, data)
        tx.append([replace(event, message=line)])
        return True

    if not await deps.db.run(unit, name="conversation.resolve"):
        raise Conflict("already_resolved")
    return Outcome(OutcomeCode.OK)


async def snooze(
    deps: Deps,
    viewer: Viewer,
    conversation_id: str,
    until: datetime,
    *,
    version: int | None = None,
) -> Outcome:
    """Put a conversation aside until an instant or the customer's next word.

    Raises:
        BadInput: `until_invalid`: past, or over a year away.
        Conflict: as `standing`; `wrong_state`: nobody works on it; `stale`.
    """
    now = deps.clock.now()
    if not now < until <= now + LONGEST_SNOOZE:
        raise BadInput("until_invalid")
    found = await standing(deps, viewer, conversation_id)
    return await _order(deps, Snooze(found.item_id, until, found.by, version, found.actor))


async def unsnooze(deps: Deps, viewer: Viewer, conversation_id: str) -> Outcome:
    """Take a conversation up again before its time.

    Raises:
        Conflict: as `standing`; `wrong_state`: it is not put aside.
    """
    found = await standing(deps, viewer, conversation_id)
    if found.row["state"] != ConversationState.SNOOZED.value:
        raise Conflict("wrong_state", state=found.row["state"])
    # For the item it is the same as the customer's next word.
    return await _order(deps, CustomerWrote(found.item_id))


async def transfer_to_queue(  # noqa: PLR0913 - what the form asks
    deps: Deps,
    viewer: Viewer,
    conversation_id: str,
    queue_id: str,
    *,
    reason: str | None = None,
    version: int | None = None,
) -> Outcome:
    """Send the work on to another queue, its place kept; the owner stays.

    Raises:
        Conflict: as `standing`; `unknown_queue`, `wrong_state`, `stale`.
    """
    found = await standing(deps, viewer, conversation_id)
    command = TransferToQueue(
        found.item_id, QueueId(queue_id), found.by, version, reason=reason, actor=found.actor
    )
    return await _order(deps, command)


async def transfer_to_agent(  # noqa: PLR0913 - what the form asks
    deps: Deps,
    viewer: Viewer,
    conversation_id: str,
    agent_id: str,
    *,
    handover_owner: bool = False,
    reason: str | None = None,
    version: int | None = None,
) -> Outcome:
    """Offer the work to a colleague; nothing changes until they accept.

    Raises:
        Conflict: as `standing`; `unknown_agent`, `not_routable`, `already_taken`, `wrong_state`.
    """
    found = await standing(deps, viewer, conversation_id)
    command = TransferToAgent(
        found.item_id, AgentId(agent_id), found.by, version, handover_owner, reason, found.actor
    )
    return await _order(deps, command)


async def escalate(  # noqa: PLR0913 - what the form asks
    deps: Deps,
    viewer: Viewer,
    conversation_id: str,
    min_tier: int,
    *,
    reason: str = "asked",
    queue_id: str | None = None,
    version: int | None = None,
) -> Outcome:
    """Hand the work to a higher tier (1–3), place and owner kept.

    Raises:
        BadInput: `tier_invalid`.
        Conflict: as `standing`; `unknown_queue`, `wrong_state`, `stale`.
    """
    if not 1 <= min_tier <= 3:
        raise BadInput("tier_invalid")
    found = await standing(deps, viewer, conversation_id)
    target = QueueId(queue_id) if queue_id else None
    command = Escalate(found.item_id, min_tier, reason, found.by, version, target, found.actor)
    return await _order(deps, command)


async def take(
    deps: Deps, viewer: Viewer, conversation_id: str, *, from_handler: bool = False
) -> Outcome:
    """Pick the work for oneself; `from_handler`: also from a colleague.

    Raises:
        Conflict: `already_taken`, `not_routable` (not signed in), `limit_reached`, `no_work`.
    """
    row = await _seen(deps, viewer, conversation_id)
    found = Standing(row, viewer.agent_id, None)
    command = Take(found.item_id, viewer.agent_id, from_handler=from_handler)
    return await _order(deps, command)


async def assign(
    deps: Deps, viewer: Viewer, conversation_id: str, agent_id: str, *, version: int | None = None
) -> Outcome:
    """Give the work to an agent; for supervisors of its queue, over limits if need be.

    Raises:
        NotAllowed: not a supervisor of the queue.
        Conflict: `unknown_agent`, `not_routable`, `wrong_state`, `stale`, `no_work`.
    """
    row = await _seen(deps, viewer, conversation_id)
    if not may_supervise(viewer, _queue(row)):
        raise NotAllowed
    found = Standing(row, viewer.agent_id, None)
    command = Assign(found.item_id, AgentId(agent_id), viewer.agent_id, version)
    return await _order(deps, command)


async def reopen(
    deps: Deps, viewer: Viewer, conversation_id: str, *, take_over: bool = False
) -> str:
    """Open a resolved conversation again; return the id of its new work item.

    Its solved case is open again, number and owner kept. With `take_over` the viewer gets the work
    if they are signed in.

    Raises:
        NotFound: no such conversation, or not to be seen.
        NotAllowed: may only read.
        Conflict: `not_resolved`: it is open, or closed for good.
    """
    await _seen(deps, viewer, conversation_id)
    now = deps.clock.now()

    def unit(tx: Tx) -> str:
        row = conversations.conversation(tx, conversation_id)
        if row is None or row["state"] != ConversationState.RESOLVED.value:
            raise Conflict("not_resolved")
        return reopen_in_unit(tx, deps, row, viewer.agent_id, now)

    item_id = await deps.db.run(unit, name="conversation.reopen")
    if take_over:
        # Not being signed in is no reason to undo the reopening: the work then waits in its queue.
        await deps.router.submit(Take(ItemId(item_id), viewer.agent_id, reason="reopened"))
    return item_id


def _move(
    tx: Tx, row: Row, cause: Cause, target: ConversationState, resolved_at: int | None
) -> bool:
    params = {
        "conversation_id": row["id"],
        "sources": [source.value for source in sources_of(cause)],
        "new_state": target.value,
        "new_snoozed_until": None,
        "new_resolved_at": resolved_at,
    }
    return tx.execute(conversations.MOVE, params) == 1


def _event(kind: EventKind, row: Row, now: datetime, actor: str, data: dict[str, str]) -> NewEvent:
    return new_event(
        kind,
        now,
        actor=actor,
        conversation=ConversationId(row["id"]),
        customer=CustomerId(row["customer_id"]),
        data=dict(data),
    )
