"""One rule in two languages: `may_see` in Python and `VISIBLE` in SQL say the same of every row."""

import random
from datetime import timedelta

import pytest

from hub.model.clock import to_micros
from hub.model.ids import AgentId, QueueId
from hub.model.visibility import Role, Scope, Viewer, may_see
from hub.store.queries.rows import insert_row
from hub.store.queries.visibility import facts_of, visible_ids
from hub.store.tables import (
    Agent,
    Assignment,
    Case,
    Conversation,
    Customer,
    Mention,
    OrgUnit,
    Queue,
    WorkItem,
)
from hub.store.tx import Tx
from tests.services.conftest import START, World

AGENTS = [AgentId(f"agent-{n}") for n in range(4)]
QUEUES = [QueueId(f"queue-{n}") for n in range(4)]


def build(tx: Tx, rng: random.Random) -> list[str]:
    """Insert a random small world; return the conversations."""
    now = to_micros(START)
    insert_row(tx, OrgUnit, id="u", name="u", path="u")
    for agent in AGENTS:
        insert_row(tx, Agent, id=agent, email=agent, name=agent, unit_id="u", created_at=now)
    for n, queue in enumerate(QUEUES):
        insert_row(tx, Queue, id=queue, name=queue, unit_id="u", restricted=n >= 2)
    customers: list[str] = []
    for n in range(8):
        # Chains of merges, never a ring: a customer points only at an earlier one.
        into = rng.choice([None, None, *customers]) if customers else None
        insert_row(
            tx, Customer, id=f"customer-{n}", merged_into=into, created_at=now, updated_at=now
        )
        customers.append(f"customer-{n}")
    conversations = []
    for n in range(24):
        id_ = f"conversation-{n:02}"
        insert_row(
            tx,
            Conversation,
            id=id_,
            customer_id=rng.choice(customers),
            state="open",
            queue_id=rng.choice([None, *QUEUES]),
            handler_agent_id=rng.choice([None, None, *AGENTS]),
            last_message_at=now,
            created_at=now,
        )
        people(tx, rng, id_, n, now)
        conversations.append(id_)
    return conversations


def people(tx: Tx, rng: random.Random, id_: str, n: int, now: int) -> None:
    """Give a conversation an owner, a mention, a past handler: sometimes."""
    if rng.random() < 0.2:
        insert_row(
            tx,
            Case,
            id=f"case-{n}",
            number=n,
            customer_id="customer-0",
            conversation_id=id_,
            type="enquiry",
            owner_agent_id=rng.choice(AGENTS),
            state="open",
            opened_at=now,
        )
    if rng.random() < 0.15:
        insert_row(
            tx,
            Mention,
            message_id=f"message-{n}",
            agent_id=rng.choice(AGENTS),
            conversation_id=id_,
            at=now,
        )
    if rng.random() < 0.3:
        insert_row(
            tx, WorkItem, id=f"item-{n}", kind="task", work_class="task", state="done",
            created_at=now,
        )  # fmt: skip
        ended = rng.choice([None, START - timedelta(days=1), START - timedelta(days=31)])
        insert_row(
            tx,
            Assignment,
            id=f"assignment-{n}",
            item_id=f"item-{n}",
            conversation_id=id_,
            agent_id=rng.choice(AGENTS),
            role=rng.choice(["handler", "consultant"]),
            since=now,
            ended_at=to_micros(ended) if ended else None,
        )


def viewers(rng: random.Random) -> list[Viewer]:
    """People and programs of every kind."""
    found = [Viewer(AGENTS[0], frozenset({Role.AUDITOR})), Viewer(AGENTS[0], frozenset())]
    for agent in AGENTS:
        for roles in ({Role.AGENT}, {Role.SUPERVISOR}, {Role.AGENT, Role.SUPERVISOR}):
            mine = frozenset(rng.sample(QUEUES, rng.randrange(3)))
            unit = frozenset(rng.sample(QUEUES, rng.randrange(3)))
            found.append(Viewer(agent, frozenset(roles), mine, unit))
    found.append(Viewer(AGENTS[1], frozenset({Role.ADMINISTRATOR})))
    reads = frozenset({Scope.READ})
    found += [
        Viewer(AGENTS[1], frozenset({Role.INTEGRATION}), queues, scopes=reads)
        for queues in (frozenset[QueueId](), frozenset({QUEUES[0]}))
    ]
    found.append(Viewer(AGENTS[0], frozenset({Role.AUDITOR}), active=False))
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_python_and_sql_agree(world: World, seed: int) -> None:
    rng = random.Random(seed)

    def fill(tx: Tx) -> list[str]:
        return build(tx, rng)

    conversations = await world.deps.db.run(fill)
    seen_some = 0
    for viewer in viewers(rng):

        def look(tx: Tx, viewer: Viewer = viewer) -> tuple[set[str], set[str]]:
            by_sql = visible_ids(tx, conversations, viewer, START)
            by_rule = set()
            for id_ in conversations:
                facts = facts_of(tx, id_, viewer, START)
                if facts is not None and may_see(viewer, facts):
                    by_rule.add(id_)
            return by_sql, by_rule

        by_sql, by_rule = await world.deps.db.read(look)
        assert by_sql == by_rule, viewer
        seen_some += len(by_sql)
    assert seen_some, "the random world shows nothing to anybody: the test proves nothing"
