"""Logging in and out, one-time links, passwords: the ways a person gets a session."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from hub.model.clock import to_micros
from hub.model.errors import NotAuthenticated, NotFound, TooMany
from hub.model.ids import new_id
from hub.services.access import SESSION_IDLE, fingerprint, new_secret
from hub.services.deps import Deps
from hub.services.passwords import LONGEST, require_strong
from hub.services.people import access_event
from hub.store.queries import access, people
from hub.store.queries.rows import Row, insert_row
from hub.store.tables import AgentSession, OneTimeLink
from hub.store.tx import Tx

SET_PASSWORD = "set_password"  # noqa: S105 - the purpose of a link
LOG_IN = "log_in"
LINK_LIFE = timedelta(hours=72)
LINK_PAGES = {SET_PASSWORD: "/link/set-password", LOG_IN: "/link/log-in"}


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just made. `token` goes into the cookie and is kept nowhere."""

    id: str
    agent_id: str
    token: str
    csrf: str


async def log_in(
    deps: Deps, email: str, password: str, *, ip: str, user_agent: str = ""
) -> NewSession:
    """Check a password and begin a session.

    An unknown address, a wrong password and a deactivated agent cost the same and say the same.

    Raises:
        TooMany: per account and address 5, then one in 10 s; per address 30, then one a second.
        NotAuthenticated: `login_failed`.
    """
    address = email.strip().lower()[:320]
    await _limit(deps, f"login:{ip}", rate_per_s=1.0, burst=30)
    await _limit(deps, f"login:{ip}:{fingerprint(address)}", rate_per_s=0.1, burst=5)

    def look(tx: Tx) -> Row | None:
        return people.credentials(tx, address)

    row = await deps.db.read(look)
    stored = row["password_hash"] if row is not None else None
    fits = await deps.passwords.matches(stored, password[: LONGEST + 1])
    if row is None or not fits or not row["active"]:
        raise NotAuthenticated("login_failed")
    made, unit = _begin(deps, row["id"], user_agent)
    await deps.db.run(unit, name="session.begin")
    return made


async def log_out(deps: Deps, agent_id: str, session_id: str, *, actor: str) -> None:
    """End one session of an agent; its sockets close.

    Raises:
        NotFound: there is none.
    """

    def unit(tx: Tx) -> None:
        if not access.drop_session(tx, session_id, agent_id):
            raise NotFound("session_not_found")
        tx.append([access_event(deps, agent_id, actor, ["session"])])

    await deps.db.run(unit, name="session.end")


async def list_sessions(deps: Deps, agent_id: str) -> list[Row]:
    """Return an agent's sessions, last used first."""
    now = to_micros(deps.clock.now())

    def unit(tx: Tx) -> list[Row]:
        return access.sessions_of(tx, agent_id, now)

    return await deps.db.read(unit)


async def change_password(
    deps: Deps, agent_id: str, old: str, new: str, *, session_id: str, ip: str
) -> None:
    """Replace one's own password; every other session ends at once.

    Raises:
        TooMany: as `log_in`.
        NotAuthenticated: `login_failed`: the old one is wrong.
        BadInput: the new one is too easy to guess.
    """
    await _limit(deps, f"password:{ip}:{agent_id}", rate_per_s=0.1, burst=5)

    def look(tx: Tx) -> tuple[str | None, Row | None]:
        return people.password_of(tx, agent_id), people.agent(tx, agent_id)

    stored, row = await deps.db.read(look)
    if row is None or not await deps.passwords.matches(stored, old[: LONGEST + 1]):
        raise NotAuthenticated("login_failed")
    require_strong(new, row["email"])
    hashed = await deps.passwords.hash(new)

    def unit(tx: Tx) -> None:
        _replace_password(tx, deps, agent_id, hashed, keep=session_id)

    await deps.db.run(unit, name="password.change")


async def make_link(deps: Deps, agent_id: str, purpose: str, *, life: timedelta = LINK_LIFE) -> str:
    """Return the URL of a link that works once; earlier ones of the purpose stop working.

    The secret stands in the URL's fragment, so that no server or proxy logs it.

    Raises:
        NotFound: there is no such agent.
    """
    secret = new_secret()
    now = deps.clock.now()

    def unit(tx: Tx) -> None:
        if people.agent(tx, agent_id) is None:
            raise NotFound("agent_not_found")
        access.close_links(tx, agent_id, purpose, to_micros(now))
        insert_row(
            tx, OneTimeLink, token_hash=fingerprint(secret), agent_id=agent_id, purpose=purpose,
            expires_at=to_micros(now + life),
        )  # fmt: skip

    await deps.db.run(unit, name="link.make")
    return f"{deps.public_url.rstrip('/')}{LINK_PAGES[purpose]}#{secret}"


async def use_password_link(
    deps: Deps, secret: str, password: str, *, ip: str, user_agent: str = ""
) -> NewSession:
    """Set a password by a one-time link and begin a session; the agent's others end.

    Raises:
        TooMany: 10 attempts, then one in 10 s per address.
        NotFound: `link_not_valid`: unknown, used or over.
        BadInput: the password is too easy to guess; the link stays good.
    """
    agent_id, email = await _open_link(deps, secret, SET_PASSWORD, ip)
    require_strong(password, email)
    hashed = await deps.passwords.hash(password)
    made, begin = _begin(deps, agent_id, user_agent)

    def unit(tx: Tx) -> None:
        _spend(tx, deps, secret, SET_PASSWORD)
        _replace_password(tx, deps, agent_id, hashed, keep="")
        begin(tx)

    await deps.db.run(unit, name="link.set_password")
    return made


async def use_login_link(deps: Deps, secret: str, *, ip: str, user_agent: str = "") -> NewSession:
    """Begin a session by a one-time link (demo, administrator's help).

    Raises:
        TooMany, NotFound: as `use_password_link`.
    """
    agent_id, _email = await _open_link(deps, secret, LOG_IN, ip)
    made, begin = _begin(deps, agent_id, user_agent)

    def unit(tx: Tx) -> None:
        _spend(tx, deps, secret, LOG_IN)
        begin(tx)

    await deps.db.run(unit, name="link.log_in")
    return made


async def prune(deps: Deps) -> int:
    """Remove sessions that are over; returns how many."""
    now = to_micros(deps.clock.now())

    def unit(tx: Tx) -> int:
        return access.prune_sessions(tx, now)

    return await deps.db.run(unit, name="session.prune")


def _begin(deps: Deps, agent_id: str, user_agent: str) -> tuple[NewSession, Callable[[Tx], None]]:
    now = deps.clock.now()
    made = NewSession(new_id(), agent_id, new_secret(), new_secret())

    def unit(tx: Tx) -> None:
        insert_row(
            tx, AgentSession, id=made.id, agent_id=agent_id, token_hash=fingerprint(made.token),
            csrf=made.csrf, created_at=to_micros(now), seen_at=to_micros(now),
            expires_at=to_micros(now + SESSION_IDLE), user_agent=user_agent[:200],
        )  # fmt: skip

    return made, unit


def _replace_password(tx: Tx, deps: Deps, agent_id: str, hashed: str, *, keep: str) -> None:
    people.set_password(tx, agent_id, hashed)
    access.drop_sessions(tx, agent_id, but=keep)
    access.close_links(tx, agent_id, SET_PASSWORD, to_micros(deps.clock.now()))
    tx.append([access_event(deps, agent_id, agent_id, ["password"])])


async def _open_link(deps: Deps, secret: str, purpose: str, ip: str) -> tuple[str, str]:
    await _limit(deps, f"link:{ip}", rate_per_s=0.1, burst=10)
    now = to_micros(deps.clock.now())

    def unit(tx: Tx) -> Row | None:
        agent_id = access.link_agent(tx, fingerprint(secret), purpose, now)
        return None if agent_id is None else people.agent(tx, agent_id)

    row = await deps.db.read(unit) if secret else None
    if row is None or not row["active"]:
        raise NotFound("link_not_valid")
    return row["id"], row["email"]


def _spend(tx: Tx, deps: Deps, secret: str, purpose: str) -> None:
    now = to_micros(deps.clock.now())
    if access.use_link(tx, fingerprint(secret), purpose, now) is None:
        raise NotFound("link_not_valid")


async def _limit(deps: Deps, key: str, *, rate_per_s: float, burst: float) -> None:
    wait_s = await deps.limiter.take(key, rate_per_s=rate_per_s, burst=burst)
    if wait_s > 0:
        raise TooMany(retry_after_s=round(wait_s, 1))
