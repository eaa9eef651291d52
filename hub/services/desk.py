"""Tags and canned replies: what agents keep at hand. Names are unique."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.model.errors import BadInput, Conflict, NotAllowed, NotFound, VersionMismatch
from hub.model.ids import new_id
from hub.model.visibility import Role, Viewer, may_administer
from hub.services.deps import Deps
from hub.services.organisation import told
from hub.store.queries import desk, queues
from hub.store.queries.rows import Row, dump, insert_row
from hub.store.tables import CannedReply, Tag
from hub.store.tx import Tx


@dataclass(frozen=True, slots=True)
class CannedFields:
    """A prepared wording. `texts`: language to text; `personal`: its author's alone."""

    shortcut: str
    title: str
    texts: Mapping[str, str] = field(default_factory=dict)
    queue_id: str | None = None
    personal: bool = True


async def list_tags(deps: Deps) -> list[Row]:
    """Return every tag by name."""

    def unit(tx: Tx) -> list[Row]:
        return desk.tags(tx)

    return await deps.db.read(unit)


async def add_tag(deps: Deps, name: str, colour: str, *, actor: str) -> Row:
    """Add a tag; raises Conflict `name_taken`."""
    row: Row = {"id": new_id(), "name": name, "colour": colour, "version": 1}

    def unit(tx: Tx) -> Row:
        _require_free_tag(tx, name, "")
        insert_row(tx, Tag, **row)
        told(tx, deps, "tags", actor)
        return row

    return await deps.db.run(unit, name="tag.add")


async def change_tag(
    deps: Deps, tag_id: str, name: str | None, colour: str | None, *, if_version: int, actor: str
) -> Row:
    """Replace a tag's name and colour (None leaves it); raises as `add_tag`."""

    def unit(tx: Tx) -> Row:
        before = desk.tag(tx, tag_id)
        if before is None:
            raise NotFound("tag_not_found")
        now = {"name": name or before["name"], "colour": before["colour"]}
        if colour is not None:
            now["colour"] = colour
        _require_free_tag(tx, now["name"], tag_id)
        if not desk.change_tag(tx, tag_id, if_version, now["name"], now["colour"]):
            raise VersionMismatch
        told(tx, deps, "tags", actor)
        return {**before, **now, "version": if_version + 1}

    return await deps.db.run(unit, name="tag.change")


async def drop_tag(deps: Deps, tag_id: str, *, actor: str) -> None:
    """Remove a tag everywhere; raises NotFound."""

    def unit(tx: Tx) -> None:
        if not desk.drop_tag(tx, tag_id):
            raise NotFound("tag_not_found")
        told(tx, deps, "tags", actor)

    await deps.db.run(unit, name="tag.drop")


async def list_canned(deps: Deps, viewer: Viewer) -> list[Row]:
    """Return the wordings a viewer may use: shared ones of everybody or their queues, and own."""

    def unit(tx: Tx) -> list[Row]:
        return [row for row in desk.canned_replies(tx) if _may_use(viewer, row)]

    return await deps.db.read(unit)


async def add_canned(deps: Deps, fields: CannedFields, viewer: Viewer) -> Row:
    """Add a wording; shared ones are for supervisors and administrators.

    Raises:
        NotAllowed, BadInput (`queue_unknown`), Conflict (`shortcut_taken`).
    """
    owner = viewer.agent_id if fields.personal else None
    row: Row = {
        "id": new_id(),
        **_columns(fields),
        "owner_agent_id": owner,
        "version": 1,
    }
    if not _may_edit(viewer, row):
        raise NotAllowed

    def unit(tx: Tx) -> Row:
        _check(tx, fields, "")
        insert_row(tx, CannedReply, **row)
        told(tx, deps, "canned_replies", viewer.agent_id)
        return row

    return await deps.db.run(unit, name="canned.add")


async def change_canned(
    deps: Deps, reply_id: str, fields: CannedFields, viewer: Viewer, *, if_version: int
) -> Row:
    """Replace a wording; whose it is does not change.

    Raises:
        NotFound, NotAllowed, VersionMismatch, BadInput, Conflict: as `add_canned`.
    """

    def unit(tx: Tx) -> Row:
        before = _editable(tx, reply_id, viewer)
        _check(tx, fields, reply_id)
        columns = _columns(fields)
        if not desk.change_canned(tx, reply_id, if_version, columns):
            raise VersionMismatch
        told(tx, deps, "canned_replies", viewer.agent_id)
        return {**before, **columns, "version": if_version + 1}

    return await deps.db.run(unit, name="canned.change")


async def drop_canned(deps: Deps, reply_id: str, viewer: Viewer) -> None:
    """Remove a wording; raises NotFound, NotAllowed."""

    def unit(tx: Tx) -> None:
        _editable(tx, reply_id, viewer)
        desk.drop_canned(tx, reply_id)
        told(tx, deps, "canned_replies", viewer.agent_id)

    await deps.db.run(unit, name="canned.drop")


def _editable(tx: Tx, reply_id: str, viewer: Viewer) -> Row:
    row = desk.canned_reply(tx, reply_id)
    if row is None or not _may_use(viewer, row):
        raise NotFound("canned_reply_not_found")
    if not _may_edit(viewer, row):
        raise NotAllowed
    return row


def _may_use(viewer: Viewer, row: Row) -> bool:
    if row["owner_agent_id"] is not None:
        return bool(row["owner_agent_id"] == viewer.agent_id)
    if row["queue_id"] is None or may_administer(viewer):
        return True
    return row["queue_id"] in viewer.queue_ids | viewer.unit_queue_ids


def _may_edit(viewer: Viewer, row: Row) -> bool:
    if row["owner_agent_id"] is not None:
        return bool(row["owner_agent_id"] == viewer.agent_id)
    if may_administer(viewer):
        return True
    if Role.SUPERVISOR not in viewer.roles:
        return False
    return row["queue_id"] is None or row["queue_id"] in viewer.unit_queue_ids


def _columns(fields: CannedFields) -> Row:
    return {
        "shortcut": fields.shortcut,
        "title": fields.title,
        "texts": dump(dict(fields.texts)),
        "queue_id": fields.queue_id,
    }


def _check(tx: Tx, fields: CannedFields, but: str) -> None:
    if fields.queue_id is not None and queues.queue(tx, fields.queue_id) is None:
        raise BadInput("queue_unknown")
    taken = (row for row in desk.canned_replies(tx) if row["shortcut"] == fields.shortcut)
    if any(row["id"] != but for row in taken):
        raise Conflict("shortcut_taken")


def _require_free_tag(tx: Tx, name: str, but: str) -> None:
    if any(row["name"] == name and row["id"] != but for row in desk.tags(tx)):
        raise Conflict("name_taken")
