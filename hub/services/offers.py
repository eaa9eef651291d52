"""An agent's own offers and presence: what they are asked, what they answer."""

from hub.model.errors import Conflict, NotFound
from hub.model.ids import AgentId, ItemId, OfferId
from hub.model.router_commands import (
    Accept,
    Command,
    Decline,
    Opened,
    Outcome,
    Presence,
    PresenceMove,
    WrapUpDone,
)
from hub.model.visibility import Viewer
from hub.services.deps import Deps
from hub.services.hydrate import offer_view
from hub.services.work_views import AgentView, OfferView, agent_view
from hub.store.queries import bulk, conversations, items
from hub.store.queries.rows import Row, dicts
from hub.store.tx import Tx

OWN_MOVES = frozenset(
    {PresenceMove.SIGN_IN, PresenceMove.SIGN_OUT, PresenceMove.SET_READY, PresenceMove.SET_PAUSE}
)
"""What a person may say of themselves; their link is judged by their sockets."""


async def list_offers(deps: Deps, viewer: Viewer) -> tuple[OfferView, ...]:
    """Return what the viewer is asked to take now, first to expire first."""

    def unit(tx: Tx) -> list[Row]:
        return dicts(tx, bulk.OFFERS_TO, {"agent_id": viewer.agent_id})

    return tuple(offer_view(row) for row in await deps.db.read(unit))


async def accept(deps: Deps, viewer: Viewer, offer_id: str, epoch: int | None = None) -> Outcome:
    """Take what was offered.

    Raises:
        NotFound: no offer of theirs.
        Conflict: `offer_gone`, `already_taken`, `stale` …
    """
    await _require_own(deps, viewer, offer_id)
    return await _order(deps, Accept(OfferId(offer_id), viewer.agent_id, epoch))


async def decline(deps: Deps, viewer: Viewer, offer_id: str, reason: str = "decline") -> Outcome:
    """Refuse what was offered; raises as `accept`."""
    await _require_own(deps, viewer, offer_id)
    return await _order(deps, Decline(OfferId(offer_id), viewer.agent_id, reason))


async def move_presence(
    deps: Deps, viewer: Viewer, move: PresenceMove, reason: str | None = None
) -> AgentView:
    """Sign in or out, be ready, or pause for a reason; return the viewer with presence.

    Raises:
        Conflict: the router's reason.
    """
    await _order(deps, Presence(AgentId(viewer.agent_id), move, reason))
    return await presence(deps, viewer)


async def presence(deps: Deps, viewer: Viewer) -> AgentView:
    """Return the viewer with presence and load.

    Raises:
        NotFound: a program's token that stands for no person.
    """

    def unit(tx: Tx) -> Row | None:
        return bulk.by_id(tx, bulk.AGENTS, [viewer.agent_id]).get(viewer.agent_id)

    row = await deps.db.read(unit)
    if row is None:
        raise NotFound("agent_not_found")
    return agent_view(row)


async def end_wrap_up(deps: Deps, viewer: Viewer, item_id: str) -> Outcome:
    """End one's wrap-up before its time.

    Raises:
        NotFound: no item of theirs.
        Conflict: the router's reason.
    """

    def unit(tx: Tx) -> Row | None:
        return bulk.by_id(tx, bulk.ITEMS, [item_id]).get(item_id)

    row = await deps.db.read(unit)
    if row is None or row["handler_agent_id"] != viewer.agent_id:
        raise NotFound
    return await _order(deps, WrapUpDone(ItemId(item_id), viewer.agent_id))


async def opened(deps: Deps, viewer: Viewer, conversation_id: str) -> bool:
    """Tell the router that the handler looks at work they were given without asking.

    Work that nobody looks at within the queue's time goes back; False when there was nothing to
    tell.
    """

    def unit(tx: Tx) -> ItemId | None:
        row = conversations.conversation(tx, conversation_id)
        if row is None or row["handler_agent_id"] != viewer.agent_id or row["item_id"] is None:
            return None
        found = dicts(tx, items.ONE, {"id": row["item_id"]})
        item = items.item_of(found[0]["body"]) if found else None
        return item.id if item is not None and item.opened_at is None else None

    item_id = await deps.db.read(unit)
    if item_id is None:
        return False
    outcome = await deps.router.submit(Opened(item_id, AgentId(viewer.agent_id)))
    return outcome.ok


async def _require_own(deps: Deps, viewer: Viewer, offer_id: str) -> None:
    def unit(tx: Tx) -> Row | None:
        return bulk.by_id(tx, bulk.OFFERS, [offer_id]).get(offer_id)

    row = await deps.db.read(unit)
    if row is None or row["agent_id"] != viewer.agent_id:
        raise NotFound


async def _order(deps: Deps, command: Command) -> Outcome:
    outcome = await deps.router.submit(command)
    if not outcome.ok:
        raise Conflict(outcome.code.value, holder=outcome.holder, version=outcome.version)
    return outcome
