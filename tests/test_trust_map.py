"""docs/trust.md names tests: every one exists, every fault and attack has its row."""

import ast
import re
from functools import cache

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| fault", "| attack", "| promise"))
]


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of a file's tests."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda text: text)
def test_every_named_test_exists(path: str, name: str):
    assert (ROOT / path).is_file(), f"{path} is not there"
    assert name.startswith("test_")
    assert name in names_in(path), f"{path} has no {name}"


def test_every_row_is_shown_or_says_that_it_is_not():
    assert len(ROWS) >= 40
    for row in ROWS:
        assert len(row) == 3, row
        assert "::" in row[2] or "not shown" in row[2] or row[2].startswith("the same"), row[0]


def test_every_fault_and_attack_has_its_row():
    numbers = [int(found[1]) for row in ROWS if (found := re.match(r"(\d+) ", row[0]))]
    assert numbers == [*range(1, 16), *range(1, 21)]


def test_no_test_is_named_otherwise():
    """A name that is not written as `path::name` would be checked by nobody."""
    assert len(re.findall(r"::test_\w+", PAGE)) == len(
        re.findall(r"`tests/[\w/]+\.py::test_\w+`", PAGE)
    )
