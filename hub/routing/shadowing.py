"""Which rules can never match: contradictory ones, and ones an earlier rule always wins over.

Decided exactly for comparisons whose truth depends on the order or identity of values (=, !=, in,
<, between …) by trying every constant that is named, the gaps between and one value nobody names.
Other comparisons (contains …) count as the same only when written the same. What is not decided is
taken as reachable: a refusal is always right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, Literal

from hub.routing.conditions import Atom, Group, Problem
from hub.routing.fields import CHOICES, FIELDS, OPERATORS, FieldType
from hub.routing.rule_schema import RuleSpec

_MAX_TERMS = 64
_DECIDABLE = frozenset({"=", "!=", "in", "notIn", "<", "<=", ">", ">=", "between"})
_OPPOSITE = {
    "=": "!=", "!=": "=", "in": "notIn", "notIn": "in", "<": ">=", ">=": "<", "<=": ">",
    ">": "<=", "contains": "doesNotContain", "doesNotContain": "contains", "null": "notNull",
    "notNull": "null",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Literal:
    """One comparison, or its opposite where no operator says that (`between`)."""

    field: str
    operator: str
    value: Any
    extra: str | None = None
    denied: bool = False

    def decidable(self) -> bool:
        kind = FIELDS[self.field.partition("#")[0]]
        return self.operator in _DECIDABLE and kind not in (FieldType.CALENDAR, FieldType.CLOCK)

    def admits(self, candidate: Any) -> bool:
        kind = FIELDS[self.field.partition("#")[0]]
        return OPERATORS[kind][self.operator](candidate, self.value) is not self.denied


_Term = tuple[_Literal, ...]


def check_reachable(rules: Sequence[RuleSpec]) -> list[Problem]:
    """Return a problem per rule that can never match, naming the rule that shadows it."""
    problems: list[Problem] = []
    winners: list[tuple[str, list[_Term]]] = []
    epoch = 0
    for number, rule in enumerate(rules):
        terms = _terms(rule.when, epoch)
        path = f"rules[{number}].when"
        if terms is not None:
            possible = [term for term in terms if _satisfiable(term)]
            if not possible:
                problems.append(Problem(path, "never_true", (("rule", rule.id),)))
            shadow = next((name for name, won in winners if _implies(possible, won)), None)
            if possible and shadow is not None:
                params = (("rule", rule.id), ("by", shadow))
                problems.append(Problem(path, "shadowed", params))
            if not rule.go_on and possible:
                winners.append((rule.id, possible))
        if rule.set is not None and rule.set.severity is not None:
            # From here on case.severity may be another value than the earlier rules saw.
            epoch += 1
    return problems


def _terms(when: Group | Literal["always"], epoch: int) -> list[_Term] | None:
    """Return the disjunctive normal form, or None when it is too large to judge."""
    if when == "always":
        return [()]
    try:
        return _expand(when, epoch, denied=False)
    except OverflowError:
        return None


def _expand(node: Group | Atom, epoch: int, *, denied: bool) -> list[_Term]:
    if isinstance(node, Atom):
        return [(_literal(node, epoch, denied=denied),)]
    denied ^= node.negated
    parts = [_expand(child, epoch, denied=denied) for child in node.rules]
    if (node.combinator == "or") is not denied:
        terms = [term for part in parts for term in part]
    else:
        count = 1
        for part in parts:
            count *= len(part)
        if count > _MAX_TERMS:
            raise OverflowError
        terms = [tuple(x for term in choice for x in term) for choice in product(*parts)]
    if len(terms) > _MAX_TERMS:
        raise OverflowError
    return terms


def _literal(atom: Atom, epoch: int, *, denied: bool) -> _Literal:
    field = f"{atom.field}#{epoch}" if atom.field == "case.severity" else atom.field
    value = tuple(atom.value) if isinstance(atom.value, list) else atom.value
    if denied and atom.operator in _OPPOSITE:
        return _Literal(field, _OPPOSITE[atom.operator], value, atom.calendar)
    return _Literal(field, atom.operator, value, atom.calendar, denied)


def _candidates(literals: Sequence[_Literal]) -> list[Any]:
    """Return values among which every difference between these comparisons shows."""
    field = literals[0].field.partition("#")[0]
    kind = FIELDS[field]
    if kind is FieldType.BOOLEAN:
        return [True, False]
    if kind is FieldType.CHOICE:
        return list(CHOICES[field])
    named: set[Any] = set()
    for literal in literals:
        named |= set(literal.value) if isinstance(literal.value, tuple) else {literal.value}
    if kind is FieldType.NUMBER:
        points = sorted(named)
        between = [(a + b) / 2 for a, b in pairwise(points)]
        return [points[0] - 1, *points, *between, points[-1] + 1]
    return [*named, "\x00" + "".join(sorted(named))]


def _satisfiable(term: _Term) -> bool:
    for field in {literal.field for literal in term}:
        own = [x for x in term if x.field == field and x.decidable()]
        if own and not any(all(x.admits(c) for x in own) for c in _candidates(own)):
            return False
    opaque = {x for x in term if not x.decidable()}
    return not any(
        x.operator in _OPPOSITE
        and _Literal(x.field, _OPPOSITE[x.operator], x.value, x.extra) in opaque
        for x in opaque
    )


def _implies(terms: Sequence[_Term], won: Sequence[_Term]) -> bool:
    """Tell whether each of `terms` lies inside one of the terms that already won."""
    return all(any(_inside(term, other) for other in won) for term in terms)


def _inside(term: _Term, other: _Term) -> bool:
    return all(_holds_in(term, literal) for literal in other)


def _holds_in(term: _Term, wanted: _Literal) -> bool:
    if wanted in term:
        return True
    if not wanted.decidable():
        return False
    own = [x for x in term if x.field == wanted.field and x.decidable()]
    if not own:
        return False
    tried = _candidates([*own, wanted])
    return all(wanted.admits(c) for c in tried if all(x.admits(c) for x in own))
