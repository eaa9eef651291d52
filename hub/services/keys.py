"""Sealing again with the first key what another one sealed."""

from hub.services.deps import Deps
from hub.store.crypto import place
from hub.store.queries import secrets
from hub.store.tx import Tx


async def reseal(deps: Deps) -> dict[str, int]:
    """Seal every long-lived secret with the first key; returns how many were done per table.

    Raw requests of the intake log and spooled ones live for days: they open with the old key.
    """

    def unit(tx: Tx) -> dict[str, int]:
        done: dict[str, int] = {}
        for table, column, row_id, sealed in secrets.sealed_values(tx):
            where = place(table, column, row_id)
            if deps.keyring.is_current(sealed):
                continue
            fresh = deps.keyring.encrypt(deps.keyring.decrypt(sealed, where), where)
            secrets.replace_sealed(tx, table, row_id, fresh)
            done[table] = done.get(table, 0) + 1
        return done

    return await deps.db.run(unit, name="keys.reseal")
