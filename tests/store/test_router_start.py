"""What a new router reads is what is live, however much is long over."""

import pytest

from hub.store.engine import open_database
from hub.store.queries import items, outcomes, work
from hub.store.statement import Stmt
from hub.store.tx import Tx

PARAMS = {"cases.left_behind": {"inactive": False}}


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (items.LIVE, "ix_work_item_live"),
        (work._OFFERS_LIVE, "ix_offer_item_id"),
        (work._ASSIGNMENTS_LIVE, "ix_assignment_agent"),
        (outcomes._LEFT_BEHIND, "ix_case_owner_agent_id"),
    ],
    ids=lambda one: one.name if isinstance(one, Stmt) else "",
)
async def test_no_table_that_grows_is_read_as_a_whole(
    sqlite_url: str, statement: Stmt, index: str
) -> None:
    db = await open_database(sqlite_url)

    def unit(tx: Tx) -> list[str]:
        sql, values = statement.bound("sqlite", PARAMS.get(statement.name, {}))
        tx._cursor.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        return [str(row[3]) for row in tx._cursor.fetchall()]

    plan = await db.read(unit)
    await db.close()
    assert any(index in step for step in plan), plan
    whole = [step.removeprefix("SCAN ") for step in plan if step.startswith("SCAN")]
    # Live items by their partial index, and the agents: both stay few.
    assert all(step.startswith("agent") or "ix_work_item_live" in step for step in whole), plan
