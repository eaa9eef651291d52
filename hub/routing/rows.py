"""Changed copies of work items, made many times in every step.

`dataclasses.replace` asks each of some fifty fields by name; here they are read in one go. Which
fields decide an item's place among those that wait is named here too, so that others may change
without the index being touched.
"""

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

from hub.model.work import WorkItem

_NAMES = tuple(field.name for field in fields(WorkItem))
_NUMBER = {name: number for number, name in enumerate(_NAMES)}
_VALUES = attrgetter(*_NAMES)

_PLACING = attrgetter(
    "state", "queue_id", "owner_wait_until", "owner_agent_id", "step_no", "plan", "min_tier",
    "req_skills", "work_class", "severity", "customer_level", "fault_notice", "head_boost",
    "priority_return", "target_s", "vstart", "created_at", "follow_up_at",
)  # fmt: skip


def changed(item: WorkItem, changes: Mapping[str, Any]) -> WorkItem:
    """Return the item with these fields replaced.

    Raises:
        KeyError: a field there is not.
    """
    values = list(_VALUES(item))
    for name, value in changes.items():
        values[_NUMBER[name]] = value
    return WorkItem(*values)


def same_place(old: WorkItem, new: WorkItem) -> bool:
    """Tell whether nothing changed that decides where and in which order the item waits."""
    return bool(_PLACING(old) == _PLACING(new))
