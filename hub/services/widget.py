"""A visitor's session: started, resumed, found again by its token.

The token is 32 random bytes; only its SHA-256 is kept. A visitor is a random id per browser. With a
site's signature a session also belongs to an account, and then sees that account's talk from all
its browsers; a browser in which another account signs in gets a new visitor, so that nobody
inherits anybody's talk.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.model.clock import from_micros, to_micros
from hub.model.errors import NotAuthenticated
from hub.model.ids import new_id
from hub.model.widget import SignedIdentity, VisitorFacts
from hub.services.deps import Deps
from hub.store.queries import widget
from hub.store.queries.rows import Row, dump, insert_row, load_map
from hub.store.tables import WidgetSession
from hub.store.tx import Tx

LASTS = timedelta(days=30)
"""A session ends this long after it was last started or resumed."""
TOKEN_CHARS = 43


@dataclass(frozen=True, slots=True)
class Opening:
    """What a browser says when it starts: only `identity` was verified, the rest is claimed."""

    channel_id: str
    identity: SignedIdentity | None = None
    language: str = ""
    page: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A visitor who may talk.

    Attributes:
        visitors: whose talk the session sees: its own visitor first.
        facts: what its frames say of who writes.
    """

    id: str
    channel_id: str
    visitor_id: str
    subject: str
    visitors: tuple[str, ...]
    facts: VisitorFacts
    language: str
    expires_at: datetime

    @property
    def signed(self) -> bool:
        """Whether a site's signature says who this is."""
        return bool(self.subject)


def token_hash(token: str) -> str:
    """Return what the table keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def open_session(deps: Deps, opening: Opening, token: str) -> tuple[Session, str, bool]:
    """Start or resume a session; returns it, its token, and whether it was there before."""
    now = deps.clock.now()
    fresh, session_id, visitor_id = secrets.token_urlsafe(32), new_id(), new_id()

    def unit(tx: Tx) -> tuple[Session, bool]:
        row = _known(tx, opening, token, now)
        resumed = row is not None
        if row is None:
            row = _new_row(opening.channel_id, session_id, visitor_id, fresh, now)
            insert_row(tx, WidgetSession, **row)
        row = {**row, **_renewed(row, opening, now)}
        changed = {f"new_{name}": row[name] for name in _RENEWED}
        tx.execute(widget.RENEW, {"session_id": row["id"], **changed})
        return _session(tx, row), resumed

    session, resumed = await deps.db.run(unit, name="widget.open")
    return session, token if resumed else fresh, resumed


_RENEWED = (
    "name", "subject_id", "verified_email", "verified_phone", "language", "page", "facts",
    "seen_at", "expires_at",
)  # fmt: skip


def _known(tx: Tx, opening: Opening, token: str, now: datetime) -> Row | None:
    if len(token) != TOKEN_CHARS:
        return None
    row = widget.session(tx, token_hash(token), to_micros(now))
    if row is None or row["channel_id"] != opening.channel_id:
        return None
    other = opening.identity is not None and row["subject_id"] not in ("", opening.identity.subject)
    return None if other else row


def _new_row(channel_id: str, id_: str, visitor_id: str, token: str, now: datetime) -> Row:
    return {
        "id": id_,
        "channel_id": channel_id,
        "visitor_id": visitor_id,
        "token_hash": token_hash(token),
        "name": "",
        "subject_id": "",
        "verified_email": "",
        "verified_phone": "",
        "language": "",
        "page": "",
        "facts": "{}",
        "created_at": to_micros(now),
        "seen_at": to_micros(now),
        "expires_at": to_micros(now + LASTS),
    }


def _renewed(row: Row, opening: Opening, now: datetime) -> Row:
    """Return what this opening changes; what a signature said stays until another says more."""
    facts = load_map(row["facts"])
    for name, said in (("email", opening.email), ("phone", opening.phone)):
        if said:
            facts[name] = said[:320]
    if opening.topic:
        facts["topic"] = opening.topic[:300]
    found: Row = {
        "name": opening.name or row["name"],
        "subject_id": row["subject_id"],
        "verified_email": row["verified_email"],
        "verified_phone": row["verified_phone"],
        "language": opening.language or row["language"],
        "page": opening.page or row["page"],
        "seen_at": to_micros(now),
        "expires_at": to_micros(now + LASTS),
    }
    signed = opening.identity
    if signed is not None:
        facts["level"] = signed.level
        found["subject_id"] = signed.subject
        found["name"] = signed.name or found["name"]
        found["verified_email"] = signed.email if signed.email_verified else ""
        found["verified_phone"] = signed.phone[:40] if signed.phone_verified else ""
        for name, value in (("email", signed.email), ("phone", signed.phone)):
            if value:
                facts[name] = value
    found["name"] = found["name"][:300]
    found["language"] = found["language"][:20]
    found["page"] = found["page"][:1000]
    return {**found, "facts": dump(facts)}


async def session_of(deps: Deps, token: str) -> Session:
    """Return the session of a token.

    Raises:
        NotAuthenticated: `session_unknown`: never ours, over, or empty.
    """
    if len(token) != TOKEN_CHARS:
        raise NotAuthenticated("session_unknown")
    now = to_micros(deps.clock.now())
    digest = token_hash(token)

    def unit(tx: Tx) -> Session | None:
        row = widget.session(tx, digest, now)
        return None if row is None else _session(tx, row)

    session = await deps.db.read(unit)
    if session is None:
        raise NotAuthenticated("session_unknown")
    return session


async def note_page(deps: Deps, session: Session, url: str) -> None:
    """Keep where on the site the visitor is."""
    now = to_micros(deps.clock.now())

    def unit(tx: Tx) -> None:
        tx.execute(widget.PAGE_SEEN, {"session_id": session.id, "new_page": url[:1000], "now": now})

    await deps.db.run(unit, name="widget.page")


def _session(tx: Tx, row: Row) -> Session:
    facts = load_map(row["facts"])
    signed = bool(row["subject_id"])
    visitors = widget.visitors_of(tx, row["channel_id"], row["visitor_id"], row["subject_id"])
    return Session(
        id=row["id"],
        channel_id=row["channel_id"],
        visitor_id=row["visitor_id"],
        subject=row["subject_id"],
        visitors=visitors,
        facts=VisitorFacts(
            visitor_id=row["visitor_id"],
            signed=signed,
            subject=row["subject_id"],
            name=row["name"],
            email=row["verified_email"] or str(facts.get("email", ""))[:320],
            email_verified=signed and bool(row["verified_email"]),
            phone=row["verified_phone"] or str(facts.get("phone", ""))[:40],
            phone_verified=signed and bool(row["verified_phone"]),
            level=str(facts.get("level", ""))[:20] if signed else "",
            language=row["language"],
            page=row["page"],
            topic=str(facts.get("topic", ""))[:300],
        ),
        language=row["language"],
        expires_at=from_micros(row["expires_at"]),
    )
