"""Rows in and out: whole-row inserts with the model's defaults, and rows as dictionaries."""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import orjson
from pydantic_core import PydanticUndefined
from sqlalchemy import Table, insert, text
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase
from sqlmodel import SQLModel

from hub.store.engine import Tx
from hub.store.statement import Stmt, stmt
from hub.store.tables import table

Row = dict[str, Any]


@cache
def _insert(model: type[SQLModel]) -> tuple[Stmt, Mapping[str, Any]]:
    """Return the INSERT of all columns of a model and the defaults it declares."""
    names = [c.name for c in table(model).columns]
    defaults: dict[str, Any] = {}
    for name in names:
        field = model.model_fields[name]
        if field.default is not PydanticUndefined:
            defaults[name] = field.default
    return stmt(insert(table(model)), name=f"insert.{model.__tablename__}"), defaults


def insert_row(tx: Tx, model: type[SQLModel], **values: Any) -> None:
    """Insert one row; columns not named take the model's default.

    Raises:
        KeyError: a column without default is missing, or a name is no column.
    """
    statement, defaults = _insert(model)
    row = {**defaults, **values}
    if len(row) != len(table(model).columns):
        wrong = row.keys() ^ {c.name for c in table(model).columns}
        raise KeyError(f"{model.__tablename__}: {', '.join(sorted(wrong))}")
    tx.execute(statement, row)


def upsert(
    target: Table,
    *,
    keys: tuple[str, ...],
    update: tuple[str, ...],
    add: tuple[str, ...] = (),
    fixed: Mapping[str, str] | None = None,
    name: str,
) -> Stmt:
    """Return INSERT … ON CONFLICT (keys) DO UPDATE; `add` columns are added up.

    `fixed` columns get the same text in every new row and are left as they are in an old one. With
    neither `update` nor `add` an existing row is left as it is. Parameters are named after
    the columns in `keys`, `update` and `add`. Both databases take the same text.
    """
    columns = (*keys, *update, *add)
    sets = [f'"{c}" = excluded."{c}"' for c in update]
    sets += [f'"{c}" = "{target.name}"."{c}" + excluded."{c}"' for c in add]
    action = f"DO UPDATE SET {', '.join(sets)}" if sets else "DO NOTHING"
    constants = dict(fixed or {})
    names = ", ".join(f'"{c}"' for c in (*columns, *constants))
    places = ", ".join((*(f":{c}" for c in columns), *(f"'{v}'" for v in constants.values())))
    conflict = ", ".join(f'"{c}"' for c in keys)
    # Only our own table and column names are put in; values are parameters.
    into = f'INSERT INTO "{target.name}" ({names})'
    sql = " ".join((into, f"VALUES ({places})", f"ON CONFLICT ({conflict})", action))
    return stmt(text(sql), name=name)


@cache
def names_of(statement: Stmt) -> tuple[str, ...]:
    """Return the result columns' names of a SELECT or of a statement with RETURNING."""
    core = statement.core
    if isinstance(core, UpdateBase):
        return tuple(str(d["name"]) for d in core.returning_column_descriptions)
    if isinstance(core, SelectBase):
        return tuple(core.selected_columns.keys())
    raise TypeError(f"{statement.name} names no columns")


def dicts(tx: Tx, statement: Stmt, params: Mapping[str, Any] | None = None) -> list[Row]:
    """Run a SELECT and return its rows as dictionaries by column name."""
    names = names_of(statement)
    return [dict(zip(names, row, strict=True)) for row in tx.run(statement, dict(params or {}))]


def one_dict(tx: Tx, statement: Stmt, params: Mapping[str, Any] | None = None) -> Row | None:
    """Run a SELECT and return its first row as a dictionary, or None."""
    row = tx.one(statement, dict(params or {}))
    return None if row is None else dict(zip(names_of(statement), row, strict=True))


def dump(value: Any) -> str:
    """Return JSON text for a column."""
    return orjson.dumps(value).decode()


def load(text: str | None) -> Any:
    """Read a JSON column; an empty one is None."""
    return orjson.loads(text) if text else None


def load_map(text: str | None) -> dict[str, Any]:
    """Read a JSON column that holds an object."""
    value = load(text)
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def load_list(text: str | None) -> list[Any]:
    """Read a JSON column that holds an array."""
    value = load(text)
    return value if isinstance(value, list) else []
