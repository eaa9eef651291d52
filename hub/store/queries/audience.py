"""Who may see what an event is about: read once per event, judged for every socket.

An `Audience` holds what `model.visibility.may_see` asks for, for any viewer. `queries.visibility`
answers the same question for one viewer in SQL; tests hold the three together.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, text

from hub.model.clock import to_micros
from hub.model.ids import AgentId, QueueId
from hub.model.visibility import HANDLED_RECENTLY, Sight, Viewer, sight_of
from hub.store.statement import Params, Stmt, stmt
from hub.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Audience:
    """Who sees one conversation, and through it its customer.

    Attributes:
        agents: who handles it, handled it lately, owns a case of it or is named in a note.
        family_queues, family_agents: what opens any conversation of the customer (merged ones
            count as one) directly.
        family_open: one of them is in no restricted queue.
    """

    queue_id: QueueId | None = None
    restricted: bool = False
    handler: AgentId | None = None
    agents: frozenset[AgentId] = frozenset()
    family_queues: frozenset[QueueId] = frozenset()
    family_agents: frozenset[AgentId] = frozenset()
    family_open: bool = False

    def opens_family(self, sight: Sight) -> bool:
        """Tell whether some conversation of the customer is seen directly."""
        if sight.everything or (sight.unrestricted and self.family_open):
            return True
        if not sight.queue_ids.isdisjoint(self.family_queues):
            return True
        return sight.personal is not None and sight.personal in self.family_agents

    def seen_in(self, sight: Sight) -> bool:
        """Tell whether a conversation is seen: `may_see`, fast enough for every socket and event.

        A feed judges each event; going through `ConversationFacts` costs ten times as much. A
        random world compares the two.
        """
        if sight.everything or (sight.unrestricted and not self.restricted):
            return True
        if self.queue_id is not None and self.queue_id in sight.queue_ids:
            return True
        if sight.personal is not None and sight.personal in self.agents:
            return True
        return sight.history and not self.restricted and self.opens_family(sight)

    def seen_by(self, viewer: Viewer) -> bool:
        """Tell whether the viewer may see the conversation."""
        return self.seen_in(sight_of(viewer))


_OWN = stmt(
    text(
        """SELECT c.id AS seed, 'queue' AS what, c.queue_id AS id FROM conversation c
            WHERE c.id IN :ids
           UNION ALL SELECT c.id, 'handler', c.handler_agent_id FROM conversation c
            WHERE c.id IN :ids
           UNION ALL SELECT c.id, 'restricted', q.id FROM conversation c
             JOIN queue q ON q.id = c.queue_id WHERE c.id IN :ids AND q.restricted
           UNION ALL SELECT k.conversation_id, 'owner', k.owner_agent_id FROM "case" k
            WHERE k.conversation_id IN :ids
           UNION ALL SELECT a.conversation_id, 'handled', a.agent_id FROM assignment a
            WHERE a.conversation_id IN :ids AND a.role = 'handler'
              AND (a.ended_at IS NULL OR a.ended_at > :since)
           UNION ALL SELECT m.conversation_id, 'mentioned', m.agent_id FROM mention m
            WHERE m.conversation_id IN :ids"""
    ).bindparams(bindparam("ids", expanding=True)),
    name="audience.own",
)
_UP_FROM_CONVERSATIONS = (
    "SELECT c.id, u.id, u.merged_into FROM conversation c"
    " JOIN customer u ON u.id = c.customer_id WHERE c.id IN :ids"
)
_UP_FROM_CUSTOMERS = "SELECT u.id, u.id, u.merged_into FROM customer u WHERE u.id IN :ids"


def _family(seeds: str, name: str) -> Stmt:
    # `seeds` is one of the two texts above; values are parameters.
    return stmt(
        text(
            f"""WITH RECURSIVE up(seed, id, parent) AS (
              {seeds}
              UNION SELECT up.seed, u.id, u.merged_into FROM customer u JOIN up ON u.id = up.parent
            ), down(seed, id) AS (
              SELECT up.seed, up.id FROM up WHERE up.parent IS NULL
              UNION SELECT down.seed, d.id FROM customer d JOIN down ON d.merged_into = down.id
            ), talk(seed, id, queue_id, handler) AS (
              SELECT down.seed, c.id, c.queue_id, c.handler_agent_id
                FROM down JOIN conversation c ON c.customer_id = down.id
            )
            SELECT seed, 'family_queue' AS what, queue_id AS id FROM talk
            UNION SELECT seed, 'family_agent', handler FROM talk
            UNION SELECT talk.seed, 'family_agent', k.owner_agent_id
              FROM talk JOIN "case" k ON k.conversation_id = talk.id
            UNION SELECT talk.seed, 'family_agent', a.agent_id
              FROM talk JOIN assignment a ON a.conversation_id = talk.id
             WHERE a.role = 'handler' AND (a.ended_at IS NULL OR a.ended_at > :since)
            UNION SELECT talk.seed, 'family_agent', m.agent_id
              FROM talk JOIN mention m ON m.conversation_id = talk.id
            UNION SELECT talk.seed, 'family_open', 'yes' FROM talk
             WHERE NOT EXISTS (SELECT 1 FROM queue q WHERE q.id = talk.queue_id AND q.restricted)"""
        ).bindparams(bindparam("ids", expanding=True)),
        name=name,
    )


_FAMILY_OF_CONVERSATIONS = _family(_UP_FROM_CONVERSATIONS, "audience.family")
_FAMILY_OF_CUSTOMERS = _family(_UP_FROM_CUSTOMERS, "audience.customers")


def audiences_of(tx: Tx, conversation_ids: Sequence[str], now: datetime) -> dict[str, Audience]:
    """Return the audience of each conversation that exists."""
    if not conversation_ids:
        return {}
    params: Params = {"ids": list(conversation_ids), "since": to_micros(now - HANDLED_RECENTLY)}
    found = _fold([*tx.run(_OWN, params), *tx.run(_FAMILY_OF_CONVERSATIONS, params)])
    return {id_: _audience(facts) for id_, facts in found.items()}


def customer_audiences_of(
    tx: Tx, customer_ids: Sequence[str], now: datetime
) -> dict[str, Audience]:
    """Return who sees each customer, through any conversation; only the family's fields are set."""
    if not customer_ids:
        return {}
    params: Params = {"ids": list(customer_ids), "since": to_micros(now - HANDLED_RECENTLY)}
    found = _fold(tx.run(_FAMILY_OF_CUSTOMERS, params))
    return {id_: _audience(facts) for id_, facts in found.items()}


_Facts = dict[str, set[str]]


def _fold(rows: Iterable[tuple[Any, ...]]) -> dict[str, _Facts]:
    found: dict[str, _Facts] = {}
    for seed, what, id_ in rows:
        facts = found.setdefault(seed, defaultdict(set))
        if id_ is not None:
            facts[what].add(str(id_))
    return found


def _audience(facts: _Facts) -> Audience:
    def agents(what: str) -> frozenset[AgentId]:
        return frozenset(AgentId(one) for one in facts.get(what, ()))

    queue = next(iter(facts.get("queue", ())), None)
    handler = next(iter(facts.get("handler", ())), None)
    return Audience(
        queue_id=QueueId(queue) if queue else None,
        restricted=bool(facts.get("restricted")),
        handler=AgentId(handler) if handler else None,
        agents=agents("handler") | agents("owner") | agents("handled") | agents("mentioned"),
        family_queues=frozenset(QueueId(one) for one in facts.get("family_queue", ())),
        family_agents=agents("family_agent"),
        family_open=bool(facts.get("family_open")),
    )
