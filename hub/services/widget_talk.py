"""What a visitor sees of their talk: history, what changed since a place in the log, who answers.

A view holds text, the author's display name, choices and files. It is the same over HTTP and over
the socket. Nothing of colleagues, notes or other customers can be in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from hub.model.content import Choice, Content
from hub.model.errors import BadInput
from hub.model.ids import is_id
from hub.services.deps import Deps
from hub.services.views import at
from hub.services.widget import Session
from hub.store.queries import deliveries, messages, widget
from hub.store.queries.rows import Row, dicts, load_map, one_dict
from hub.store.tx import Tx

PAGE = 50
CHANGES = 200
END = (2**62, "~")


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WidgetFile(_View):
    """A file of a message."""

    id: str
    kind: str
    filename: str
    content_type: str
    size_bytes: int | None
    state: str


class WidgetMessage(_View):
    """A message as its visitor sees it."""

    id: str
    thread: str
    number: int
    at: str
    author: Literal["visitor", "agent", "bot", "system"]
    name: str
    client_id: str | None
    text: str
    choices: tuple[Choice, ...]
    chosen: str | None
    attachments: tuple[WidgetFile, ...]
    state: Literal["sent", "seen"] | None
    edited: bool
    deleted: bool

    def wire(self) -> dict[str, object]:
        """Return it as it goes over the wire, where the author is called `from`."""
        shown = self.model_dump(mode="json")
        shown["from"] = shown.pop("author")
        return shown


@dataclass(frozen=True, slots=True)
class Page:
    """Some history, oldest first; `before` is the key of the earlier page."""

    messages: tuple[WidgetMessage, ...]
    before: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed up to `cursor`; `more`: ask again from there."""

    messages: tuple[WidgetMessage, ...]
    cursor: int
    more: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How the talk stands: its threads, how far it was seen, and who answers."""

    threads: tuple[str, ...]
    seen: Mapping[str, int]
    agent: str | None


@dataclass(frozen=True, slots=True)
class Addressed:
    """A message with whose it is."""

    channel_id: str
    visitor_id: str
    subject: str
    message: WidgetMessage


async def history(deps: Deps, session: Session, before: str | None = None) -> Page:
    """Return up to 50 messages before a key, oldest first.

    Raises:
        BadInput: `cursor_invalid`.
    """
    edge = _edge(before)

    def unit(tx: Tx) -> Page:
        scope = widget.scope_of(tx, session.channel_id, session.visitors)
        if scope is None:
            return Page((), None)
        rows = widget.page(tx, scope, edge, PAGE)
        rows.reverse()
        first = rows[0] if len(rows) == PAGE else None
        key = f"{first['recorded_at']}.{first['id']}" if first else None
        return Page(_views(tx, rows), key)

    return await deps.db.read(unit)


def _edge(key: str | None) -> tuple[int, str]:
    if key is None:
        return END
    micros, _, id_ = key.partition(".")
    if not micros.isascii() or not micros.isdigit() or len(micros) > 18 or not is_id(id_):
        raise BadInput("cursor_invalid")
    return int(micros), id_


async def changes(deps: Deps, session: Session, after: int, upto: int) -> Changes:
    """Return what changed in the log's part (after, upto], each message once, as it is now."""

    def unit(tx: Tx) -> Changes:
        scope = widget.scope_of(tx, session.channel_id, session.visitors)
        if scope is None or after >= upto:
            return Changes((), max(after, upto), more=False)
        params = {
            "conversations": scope["conversations"],
            "after": after,
            "upto": upto,
            "limit": CHANGES,
        }
        found = tx.run(widget.CHANGED, params)
        ids = list(dict.fromkeys(str(row[1]) for row in found if row[1]))
        own = set(session.visitors)
        shown = [
            one.message
            for one in hydrate(tx, ids)
            if one.channel_id == session.channel_id and one.visitor_id in own
        ]
        full = len(found) == CHANGES
        return Changes(tuple(shown), int(found[-1][0]) if full else upto, more=full)

    return await deps.db.read(unit)


async def standing(deps: Deps, session: Session) -> Standing:
    """Return how the session's talk stands now."""

    def unit(tx: Tx) -> Standing:
        scope = widget.scope_of(tx, session.channel_id, session.visitors)
        threads = [] if scope is None else widget.threads_of(tx, scope)
        names = list(widget.handlers(tx, threads).values()) if threads else []
        seen = widget.seen_numbers(tx, threads)
        return Standing(tuple(threads), seen, names[0] if names else None)

    return await deps.db.read(unit)


async def message_of(deps: Deps, session: Session, client_id: str) -> WidgetMessage | None:
    """Return the visitor's own message of a client id, once it is stored."""
    external_id = f"{session.visitor_id}:{client_id}"

    def unit(tx: Tx) -> WidgetMessage | None:
        params = {"channel_id": session.channel_id, "external_id": external_id}
        row = one_dict(tx, widget.BY_EXTERNAL, params)
        return None if row is None else _views(tx, [row])[0]

    return await deps.db.read(unit)


async def deliveries_of(
    deps: Deps, session: Session, ids: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return delivery and visitor of messages, oldest first; other people's are left out."""
    wanted = [id_ for id_ in ids if is_id(id_)]
    params = {"ids": wanted, "channel_id": session.channel_id, "visitors": list(session.visitors)}

    def unit(tx: Tx) -> tuple[tuple[str, str], ...]:
        return tuple((str(row[0]), str(row[1])) for row in tx.run(widget.DELIVERIES, params))

    return await deps.db.read(unit) if wanted else ()


def hydrate(tx: Tx, ids: Sequence[str]) -> list[Addressed]:
    """Return messages with whose they are, in the order asked for, without what nobody sees."""
    rows = dicts(tx, widget.OF_IDS, {"ids": list(ids)}) if ids else []
    owners = widget.subjects(tx, {row["visitor_id"] for row in rows}) if rows else {}
    views = dict(zip((row["id"] for row in rows), _views(tx, rows), strict=True))
    found = {
        row["id"]: Addressed(
            row["channel_id"],
            row["visitor_id"],
            owners.get((row["channel_id"], row["visitor_id"]), ""),
            views[row["id"]],
        )
        for row in rows
    }
    return [found[id_] for id_ in ids if id_ in found]


def _views(tx: Tx, rows: list[Row]) -> tuple[WidgetMessage, ...]:
    ids = [row["id"] for row in rows]
    files = messages.attachments_of(tx, ids) if ids else {}
    answers = [row["id"] for row in rows if row["direction"] == "out"]
    sent = deliveries.of_messages(tx, answers) if answers else {}
    said = {row["conversation_id"] for row in rows if row["direction"] == "in"}
    seen = widget.seen_numbers(tx, said) if said else {}
    return tuple(
        _view(row, files.get(row["id"], []), sent.get(row["id"], []), seen) for row in rows
    )


_AUTHORS: Mapping[str, Literal["visitor", "agent", "bot", "system"]] = {
    "customer": "visitor",
    "agent": "agent",
    "bot": "bot",
}


def _view(row: Row, files: list[Row], sent: list[Row], seen: Mapping[str, int]) -> WidgetMessage:
    gone = row["deleted_at"] is not None or row["redacted_at"] is not None
    content = Content() if gone else Content.model_validate_json(row["content"])
    own = row["direction"] == "in"
    state: Literal["sent", "seen"] | None = None
    if own:
        state = "seen" if seen.get(row["conversation_id"], 0) >= row["number"] else "sent"
    return WidgetMessage(
        id=row["id"],
        thread=row["conversation_id"],
        number=row["number"],
        at=at(row["recorded_at"]),
        author=_AUTHORS.get(row["author_kind"], "system"),
        name="" if own or not sent else str(load_map(sent[0]["part"]).get("sender_name", "")),
        client_id=str(row["external_id"]).rpartition(":")[2] if own else None,
        text=content.text,
        choices=content.choices,
        chosen=content.chosen,
        attachments=() if gone else tuple(_file(file) for file in files),
        state=state,
        edited=row["edited_at"] is not None,
        deleted=gone,
    )


def _file(row: Row) -> WidgetFile:
    return WidgetFile(
        id=row["id"],
        kind=row["kind"],
        filename=row["filename"],
        content_type=row["content_type"],
        size_bytes=row["size_bytes"],
        state=row["state"],
    )


async def seen_of(deps: Deps, threads: Sequence[str]) -> dict[str, int]:
    """Return up to which number somebody of ours has read each conversation."""
    return await deps.db.read(lambda tx: widget.seen_numbers(tx, threads, marks_only=True))


async def handlers_of(deps: Deps, threads: Iterable[str]) -> dict[str, str]:
    """Return who handles conversations, by the name customers see."""
    wanted = list(threads)
    return await deps.db.read(lambda tx: widget.handlers(tx, wanted))


async def hydrated(deps: Deps, ids: Sequence[str]) -> list[Addressed]:
    """Return messages with whose they are, for whoever feeds sockets."""
    return await deps.db.read(lambda tx: hydrate(tx, ids))
