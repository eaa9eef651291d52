"""One matter a customer has with us: its type, severity, states and when it may come back.

A case is opened with the first contact (an enquiry until somebody says otherwise) and carries a
number people can read out. Its owner is the first agent asked. Durations are seconds, instants
aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType

from hub.model.ids import AgentId, CaseId


class CaseType(StrEnum):
    """What the customer wants (manual, 3)."""

    ENQUIRY = "enquiry"
    QUERY = "query"
    TRANSACTION = "transaction"
    FAULT = "fault"
    COMPLAINT = "complaint"
    SUGGESTION = "suggestion"
    PRAISE = "praise"


class Severity(IntEnum):
    """Scope of impact (manual, 4). Rules propose; a rule never overwrites a person's choice."""

    MAJOR = 1
    MEDIUM = 2
    GENERAL = 3


class SetBy(StrEnum):
    """Who chose a value that rules and persons both may choose."""

    DEFAULT = "default"
    RULE = "rule"
    PERSON = "person"


def may_set(by: SetBy, held_by: SetBy) -> bool:
    """Tell whether `by` may replace a type, class or severity that `held_by` chose."""
    return by is SetBy.PERSON or held_by is not SetBy.PERSON


class CaseState(StrEnum):
    """States of a case; `solved` waits for the reopen window, `closed` is over."""

    OPEN = "open"
    SOLVED = "solved"
    CLOSED = "closed"


class CaseCause(StrEnum):
    """What moves a case."""

    SOLVED = "solved"
    REOPENED = "reopened"
    WINDOW_ENDED = "window_ended"
    DISCARDED = "discarded"  # spam


CASE_MOVES: Mapping[CaseCause, Mapping[CaseState, CaseState]] = MappingProxyType(
    {
        CaseCause.SOLVED: {CaseState.OPEN: CaseState.SOLVED},
        CaseCause.REOPENED: {CaseState.SOLVED: CaseState.OPEN},
        CaseCause.WINDOW_ENDED: {CaseState.SOLVED: CaseState.CLOSED},
        CaseCause.DISCARDED: {
            CaseState.OPEN: CaseState.CLOSED,
            CaseState.SOLVED: CaseState.CLOSED,
        },
    }
)
"""Every move there is; what is not listed is not possible."""


def next_case_state(state: CaseState, cause: CaseCause) -> CaseState | None:
    """Return the state after `cause`, None when that move is not possible."""
    return CASE_MOVES[cause].get(state)


def case_sources_of(cause: CaseCause) -> tuple[CaseState, ...]:
    """Return the states `cause` may act on, for a conditional UPDATE."""
    return tuple(CASE_MOVES[cause])


DEFAULT_REOPEN_S = 72 * 3600
"""The reopen window of a class that says nothing of its own."""


def reopen_until(
    resolved_at: datetime, case_class: str, windows_s: Mapping[str, int] | None = None
) -> datetime:
    """Return the end of the reopen window, that instant included.

    Args:
        resolved_at: when the conversation was resolved.
        case_class: dotted path in the catalogue of classes; empty when nobody chose one.
        windows_s: seconds by class. The longest matching path counts (`net.fibre` before `net`),
            then the entry with an empty name, then 72 h.
    """
    windows = windows_s or {}
    path = case_class
    while path and path not in windows:
        path = path.rpartition(".")[0]
    return resolved_at + timedelta(seconds=windows.get(path, DEFAULT_REOPEN_S))


def reopens(at: datetime, until: datetime | None) -> bool:
    """Tell whether a customer's message at `at` reopens what was resolved."""
    return until is not None and at <= until


@dataclass(frozen=True, slots=True)
class CaseBrief:
    """What `receive` needs to know of a case of a conversation.

    Attributes:
        opened_at: orders the cases of a conversation; the newest open one gets the message.
    """

    id: CaseId
    state: CaseState
    opened_at: datetime
    owner_agent_id: AgentId | None = None


def case_for_message(cases: tuple[CaseBrief, ...]) -> CaseBrief | None:
    """Return the case a customer's message belongs to: the newest open one, else the newest solved.

    A solved one is to be opened again (number and owner stay); None means: open a new case. The
    caller asks only after threading chose the conversation, so the reopen window holds already.
    """
    for state in (CaseState.OPEN, CaseState.SOLVED):
        found = [case for case in cases if case.state is state]
        if found:
            return max(found, key=lambda case: (case.opened_at, case.id))
    return None


def display_number(number: int) -> str:
    """Return the number as people read it out: `#10482`."""
    return f"#{number}"
