"""Events turned into what sockets are sent: the entity as it is now, serialised once for all.

`hydrate` reads everything a batch of events is about in one read, with who may see it, and makes
the bytes of each frame except the two numbers that differ by socket. What a person's roles decide
(deleted text, whole addresses) is left out here and fetched where it is asked for.

A frame is `{seq, prev, type, at, actor, facts, data, conversation}`: `data` is the entity,
`conversation` the head of its conversation where the event can have changed it, so that a list
needs no further request.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from hub.model.clock import iso
from hub.model.events import LoggedEvent
from hub.model.visibility import Role, Sight, Viewer, may_administer, may_supervise
from hub.services import work_views
from hub.services.views import View, case_view, conversation_view, message_view, when
from hub.store.queries import bulk, deliveries, lists, messages
from hub.store.queries.audience import Audience, audiences_of, customer_audiences_of
from hub.store.queries.rows import Row, dicts, load_map
from hub.store.tx import Tx

_HEADLESS = frozenset({"delivery", "attachment"})
"""Subjects whose events leave the head of the conversation as it was."""
_ENTITY = {
    "delivery": "message", "attachment": "message", "contact": "conversation", "owner": "case",
    "identity": "customer", "wrap": "item", "access": "agent",
}  # fmt: skip


class Fit(StrEnum):
    """How much of an event somebody is sent."""

    FULL = "full"
    BARE = "bare"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Pushed:
    """One event, ready to be sent.

    Attributes:
        tail: the frame after `seq` and `prev`: `"type":…}`, without the opening brace.
        bare: the same for whom the event reaches but its conversation does not.
        audience: of the conversation; None when it has none or it is gone.
        entity_audience: of the conversation the entity is in now, when that is another one.
        before: the audience known before the event, when this process knows it.
        head: the conversation's view as JSON, empty when there is none.
    """

    event: LoggedEvent
    noun: str
    tail: bytes
    bare: bytes
    head: bytes = b""
    audience: Audience | None = None
    entity_audience: Audience | None = None
    before: Audience | None = None
    queue_id: str | None = None

    @property
    def conversation_id(self) -> str | None:
        """The conversation whose list entry this event moves, if it is about one."""
        return None if self.noun in {"offer", "draft"} else self.event.conversation

    def fit(self, viewer: Viewer, sight: Sight) -> Fit:
        """Judge, now, how much of the event a viewer is sent; `sight` is the viewer's."""
        if not viewer.active:
            return Fit.NONE
        match self.noun:
            case "offer":
                return self._offer(viewer, sight)
            case "draft":
                return Fit.FULL if viewer.agent_id == self.event.agent else Fit.NONE
            case "agent" | "queue" | "channel":
                # Colleagues, queues and channels are no secret to people; programs ask for them.
                return Fit.NONE if viewer.roles == {Role.INTEGRATION} else Fit.FULL
            case "access":
                return Fit.FULL if viewer.agent_id == self.event.agent else Fit.NONE
            case "config" | "rules":
                allowed = may_administer(viewer) or Role.SUPERVISOR in viewer.roles
                return Fit.FULL if allowed else Fit.NONE
            case _:
                return self._talk(sight)

    def _offer(self, viewer: Viewer, sight: Sight) -> Fit:
        seen = self.audience is not None and self.audience.seen_in(sight)
        asked = viewer.agent_id == self.event.agent
        if asked or (seen and self.audience and may_supervise(viewer, self.audience.queue_id)):
            return Fit.FULL if seen else Fit.BARE
        return Fit.NONE

    def _talk(self, sight: Sight) -> Fit:
        if self.event.conversation is None:
            if self.noun in {"customer", "identity"}:
                known = self.audience is not None and self.audience.opens_family(sight)
                return Fit.FULL if known else Fit.NONE
            return Fit.FULL if sight.everything or self.queue_id in sight.queue_ids else Fit.NONE
        if self.audience is None or not self.audience.seen_in(sight):
            return Fit.NONE
        if self.entity_audience is not None and not self.entity_audience.seen_in(sight):
            return Fit.BARE
        return Fit.FULL


@dataclass(slots=True)
class _Wanted:
    """Ids of the rows a batch needs, by entity."""

    ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def of(self, noun: str) -> list[str]:
        return sorted(self.ids.get(noun, ()))


def hydrate(tx: Tx, events: Sequence[LoggedEvent], now: datetime) -> list[Pushed]:
    """Return the events as frames with their audiences, in order; one snapshot for all."""
    wanted = _Wanted()
    for event in events:
        noun, id_ = _subject(event)
        if id_:
            wanted.ids[noun].add(id_)
        if event.conversation:
            wanted.ids["conversation"].add(event.conversation)
    entities = _read(tx, wanted)
    homes = {one.home for one in entities.values() if one.home}
    talks = sorted({*wanted.of("conversation"), *homes})
    audiences = audiences_of(tx, talks, now)
    customers = customer_audiences_of(tx, wanted.of("customer"), now)
    return [_pushed(event, entities, audiences, customers) for event in events]


def _subject(event: LoggedEvent) -> tuple[str, str | None]:
    """Return what kind of entity an event is about, and its id."""
    noun = event.kind.value.partition(".")[0]
    entity = _ENTITY.get(noun, noun)
    ids: Mapping[str, Any] = {
        "message": event.message, "conversation": event.conversation, "item": event.item,
        "customer": event.customer, "agent": event.agent, "queue": event.queue,
        "case": event.data.get("case"), "offer": event.data.get("offer"),
        "channel": event.data.get("channel"), "draft": event.conversation,
    }  # fmt: skip
    id_ = ids.get(entity)
    return entity, id_ if isinstance(id_, str) else None


@dataclass(frozen=True, slots=True)
class _Entity:
    """An entity as JSON, and the conversation it is in now."""

    json: bytes
    home: str | None = None
    queue_id: str | None = None


_Found = dict[tuple[str, str], _Entity]


def _read(tx: Tx, wanted: _Wanted) -> _Found:
    found: _Found = {}
    heads = lists.heads(tx, wanted.of("conversation"))
    tags = lists.tags_of(tx, list(heads))
    for id_, row in heads.items():
        found["conversation", id_] = _Entity(_json(conversation_view(row, tags.get(id_, []))), id_)
    _read_messages(tx, wanted.of("message"), found)
    for id_, row in bulk.by_id(tx, bulk.CASES, wanted.of("case")).items():
        found["case", id_] = _Entity(_json(case_view(row)), row["conversation_id"])
    for id_, row in bulk.by_id(tx, bulk.ITEMS, wanted.of("item")).items():
        view = item_view(row)
        found["item", id_] = _Entity(_json(view), view.conversation_id, view.queue_id)
    for id_, row in bulk.by_id(tx, bulk.OFFERS, wanted.of("offer")).items():
        found["offer", id_] = _Entity(_json(offer_view(row)), row["conversation_id"])
    for id_, row in bulk.by_id(tx, bulk.AGENTS, wanted.of("agent")).items():
        found["agent", id_] = _Entity(_json(work_views.agent_view(row)))
    for noun, statement in _PLAIN.items():
        for id_, row in bulk.by_id(tx, statement, wanted.of(noun)).items():
            row = {key: bool(value) if key == "active" else value for key, value in row.items()}
            found[noun, id_] = _Entity(orjson.dumps(row))
    _read_drafts(tx, wanted.of("draft"), found)
    return found


_PLAIN = {"customer": bulk.CUSTOMERS, "queue": bulk.QUEUES, "channel": bulk.CHANNELS}


def _read_messages(tx: Tx, ids: list[str], found: _Found) -> None:
    rows = bulk.by_id(tx, bulk.MESSAGES, ids)
    if not rows:
        return
    files = messages.attachments_of(tx, list(rows))
    sent = deliveries.of_messages(tx, list(rows))
    for id_, row in rows.items():
        listed = [one for one in files.get(id_, []) if one["kind"] != "original"]
        view = message_view(row, listed, sent.get(id_, []))
        found["message", id_] = _Entity(_json(view), view.conversation_id)


def _read_drafts(tx: Tx, conversation_ids: list[str], found: _Found) -> None:
    if not conversation_ids:
        return
    for row in dicts(tx, bulk.DRAFTS, {"ids": conversation_ids}):
        draft = {
            "conversation_id": row["conversation_id"], "kind": row["kind"],
            "body": load_map(row["body"]), "updated_at": when(row["updated_at"]),
            "version": row["version"],
        }  # fmt: skip
        key = ("draft", f"{row['agent_id']} {row['conversation_id']}")
        known = found.get(key)
        drafts = [*(orjson.loads(known.json)["drafts"] if known else ()), draft]
        found[key] = _Entity(
            orjson.dumps({"conversation_id": row["conversation_id"], "drafts": drafts})
        )


def _pushed(
    event: LoggedEvent,
    entities: _Found,
    audiences: Mapping[str, Audience],
    customers: Mapping[str, Audience],
) -> Pushed:
    noun = event.kind.value.partition(".")[0]
    entity_noun, id_ = _subject(event)
    key = f"{event.agent} {id_}" if entity_noun == "draft" else id_
    entity = entities.get((entity_noun, key or ""))
    data = entity.json if entity else orjson.dumps({"id": id_})
    talk = event.conversation
    head = entities.get(("conversation", talk or ""))
    head_json = head.json if head else b""
    start = _start(event)
    shown = head_json if noun not in _HEADLESS and entity_noun != "conversation" else b""
    tail = start + b',"data":' + data + (b',"conversation":' + shown if shown else b"") + b"}"
    bare = data if noun == "offer" else orjson.dumps({"id": id_, "hidden": True})
    elsewhere = entity.home if entity and entity.home not in (None, talk) else None
    audience = audiences.get(talk) if talk else customers.get(event.customer or "")
    return Pushed(
        event=event,
        noun=noun,
        tail=tail,
        bare=start + b',"data":' + bare + b"}",
        head=head_json,
        audience=audience,
        entity_audience=audiences.get(elsewhere, Audience()) if elsewhere else None,
        queue_id=(entity.queue_id if entity else None) or event.queue,
    )


def _start(event: LoggedEvent) -> bytes:
    facts = orjson.dumps(dict(event.data))
    return (
        f'"type":"{event.kind.value}","at":"{iso(event.at)}"'.encode()
        + b',"actor":' + orjson.dumps(event.actor) + b',"facts":' + facts
    )  # fmt: skip


def _json(view: View) -> bytes:
    return view.model_dump_json().encode()


def item_view(row: Row) -> work_views.ItemView:
    """Make the view of a work item's row."""
    return work_views.ItemView(
        id=row["id"],
        kind=row["kind"],
        work_class=row["work_class"],
        state=row["state"],
        version=row["version"],
        conversation_id=row["conversation_id"],
        customer_id=row["customer_id"],
        case_id=row["case_id"],
        queue_id=row["queue_id"],
        handler_agent_id=row["handler_agent_id"],
        severity=row["severity"],
        created_at=when(row["created_at"]) or "",
        due_at=when(row["due_at"]),
        closed_at=when(row["closed_at"]),
    )


def offer_view(row: Row) -> work_views.OfferView:
    """Make the view of an offer's row joined with its item."""
    return work_views.OfferView(
        id=row["id"],
        item_id=row["item_id"],
        agent_id=row["agent_id"],
        state=row["state"],
        mode=row["mode"],
        created_at=when(row["created_at"]) or "",
        expires_at=when(row["expires_at"]) or "",
        work_class=row["work_class"],
        conversation_id=row["conversation_id"],
        queue_id=row["queue_id"],
        waiting_since=when(row["vstart"]),
        severity=row["severity"],
    )


def talks_of(batch: Iterable[Pushed]) -> dict[str, Audience]:
    """Return the audience of every conversation a batch is about."""
    return {
        one.event.conversation: one.audience
        for one in batch
        if one.event.conversation and one.audience is not None
    }
