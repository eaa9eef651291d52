"""Lists over many branches: the same page as one sorted query would give."""

import random

from hub.store.queries.lists import MAX_PAGE, NOT_SPAM, Branch, Key, Sort, page_ids
from hub.store.queries.rows import insert_row
from hub.store.tables import Conversation, Customer
from hub.store.tx import Tx

STATES = ("open", "waiting", "snoozed")


def fill(tx: Tx, rng: random.Random, queues: list[str]) -> list[dict]:
    insert_row(tx, Customer, id="c", created_at=1, updated_at=1)
    rows = []
    for n in range(400):
        # One queue holds most of the new talk, so that its head does not reach far.
        queue = queues[0] if rng.random() < 0.5 else rng.choice(queues)
        row = {
            "id": f"t{n:04}", "customer_id": "c", "state": rng.choice(STATES), "queue_id": queue,
            "last_message_at": rng.randrange(1000) + (500 if queue == queues[0] else 0),
            "created_at": 1, "spam": rng.random() < 0.1,
            "due_at": rng.choice([None, rng.randrange(1000)]),
        }  # fmt: skip
        insert_row(tx, Conversation, **row)
        rows.append(row)
    return rows


async def test_pages_over_many_branches_are_those_of_one_query(db):
    rng = random.Random(7)
    queues = [f"q{n}" for n in range(12)]
    rows = await db.run(lambda tx: fill(tx, rng, queues))
    branches = [Branch(queue_id=q, state=s, extra=NOT_SPAM) for q in queues for s in STATES]
    branches.append(branches[0])  # a conversation that comes by two branches is shown once
    for sort, column in ((Sort.NEWEST, "last_message_at"), (Sort.SLA_DUE, "due_at")):
        expected = sorted(
            ((r[column], r["id"]) for r in rows if not r["spam"] and r[column] is not None),
            reverse=sort is Sort.NEWEST,
        )
        for size in (7, 50, MAX_PAGE):
            got: list[tuple[int, str]] = []
            after: Key | None = None
            while True:
                page = await db.read(
                    lambda tx, a=after, s=sort, n=size: page_ids(tx, branches, s, a, n)
                )
                got += [(key.value, key.id) for key in page]
                if len(page) < size:
                    break
                after = page[-1]
            assert got == expected, (sort, size)
