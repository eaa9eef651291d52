"""Full-text search over messages, customers and cases, within what the viewer may see."""

from typing import Literal

from hub.model.address import Address, IdentityKind
from hub.model.errors import BadInput
from hub.model.ids import is_id
from hub.model.visibility import Viewer, sees_numbers, sight_of
from hub.services.deps import Deps
from hub.services.snippets import Snippet, pieces, snippet
from hub.services.views import View, at
from hub.store import search as index
from hub.store.queries import customers, finding
from hub.store.queries.finding import NEWEST, Found, Hit
from hub.store.queries.rows import Row, load_map
from hub.store.queries.visibility import sight_params
from hub.store.tx import Tx
from hub.unify.address import masked

Kind = Literal["message", "customer", "case"]
KINDS: tuple[Kind, ...] = ("message", "customer", "case")
PAGE = 50
MAX_QUERY = 500


class SearchHit(View):
    """One thing found.

    Attributes:
        id: of the message, customer or case.
        number: of a case.
        marks: (start, end) in the snippet, in UTF-16 code units.
    """

    kind: Kind
    id: str
    conversation_id: str | None
    customer_id: str | None
    customer_name: str
    direction: str | None
    number: int | None
    at: str
    snippet: str
    marks: tuple[tuple[int, int], ...]


class SearchPage(View):
    """Hits, newest first. A page may be short, even empty, while `next` says that more follows."""

    items: tuple[SearchHit, ...]
    next: str | None


async def search(
    deps: Deps,
    viewer: Viewer,
    query: str,
    *,
    kinds: tuple[Kind, ...] = KINDS,
    after: str | None = None,
    limit: int = PAGE,
) -> SearchPage:
    """Return what matches a person's words; only the first 500 characters of them count.

    Redacted messages and those the customer deleted are never found. Snippets are made from the
    rows as they are now.

    Raises:
        BadInput: `cursor_invalid`.
    """
    words = query[:MAX_QUERY]
    match = index.match_text(words, deps.db.dialect)
    before = _place(after)
    sight = sight_of(viewer)
    if match is None or sight.blind:
        return SearchPage(items=(), next=None)
    params = sight_params(sight, deps.clock.now())
    wanted = pieces(words)

    def unit(tx: Tx) -> SearchPage:
        found = finding.find(tx, match, kinds, params, before=before, limit=limit)
        return SearchPage(
            items=_shown(tx, viewer, found, wanted),
            next=None if found.before is None else str(found.before),
        )

    return await deps.db.read(unit)


def _place(after: str | None) -> int:
    if after is None:
        return NEWEST
    if not (after.isascii() and after.isdigit() and len(after) < 20):
        raise BadInput("cursor_invalid")
    return min(int(after), NEWEST)


def _shown(tx: Tx, viewer: Viewer, found: Found, wanted: tuple[str, ...]) -> tuple[SearchHit, ...]:
    refs = {kind: [h.ref for h in found.hits if h.kind == kind] for kind in KINDS}
    texts = finding.messages_of(tx, refs["message"])
    cases = finding.cases_of(tx, refs["case"])
    people = {h.customer_id for h in found.hits if h.customer_id and is_id(h.customer_id)}
    roots = {one: customers.root_of(tx, one) for one in people}
    names = finding.names_of(tx, sorted({*roots, *roots.values()}))
    out: list[SearchHit] = []
    seen: set[str] = set()
    for hit in found.hits:
        root = roots.get(hit.customer_id or "")
        name = names.get(root or "", "") or names.get(hit.customer_id or "", "")
        direction: str | None = None
        number: int | None = None
        shown_id = hit.ref
        if hit.kind == "message":
            row = texts[hit.ref]
            direction = row["direction"]
            line = _message_line(row, wanted)
        elif hit.kind == "case":
            number = cases[hit.ref]["number"]
            line = snippet(f"#{number} {cases[hit.ref]['title']}".strip(), wanted)
        else:
            shown_id = root or hit.ref
            if shown_id in seen:
                continue  # two customers of one family are shown as the one they are
            seen.add(shown_id)
            line = snippet(_person_line(tx, viewer, hit, name), wanted)
        out.append(
            SearchHit(
                kind=hit.kind,  # type: ignore[arg-type] # the query asked for these kinds only
                id=shown_id,
                conversation_id=hit.conversation_id,
                customer_id=root or hit.customer_id,
                customer_name=name,
                direction=direction,
                number=number,
                at=at(hit.at),
                snippet=line.text,
                marks=line.marks,
            )
        )
    return tuple(out)


def _message_line(row: Row, wanted: tuple[str, ...]) -> Snippet:
    """Return the part of a message that was found: its text, else its subject."""
    content = load_map(row["content"])
    text, subject = str(content.get("text") or ""), str(content.get("subject") or "")
    line = snippet(text, wanted)
    return line if line.marks or not subject else snippet(f"{subject} — {text}", wanted)


def _person_line(tx: Tx, viewer: Viewer, hit: Hit, name: str) -> str:
    whole = sees_numbers(viewer)
    parts = [name]
    for row in customers.identities_of(tx, [hit.ref]):
        address = Address(IdentityKind(row["kind"]), row["value"], row["scope"])
        if address.kind in (IdentityKind.PHONE, IdentityKind.EMAIL, IdentityKind.SHORT_CODE):
            parts.append(address.value if whole else masked(address))
        if row["name"] and row["name"] != name:
            parts.append(row["name"])
    return " · ".join(part for part in parts if part)
