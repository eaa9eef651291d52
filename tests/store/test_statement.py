"""Compiled statements: what is given, what is filled in, what is refused."""

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    insert,
    select,
    text,
    update,
)  # fmt: skip
from sqlalchemy.schema import CreateTable

from hub.store.statement import DialectName, stmt

THING = Table(
    "thing",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(20)),
    Column("state", String(20), default="new"),
)
BOTH = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])


@BOTH
def test_literals_travel_with_the_statement(dialect: DialectName):
    found = stmt(select(THING.c.id).where(THING.c.state == "new", THING.c.name == bindparam("n")))
    sql, values = found.bound(dialect, {"n": "x"})
    assert sorted(values.values()) == ["new", "x"]
    assert "new" not in sql


@BOTH
def test_an_insert_fills_in_constant_defaults_and_returns_nothing(dialect: DialectName):
    sql, values = stmt(insert(THING).values(name=bindparam("name"))).bound(dialect, {"name": "x"})
    assert dict(values) == {"name": "x", "state": "new"}
    assert "RETURNING" not in sql


@BOTH
def test_defaults_that_would_have_to_be_called_are_refused(dialect: DialectName):
    other = Table("other", MetaData(), Column("id", Integer), Column("x", Integer, default=id))
    with pytest.raises(TypeError, match="x"):
        stmt(insert(other).values(id=bindparam("id")), name="other.add").bound(dialect, {"id": 1})
    stmt(insert(other).values(id=bindparam("id"), x=bindparam("x"))).bound(dialect, {"id": 1})


@BOTH
def test_lists_share_texts_by_the_power_of_two(dialect: DialectName):
    found = stmt(select(THING.c.id).where(THING.c.id.in_(bindparam("ids", expanding=True))))
    texts = {n: found.bound(dialect, {"ids": list(range(n))})[0] for n in range(10)}
    assert len({texts[n] for n in (5, 6, 7, 8)}) == 1
    assert len(set(texts.values())) == 6  # 0, 1, 2, 4, 8, 16
    _, values = found.bound(dialect, {"ids": [7, 8, 9]})
    assert sorted(v for v in values.values() if v is not None) == [7, 8, 9, 9]
    with pytest.raises(ValueError, match="ids"):
        found.bound(dialect, {"ids": list(range(5_000))})


@BOTH
def test_a_percent_sign_is_not_a_parameter(dialect: DialectName):
    sql, _ = stmt(select(THING.c.id).where(THING.c.name.like(text("'50%'")))).bound(dialect, {})
    assert ("50%%" in sql) == (dialect == "postgresql")


def test_what_is_no_statement_is_refused():
    with pytest.raises(TypeError):
        stmt(CreateTable(THING), name="table").bound("sqlite", {})
    assert "thing.touch" in repr(stmt(update(THING), name="thing.touch"))
