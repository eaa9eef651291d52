"""Reading: lists, one conversation with all that belongs to it, its timeline. Visibility inside.

Every snapshot is read after its `cursor`, so that the live feed from that cursor on misses nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.model.errors import BadInput, NotFound
from hub.model.visibility import Sight, Viewer, may_see, may_supervise, sight_of
from hub.services.deps import Deps
from hub.services.views import (
    CaseView,
    ConversationView,
    MessageView,
    View,
    case_view,
    conversation_view,
    message_view,
)
from hub.store.queries import cases, conversations, deliveries, lists, messages
from hub.store.queries.lists import NOT_SPAM, SPAM, UNASSIGNED, Branch, Key, Sort
from hub.store.queries.rows import Row, dicts
from hub.store.queries.visibility import facts_of, visible_ids
from hub.store.statement import Params
from hub.store.tx import Tx

LIVE = ("open", "waiting", "snoozed")
PAGE = 50


class ListView(StrEnum):
    """The inbox's views."""

    MINE = "mine"
    UNASSIGNED = "unassigned"
    MENTIONS = "mentions"
    PARTICIPATING = "participating"
    SNOOZED = "snoozed"
    QUEUE = "queue"
    SPAM = "spam"
    RESOLVED = "resolved"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Which list, in which order, from where."""

    view: ListView = ListView.MINE
    sort: Sort = Sort.NEWEST
    queue_id: str | None = None
    after: Key | None = None
    limit: int = PAGE


class ConversationPage(View):
    """One page of a list; `next` is None at its end."""

    items: tuple[ConversationView, ...]
    next: str | None


class ConversationDetail(View):
    """One conversation with its cases and the other parts of a merged one."""

    conversation: ConversationView
    cases: tuple[CaseView, ...]
    ways: tuple[dict[str, str | None], ...]
    may_supervise: bool


class MessagePage(View):
    """One page of a timeline, oldest first; `before` is where the earlier page ends."""

    items: tuple[MessageView, ...]
    before: str | None


async def list_conversations(deps: Deps, viewer: Viewer, request: ListRequest) -> ConversationPage:
    """Return one page of a list.

    Raises:
        NotFound: a queue the viewer does not see.
        BadInput: `queue_required`.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> ConversationPage:
        keys = _keys(tx, viewer, request, now)
        found = lists.heads(tx, [key.id for key in keys])
        tags = lists.tags_of(tx, list(found))
        items = tuple(
            conversation_view(found[key.id], tags.get(key.id, []))
            for key in keys
            if key.id in found
        )
        full = len(keys) >= min(request.limit, lists.MAX_PAGE)
        last = keys[-1] if keys else None
        return ConversationPage(
            items=items, next=f"{last.value}.{last.id}" if full and last else None
        )

    return await deps.db.read(unit)


def _keys(tx: Tx, viewer: Viewer, request: ListRequest, now: datetime) -> list[Key]:
    sight = sight_of(viewer)
    if sight.blind:
        return []
    if request.view in (ListView.MENTIONS, ListView.PARTICIPATING):
        return _personal(tx, viewer, request, now)
    return lists.page_ids(
        tx, _branches(viewer, sight, request), request.sort, request.after, request.limit
    )


def _branches(viewer: Viewer, sight: Sight, request: ListRequest) -> list[Branch]:
    """Turn a view into index seeks. Only queues in sight are ever sought."""
    me = viewer.agent_id
    match request.view:
        case ListView.MINE:
            return [Branch(handler=me, state=s, extra=NOT_SPAM) for s in ("open", "waiting")]
        case ListView.SNOOZED:
            return [Branch(handler=me, state="snoozed", extra=NOT_SPAM)]
        case ListView.QUEUE:
            if request.queue_id is None:
                raise BadInput("queue_required")
            if not sight.everything and request.queue_id not in sight.queue_ids:
                raise NotFound
            return [Branch(queue_id=request.queue_id, state=s, extra=NOT_SPAM) for s in LIVE]
        case ListView.UNASSIGNED:
            return _spread(sight, ("open",), f"{UNASSIGNED} {NOT_SPAM}")
        case ListView.SPAM:
            return _spread(sight, (*LIVE, "resolved", "closed"), SPAM)
        case ListView.RESOLVED:
            return [*_spread(sight, ("resolved", "closed"), NOT_SPAM)]
        case _:
            own = [Branch(handler=me, state=s, extra=NOT_SPAM) for s in LIVE]
            return [*_spread(sight, LIVE, NOT_SPAM), *own]


def _spread(sight: Sight, states: tuple[str, ...], extra: str) -> list[Branch]:
    if sight.everything:
        return [Branch(state=s, extra=extra) for s in states]
    return [
        Branch(queue_id=q, state=s, extra=extra) for q in sorted(sight.queue_ids) for s in states
    ]


def _personal(tx: Tx, viewer: Viewer, request: ListRequest, now: datetime) -> list[Key]:
    """Mentions and participating: few rows of the viewer's own, newest first."""
    statement = lists.MENTIONED if request.view is ListView.MENTIONS else lists.PARTICIPATING
    after = request.after or Key(2**62, "~")
    params: Params = {
        "me": viewer.agent_id,
        "after_value": after.value,
        "after_id": after.id,
        "page": min(request.limit, lists.MAX_PAGE),
    }
    keys = [Key(int(row[0]), str(row[1])) for row in tx.run(statement, params)]
    seen = visible_ids(tx, [key.id for key in keys], viewer, now)
    return [key for key in keys if key.id in seen]


async def conversation_detail(
    deps: Deps, viewer: Viewer, conversation_id: str
) -> ConversationDetail:
    """Return one conversation.

    Raises:
        NotFound: there is none, or it is not to be seen.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> ConversationDetail:
        row = require_visible(tx, viewer, conversation_id, now)
        ways = tuple(
            {"channel_id": w["channel_id"], "identity_id": w["identity_id"]}
            for w in dicts(tx, conversations.WAYS, {"id": conversation_id})
        )
        return ConversationDetail(
            conversation=conversation_view(row, lists.tags_of(tx, [row["id"]]).get(row["id"], [])),
            cases=tuple(
                case_view(c) for c in dicts(tx, cases.OF_CONVERSATION, {"id": conversation_id})
            ),
            ways=ways,
            may_supervise=may_supervise(viewer, row["queue_id"]),
        )

    return await deps.db.read(unit)


def require_visible(tx: Tx, viewer: Viewer, conversation_id: str, now: datetime) -> Row:
    """Return the head of a conversation the viewer may see.

    Raises:
        NotFound: there is none, or it is not to be seen: the two are not told apart.
    """
    facts = facts_of(tx, conversation_id, viewer, now)
    row = lists.heads(tx, [conversation_id]).get(conversation_id)
    if facts is None or row is None or not may_see(viewer, facts):
        raise NotFound
    return row


async def timeline(
    deps: Deps,
    viewer: Viewer,
    conversation_id: str,
    *,
    before: Key | None = None,
    limit: int = PAGE,
) -> MessagePage:
    """Return messages before a point, oldest first; merged conversations are one timeline."""
    now = deps.clock.now()

    def unit(tx: Tx) -> MessagePage:
        row = require_visible(tx, viewer, conversation_id, now)
        family = [conversation_id, *_merged(tx, conversation_id)]
        edge = before or Key(2**62, "~")
        found = dicts(
            tx,
            messages.PAGE,
            {
                "conversations": family,
                "before_at": edge.value,
                "before_id": edge.id,
                "limit": min(limit, lists.MAX_PAGE),
            },
        )
        found.reverse()
        show = may_supervise(viewer, row["queue_id"])
        first = found[0] if len(found) >= limit and found else None
        return MessagePage(
            items=message_views(tx, found, show_deleted=show),
            before=f"{first['recorded_at']}.{first['id']}" if first else None,
        )

    return await deps.db.read(unit)


def _merged(tx: Tx, conversation_id: str) -> list[str]:
    return [str(row[0]) for row in tx.run(conversations.MERGED_INTO, {"id": conversation_id})]


def message_views(
    tx: Tx, rows: list[Row], *, show_deleted: bool = False
) -> tuple[MessageView, ...]:
    """Return messages with their files and deliveries."""
    ids = [row["id"] for row in rows]
    files = messages.attachments_of(tx, ids) if ids else {}
    sent = deliveries.of_messages(tx, ids) if ids else {}
    return tuple(
        message_view(
            row,
            [f for f in files.get(row["id"], []) if f["kind"] != "original"],
            sent.get(row["id"], []),
            show_deleted=show_deleted,
        )
        for row in rows
    )


def parse_key(text: str | None) -> Key | None:
    """Read a cursor a client sent back.

    Raises:
        BadInput: `cursor_invalid`.
    """
    if text is None:
        return None
    value, _, id_ = text.partition(".")
    try:
        number = int(value)
    except ValueError:
        raise BadInput("cursor_invalid") from None
    if not id_ or len(id_) > 40 or abs(number) > 2**62:
        raise BadInput("cursor_invalid")
    return Key(number, id_)
