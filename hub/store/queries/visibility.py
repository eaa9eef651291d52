"""Who may see which conversation, in SQL: the mirror of `model.visibility`.

`VISIBLE` is a condition on a conversation with the alias `c`; put it into a WHERE with
`visible_clause()` and pass `sight_params(sight, me, now)` among the parameters. A test compares it
with `may_see` over random rows. `facts_of` reads what `may_see` needs for one conversation.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import String, TextClause, bindparam, text

from hub.model.clock import to_micros
from hub.model.ids import AgentId, QueueId
from hub.model.visibility import HANDLED_RECENTLY, ConversationFacts, Sight, Viewer, sight_of
from hub.store.statement import Stmt, stmt
from hub.store.tx import Tx


def _direct(alias: str) -> str:
    """The condition of `sees_directly` on a conversation row called `alias`."""
    return f"""(
      :v_everything = 1
      OR (:v_unrestricted = 1 AND NOT EXISTS (
            SELECT 1 FROM queue q WHERE q.id = {alias}.queue_id AND q.restricted))
      OR {alias}.queue_id IN :v_queues
      OR {alias}.handler_agent_id = :v_me
      OR EXISTS (SELECT 1 FROM "case" k
                  WHERE k.conversation_id = {alias}.id AND k.owner_agent_id = :v_me)
      OR EXISTS (SELECT 1 FROM assignment a
                  WHERE a.conversation_id = {alias}.id AND a.agent_id = :v_me
                    AND a.role = 'handler' AND (a.ended_at IS NULL OR a.ended_at > :v_since))
      OR EXISTS (SELECT 1 FROM mention m
                  WHERE m.conversation_id = {alias}.id AND m.agent_id = :v_me)
    )"""


_FAMILY = """(
      WITH RECURSIVE up(id, parent) AS (
        SELECT u.id, u.merged_into FROM customer u WHERE u.id = c.customer_id
        UNION SELECT u.id, u.merged_into FROM customer u JOIN up ON u.id = up.parent
      ), down(id) AS (
        SELECT up.id FROM up WHERE up.parent IS NULL
        UNION SELECT d.id FROM customer d JOIN down ON d.merged_into = down.id
      ) SELECT down.id FROM down)"""

DIRECT = _direct("c")
# Few customers were ever merged: the recursion is left to those, it costs most of a hit's time.
_ANOTHER_SEEN = f"""(
      EXISTS (SELECT 1 FROM conversation c2
               WHERE c2.id <> c.id AND c2.customer_id = c.customer_id AND {_direct("c2")})
      OR ((EXISTS (SELECT 1 FROM customer f
                    WHERE f.id = c.customer_id AND f.merged_into IS NOT NULL)
           OR EXISTS (SELECT 1 FROM customer f WHERE f.merged_into = c.customer_id))
          AND EXISTS (SELECT 1 FROM conversation c2
                       WHERE c2.id <> c.id AND c2.customer_id IN {_FAMILY} AND {_direct("c2")})))"""
VISIBLE = f"""({DIRECT}
  OR (:v_history = 1
      AND NOT EXISTS (SELECT 1 FROM queue r WHERE r.id = c.queue_id AND r.restricted)
      AND {_ANOTHER_SEEN}))"""


def visible_clause(*, direct_only: bool = False) -> TextClause:
    """Return the condition for a WHERE over `conversation AS c`.

    `direct_only` leaves out what is seen only as a customer's history: inbox lists show work, and
    the recursion over merged customers would cost them their speed.
    """
    return text(DIRECT if direct_only else VISIBLE).bindparams(
        bindparam("v_queues", expanding=True, type_=String())
    )


def sight_params(sight: Sight, now: datetime) -> dict[str, Any]:
    """Return the parameters `VISIBLE` needs."""
    return {
        "v_everything": int(sight.everything),
        "v_unrestricted": int(sight.unrestricted),
        "v_queues": sorted(sight.queue_ids),
        # An id nobody has: NULL would turn the whole OR into unknown on an untyped parameter.
        "v_me": sight.personal or "-",
        "v_history": int(sight.history),
        "v_since": to_micros(now - HANDLED_RECENTLY),
    }


_FACTS = stmt(
    text(
        """SELECT c.queue_id, c.handler_agent_id,
             CASE WHEN EXISTS (SELECT 1 FROM queue q WHERE q.id = c.queue_id AND q.restricted)
                  THEN 1 ELSE 0 END AS restricted
           FROM conversation c WHERE c.id = :id"""
    ),
    name="visibility.facts",
)
_OWNERS = stmt(
    text(
        'SELECT DISTINCT owner_agent_id FROM "case"'
        " WHERE conversation_id = :id AND owner_agent_id IS NOT NULL"
    ),
    name="visibility.owners",
)
_HANDLED = stmt(
    text(
        "SELECT DISTINCT agent_id FROM assignment WHERE conversation_id = :id"
        " AND role = 'handler' AND (ended_at IS NULL OR ended_at > :since)"
    ),
    name="visibility.handled",
)
_MENTIONED = stmt(
    text("SELECT DISTINCT agent_id FROM mention WHERE conversation_id = :id"),
    name="visibility.mentioned",
)
_ANOTHER = stmt(
    text(
        f"""SELECT 1 FROM conversation c WHERE c.id = :id AND EXISTS (
              SELECT 1 FROM conversation c2
               WHERE c2.id <> c.id AND c2.customer_id IN {_FAMILY} AND {_direct("c2")})"""
    ).bindparams(bindparam("v_queues", expanding=True, type_=String())),
    name="visibility.another",
)
_VISIBLE_IDS = stmt(
    text(f"SELECT c.id FROM conversation c WHERE c.id IN :ids AND {VISIBLE}").bindparams(
        bindparam("v_queues", expanding=True, type_=String()),
        bindparam("ids", expanding=True, type_=String()),
    ),
    name="visibility.visible_ids",
)


def facts_of(
    tx: Tx, conversation_id: str, viewer: Viewer, now: datetime
) -> ConversationFacts | None:
    """Return what `may_see` needs to know, or None when there is no such conversation."""
    row = tx.one(_FACTS, {"id": conversation_id})
    if row is None:
        return None
    since = to_micros(now - HANDLED_RECENTLY)
    sight = sight_of(viewer)
    another = False
    if sight.history and not row[2]:
        params = {"id": conversation_id, **sight_params(sight, now)}
        another = tx.one(_ANOTHER, _only(_ANOTHER_PARAMS, params)) is not None
    return ConversationFacts(
        queue_id=QueueId(row[0]) if row[0] else None,
        owners=_agents(tx, _OWNERS, {"id": conversation_id}),
        handler=AgentId(row[1]) if row[1] else None,
        handled_recently=_agents(tx, _HANDLED, {"id": conversation_id, "since": since}),
        mentioned=_agents(tx, _MENTIONED, {"id": conversation_id}),
        restricted=bool(row[2]),
        sees_another_of_customer=another,
    )


_ANOTHER_PARAMS = ("id", "v_everything", "v_unrestricted", "v_queues", "v_me", "v_since")


def _only(names: tuple[str, ...], params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in names}


def visible_ids(tx: Tx, ids: list[str], viewer: Viewer, now: datetime) -> set[str]:
    """Return those of `ids` the viewer may see."""
    if not ids:
        return set()
    params = {"ids": ids, **sight_params(sight_of(viewer), now)}
    return {str(row[0]) for row in tx.run(_VISIBLE_IDS, params)}


def _agents(tx: Tx, statement: Stmt, params: Mapping[str, Any]) -> frozenset[AgentId]:
    return frozenset(AgentId(row[0]) for row in tx.run(statement, dict(params)))
