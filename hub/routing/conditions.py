"""Conditions of rules: the tree react-querybuilder writes, checked, compiled to closures.

Three-valued (Kleene): a condition over a missing value is *unknown*, and so is what depends on it;
only *true* matches. A type clash or unknown field is a mistake found when a rule set is saved,
never at run time. Limits: depth 8, 200 nodes a tree.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from hub.model.router_commands import Fact
from hub.routing.calendar import Calendar, parse_clock
from hub.routing.fields import (
    CHOICES,
    FIELDS,
    LIST_OPERATORS,
    OPERATORS,
    PAIR_OPERATORS,
    PRESENCE_OPERATORS,
    FieldType,
    operators_for,
)

MAX_DEPTH = 8
MAX_NODES = 200


class Atom(BaseModel):
    """One comparison: `{field, operator, value}`; `calendar` names the zone of `time.between`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str
    operator: str
    value: Any = None
    calendar: str | None = None
    id: str | None = None
    """The editor's own key; ignored."""


class Group(BaseModel):
    """`and` / `or` over conditions; `not: true` turns the whole group round."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    combinator: Literal["and", "or"] = "and"
    rules: tuple["Node", ...] = Field(min_length=1)
    negated: bool = Field(default=False, alias="not")
    id: str | None = None


def _node_tag(value: Any) -> str:
    """Tell a group from a comparison, so that a mistake is reported for the right one."""
    keys = value if isinstance(value, dict) else vars(value) if isinstance(value, Group) else ()
    return "group" if "rules" in keys or "combinator" in keys else "atom"


Node = Annotated[
    Annotated[Group, Tag("group")] | Annotated[Atom, Tag("atom")], Discriminator(_node_tag)
]
Group.model_rebuild()


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake of a rule set: where it stands, what it is, and facts for a sentence."""

    path: str
    code: str
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TracedAtom:
    """A comparison that was not true: `result` is `false` or `unknown`."""

    path: str
    field: str
    operator: str
    result: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What conditions are judged against: the facts, the instant and the calendars."""

    facts: Mapping[str, Fact]
    now: datetime
    calendars: Mapping[str, Calendar]


Verdict = bool | None
Compiled = Callable[[Scene, list[TracedAtom] | None], Verdict]


def atoms_of(when: Group | Literal["always"], path: str) -> Iterator[tuple[str, Atom]]:
    """Yield every comparison of a tree with its path."""
    if when == "always":
        return
    for number, child in enumerate(when.rules):
        child_path = f"{path}.rules[{number}]"
        if isinstance(child, Atom):
            yield child_path, child
        else:
            yield from atoms_of(child, child_path)


def check_when(
    when: Group | Literal["always"], path: str, calendars: Mapping[str, Calendar]
) -> list[Problem]:
    """Return the mistakes of one tree; empty when it may be compiled."""
    if when == "always":
        return []
    problems = [p for at, atom in atoms_of(when, path) for p in check_atom(atom, at, calendars)]
    depth, nodes = _measure(when)
    if depth > MAX_DEPTH:
        problems.append(Problem(path, "too_deep", (("limit", str(MAX_DEPTH)),)))
    if nodes > MAX_NODES:
        problems.append(Problem(path, "too_many_conditions", (("limit", str(MAX_NODES)),)))
    return problems


def check_atom(atom: Atom, path: str, calendars: Mapping[str, Calendar]) -> list[Problem]:
    """Return the mistakes of one comparison."""
    kind = FIELDS.get(atom.field)
    if kind is None:
        return [Problem(f"{path}.field", "unknown_field", (("field", atom.field),))]
    if atom.operator not in operators_for(kind):
        params = (("operator", atom.operator), ("allowed", " ".join(operators_for(kind))))
        return [Problem(f"{path}.operator", "unknown_operator", params)]
    if atom.operator in PRESENCE_OPERATORS:
        return []
    if kind is FieldType.CALENDAR and atom.value not in {*calendars, "always"}:
        return [Problem(f"{path}.value", "unknown_calendar", (("calendar", str(atom.value)),))]
    if kind is FieldType.CLOCK and atom.calendar not in {*calendars, "always"}:
        return [
            Problem(f"{path}.calendar", "unknown_calendar", (("calendar", str(atom.calendar)),))
        ]
    return [
        Problem(f"{path}.value{place}", code, (("expected", expected),))
        for place, code, expected in _check_value(atom, kind)
    ]


def _check_value(atom: Atom, kind: FieldType) -> Iterator[tuple[str, str, str]]:
    """Yield (place, code, expected) for values of the wrong shape or type."""
    values: Sequence[Any] = (atom.value,)
    listed = atom.operator in LIST_OPERATORS or atom.operator in PAIR_OPERATORS
    if listed:
        if not isinstance(atom.value, list | tuple) or not atom.value:
            yield "", "wrong_type", "list"
            return
        values = atom.value
        if atom.operator in PAIR_OPERATORS and len(values) != 2:
            yield "", "wrong_length", "2"
            return
    for number, value in enumerate(values):
        place = f"[{number}]" if listed else ""
        if not _has_type(value, kind):
            yield place, "wrong_type", kind.value
        elif kind is FieldType.CHOICE and value not in CHOICES[atom.field]:
            yield place, "unknown_choice", " ".join(CHOICES[atom.field])
    if atom.operator == "between" and kind is FieldType.NUMBER and len(values) == 2:
        low, high = values
        if _has_type(low, kind) and _has_type(high, kind) and low > high:
            yield "", "empty_range", "low <= high"


def _has_type(value: Any, kind: FieldType) -> bool:
    if kind is FieldType.NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is FieldType.BOOLEAN:
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if kind is FieldType.CLOCK:
        try:
            parse_clock(value)
        except ValueError:
            return False
    return True


def _measure(group: Group) -> tuple[int, int]:
    depth, nodes = 1, 1
    for child in group.rules:
        if isinstance(child, Group):
            below, count = _measure(child)
            depth, nodes = max(depth, below + 1), nodes + count
        else:
            nodes += 1
    return depth, nodes


def compile_when(when: Group | Literal["always"], path: str) -> Compiled:
    """Compile a tree that `check_when` found right. The closure traces what was not true."""
    if when == "always":
        return lambda scene, trace: True
    parts = [
        _compile_atom(child, f"{path}.rules[{n}]")
        if isinstance(child, Atom)
        else compile_when(child, f"{path}.rules[{n}]")
        for n, child in enumerate(when.rules)
    ]
    joined = _all_of(parts) if when.combinator == "and" else _any_of(parts)
    if not when.negated:
        return joined

    def turned(scene: Scene, trace: list[TracedAtom] | None) -> Verdict:
        verdict = joined(scene, trace)
        return None if verdict is None else not verdict

    return turned


def _all_of(parts: Sequence[Compiled]) -> Compiled:
    def verdict(scene: Scene, trace: list[TracedAtom] | None) -> Verdict:
        result: Verdict = True
        for part in parts:
            answer = part(scene, trace)
            if answer is False:
                return False
            if answer is None:
                result = None
        return result

    return verdict


def _any_of(parts: Sequence[Compiled]) -> Compiled:
    def verdict(scene: Scene, trace: list[TracedAtom] | None) -> Verdict:
        result: Verdict = False
        for part in parts:
            answer = part(scene, trace)
            if answer is True:
                return True
            if answer is None:
                result = None
        return result

    return verdict


def _compile_atom(atom: Atom, path: str) -> Compiled:
    kind = FIELDS[atom.field]
    read = _reader(atom, kind)
    if atom.operator in PRESENCE_OPERATORS:
        wanted = atom.operator == "notNull"
        return lambda scene, trace: (scene.facts.get(atom.field) is not None) is wanted
    compare = OPERATORS[kind][atom.operator]

    def verdict(scene: Scene, trace: list[TracedAtom] | None) -> Verdict:
        actual = read(scene)
        answer = None if actual is None else compare(actual, atom.value)
        if answer is not True and trace is not None:
            result = "unknown" if answer is None else "false"
            trace.append(TracedAtom(path, atom.field, atom.operator, result))
        return answer

    return verdict


def _reader(atom: Atom, kind: FieldType) -> Callable[[Scene], Any]:
    """Return what fetches the actual value; a fact of the wrong type counts as missing."""
    if kind is FieldType.CALENDAR:
        return lambda scene: (
            None if (cal := scene.calendars.get(atom.value)) is None else cal.is_open(scene.now)
        )
    if kind is FieldType.CLOCK:
        low, high = (parse_clock(text) for text in atom.value)
        return lambda scene: _in_clock(scene, atom.calendar or "always", low, high)

    def read(scene: Scene) -> Any:
        value = scene.facts.get(atom.field)
        if kind is FieldType.TAGS:
            return value if isinstance(value, tuple | list | frozenset) else None
        return value if value is not None and _has_type(value, kind) else None

    return read


def _in_clock(scene: Scene, calendar: str, low: int, high: int) -> bool | None:
    """Tell whether local time lies in [low, high); a range over midnight when low > high."""
    found = scene.calendars.get(calendar)
    if found is None:
        return None
    local = found.local(scene.now)
    minutes = local.hour * 60 + local.minute
    if low <= high:
        return low <= minutes < high
    return minutes >= low or minutes < high
