"""The search index, written from the log's events in background units.

Every unit re-reads what an event names and writes it as it is now, so a repeated or late event does
no harm. How far the log was read is kept in the same unit; `lease` makes one process write.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hub.model.address import Address, IdentityKind
from hub.model.content import Content
from hub.model.events import EventKind, LoggedEvent
from hub.services.deps import Deps
from hub.store import search
from hub.store.engine import Lane
from hub.store.lease import check_lease
from hub.store.queries import indexing
from hub.store.queries.rows import Row
from hub.store.tx import Tx
from hub.unify.address import display

LEASE = "search"
"""The lease of whoever writes the index."""

MESSAGE_KINDS = frozenset(
    {
        EventKind.MESSAGE_RECEIVED,
        EventKind.MESSAGE_SENT,
        EventKind.MESSAGE_NOTED,
        EventKind.MESSAGE_CHANGED,
        EventKind.MESSAGE_MOVED,
        EventKind.MESSAGE_REDACTED,
        EventKind.ATTACHMENT_STORED,
    }
)
CUSTOMER_KINDS = frozenset(
    {
        EventKind.CUSTOMER_CREATED,
        EventKind.CUSTOMER_CHANGED,
        EventKind.CUSTOMER_MERGED,
        EventKind.CUSTOMER_UNMERGED,
        EventKind.CUSTOMER_ERASED,
        EventKind.IDENTITY_LINKED,
        EventKind.IDENTITY_CHANGED,
    }
)
CASE_KINDS = frozenset({EventKind.CASE_OPENED, EventKind.CASE_CHANGED})
AT_ONCE = 40
"""Things written in one unit: a few milliseconds."""


@dataclass(slots=True)
class Touched:
    """What a stretch of the log says may look different now."""

    messages: dict[str, None] = field(default_factory=dict)
    customers: dict[str, None] = field(default_factory=dict)
    cases: dict[str, None] = field(default_factory=dict)

    def add(self, event: LoggedEvent) -> None:
        """Note what an event names."""
        if event.kind in MESSAGE_KINDS and event.message is not None:
            self.messages[event.message] = None
        elif event.kind in CUSTOMER_KINDS and event.customer is not None:
            self.customers[event.customer] = None
        elif event.kind in CASE_KINDS:
            case = event.data.get("case")
            if isinstance(case, str):
                self.cases[case] = None

    def __len__(self) -> int:
        return len(self.messages) + len(self.customers) + len(self.cases)


async def index_events(deps: Deps, epoch: int, events: Sequence[LoggedEvent]) -> None:
    """Write what a batch of events changed, in units of `AT_ONCE` things.

    Args:
        deps: the store.
        epoch: of the lease the caller holds.
        events: consecutive, after the cursor.

    Raises:
        Conflict: `lease_lost`.
        StoreUnavailable: the last unit was not kept; the cursor stands before it.
    """
    touched = Touched()
    for number, event in enumerate(events):
        touched.add(event)
        if len(touched) >= AT_ONCE or number == len(events) - 1:
            await _write(deps, epoch, touched, event.seq)
            touched = Touched()


async def _write(deps: Deps, epoch: int, touched: Touched, seq: int) -> None:
    region = deps.organisation.region

    def unit(tx: Tx) -> None:
        check_lease(tx, LEASE, epoch)
        write_index(tx, touched, region)
        indexing.set_cursor(tx, seq)

    await deps.db.run(unit, lane=Lane.BACKGROUND, name="search.index")


async def load_cursor(deps: Deps) -> int:
    """Return the number of the last event the index was written from."""
    return await deps.db.read(indexing.cursor)


def write_index(tx: Tx, touched: Touched, region: str) -> None:
    """Bring the index up to date with the rows; what is gone or hidden leaves it."""
    ids = list(touched.messages)
    rows, files = indexing.messages(tx, ids), indexing.filenames(tx, ids)
    for id_ in ids:
        _message(tx, id_, rows.get(id_), files.get(id_, []))
    ids = list(touched.customers)
    people, addresses = indexing.customers(tx, ids), indexing.identities(tx, ids)
    for id_ in ids:
        _customer(tx, id_, people.get(id_), addresses.get(id_, []), region)
    ids = list(touched.cases)
    cases = indexing.cases(tx, ids)
    for id_ in ids:
        _case(tx, id_, cases.get(id_))


def _message(tx: Tx, id_: str, row: Row | None, files: list[str]) -> None:
    hidden = row is None or row["deleted_at"] is not None or row["redacted_at"] is not None
    if row is None or hidden or row["direction"] == "system":
        search.unindex(tx, "message", id_)
        return
    content = Content.model_validate_json(row["content"])
    label = content.location.label if content.location else ""
    source = "\n".join(part for part in (content.subject, content.text, label, *files) if part)
    search.index(
        tx, "message", id_, source, at=row["recorded_at"], conversation=row["conversation_id"]
    )


def _customer(tx: Tx, id_: str, row: Row | None, addresses: list[Row], region: str) -> None:
    if row is None:
        search.unindex(tx, "customer", id_)
        return
    parts = [row["name"]]
    for address in addresses:
        parts += [address["name"], *_spellings(address, region)]
    source = "\n".join(dict.fromkeys(part for part in parts if part))
    search.index(tx, "customer", id_, source, at=row["created_at"], customer=id_)


def _spellings(row: Row, region: str) -> list[str]:
    """Return an address in the ways people type it: numbers whole, national, the last four."""
    value = str(row["value"])
    if row["kind"] != IdentityKind.PHONE.value:
        return [value]
    address = Address(IdentityKind.PHONE, value, row["scope"])
    national = "".join(c for c in display(address, region=region) if c.isdigit())
    return [value, national, value[-4:]]


def _case(tx: Tx, id_: str, row: Row | None) -> None:
    if row is None:
        search.unindex(tx, "case", id_)
        return
    search.index(
        tx,
        "case",
        id_,
        f"{row['number']}\n{row['title']}",
        at=row["opened_at"],
        conversation=row["conversation_id"],
    )
