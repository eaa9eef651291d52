"""Erasure of one customer: everything said, every address, every file, every trace in the books.

What stays holds ids only: the event log, the audit table and routing's statistics. Requests that
still wait in the spool are sealed and drain within seconds; an erasure after that reaches them.
Backups made before keep what they keep: the operating guide says how long.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hub.model.errors import BadInput, Conflict, NotAllowed, NotFound
from hub.model.events import EventKind, new_event
from hub.model.ids import CustomerId, ItemId
from hub.model.router_commands import Cancel
from hub.model.visibility import Role, Viewer
from hub.model.widget import UPLOADER_PREFIX
from hub.services.customers import require_family
from hub.services.deps import Deps
from hub.services.intake_traces import Trace, forget_requests, sender_marks
from hub.services.squeeze import squeeze_index
from hub.store.engine import Lane
from hub.store.queries import customers, erasure
from hub.store.queries.audits import add_audit
from hub.store.queries.rows import Row, one_dict
from hub.store.tx import Tx

BATCH = 200
ROUNDS = 20


@dataclass(slots=True)
class Erased:
    """What was taken away."""

    customers: int = 0
    conversations: int = 0
    messages: int = 0
    files: int = 0
    requests: int = 0


@dataclass(slots=True)
class _Person:
    """Whom the erasure is about, as the rows are now."""

    root: str
    ids: list[str]
    identities: list[Row] = field(default_factory=list)
    conversations: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)


def may_erase(viewer: Viewer) -> bool:
    """Tell whether `viewer` may erase customers: administrators, and supervisors who see them."""
    return viewer.active and bool(viewer.roles & {Role.ADMINISTRATOR, Role.SUPERVISOR})


async def erase_customer(deps: Deps, viewer: Viewer, customer_id: str, reason: str) -> Erased:
    """Erase a customer with everybody merged into it. Cannot be undone.

    It goes in small background units; when it is interrupted, calling it again goes on.

    Raises:
        NotFound: none, or a supervisor does not see it.
        NotAllowed: neither supervisor nor administrator.
        BadInput: `reason_required`.
        Conflict: `still_writing`: the customer writes faster than we erase; block them first.
    """
    if not may_erase(viewer):
        raise NotAllowed
    if not reason.strip():
        raise BadInput("reason_required")
    done = Erased()
    person = await _find(deps, viewer, customer_id)
    await _say_began(deps, viewer, person, reason)
    done.requests = await _forget_log(deps, person)
    for _ in range(ROUNDS):
        await _end_work(deps, viewer, person)
        for conversation_id in person.conversations:
            await _erase_conversation(deps, conversation_id, done)
        await _erase_elsewhere(deps, person, done)
        if await _erase_people(deps, viewer, person, done):
            await squeeze_index(deps)
            return done
        person = await _look(deps, person.root)
    raise Conflict("still_writing")


async def _find(deps: Deps, viewer: Viewer, customer_id: str) -> _Person:
    now = deps.clock.now()

    def unit(tx: Tx) -> _Person:
        root = customers.root_of(tx, customer_id)
        if Role.ADMINISTRATOR not in viewer.roles:
            root = require_family(tx, viewer, customer_id, now).id
        return _read(tx, root)

    return await deps.db.read(unit)


async def _look(deps: Deps, root: str) -> _Person:
    return await deps.db.read(lambda tx: _read(tx, root))


def _read(tx: Tx, root: str) -> _Person:
    if one_dict(tx, customers.CUSTOMER, {"id": root}) is None:
        raise NotFound
    ids = customers.family_of(tx, root)
    talks = erasure.conversations_of(tx, ids)
    return _Person(
        root, ids, customers.identities_of(tx, ids), talks, erasure.channels_of(tx, talks)
    )


async def _say_began(deps: Deps, viewer: Viewer, person: _Person, reason: str) -> None:
    now = deps.clock.now()

    def unit(tx: Tx) -> None:
        add_audit(
            tx, now, actor=viewer.agent_id, action="customer.erased", reason=reason,
            target=f"customer:{person.root}", facts={"conversations": len(person.conversations)},
        )  # fmt: skip

    await deps.db.run(unit, name="erase.audit")


async def _forget_log(deps: Deps, person: _Person) -> int:
    """Delete the customer's requests from the intake log, as long as rows say which they are."""
    forgotten = 0
    for channel_id in person.channels:
        moments = await deps.db.read(
            lambda tx, channel_id=channel_id: erasure.moments(  # type: ignore[misc]
                tx, person.conversations, channel_id
            )
        )
        marks = sender_marks(person.identities)
        trace = Trace(channel_id, marks, tuple(moments), everything=True)
        forgotten += await forget_requests(deps, trace)
    return forgotten


async def _end_work(deps: Deps, viewer: Viewer, person: _Person) -> None:
    """Take live items out through the router, the one writer of routing rows."""
    live = await deps.db.read(lambda tx: erasure.live_items(tx, person.conversations))
    for item_id in live:
        await deps.router.submit(Cancel(ItemId(item_id), "erased", by=viewer.agent_id))


async def _erase_conversation(deps: Deps, conversation_id: str, done: Erased) -> None:
    def some(tx: Tx) -> tuple[int, list[str]]:
        found = erasure.some_messages(tx, conversation_id, BATCH)
        return len(found), erasure.drop_messages(tx, found) if found else []

    def rest(tx: Tx) -> bool:
        if erasure.some_messages(tx, conversation_id, 1):
            return False
        erasure.drop_conversation(tx, conversation_id)
        return True

    while True:
        count, keys = await deps.db.run(some, lane=Lane.BACKGROUND, name="erase.messages")
        done.messages += count
        done.files += await _drop_files(deps, keys)
        if count == 0 and await deps.db.run(rest, lane=Lane.BACKGROUND, name="erase.talk"):
            done.conversations += 1
            return


async def _erase_elsewhere(deps: Deps, person: _Person, done: Erased) -> None:
    """Erase what the customer's addresses said in talk that is another customer's by now."""
    identities = [row["id"] for row in person.identities]

    def some(tx: Tx) -> tuple[int, list[str]]:
        found = erasure.messages_elsewhere(tx, identities)
        return len(found), erasure.drop_messages(tx, found) if found else []

    while True:
        count, keys = await deps.db.run(some, lane=Lane.BACKGROUND, name="erase.elsewhere")
        done.messages += count
        done.files += await _drop_files(deps, keys)
        if count == 0:
            return


async def _erase_people(deps: Deps, viewer: Viewer, person: _Person, done: Erased) -> bool:
    """Delete customers and addresses; False when they have written again meanwhile."""
    now = deps.clock.now()

    def unit(tx: Tx) -> list[str] | None:
        if customers.family_of(tx, person.root) != person.ids:
            return None
        known = {row["id"] for row in customers.identities_of(tx, person.ids)}
        if erasure.conversations_of(tx, person.ids) or known != {
            row["id"] for row in person.identities
        }:
            return None
        keys = erasure.drop_people(tx, person.ids, person.identities, UPLOADER_PREFIX)
        tx.append(
            [
                new_event(
                    EventKind.CUSTOMER_ERASED, now, actor=viewer.agent_id, customer=CustomerId(one),
                    data={"by": viewer.agent_id},
                )
                for one in person.ids
            ]
        )  # fmt: skip
        return keys

    keys = await deps.db.run(unit, lane=Lane.BACKGROUND, name="erase.people")
    if keys is None:
        return False
    done.customers = len(person.ids)
    done.files += await _drop_files(deps, keys)
    return True


async def _drop_files(deps: Deps, keys: Iterable[str]) -> int:
    count = 0
    for key in keys:
        await deps.files.delete(key)
        count += 1
    return count


def require_confirmed(customer_id: str, confirm: str) -> None:
    """Raise BadInput `not_confirmed` unless the id was repeated."""
    if customer_id != confirm:
        raise BadInput("not_confirmed")
