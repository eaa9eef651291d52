"""A conversation begun by us: to a known address, or to one typed in, where the channel allows it.

Whoever begins it owns its case, so they see it and the customer's answer comes to them first. An
address that belongs to a customer the viewer may not see opens nothing: typing somebody's number
must not show their history.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from hub.model.address import IdentityKind
from hub.model.clock import to_micros
from hub.model.errors import BadInput, Conflict, NotAllowed, NotFound
from hub.model.events import EventKind, NewEvent, new_event
from hub.model.ids import (
    AgentId,
    ConversationId,
    CustomerId,
    IdentityId,
    QueueId,
    new_id,
)
from hub.model.visibility import STAFF, Role, Scope, Viewer, sight_of
from hub.services.deps import Deps
from hub.services.reply import Author, Reply, write_reply
from hub.services.ways import same_network
from hub.store.queries import cases, conversations, customers
from hub.store.queries.audience import customer_audiences_of
from hub.store.queries.rows import Row, one_dict
from hub.store.statement import Params
from hub.store.tx import Tx
from hub.unify.address import parse_address

TYPED = {"phone": IdentityKind.PHONE, "email": IdentityKind.EMAIL}
"""Addresses people type; those of other networks are known only from what came in."""
VOUCHED = "agent"
"""`verified_how` of an address a person of ours typed in: whoever answers from it is meant."""


@dataclass(frozen=True, slots=True)
class Start:
    """To whom and through which channel; `identity_id` or `address`.

    Attributes:
        queue_id: whose members see it beside its author; None: the author's first queue.
        reply: the first message; its `channel_id` and `identity_id` are not read.
    """

    channel_id: str
    reply: Reply
    identity_id: str | None = None
    address: str | None = None
    name: str = ""
    queue_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Ids:
    """Ids drawn before the unit, which may run twice."""

    conversation: ConversationId
    customer: CustomerId
    identity: IdentityId
    case: str
    message: str


def may_start(viewer: Viewer) -> bool:
    """Tell whether `viewer` may write to customers first."""
    writes = Role.INTEGRATION in viewer.roles and Scope.WRITE in viewer.scopes
    return viewer.active and (bool(viewer.roles & STAFF) or writes)


async def start_conversation(
    deps: Deps, viewer: Viewer, author: Author, start: Start
) -> tuple[str, str]:
    """Begin a conversation; return its id and its first message's.

    Raises:
        NotAllowed: may not write; `customer_hidden`.
        NotFound: `channel_not_found`, `identity_not_found`, `queue_not_found`.
        BadInput: `address_required`, `address_invalid`, `address_not_typed`.
        Conflict: `wrong_network`, and as `send_reply` (`cannot_start`, `opted_out` …).
    """
    if not may_start(viewer):
        raise NotAllowed
    queue_id = _queue(viewer, start.queue_id)
    now = deps.clock.now()
    ids = _Ids(
        ConversationId(new_id()), CustomerId(new_id()), IdentityId(new_id()), new_id(), new_id()
    )

    def unit(tx: Tx) -> tuple[str, str]:
        channel = one_dict(tx, conversations.CHANNEL_HEAD, {"id": start.channel_id})
        if channel is None or channel["kind"] not in deps.kinds:
            raise NotFound("channel_not_found")
        identity, events = _identity(tx, deps, viewer, start, channel, ids, now)
        customer_id = CustomerId(identity["customer_id"])
        conversations.add_conversation(
            tx, ids.conversation, customer_id, now, queue_id=queue_id, case_id=ids.case
        )
        events += _open(tx, author, customer_id, channel, ids, now)
        tx.append(events)
        row = conversations.conversation(tx, ids.conversation)
        assert row is not None  # it was inserted in this unit
        reply = _by_way(start.reply, channel["id"], identity["id"])
        write_reply(tx, deps, row, author, reply, ids.message, now)
        return ids.conversation, ids.message

    return await deps.db.run(unit, name="conversation.start")


def _by_way(reply: Reply, channel_id: str, identity_id: str) -> Reply:
    return replace(reply, channel_id=channel_id, identity_id=identity_id)


def _queue(viewer: Viewer, wish: str | None) -> QueueId | None:
    queues = sorted(sight_of(viewer).queue_ids)
    if wish is None:
        return queues[0] if queues else None
    if wish not in queues:
        raise NotFound("queue_not_found")
    return QueueId(wish)


def _identity(  # noqa: PLR0913 - everything the address depends on
    tx: Tx, deps: Deps, viewer: Viewer, start: Start, channel: Row, ids: _Ids, now: datetime
) -> tuple[Row, list[NewEvent]]:
    """Return the identity's row, made when the address is new, and the events of making it."""
    network = deps.kinds[channel["kind"]]
    kind = network.identity_kind
    if start.identity_id is not None:
        row = one_dict(tx, customers.IDENTITY, {"id": start.identity_id})
        if row is None or not _sees(tx, viewer, row, now):
            raise NotFound("identity_not_found")
        if not same_network(row["kind"], network):
            raise Conflict("wrong_network", kind=row["kind"])
        return row, []
    if not start.address:
        raise BadInput("address_required")
    if kind not in TYPED:
        raise BadInput("address_not_typed", kind=kind)
    address = parse_address(TYPED[kind], start.address, region=deps.organisation.region)
    row = customers.identity_at(tx, address)
    if row is not None:
        if not _sees(tx, viewer, row, now):
            raise NotAllowed("customer_hidden")
        return row, []
    customers.add_customer(tx, ids.customer, name=start.name, locale="", at=now)
    customers.add_identity(
        tx, ids.identity, ids.customer, address, name=start.name, at=now, verified_how=VOUCHED
    )
    made = one_dict(tx, customers.IDENTITY, {"id": ids.identity})
    assert made is not None  # it was inserted in this unit
    linked = {"identity": ids.identity, "kind": address.kind.value, "how": VOUCHED}
    return made, [
        new_event(
            EventKind.CUSTOMER_CREATED, now, actor=viewer.agent_id, customer=ids.customer,
            data={"channel": channel["id"]},
        ),
        new_event(
            EventKind.IDENTITY_LINKED, now, actor=viewer.agent_id, customer=ids.customer,
            data=linked,
        ),
    ]  # fmt: skip


def _sees(tx: Tx, viewer: Viewer, identity: Row, now: datetime) -> bool:
    """Tell whether the viewer sees the customer, or nobody has talked with them yet."""
    customer_id = identity["customer_id"]
    audience = customer_audiences_of(tx, [customer_id], now).get(customer_id)
    return audience is None or audience.opens_family(sight_of(viewer))


def _open(  # noqa: PLR0913 - one start, all of it
    tx: Tx, author: Author, customer_id: CustomerId, channel: Row, ids: _Ids, now: datetime
) -> list[NewEvent]:
    number = cases.open_case(
        tx, id=ids.case, customer_id=customer_id, conversation_id=ids.conversation, at=now
    )
    actor = author.id or author.kind
    owner = AgentId(author.id) if author.kind == "agent" and author.id else None
    if owner is not None:
        params: Params = {"case_id": ids.case, "new_owner": owner, "at": to_micros(now)}
        tx.execute(cases.OWNER, params)
    return [
        new_event(
            EventKind.CONVERSATION_CREATED, now, actor=actor, conversation=ids.conversation,
            customer=customer_id, data={"channel": channel["id"], "by": actor},
        ),
        new_event(
            EventKind.CASE_OPENED, now, actor=actor, conversation=ids.conversation,
            customer=customer_id, agent=owner, data={"case": ids.case, "number": number},
        ),
    ]  # fmt: skip
