"""Who asks: sessions and tokens turned into a `Viewer`, read anew for every request."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from hub.model.clock import from_micros, to_micros
from hub.model.errors import NotFound
from hub.model.ids import AgentId, QueueId
from hub.model.visibility import Role, Viewer
from hub.services.deps import Deps
from hub.store.queries import access
from hub.store.queries.rows import Row, load_list
from hub.store.tx import Tx

SESSION_IDLE = timedelta(hours=12)
SESSION_LONGEST = timedelta(days=7)
TOUCH_EVERY = timedelta(minutes=5)
QUEUE_SCOPE = "queue:"
"""Prefix of a token's scopes that name the queues it is bound to."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who is behind a request and by what.

    Attributes:
        session_id: None for API tokens.
        csrf: what writes by cookie must repeat in a header; None for API tokens.
    """

    viewer: Viewer
    session_id: str | None = None
    csrf: str | None = None

    def csrf_matches(self, given: str) -> bool:
        """Compare in constant time; an empty one never matches."""
        return bool(self.csrf) and hmac.compare_digest(
            given.encode(errors="surrogatepass"), (self.csrf or "").encode()
        )


def new_secret() -> str:
    """Return 32 random bytes as URL-safe text."""
    return secrets.token_urlsafe(32)


def fingerprint(token: str) -> str:
    """Return what the store keeps of a token: SHA-256 in hex (tokens are random, so no salt)."""
    # A header holds any bytes; what is no UTF-8 came in as surrogates and is only unknown here.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def viewer_of(tx: Tx, agent_id: str) -> Viewer | None:
    """Return an agent as a viewer, as the rows are now; None when there is none."""
    row = access.viewer_row(tx, agent_id)
    return None if row is None else _viewer(tx, row)


def _viewer(tx: Tx, row: Row) -> Viewer:
    roles = frozenset(Role(role) for role in load_list(row["roles"]))
    unit_queues: frozenset[str] = frozenset()
    if Role.SUPERVISOR in roles:
        unit_queues = access.unit_queues(tx, row["unit_id"])
    return Viewer(
        agent_id=AgentId(row["id"]),
        roles=roles,
        queue_ids=frozenset(QueueId(one) for one in access.queues_of(tx, row["id"])),
        unit_queue_ids=frozenset(QueueId(one) for one in unit_queues),
        active=bool(row["active"]),
    )


async def find_viewer(deps: Deps, agent_id: str) -> Viewer:
    """Return an agent as a viewer.

    Raises:
        NotFound: there is no such agent.
    """

    def unit(tx: Tx) -> Viewer | None:
        return viewer_of(tx, agent_id)

    found = await deps.db.read(unit)
    if found is None:
        raise NotFound("agent_not_found")
    return found


async def session_login(deps: Deps, token: str) -> Login | None:
    """Return the login of a session token; None when it is unknown, over or its agent inactive.

    A session ends `SESSION_IDLE` after its last use and `SESSION_LONGEST` after it began.
    """
    if not token:
        return None
    now = deps.clock.now()
    token_hash = fingerprint(token)

    def unit(tx: Tx) -> tuple[Row, Viewer] | None:
        row = access.session(tx, token_hash, to_micros(now))
        viewer = None if row is None else viewer_of(tx, row["agent_id"])
        return None if row is None or viewer is None else (row, viewer)

    found = await deps.db.read(unit)
    if found is None or not found[1].active:
        return None
    row, viewer = found
    if now - from_micros(row["seen_at"]) > TOUCH_EVERY:
        longest = from_micros(row["created_at"]) + SESSION_LONGEST
        until = to_micros(min(now + SESSION_IDLE, longest))

        def touch(tx: Tx) -> None:
            access.touch_session(tx, row["id"], to_micros(now), until)

        await deps.db.run(touch, name="session.touch")
    return Login(viewer, row["id"], row["csrf"])


async def token_login(deps: Deps, token: str) -> Login | None:
    """Return the login of an API token; None when it is unknown, revoked or over."""
    if not token:
        return None
    now = deps.clock.now()

    def unit(tx: Tx) -> Row | None:
        return access.token(tx, fingerprint(token))

    row = await deps.db.read(unit)
    if row is None or (row["expires_at"] is not None and row["expires_at"] <= to_micros(now)):
        return None
    if row["used_at"] is None or now - from_micros(row["used_at"]) > TOUCH_EVERY:

        def touch(tx: Tx) -> None:
            access.touch_token(tx, row["id"], to_micros(now))

        await deps.db.run(touch, name="token.touch")
    return Login(token_viewer(row))


def token_viewer(row: Row) -> Viewer:
    """Return the viewer a token's row stands for: an integration with scopes and queues."""
    entries = [str(one) for one in load_list(row["scopes"])]
    queues = frozenset(
        QueueId(one.removeprefix(QUEUE_SCOPE)) for one in entries if one.startswith(QUEUE_SCOPE)
    )
    return Viewer(
        agent_id=AgentId(row["agent_id"] or row["id"]),
        roles=frozenset({Role.INTEGRATION}),
        queue_ids=queues,
        scopes=frozenset(one for one in entries if not one.startswith(QUEUE_SCOPE)),
    )


class Identify:
    """What the HTTP layer asks who a request is from."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def session(self, token: str) -> Login | None:
        """Return the login a cookie's value belongs to."""
        return await session_login(self._deps, token)

    async def bearer(self, token: str) -> Login | None:
        """Return the login an API token belongs to."""
        return await token_login(self._deps, token)
