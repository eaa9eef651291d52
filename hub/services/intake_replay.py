"""Requests of the intake log, opened again to be stored a second time of trying."""

from hub.model.channel import RawRequest
from hub.model.errors import Conflict, NotFound
from hub.services.deps import Deps
from hub.services.intake_record import decode_request
from hub.store.crypto import place
from hub.store.queries import intake
from hub.store.queries.rows import Row, one_dict
from hub.store.tx import Tx


async def logged_request(deps: Deps, intake_id: str) -> tuple[str, RawRequest, str]:
    """Return channel id, request and intake id of a log entry.

    Raises:
        NotFound: no such entry.
        Conflict: `body_not_kept`: it was too large to be kept; `no_channel`.
    """

    def unit(tx: Tx) -> Row | None:
        return one_dict(tx, intake.LOG_ONE, {"id": intake_id})

    row = await deps.db.read(unit)
    if row is None:
        raise NotFound("intake_not_found")
    if row["channel_id"] is None:
        raise Conflict("no_channel")
    opened = deps.keyring.decrypt(row["request"], place("intake_log", "request", row["id"]))
    found = decode_request(opened)
    if found is None:
        raise Conflict("body_not_kept")
    return row["channel_id"], found[0], found[1]
