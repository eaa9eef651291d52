"""How the store is: asked by health checks and `hub doctor`."""

from datetime import datetime

from hub.model.clock import from_micros
from hub.services.deps import Deps
from hub.store.queries import condition
from hub.store.tx import Tx


async def ping(deps: Deps) -> None:
    """Read something.

    Raises:
        StoreUnavailable: the database does not answer.
    """

    def unit(tx: Tx) -> None:
        condition.ping(tx)

    await deps.db.read(unit)


async def store_clock(deps: Deps) -> datetime:
    """Return the database's own time (this machine's on SQLite); aware UTC."""

    def unit(tx: Tx) -> int:
        return condition.clock_micros(tx)

    return from_micros(await deps.db.read(unit))
