"""Capacity: how much each class of work takes of an agent, and what still fits.

An agent has a budget of 100 units. "A interrupts B" means that work of class B does not stand in
the way of A: while units do not suffice for all, B's count as 0 (`interrupted`). Whether something
fits is judged with B's full units for every class that does not interrupt B, so that interrupted
work can always be taken up again among its own kind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from hub.model.work import WorkClass

VOICE_GROUP = "voice"
TEXT_GROUP = "text"


@dataclass(frozen=True, slots=True)
class ClassRule:
    """Defaults of one work class; seconds and units. `idle_after_s` None: never shrinks.

    Attributes:
        units, idle_units: of the agent's 100, while active and while only we have spoken.
        cap: pieces at once. Idle pieces that hold no units do not count.
        misses: so many unanswered offers in a row make the agent `not_responding`.
        owner_wait_s: how long a returning customer's item waits for a busy owner.
    """

    units: int
    idle_units: int
    cap: int
    interrupts: frozenset[WorkClass]
    wrapup_s: float
    idle_after_s: float | None
    offer_ttl_s: float
    auto_accept: bool
    look_within_s: float | None
    misses: int
    owner_wait_s: float
    group: str


_TEXT = frozenset({WorkClass.EMAIL, WorkClass.MESSAGING, WorkClass.SMS})
_NONE: frozenset[WorkClass] = frozenset()

# units idle cap interrupts wrapup idle_after ttl auto look misses owner_wait group
DEFAULTS: Mapping[WorkClass, ClassRule] = MappingProxyType(
    {
        WorkClass.VOICE: ClassRule(
            100, 100, 1, _TEXT, 30, None, 20, False, None, 1, 0, VOICE_GROUP
        ),
        WorkClass.CALLBACK: ClassRule(
            100, 100, 1, _TEXT, 30, None, 20, False, None, 1, 0, VOICE_GROUP
        ),
        WorkClass.WEBCHAT: ClassRule(
            30, 10, 3, frozenset({WorkClass.EMAIL}), 0, 180, 30, False, None, 2, 15, TEXT_GROUP
        ),
        WorkClass.MESSAGING: ClassRule(
            20, 0, 5, _NONE, 0, 900, 120, True, 300, 2, 1800, TEXT_GROUP
        ),
        WorkClass.SMS: ClassRule(20, 0, 5, _NONE, 0, 900, 120, True, 300, 2, 1800, TEXT_GROUP),
        WorkClass.EMAIL: ClassRule(25, 0, 2, _NONE, 0, 900, 300, True, 1800, 2, 1800, TEXT_GROUP),
        WorkClass.TASK: ClassRule(5, 0, 20, _NONE, 0, None, 300, False, None, 2, 0, TEXT_GROUP),
        WorkClass.FOLLOWUP: ClassRule(20, 0, 1, _NONE, 0, None, 120, False, None, 2, 0, TEXT_GROUP),
    }
)
"""routing.md 2.1, 2.3, 2.7 and 2.8 as data."""

CapacityTable = Mapping[WorkClass, ClassRule]


def with_overrides(
    overrides: Mapping[WorkClass, Mapping[str, object]], table: CapacityTable = DEFAULTS
) -> CapacityTable:
    """Return the table with an installation's own values put in.

    Raises:
        TypeError: an unknown field name.
    """
    return MappingProxyType(
        {cls: replace(rule, **overrides.get(cls, {})) for cls, rule in table.items()}  # type: ignore[arg-type]
    )


@dataclass(frozen=True, slots=True)
class Holding:
    """Units one live offer or assignment holds. `counts`: it uses a place of its class's cap."""

    work_class: WorkClass
    units: int
    counts: bool = True


class Book:
    """What one agent holds, kept as sums per class so that a check is O(number of classes)."""

    __slots__ = ("capacity", "counts", "table", "units")

    def __init__(self, capacity: int, table: CapacityTable = DEFAULTS) -> None:
        self.capacity = capacity
        self.table = table
        self.units: dict[WorkClass, int] = {}
        self.counts: dict[WorkClass, int] = {}

    def add(self, holding: Holding) -> None:
        """Enter a holding."""
        self.units[holding.work_class] = self.units.get(holding.work_class, 0) + holding.units
        if holding.counts:
            self.counts[holding.work_class] = self.counts.get(holding.work_class, 0) + 1

    def remove(self, holding: Holding) -> None:
        """Take a holding out again; it must be one that was added."""
        self.units[holding.work_class] -= holding.units
        if holding.counts:
            self.counts[holding.work_class] -= 1

    def standing_against(self, work_class: WorkClass) -> int:
        """Return the units that stand in the way of one more piece of `work_class`."""
        interrupts = self.table[work_class].interrupts
        total = 0
        for cls, units in self.units.items():
            if units and cls not in interrupts:
                total += units
        return total

    def fits(self, work_class: WorkClass, units: int, cap: int) -> bool:
        """Tell whether one more piece of the class fits in units and under its cap."""
        if self.counts.get(work_class, 0) >= cap:
            return False
        return self.standing_against(work_class) + units <= self.capacity

    def interrupted_classes(self) -> frozenset[WorkClass]:
        """Return the classes whose work stands still because interrupting work needs the units."""
        if sum(self.units.values()) <= self.capacity:
            return _NONE
        held = [cls for cls, count in self.counts.items() if count]
        return frozenset(b for a in held for b in self.table[a].interrupts if self.units.get(b))

    def used(self) -> int:
        """Return effective units: interrupted work counts 0."""
        stopped = self.interrupted_classes()
        return sum(units for cls, units in self.units.items() if cls not in stopped)

    def over(self) -> bool:
        """Tell whether effective units exceed the budget."""
        return self.used() > self.capacity


def book_of(holdings: Iterable[Holding], capacity: int, table: CapacityTable = DEFAULTS) -> Book:
    """Return a book with all of `holdings` entered."""
    book = Book(capacity, table)
    for holding in holdings:
        book.add(holding)
    return book
