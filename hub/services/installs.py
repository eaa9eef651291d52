"""What is kept between sending an administrator to a provider and their coming back.

It holds the app's secrets, so it is sealed like a channel's configuration, serves once and ends by
itself. It is found by the state that travels in the browser; only the state's hash is stored.
"""

import base64
import hashlib
from datetime import timedelta

from hub.model.clock import to_micros
from hub.model.errors import HubError
from hub.services.deps import Deps
from hub.store.crypto import place
from hub.store.queries import installs
from hub.store.tx import Tx

LIFE = timedelta(minutes=15)
"""Longer than a state lives, so that a late one is told apart from an unknown one."""


async def keep_install(deps: Deps, state: str, plain: bytes, *, actor: str) -> None:
    """Keep an installation until its browser comes back; forget those that never did."""
    key = _key(state)
    now = deps.clock.now()
    sealed = base64.b64encode(deps.keyring.encrypt(plain, _place(key))).decode()

    def unit(tx: Tx) -> None:
        installs.drop_old(tx, to_micros(now))
        installs.keep(tx, key, sealed, to_micros(now + LIFE), actor)

    await deps.db.run(unit, name="install.keep")


async def take_install(deps: Deps, state: str) -> bytes | None:
    """Return what was kept for a state, once; None when there is nothing (any more)."""
    key = _key(state)
    now = to_micros(deps.clock.now())
    found = await deps.db.run(lambda tx: installs.take(tx, key), name="install.take")
    if found is None or found["until"] <= now:
        return None
    try:
        return deps.keyring.decrypt(base64.b64decode(found["sealed"]), _place(key))
    except HubError:
        return None  # the installation's key was changed meanwhile: begin again


def _key(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()[:40]


def _place(key: str) -> str:
    return place("setting", "value", installs.name_of(key))
