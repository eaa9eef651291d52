"""Which fields rules may speak of, of which type they are, and which operators a type has.

One table for validation, evaluation, the rules screen and the documentation. A field's value may be
missing at run time; conditions are then unknown (see `conditions`).
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from hub.model.work import ItemKind, WorkClass


class FieldType(StrEnum):
    """Types of rule fields."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    TAGS = "tags"
    CALENDAR = "calendar"
    CLOCK = "clock"


CASE_TYPES = ("enquiry", "query", "transaction", "fault", "complaint", "suggestion", "praise")

FIELDS: Mapping[str, FieldType] = MappingProxyType(
    {
        "case.type": FieldType.CHOICE,
        "case.class": FieldType.TEXT,
        "case.severity": FieldType.NUMBER,
        "case.repeat_24h": FieldType.BOOLEAN,
        "case.reopens": FieldType.NUMBER,
        "case.has_owner": FieldType.BOOLEAN,
        "item.kind": FieldType.CHOICE,
        "item.work_class": FieldType.CHOICE,
        "item.transfers": FieldType.NUMBER,
        "item.reopened": FieldType.BOOLEAN,
        "customer.level": FieldType.TEXT,
        "customer.group": FieldType.TEXT,
        "customer.language": FieldType.TEXT,
        "customer.known": FieldType.BOOLEAN,
        "customer.tags": FieldType.TAGS,
        "conversation.subject": FieldType.TEXT,
        "conversation.tags": FieldType.TAGS,
        "conversation.messages": FieldType.NUMBER,
        "message.text": FieldType.TEXT,
        "message.language": FieldType.TEXT,
        "message.asks_for_person": FieldType.BOOLEAN,
        "message.has_attachment": FieldType.BOOLEAN,
        "message.address": FieldType.TEXT,
        "channel.kind": FieldType.TEXT,
        "channel.id": FieldType.TEXT,
        "queue.stats.waiting": FieldType.NUMBER,
        "queue.stats.oldest_s": FieldType.NUMBER,
        "queue.stats.staffed": FieldType.NUMBER,
        "time.open": FieldType.CALENDAR,
        "time.between": FieldType.CLOCK,
    }
)

CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "case.type": CASE_TYPES,
        "item.kind": tuple(ItemKind),
        "item.work_class": tuple(WorkClass),
    }
)


def _fold(value: str) -> str:
    return value.casefold()


def _between(actual: Any, wanted: Any) -> bool:
    return bool(wanted[0] <= actual <= wanted[1])


# Each takes the field's present value and the rule's value, both already of the right type.
OPERATORS: Mapping[FieldType, Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        FieldType.TEXT: MappingProxyType(
            {
                "=": lambda a, b: _fold(a) == _fold(b),
                "!=": lambda a, b: _fold(a) != _fold(b),
                "contains": lambda a, b: _fold(b) in _fold(a),
                "doesNotContain": lambda a, b: _fold(b) not in _fold(a),
                "beginsWith": lambda a, b: _fold(a).startswith(_fold(b)),
                "endsWith": lambda a, b: _fold(a).endswith(_fold(b)),
                "in": lambda a, b: _fold(a) in {_fold(x) for x in b},
                "notIn": lambda a, b: _fold(a) not in {_fold(x) for x in b},
            }
        ),
        FieldType.NUMBER: MappingProxyType(
            {
                "=": lambda a, b: a == b,
                "!=": lambda a, b: a != b,
                "<": lambda a, b: a < b,
                "<=": lambda a, b: a <= b,
                ">": lambda a, b: a > b,
                ">=": lambda a, b: a >= b,
                "between": _between,
                "in": lambda a, b: a in b,
                "notIn": lambda a, b: a not in b,
            }
        ),
        FieldType.BOOLEAN: MappingProxyType({"=": lambda a, b: a == b, "!=": lambda a, b: a != b}),
        FieldType.CHOICE: MappingProxyType(
            {
                "=": lambda a, b: a == b,
                "!=": lambda a, b: a != b,
                "in": lambda a, b: a in b,
                "notIn": lambda a, b: a not in b,
            }
        ),
        FieldType.TAGS: MappingProxyType(
            {
                "contains": lambda a, b: _fold(b) in {_fold(x) for x in a},
                "doesNotContain": lambda a, b: _fold(b) not in {_fold(x) for x in a},
            }
        ),
        # The value names a calendar, or two times of day; `conditions` supplies the answer.
        FieldType.CALENDAR: MappingProxyType(
            {"=": lambda a, b: a is True, "!=": lambda a, b: a is not True}
        ),
        FieldType.CLOCK: MappingProxyType({"between": lambda a, b: a is True}),
    }
)

LIST_OPERATORS = frozenset({"in", "notIn"})
PAIR_OPERATORS = frozenset({"between"})
# What react-querybuilder also offers for a value's presence; never unknown.
PRESENCE_OPERATORS = frozenset({"null", "notNull"})


def operators_for(kind: FieldType) -> tuple[str, ...]:
    """Return the operators a field of this type has, in the order of the table."""
    present = () if kind in (FieldType.CALENDAR, FieldType.CLOCK) else ("null", "notNull")
    return (*OPERATORS[kind], *present)
