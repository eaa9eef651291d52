"""Removed words leave SQLite's file: the index is merged until no old segment holds them."""

from hub.services.deps import Deps
from hub.store.engine import Lane
from hub.store.queries import indexing
from hub.store.tx import Tx

PAGES = 256
"""Merged in one unit: a few milliseconds."""
_MOST = 100_000


async def squeeze_index(deps: Deps) -> None:
    """Merge the whole index in small background units; PostgreSQL has VACUUM for this."""
    pages = -PAGES
    for _ in range(_MOST):

        def unit(tx: Tx, pages: int = pages) -> bool:
            return indexing.squeeze(tx, pages)

        if not await deps.db.run(unit, lane=Lane.BACKGROUND, name="search.squeeze"):
            return
        pages = PAGES
