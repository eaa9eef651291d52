"""Cases as people handle them: what the customer wants, which class, how severe."""

from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from hub.model.case import CaseState, CaseType, SetBy, Severity
from hub.model.conversation import SystemLine
from hub.model.errors import Conflict, NotFound, RouterPending, VersionMismatch
from hub.model.events import EventKind, Fact, new_event
from hub.model.ids import CaseId, ConversationId, CustomerId
from hub.model.router_commands import CaseChanged
from hub.model.visibility import Viewer
from hub.services.deps import Deps
from hub.services.inbox import require_visible
from hub.services.marks import require_writable
from hub.services.views import CaseView, case_view
from hub.store.queries import cases, outcomes
from hub.store.queries.rows import Row, one_dict
from hub.store.tx import Tx

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CaseChange:
    """What is None stays. A person's choice of severity is never overwritten by a rule."""

    type: CaseType | None = None
    class_code: str | None = None
    severity: Severity | None = None
    title: str | None = None


async def show_case(
    deps: Deps, viewer: Viewer, case_id: str | None = None, number: int | None = None
) -> CaseView:
    """Return a case by its id, or by the number people read out.

    Raises:
        NotFound: there is none, or its conversation is not to be seen.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> CaseView:
        if case_id is not None:
            row = cases.case(tx, case_id)
        else:
            row = one_dict(tx, cases.BY_NUMBER, {"number": number})
        if row is None:
            raise NotFound
        require_visible(tx, viewer, row["conversation_id"], now)
        return case_view(row)

    return await deps.db.read(unit)


async def change_case(
    deps: Deps, viewer: Viewer, case_id: str, change: CaseChange, if_version: int
) -> CaseView:
    """Change a case; the router hears of another severity, since order depends on it.

    Raises:
        NotFound, NotAllowed: as the viewer's sight and roles say.
        VersionMismatch: somebody changed it before.
        Conflict: `case_closed`.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> tuple[Row, bool]:
        before = cases.case(tx, case_id)
        if before is None:
            raise NotFound
        require_writable(tx, viewer, deps, before["conversation_id"])
        if before["version"] != if_version:
            raise VersionMismatch(version=before["version"])
        if before["state"] == CaseState.CLOSED.value:
            raise Conflict("case_closed")
        fields = _fields(before, change)
        if not fields:
            return before, False
        _write(tx, viewer, before, change, fields, now)
        after = cases.case(tx, case_id)
        assert after is not None  # it was updated in this unit
        return after, "severity" in fields

    row, reorder = await deps.db.run(unit, name="case.change")
    if reorder:
        await _tell_router(deps, row)
    return case_view(row)


def _fields(before: Row, change: CaseChange) -> list[str]:
    wishes: dict[str, object] = {
        "type": change.type.value if change.type else None,
        "class_code": change.class_code,
        "severity": int(change.severity) if change.severity else None,
        "title": change.title,
    }
    changed = [name for name, value in wishes.items() if value not in (None, before[name])]
    # Confirming what a rule proposed makes it a person's choice, too.
    if change.severity and "severity" not in changed and before["severity_by"] != "person":
        changed.append("severity")
    return changed


def _write(  # noqa: PLR0913 - one change, all of it
    tx: Tx, viewer: Viewer, before: Row, change: CaseChange, fields: list[str], now: datetime
) -> None:
    severity = int(change.severity) if change.severity else before["severity"]
    type_ = change.type.value if change.type else before["type"]
    class_code = before["class_code"] if change.class_code is None else change.class_code
    written = tx.execute(
        cases.UPDATE,
        {
            "case_id": before["id"],
            "if_version": before["version"],
            "new_type": type_,
            "new_class": class_code,
            "new_severity": severity,
            "new_severity_by": SetBy.PERSON.value if change.severity else before["severity_by"],
            "new_title": before["title"] if change.title is None else change.title,
        },
    )
    if not written:
        raise VersionMismatch
    conversation_id = before["conversation_id"]
    params: dict[str, object] = {"case": before["id"], "fields": fields}
    line = outcomes.add_line(tx, conversation_id, SystemLine.CASE_CHANGED.value, params, now)
    facts: dict[str, Fact] = {
        "case": before["id"], "fields": fields, "type": type_, "class": class_code,
        "severity": severity, "by": viewer.agent_id,
    }  # fmt: skip
    told = new_event(
        EventKind.CASE_CHANGED,
        now,
        actor=viewer.agent_id,
        conversation=ConversationId(conversation_id),
        customer=CustomerId(before["customer_id"]),
        data=facts,
    )
    tx.append([replace(told, message=line)])


async def _tell_router(deps: Deps, row: Row) -> None:
    try:
        await deps.router.submit(CaseChanged(CaseId(row["id"]), severity=row["severity"]))
    except RouterPending:
        log.debug("case.router_late", case_id=row["id"])
