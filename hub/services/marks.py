"""What people put on conversations: how far they have read, tags, the subject."""

from collections.abc import Sequence

from hub.model.errors import NotFound, VersionMismatch
from hub.model.events import EventKind, new_event
from hub.model.ids import ConversationId
from hub.model.visibility import Viewer, require_note
from hub.services.deps import Deps
from hub.services.inbox import require_visible
from hub.services.views import ConversationView, conversation_view
from hub.store.queries import conversations, lists, marks
from hub.store.queries.rows import Row
from hub.store.queries.visibility import facts_of
from hub.store.tx import Tx


async def read_marks(deps: Deps, agent_id: str, ids: Sequence[str]) -> dict[str, int]:
    """Return up to which number an agent has read each conversation."""

    def unit(tx: Tx) -> dict[str, int]:
        return marks.read_marks(tx, agent_id, ids)

    return await deps.db.read(unit)


async def mark_read(
    deps: Deps, viewer: Viewer, conversation_id: str, number: int, *, unread: bool = False
) -> int:
    """Note how far the viewer has read, at most to the last message; return the mark.

    Args:
        unread: allows the mark to go back.

    Raises:
        NotFound: no such conversation, or not to be seen.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> int:
        row = require_visible(tx, viewer, conversation_id, now)
        upto = min(number, row["last_number"])
        marks.mark_read(tx, viewer.agent_id, conversation_id, upto, back=unread)
        tx.after_commit(lambda: deps.wake.notify("read_marks"))
        return marks.read_marks(tx, viewer.agent_id, [conversation_id])[conversation_id]

    return await deps.db.run(unit, name="marks.read")


async def change_tags(
    deps: Deps, viewer: Viewer, conversation_id: str, add: Sequence[str], remove: Sequence[str]
) -> ConversationView:
    """Put tags on a conversation and take others off, by name; repeats are harmless.

    Raises:
        NotFound: no such conversation, or not to be seen; `tag_not_found`.
        NotAllowed: may only read.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> ConversationView:
        require_writable(tx, viewer, deps, conversation_id)
        ids = marks.tag_ids(tx, [*add, *remove])
        missing = next((name for name in add if name not in ids), None)
        if missing is not None:
            raise NotFound("tag_not_found", name=missing)
        moved = [marks.put_on(tx, conversation_id, ids[name]) for name in dict.fromkeys(add)]
        moved += [marks.take_off(tx, conversation_id, ids[name]) for name in remove if name in ids]
        if any(moved):
            tx.execute(conversations.BUMP, {"conversation_id": conversation_id})
            tell_changed(tx, deps, viewer, conversation_id, ["tags"])
        return shown(tx, require_visible(tx, viewer, conversation_id, now))

    return await deps.db.run(unit, name="marks.tags")


async def change_subject(
    deps: Deps, viewer: Viewer, conversation_id: str, subject: str, if_version: int
) -> ConversationView:
    """Set the subject colleagues see; mails keep their own.

    Raises:
        NotFound, NotAllowed: as the viewer's sight and roles say.
        VersionMismatch: somebody changed the conversation before.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> ConversationView:
        row = require_writable(tx, viewer, deps, conversation_id)
        if not marks.set_subject(tx, conversation_id, if_version, subject):
            raise VersionMismatch(version=row["version"])
        tell_changed(tx, deps, viewer, conversation_id, ["subject"])
        return shown(tx, require_visible(tx, viewer, conversation_id, now))

    return await deps.db.run(unit, name="marks.subject")


def require_writable(tx: Tx, viewer: Viewer, deps: Deps, conversation_id: str) -> Row:
    """Return a conversation the viewer may note on.

    Raises:
        NotFound: none, or not to be seen.
        NotAllowed: may only read.
    """
    facts = facts_of(tx, conversation_id, viewer, deps.clock.now())
    row = conversations.conversation(tx, conversation_id)
    if facts is None or row is None:
        raise NotFound
    require_note(viewer, facts)
    return row


def tell_changed(
    tx: Tx, deps: Deps, viewer: Viewer, conversation_id: str, fields: list[str]
) -> None:
    """Append the event that says which fields of a conversation's head changed."""
    tx.append(
        [
            new_event(
                EventKind.CONVERSATION_CHANGED,
                deps.clock.now(),
                actor=viewer.agent_id,
                conversation=ConversationId(conversation_id),
                data={"fields": fields, "by": viewer.agent_id},
            )
        ]
    )


def shown(tx: Tx, head: Row) -> ConversationView:
    """Return the view of a head of `queries.lists.heads`."""
    return conversation_view(head, lists.tags_of(tx, [head["id"]]).get(head["id"], []))
