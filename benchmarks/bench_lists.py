"""Inbox lists and search beside themselves: the same calls on stores of different size.

    python benchmarks/bench_lists.py [--long] [--rounds 40] [--out FILE]

Fills one SQLite file per size with conversations (one message each; one in twenty is live, in the
small ones more, so that every page is full), opens all of them and makes every call on each in
turn, in one run. The figure is the ratio of the lower quartiles, the largest to the smallest store:
flat means near 1. Short: 10,000 and 40,000 conversations; long: 10,000, 100,000 and 1,000,000.
Exits with 1 when a ratio is over the limit.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from hub.model.clock import SystemClock, to_micros, utc_now
from hub.model.ids import AgentId, QueueId
from hub.model.visibility import Role, Viewer
from hub.services.deps import Deps
from hub.services.inbox import ListRequest, ListView, list_conversations
from hub.services.search import search
from hub.store import search as index
from hub.store.crypto import Keyring
from hub.store.engine import open_database
from hub.store.files import FolderStore
from hub.store.migrate import migrate
from hub.store.queries.lists import Sort
from hub.store.queries.rows import _insert
from hub.store.tables import (
    Agent,
    Conversation,
    Customer,
    Identity,
    Message,
    OrgUnit,
    Queue,
)  # fmt: skip
from hub.store.wake import LocalWake

QUEUES = [f"queue-{n:02}" for n in range(20)]
AGENTS = [f"agent-{n:03}" for n in range(20)]
RARE = 20
LIMIT = 2.0
FLOOR_MS = 1.0
"""Below a millisecond the ratio measures the machine, not the query."""

TEXTS = (
    "我想查一下订单什么时候发货，谢谢", "The parcel has not arrived yet, please check",
    "宽带又断了，麻烦派人来看看", "Can you send the invoice again?",
    "会员积分怎么兑换", "My password does not work any more",
)  # fmt: skip
REFUND = "我要申请退款 I want a refund"


@dataclass
class Store:
    """One filled store, open."""

    size: int
    deps: Deps


def fill(path: Path, size: int) -> None:
    """Write a store of `size` conversations straight into its tables."""
    rng = random.Random(size)
    now = to_micros(utc_now())
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous=OFF")
    db.execute("PRAGMA foreign_keys=OFF")
    put(db, OrgUnit, [{"id": "u", "parent_id": None, "name": "u", "path": "u"}])
    put(db, Queue, [{"id": q, "name": q, "unit_id": "u"} for q in QUEUES])
    put(
        db, Agent,
        [{"id": a, "email": a, "name": a, "unit_id": "u", "created_at": now} for a in AGENTS],
    )  # fmt: skip
    for start in range(0, size, 20_000):
        block = range(start, min(size, start + 20_000))
        people = [n for n in block if n % 5 == 0]
        put(db, Customer, [
            {"id": f"c{n:09}", "name": f"Customer {n}", "created_at": now, "updated_at": now}
            for n in people
        ])  # fmt: skip
        put(db, Identity, [
            {"id": f"i{n:09}", "customer_id": f"c{n:09}", "kind": "phone",
             "value": f"+86138{n:08}", "created_at": now} for n in people
        ])  # fmt: skip
        texts = {n: text_of(rng, n, size) for n in block}
        put(db, Conversation, (talk(rng, n, size, now) for n in block))
        put(db, Message, (message(n, size, now, texts[n]) for n in block))
        docs = [(index.first_id(moment(n, size, now)), f"m{n:09}", f"t{n:09}",
                 moment(n, size, now), index.grams(texts[n])) for n in block]  # fmt: skip
        db.executemany(
            'INSERT INTO search_doc (id, kind, ref, conversation_id, "at", grams)'
            " VALUES (?, 'message', ?, ?, ?, ?)", docs,
        )  # fmt: skip
        db.executemany(
            "INSERT INTO search_fts(rowid, grams) VALUES (?, ?)", ((d[0], d[4]) for d in docs)
        )
        db.commit()
    db.execute("ANALYZE")
    db.commit()
    db.close()


def put(db: sqlite3.Connection, model: Any, rows: Any) -> None:
    """Insert rows with the model's defaults."""
    _, defaults = _insert(model)
    names = [c.name for c in model.__table__.columns]
    columns, places = ", ".join(f'"{n}"' for n in names), ", ".join(f":{n}" for n in names)
    empty = dict.fromkeys(names)
    db.executemany(
        f'INSERT INTO "{model.__tablename__}" ({columns}) VALUES ({places})',
        ({**empty, **defaults, **row} for row in rows),
    )


def moment(n: int, size: int, now: int) -> int:
    """When conversation `n` was touched last: a minute apart, the newest just now."""
    return now - (size - n) * 60_000_000 // max(1, size // 10_000)


def talk(rng: random.Random, n: int, size: int, now: int) -> dict[str, Any]:
    """One conversation; the live ones are spread over all times."""
    live = rng.random() < max(0.05, min(0.6, 12_000 / size))
    state = rng.choice(["open", "open", "open", "waiting", "snoozed"]) if live else (
        "resolved" if rng.random() < 0.02 else "closed"
    )  # fmt: skip
    at = moment(n, size, now)
    return {
        "id": f"t{n:09}", "customer_id": f"c{n - n % 5:09}", "state": state,
        "subject": "", "preview": "…", "queue_id": rng.choice(QUEUES),
        "handler_agent_id": rng.choice(AGENTS) if live and rng.random() < 0.5 else None,
        "last_message_at": at, "created_at": at, "last_number": 1,
        "waiting_since": at if state == "open" else None,
        "due_at": at + 3_600_000_000 if state == "open" else None,
    }  # fmt: skip


def text_of(rng: random.Random, n: int, size: int) -> str:
    """One in ten asks for a refund; `RARE` messages hold a rare word."""
    text = REFUND if rng.random() < 0.1 else rng.choice(TEXTS)
    return f"{text} 麒麟" if n % (size // RARE) == 0 else f"{text} {n}"


def message(n: int, size: int, now: int, text: str) -> dict[str, Any]:
    """The only message of a conversation."""
    at = moment(n, size, now)
    return {
        "id": f"m{n:09}", "conversation_id": f"t{n:09}", "number": 1, "direction": "in",
        "author_kind": "customer", "content": json.dumps({"text": text}), "recorded_at": at,
        "occurred_at": at,
    }  # fmt: skip


ANN = Viewer(AgentId(AGENTS[0]), frozenset({Role.AGENT}), queue_ids=frozenset({QueueId(QUEUES[0])}))
SUE = Viewer(
    AgentId(AGENTS[1]), frozenset({Role.SUPERVISOR}),
    unit_queue_ids=frozenset(QueueId(q) for q in QUEUES),
)  # fmt: skip
NOBODY = Viewer(AgentId("new"), frozenset({Role.AGENT}))
Call = Callable[[Deps], Awaitable[Any]]


def calls() -> Iterator[tuple[str, Call]]:
    """Every call that is measured, by name."""
    for view in (ListView.MINE, ListView.UNASSIGNED, ListView.QUEUE, ListView.ALL,
                 ListView.RESOLVED):  # fmt: skip
        for sort in (Sort.NEWEST, Sort.SLA_DUE, Sort.OLDEST_WAITING):
            for who, viewer in (("agent", ANN), ("supervisor", SUE)):
                queue = QUEUES[0] if view is ListView.QUEUE else None
                request = ListRequest(view, sort, queue)
                yield f"{view.value}/{sort.value}/{who}", lister(viewer, request)
    for name, words in (("common", "refund"), ("common zh", "退款"), ("one zh", "退"),
                        ("rare zh", "麒麟"), ("two words", "refund 申请"),
                        ("none", "nosuchword")):  # fmt: skip
        for who, viewer in (("agent", ANN), ("supervisor", SUE), ("sees nothing", NOBODY)):
            yield f"search {name}/{who}", seeker(viewer, words)


def lister(viewer: Viewer, request: ListRequest) -> Call:
    return lambda deps: list_conversations(deps, viewer, request)


def seeker(viewer: Viewer, words: str) -> Call:
    return lambda deps: search(deps, viewer, words, kinds=("message",))


async def measure(stores: list[Store], rounds: int) -> dict[str, Any]:
    """Time every call on every store in turn; lower quartiles in milliseconds."""
    out: dict[str, Any] = {}
    for name, call in calls():
        times: dict[int, list[float]] = {store.size: [] for store in stores}
        for turn in range(rounds + 3):
            for store in stores:
                began = time.perf_counter()
                await call(store.deps)
                if turn >= 3:
                    times[store.size].append((time.perf_counter() - began) * 1000)
        quarters = {size: statistics.quantiles(found, n=4)[0] for size, found in times.items()}
        small, large = quarters[stores[0].size], quarters[stores[-1].size]
        out[name] = {
            "ms": {str(size): round(value, 3) for size, value in quarters.items()},
            "ratio": round(large / max(small, FLOOR_MS), 2),
        }
    return out


async def main(sizes: list[int], rounds: int, out: Path) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stores = []
        for size in sizes:
            path, began = folder / f"{size}.db", time.perf_counter()
            migrate(f"sqlite:///{path}")
            fill(path, size)
            print(f"filled {size:,} in {time.perf_counter() - began:.0f} s", flush=True)
            deps = Deps(
                db=await open_database(f"sqlite:///{path}"), clock=SystemClock(),
                files=FolderStore(folder), keyring=Keyring([b"k" * 32]), public_url="http://x",
                kinds={}, router=None, wake=LocalWake(),  # type: ignore[arg-type]
            )  # fmt: skip
            stores.append(Store(size, deps))
        found = await measure(stores, rounds)
        for store in stores:
            await store.deps.db.close()
    worst = max(found, key=lambda one: found[one]["ratio"])
    report = {"sizes": sizes, "limit": LIMIT, "worst": worst, "worst_ratio": found[worst]["ratio"],
              "calls": found}  # fmt: skip
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    for call, facts in sorted(found.items(), key=lambda one: -one[1]["ratio"]):
        print(f"{facts['ratio']:6.2f}  {call:40} {facts['ms']}")
    return int(found[worst]["ratio"] > LIMIT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    sizes = args.sizes or ([10_000, 100_000, 1_000_000] if args.long else [10_000, 40_000])
    name = "long-lists.json" if args.long else "lists.json"
    target = args.out or Path(__file__).parents[1] / "bench-out" / name
    raise SystemExit(asyncio.run(main(sizes, args.rounds, target)))
