"""Compiled statements: SQLAlchemy Core written once, run on a bare DBAPI cursor.

A `Stmt` is compiled once per dialect at its first use and then costs a dictionary look-up, which is
five times faster than running it through a SQLAlchemy connection (libraries.md). Parameters and
result columns are plain Python values (str, int, bool, bytes, None): nothing is converted on the
way, except that SQLite gives 0 and 1 where PostgreSQL gives False and True.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from sqlalchemy.dialects.postgresql import psycopg as _psycopg
from sqlalchemy.dialects.sqlite import pysqlite as _pysqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.sql.elements import ClauseElement
from typing_extensions import override

DialectName: TypeAlias = Literal["sqlite", "postgresql"]
Value: TypeAlias = str | int | float | bool | bytes | None
Params: TypeAlias = Mapping[str, Value | Sequence[Value]]

_MAX_IN = 4096
_DIALECTS: Mapping[DialectName, Any] = {
    "sqlite": _pysqlite.dialect(paramstyle="named"),
    "postgresql": _psycopg.dialect(),  # type: ignore[no-untyped-call]
}


class _Compiled:
    """One statement in one dialect: its text, its own literals, its lists."""

    __slots__ = ("_by_sizes", "_compiler", "defaults", "lists", "text")

    def __init__(self, core: ClauseElement, dialect: DialectName, name: str) -> None:
        if isinstance(core, Insert) and not core._returning:
            core = core.inline()  # or PostgreSQL would get an implicit RETURNING
        compiler = core.compile(dialect=_DIALECTS[dialect])
        if not isinstance(compiler, SQLCompiler):
            raise TypeError(f"{name or core!r} is not a statement")
        self._compiler = compiler
        self.text: str = compiler.string
        # By their names in the text: lists written into the statement itself have no key of ours.
        # A list named twice is one list.
        found = (name for bind, name in compiler.bind_names.items() if bind.expanding)
        self.lists = tuple(dict.fromkeys(found))
        self.defaults: dict[str, Any] = {
            key: value for key, value in compiler.params.items() if value is not None
        }
        if isinstance(core, UpdateBase):
            for column in (*compiler.insert_prefetch, *compiler.update_prefetch):
                default = column.default if isinstance(core, Insert) else column.onupdate
                if default is None or not default.is_scalar:
                    raise TypeError(f"{name}: give {column.name}; nobody calls Python defaults")
                self.defaults[column.key] = default.arg  # type: ignore[attr-defined]
        self._by_sizes: dict[tuple[int, ...], tuple[str, dict[str, list[str]]]] = {}

    def expand(self, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the text and values with every list written out.

        Lists are padded to the next power of two with their last element, so that a handful of
        texts serves every length and the database can keep its prepared statements.
        """
        values = dict(params)
        padded: dict[str, list[Any]] = {}
        for key in self.lists:
            items = list(values.pop(key))
            if len(items) > _MAX_IN:
                raise ValueError(f"{key}: a list of {len(items)} is too long for one statement")
            size = 1 << (len(items) - 1).bit_length() if items else 0
            padded[key] = items + items[-1:] * (size - len(items))
        sizes = tuple(len(padded[key]) for key in self.lists)
        known = self._by_sizes.get(sizes)
        if known is None:
            state = self._compiler.construct_expanded_state({**params, **padded})
            known = (state.statement, {k: list(v) for k, v in state.parameter_expansion.items()})
            self._by_sizes[sizes] = known
        text, names = known
        for key, items in padded.items():
            values.update(zip(names[key], items, strict=True))
        return text, values


class Stmt:
    """One statement. Make it with `stmt` at import, run it with a `Tx`."""

    __slots__ = ("_compiled", "core", "name")

    def __init__(self, core: ClauseElement, name: str = "") -> None:
        self.core = core
        self.name = name
        self._compiled: dict[DialectName, _Compiled] = {}

    def bound(self, dialect: DialectName, params: Params) -> tuple[str, Mapping[str, Any]]:
        """Return SQL text and its values for one dialect."""
        compiled = self._compiled.get(dialect)
        if compiled is None:
            # Two threads may both compile: the results are equal, the last one stays.
            compiled = _Compiled(self.core, dialect, self.name)
            self._compiled[dialect] = compiled
        values: Mapping[str, Any] = params
        if compiled.defaults:
            values = {**compiled.defaults, **params}
        if compiled.lists:
            return compiled.expand(values)
        return compiled.text, values

    @override
    def __repr__(self) -> str:
        return f"<Stmt {self.name or str(self.core)[:60]!r}>"


def stmt(core: ClauseElement, name: str = "") -> Stmt:
    """Make a statement of a Core expression over the tables.

    Lists for IN are `bindparam("ids", expanding=True)`; an empty list matches nothing. Columns that
    an INSERT does not name get their database default or NULL. LIMIT takes `bindparam("limit")`.

    Args:
        core: select, insert, update, delete or `text(...)`.
        name: for logs and error messages.
    """
    return Stmt(core, name)
