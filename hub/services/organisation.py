"""The one organisation row, its units, and what an empty database starts with."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hub.model.clock import to_micros
from hub.model.errors import BadInput, NotFound, VersionMismatch
from hub.model.events import EventKind, new_event
from hub.model.ids import new_id
from hub.services import deps as shape
from hub.services.deps import Deps
from hub.store.queries import people, queues
from hub.store.queries.rows import Row, dump, insert_row, load_map
from hub.store.tables import Organisation, OrgUnit, Queue
from hub.store.tx import Tx

FIRST_QUEUE = "General"
"""Where rules that name no other queue send work; made with an empty database."""


@dataclass(frozen=True, slots=True)
class OrganisationChange:
    """What an administrator sets."""

    name: str
    zone: str
    language: str
    settings: dict[str, object]


async def seed(deps: Deps, *, name: str = "Hub", zone: str = "UTC", demo: bool = False) -> bool:
    """Give an empty database its organisation, one unit and one queue; False when it has them."""
    now = to_micros(deps.clock.now())
    org_id, unit_id, queue_id = new_id(), new_id(), new_id()

    def unit(tx: Tx) -> bool:
        if people.organisation(tx) is not None:
            return False
        insert_row(
            tx, Organisation, id=org_id, name=name, zone=zone, language="en", demo=demo,
            created_at=now,
        )  # fmt: skip
        if not people.units(tx):
            insert_row(tx, OrgUnit, id=unit_id, name=name, path=unit_id)
            insert_row(tx, Queue, id=queue_id, name=FIRST_QUEUE, unit_id=unit_id)
        return True

    return await deps.db.run(unit, name="organisation.seed")


async def load_organisation(deps: Deps) -> shape.Organisation:
    """Return the organisation as use cases take it."""
    row = await organisation_row(deps)
    settings = load_map(row["settings"])
    return shape.Organisation(
        name=row["name"],
        zone=row["zone"],
        language=row["language"],
        region=str(settings.get("region", "CN")),
        settings=settings,
    )


async def organisation_row(deps: Deps) -> Row:
    """Return the row.

    Raises:
        NotFound: the database was never seeded.
    """

    def unit(tx: Tx) -> Row | None:
        return people.organisation(tx)

    row = await deps.db.read(unit)
    if row is None:
        raise NotFound("organisation_not_found")
    return row


async def change_organisation(
    deps: Deps, change: OrganisationChange, *, if_version: int, actor: str
) -> Row:
    """Replace name, zone, language and settings; returns the row as it is then.

    Raises:
        BadInput: `zone_unknown`.
        VersionMismatch: somebody changed it meanwhile.
    """
    require_zone(change.zone)
    values = {
        "name": change.name,
        "zone": change.zone,
        "language": change.language,
        "settings": dump(change.settings),
    }

    def unit(tx: Tx) -> Row:
        row = people.organisation(tx)
        if row is None:
            raise NotFound("organisation_not_found")
        if not people.change_organisation(tx, row["id"], if_version, values):
            raise VersionMismatch
        told(tx, deps, "organisation", actor)
        return {**row, **values, "version": if_version + 1}

    return await deps.db.run(unit, name="organisation.change")


async def list_units(deps: Deps) -> list[Row]:
    """Return the organisation's tree, parents before children."""

    def unit(tx: Tx) -> list[Row]:
        return people.units(tx)

    return await deps.db.read(unit)


async def add_unit(deps: Deps, name: str, parent_id: str | None, *, actor: str) -> Row:
    """Add a unit below another (None: at the root).

    Raises:
        BadInput: `parent_unknown`, `tree_too_deep` (20 levels).
    """
    id_ = new_id()

    def unit(tx: Tx) -> Row:
        path = id_
        if parent_id is not None:
            parent = people.unit(tx, parent_id)
            if parent is None:
                raise BadInput("parent_unknown")
            path = f"{parent['path']}/{id_}"
        if len(path) > 37 * 20:
            raise BadInput("tree_too_deep", limit=20)
        row: Row = {"id": id_, "parent_id": parent_id, "name": name, "path": path}
        insert_row(tx, OrgUnit, **row)
        told(tx, deps, "unit", actor)
        return row

    return await deps.db.run(unit, name="unit.add")


async def rename_unit(deps: Deps, unit_id: str, name: str, *, actor: str) -> Row:
    """Rename a unit.

    Raises:
        NotFound: there is none.
    """

    def unit(tx: Tx) -> Row:
        if not people.rename_unit(tx, unit_id, name):
            raise NotFound("unit_not_found")
        told(tx, deps, "unit", actor)
        row = people.unit(tx, unit_id)
        assert row is not None
        return row

    return await deps.db.run(unit, name="unit.rename")


def told(tx: Tx, deps: Deps, what: str, actor: str) -> None:
    """Append that a piece of configuration changed; screens and caches read it anew."""
    tx.append(
        [
            new_event(
                EventKind.CONFIG_CHANGED,
                deps.clock.now(),
                actor=actor,
                data={"what": what, "by": actor},
            )
        ]
    )


def require_zone(zone: str) -> None:
    """Refuse what is no IANA zone.

    Raises:
        BadInput: `zone_unknown`.
    """
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise BadInput("zone_unknown") from None


async def queue_named(deps: Deps, name: str) -> Row | None:
    """Return the queue of a name, if there is one."""

    def unit(tx: Tx) -> Row | None:
        return next((row for row in queues.queues(tx) if row["name"] == name), None)

    return await deps.db.read(unit)
