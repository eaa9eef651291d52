"""Cases: the numbers people read out, owners, states."""

from datetime import datetime

from sqlalchemy import bindparam, select, text, update

from hub.model.case import CaseBrief, CaseState, CaseType
from hub.model.clock import from_micros, to_micros
from hub.model.ids import AgentId, CaseId
from hub.store.engine import Tx
from hub.store.queries.rows import Row, dicts, insert_row, one_dict
from hub.store.statement import stmt
from hub.store.tables import Case, table

_case = table(Case)

FIRST_NUMBER = 10_001
"""Case numbers start here: a number people read out should not look like a test."""

OF_CONVERSATION = stmt(
    select(_case).where(_case.c.conversation_id == bindparam("id")).order_by(_case.c.opened_at),
    name="cases.of_conversation",
)
OF_CUSTOMERS = stmt(
    select(_case)
    .where(_case.c.customer_id.in_(bindparam("customers", expanding=True)))
    .order_by(_case.c.opened_at.desc())
    .limit(200),
    name="cases.of_customers",
)
ONE = stmt(select(_case).where(_case.c.id == bindparam("id")), name="case")
BY_NUMBER = stmt(select(_case).where(_case.c.number == bindparam("number")), name="case.by_number")
NEXT_NUMBER = stmt(
    text(
        'INSERT INTO "counter" ("name", "value") VALUES (\'case\', :first) ON CONFLICT ("name")'
        ' DO UPDATE SET "value" = "counter"."value" + 1 RETURNING "value"'
    ),
    name="case.next_number",
)
MOVE = stmt(
    update(_case)
    .where(
        _case.c.id == bindparam("case_id"),
        _case.c.state.in_(bindparam("sources", expanding=True)),
    )
    .values(
        state=bindparam("new_state"),
        solved_at=bindparam("new_solved_at"),
        reopens=_case.c.reopens + bindparam("reopened"),
        version=_case.c.version + 1,
    ),
    name="case.move",
)
OWNER = stmt(
    update(_case)
    .where(_case.c.id == bindparam("case_id"))
    .values(
        owner_agent_id=bindparam("new_owner"),
        owner_since=bindparam("at"),
        version=_case.c.version + 1,
    ),
    name="case.owner",
)
UPDATE = stmt(
    update(_case)
    .where(_case.c.id == bindparam("case_id"), _case.c.version == bindparam("if_version"))
    .values(
        type=bindparam("new_type"),
        class_code=bindparam("new_class"),
        severity=bindparam("new_severity"),
        severity_by=bindparam("new_severity_by"),
        title=bindparam("new_title"),
        version=_case.c.version + 1,
    ),
    name="case.update",
)
MOVE_CONVERSATION = stmt(
    update(_case)
    .where(_case.c.id == bindparam("case_id"))
    .values(conversation_id=bindparam("to_conversation"), version=_case.c.version + 1),
    name="case.move_conversation",
)


def briefs_of(tx: Tx, conversation_id: str) -> tuple[CaseBrief, ...]:
    """Return the cases of a conversation, oldest first."""
    return tuple(
        CaseBrief(
            CaseId(row["id"]),
            CaseState(row["state"]),
            from_micros(row["opened_at"]),
            AgentId(row["owner_agent_id"]) if row["owner_agent_id"] else None,
        )
        for row in dicts(tx, OF_CONVERSATION, {"id": conversation_id})
    )


def open_case(tx: Tx, *, id: str, customer_id: str, conversation_id: str, at: datetime) -> int:
    """Insert a case of type enquiry and return its number."""
    row = tx.one(NEXT_NUMBER, {"first": FIRST_NUMBER})
    assert row is not None  # RETURNING always answers
    number = int(row[0])
    insert_row(
        tx,
        Case,
        id=id,
        number=number,
        customer_id=customer_id,
        conversation_id=conversation_id,
        type=CaseType.ENQUIRY.value,
        state=CaseState.OPEN.value,
        opened_at=to_micros(at),
    )
    return number


def case(tx: Tx, case_id: str) -> Row | None:
    """Return one case row."""
    return one_dict(tx, ONE, {"id": case_id})
