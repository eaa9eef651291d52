"""The few column types the hub uses, the same on SQLite and PostgreSQL.

Hot units read rows as tuples straight from the driver, so nothing may need result processing:
instants are whole microseconds since 1970 UTC (BIGINT), JSON is text, ids are 36 characters.
Every string column says its length, because Alembic does not see a length appear later.
"""

from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Table, Text
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING


def key(**more: Any) -> Any:
    """A primary key: one of our ids."""
    return Field(primary_key=True, max_length=36, **more)


def ref(target: str | None = None, **more: Any) -> Any:
    """The id of another row; `target` makes it a foreign key (no cascades, ever)."""
    if target is not None:
        more["foreign_key"] = target
    return Field(max_length=36, **more)


def maybe_ref(target: str | None = None, **more: Any) -> Any:
    """The id of another row, or nothing."""
    if target is not None:
        more["foreign_key"] = target
    return Field(default=None, max_length=36, nullable=True, **more)


def at(**more: Any) -> Any:
    """An instant in microseconds UTC."""
    return Field(sa_type=BigInteger, **more)


def maybe_at(**more: Any) -> Any:
    """An instant in microseconds UTC, or nothing."""
    return Field(default=None, sa_type=BigInteger, nullable=True, **more)


def word(length: int = 40, **more: Any) -> Any:
    """A short text from a closed vocabulary or a name."""
    return Field(max_length=length, **more)


def maybe_word(length: int = 40, **more: Any) -> Any:
    """A short text, or nothing."""
    return Field(default=None, max_length=length, nullable=True, **more)


def long_text(**more: Any) -> Any:
    """Text without a limit of the column's own."""
    return Field(sa_type=Text, **more)


def json_text(default: str = "{}", **more: Any) -> Any:
    """JSON as text, made and read by orjson."""
    return Field(default=default, sa_type=Text, **more)


def blob(**more: Any) -> Any:
    """Bytes (encrypted values)."""
    return Field(sa_type=LargeBinary, **more)


def table(model: type[SQLModel]) -> Table:
    """Return the Core table of a SQLModel class, for statements."""
    return model.metadata.tables[str(model.__tablename__)]
