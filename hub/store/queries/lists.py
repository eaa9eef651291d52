"""Inbox lists by keyset: one index branch per queue and state, merged and cut.

A list's time depends on its page, not on how many conversations there are: every branch is a seek
into an index that already has the order asked for. `tests/store` and `benchmarks/bench_lists.py`
show it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, select, text

from hub.store.queries.rows import Row, dicts
from hub.store.statement import Stmt, stmt
from hub.store.tables import Conversation, ConversationTag, Customer, Tag, table
from hub.store.tx import Tx

MAX_PAGE = 200

_c = table(Conversation)
_cu = table(Customer)
_root = _cu.alias("root")
_ct = table(ConversationTag)
_tag = table(Tag)


class Sort(StrEnum):
    """The order of a list."""

    NEWEST = "newest"
    OLDEST_WAITING = "oldest_waiting"
    SLA_DUE = "sla_due"


_COLUMN = {
    Sort.NEWEST: ("last_message_at", "DESC", "<"),
    Sort.OLDEST_WAITING: ("waiting_since", "ASC", ">"),
    Sort.SLA_DUE: ("due_at", "ASC", ">"),
}


@dataclass(frozen=True, slots=True)
class Branch:
    """One index seek: equality conditions on columns, and a fixed extra condition.

    `extra` is one of the texts in this module, never made from input.
    """

    queue_id: str | None = None
    handler: str | None = None
    state: str = "open"
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """Where a page ends: the value of the sort column and the id of the last row."""

    value: int
    id: str


UNASSIGNED = "AND c.handler_agent_id IS NULL"
NOT_SPAM = "AND NOT c.spam AND c.merged_into IS NULL"
SPAM = "AND c.spam"


def page_ids(
    tx: Tx, branches: Sequence[Branch], sort: Sort, after: Key | None, limit: int
) -> list[Key]:
    """Return one page of keys over several branches, merged in order, each conversation once.

    Of many branches only the heads are read at first: a page of fifty over sixty branches needs a
    few rows of each. What lies behind the head of a branch that goes on is not certain; when the
    certain part is no full page, every branch is read for a whole page.
    """
    if not branches:
        return []
    page = min(limit, MAX_PAGE)
    each = page if len(branches) <= FEW else min(page, max(12, 4 * page // len(branches)))
    found = _read(tx, branches, sort, after, each)
    if each < page:
        certain = _certain(found, sort, each)
        if certain is not None and len(certain) < page:
            found, certain = _read(tx, branches, sort, after, page), None
        if certain is not None:
            return certain[:page]
    return _merged(found, sort)[:page]


FEW = 8
"""Up to so many branches are read for a whole page at once."""


def _read(
    tx: Tx, branches: Sequence[Branch], sort: Sort, after: Key | None, each: int
) -> dict[int, list[Key]]:
    """Return the first `each` keys of every branch, by the branch's number."""
    shape = tuple((b.queue_id is not None, b.handler is not None, b.extra) for b in branches)
    params: dict[str, Any] = {"each": each}
    if after is not None:
        params |= {"after_value": after.value, "after_id": after.id}
    for n, branch in enumerate(branches):
        params[f"s{n}"] = branch.state
        if branch.queue_id is not None:
            params[f"q{n}"] = branch.queue_id
        if branch.handler is not None:
            params[f"h{n}"] = branch.handler
    out: dict[int, list[Key]] = {}
    for value, id_, n in tx.run(_page(shape, sort, after is not None), params):
        out.setdefault(int(n), []).append(Key(int(value), str(id_)))
    return out


def _merged(found: dict[int, list[Key]], sort: Sort) -> list[Key]:
    """Return the keys of all branches in order; one that came by two branches once."""
    keys = dict.fromkeys(key for branch in found.values() for key in branch)
    newest_first = _COLUMN[sort][1] == "DESC"
    return sorted(keys, key=lambda key: (key.value, key.id), reverse=newest_first)


def _certain(found: dict[int, list[Key]], sort: Sort, each: int) -> list[Key] | None:
    """Return the keys that nothing unread can come before; None when all was read."""
    places = {key: place for place, key in enumerate(_merged(found, sort))}
    cuts = [max(places[key] for key in keys) for keys in found.values() if len(keys) >= each]
    if not cuts:
        return None
    return list(places)[: min(cuts) + 1]


@cache
def _page(shape: tuple[tuple[bool, bool, str], ...], sort: Sort, after: bool) -> Stmt:
    column, direction, beyond = _COLUMN[sort]
    parts = []
    for n, (by_queue, by_handler, extra) in enumerate(shape):
        where = [f"c.state = :s{n}", f"c.{column} IS NOT NULL"]
        if by_queue:
            where.append(f"c.queue_id = :q{n}")
        if by_handler:
            where.append(f"c.handler_agent_id = :h{n}")
        if after:
            where.append(f"(c.{column}, c.id) {beyond} (:after_value, :after_id)")
        # Only column names and conditions of this module are put in; values are parameters.
        seek = (
            f"(SELECT c.{column} AS v, c.id AS id, {n} AS n FROM conversation c",
            f"WHERE {' AND '.join(where)} {extra}",
            f"ORDER BY c.{column} {direction}, c.id {direction} LIMIT :each) b{n}",
        )
        parts.append(" ".join(("SELECT v, id, n FROM", *seek)))
    return stmt(text(" UNION ALL ".join(parts)), name=f"list.{sort.value}.{len(shape)}")


_own = _cu.alias("own")
HEADS = stmt(
    select(
        _c,
        func.coalesce(func.nullif(_root.c.name, ""), _own.c.name).label("customer_name"),
        func.coalesce(_root.c.level, _own.c.level).label("customer_level"),
    )
    .select_from(
        _c.join(_own, _own.c.id == _c.c.customer_id).outerjoin(
            _root, _root.c.id == _own.c.merged_into
        )
    )
    .where(_c.c.id.in_(bindparam("ids", expanding=True))),
    name="conversation.heads",
)
MENTIONED = stmt(
    text(
        "SELECT DISTINCT c.last_message_at, c.id FROM mention m JOIN conversation c"
        " ON c.id = m.conversation_id WHERE m.agent_id = :me"
        " AND (c.last_message_at, c.id) < (:after_value, :after_id)"
        " ORDER BY c.last_message_at DESC, c.id DESC LIMIT :page"
    ),
    name="list.mentioned",
)
PARTICIPATING = stmt(
    text(
        "SELECT c.last_message_at, c.id FROM conversation c WHERE c.id IN ("
        " SELECT a.conversation_id FROM assignment a WHERE a.agent_id = :me"
        ' UNION SELECT k.conversation_id FROM "case" k WHERE k.owner_agent_id = :me)'
        " AND (c.last_message_at, c.id) < (:after_value, :after_id)"
        " ORDER BY c.last_message_at DESC, c.id DESC LIMIT :page"
    ),
    name="list.participating",
)
TAGS = stmt(
    select(_ct.c.conversation_id, _tag.c.name)
    .join(_tag, _tag.c.id == _ct.c.tag_id)
    .where(_ct.c.conversation_id.in_(bindparam("ids", expanding=True)))
    .order_by(_tag.c.name),
    name="conversation.tags",
)


def heads(tx: Tx, ids: Sequence[str]) -> dict[str, Row]:
    """Return conversations with the name and level of their customer's root, by id."""
    if not ids:
        return {}
    return {row["id"]: row for row in dicts(tx, HEADS, {"ids": list(ids)})}


def tags_of(tx: Tx, ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the tags of several conversations, by conversation."""
    out: dict[str, list[str]] = {}
    for conversation_id, name in tx.run(TAGS, {"ids": list(ids)}) if ids else ():
        out.setdefault(conversation_id, []).append(name)
    return out
