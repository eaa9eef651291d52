"""What visitors left behind and nobody needs: sessions long over, uploads no message names."""

from datetime import timedelta

from hub.model.clock import to_micros
from hub.services.deps import Deps
from hub.store.engine import Lane
from hub.store.queries import widget
from hub.store.tx import Tx

ANONYMOUS_KEPT = timedelta(days=1)
SIGNED_KEPT = timedelta(days=400)
"""It says which visitors are one account; without it their old talk would be out of sight."""
UPLOAD_KEPT = timedelta(days=2)


async def prune(deps: Deps) -> int:
    """Remove sessions and loose uploads; returns how many. Row first, file second."""
    now = deps.clock.now()
    over = {
        "anonymous_before": to_micros(now - ANONYMOUS_KEPT),
        "signed_before": to_micros(now - SIGNED_KEPT),
    }

    def unit(tx: Tx) -> tuple[int, list[str]]:
        gone = tx.execute(widget.SESSIONS_OVER, over)
        loose = tx.run(widget.UPLOADS_LOOSE, {"before": to_micros(now - UPLOAD_KEPT)})
        return gone, [str(row[0]) for row in loose]

    gone, keys = await deps.db.run(unit, lane=Lane.BACKGROUND, name="widget.prune")
    for key in keys:
        await deps.files.delete(key)
    return gone + len(keys)
