"""The house test: what no linter knows about this project, each failure with its reason.

The rules for modules stand in `house_rules.py`; those for adapter folders are here. Every rule is
also shown to bite on a sample, so that a rule that has gone blind fails too.
"""

import importlib
import re
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house_rules import FUNCTION_LINES_AIM, RULES, Module, functions

ROOT = Path(__file__).resolve().parent.parent
Rule = Callable[[Module], Iterator[str]]


def read_modules() -> list[Module]:
    """Return every module of the package."""
    paths = sorted((ROOT / "hub").rglob("*.py"))
    found = (path for path in paths if "web_dist" not in path.parts)
    return [Module(path.relative_to(ROOT).as_posix(), path.read_text()) for path in found]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Rule) -> None:
    breaches = [breach for module in read_modules() for breach in rule(module)]
    assert not breaches, f"{rule.__doc__}\n" + "\n".join(breaches)


def test_long_functions_are_listed() -> None:
    long = [
        f"{module.path}:{line} {name} {lines}"
        for module in read_modules()
        for line, name, lines in functions(module)
        if lines > FUNCTION_LINES_AIM
    ]
    if long:
        warnings.warn(f"over {FUNCTION_LINES_AIM} lines:\n" + "\n".join(long), stacklevel=1)


# ---- Each rule bites -----------------------------------------------------------------------------
API = "hub/api/sample.py"
BITES = [
    ("module_length", "hub/api/sample.py", "x = 1\n" * 401),
    ("function_length", API, "def f() -> None:\n" + "    x = 1\n" * 61),
    ("one_clock", API, "from datetime import UTC, datetime\nnow = datetime.now(UTC)\n"),
    ("one_clock", API, "import datetime as dt\nd = dt.datetime.utcnow()\n"),
    ("one_clock", API, "from pydantic import Field\nimport time\nf = Field(time.time)\n"),
    ("one_clock", API, "from time import time as t\nx = t()\n"),
    ("one_clock", "hub/routing/sample.py", "import time\nx = time.monotonic()\n"),
    ("one_clock", "hub/adapters/slack/sample.py", "import time\nx = time.perf_counter()\n"),
    ("one_transaction_owner", API, "async def f(deps):\n    await deps.db.run(unit)\n"),
    ("one_transaction_owner", "hub/workers/a.py", "async def f(s):\n    await s._db.run(u)\n"),
    ("one_committer", "hub/services/a.py", "def f(tx):\n    tx.commit()\n"),
    ("sql_in_store", "hub/services/a.py", "from sqlalchemy import select\n"),
    ("sql_in_store", API, "import sqlite3\n"),
    ("one_place_for_settings", "hub/cli/main.py", "import os\nx = os.environ['HUB_PORT']\n"),
    ("one_place_for_settings", API, "from os import getenv\nx = getenv('HUB_PORT')\n"),
    ("prints_in_cli", API, "print('hello')\n"),
    ("nothing_left_for_later", API, "x = 1  # TODO: finish\n"),
    ("nothing_left_for_later", API, '"""FIXME some day."""\n'),
    ("plain_model", "hub/model/a.py", "import orjson\n"),
    ("plain_model", "hub/model/a.py", "from hub.store import tables\n"),
    ("adapters_alone", "hub/adapters/slack/a.py", "from hub.store import db\n"),
    ("adapters_alone", "hub/adapters/slack/a.py", "from hub.adapters.slackish import x\n"),
    ("adapters_alone", "hub/adapters/kit/a.py", "from hub.adapters.slack import x\n"),
    ("telling_names", "hub/api/utils.py", ""),
    ("telling_names", "hub/store/helpers/rows.py", ""),
]
PASSES = [
    ("module_length", API, "x = 1\n" * 400),
    ("function_length", API, 'def f():\n    """One\n' + "    two\n" * 70 + '    """\n    x = 1\n'),
    ("one_clock", "hub/model/clock.py", "from datetime import datetime\nx = datetime.now\n"),
    ("one_clock", "hub/store/a.py", "import time\nx = time.monotonic()\n"),
    ("one_clock", API, "def f(clock):\n    return clock.now()\n"),
    ("one_transaction_owner", "hub/services/a.py", "async def f(d):\n    await d.db.run(u)\n"),
    ("one_transaction_owner", API, "import asyncio\nasyncio.run(main())\n"),
    ("one_committer", "hub/store/a.py", "def f(c):\n    c.commit()\n"),
    ("sql_in_store", "hub/store/queries/a.py", "from sqlmodel import select\n"),
    ("one_place_for_settings", "hub/settings.py", "import os\nx = os.environ\n"),
    ("prints_in_cli", "hub/cli/main.py", "print('hello')\n"),
    ("nothing_left_for_later", API, "state = 'todo'\n"),
    ("plain_model", "hub/model/a.py", "import json\nfrom pydantic import BaseModel\n"),
    ("plain_model", "hub/model/a.py", "from hub.model.ids import new_id\n"),
    ("adapters_alone", "hub/adapters/slack/a.py", "from hub.adapters.slack.b import x\n"),
    ("adapters_alone", "hub/adapters/slack/a.py", "from hub.model import channel\n"),
    ("adapters_alone", "hub/adapters/__init__.py", "from hub.adapters.slack import M\n"),
    ("telling_names", "hub/api/inbox.py", ""),
]
RULE_NAMED = {rule.__name__: rule for rule in RULES}


@pytest.mark.parametrize(("name", "path", "source"), BITES)
def test_a_breach_is_found(name: str, path: str, source: str) -> None:
    breaches = list(RULE_NAMED[name](Module(path, source)))
    assert breaches, f"{name} did not see it"
    assert all(path in breach and ": " in breach for breach in breaches), (
        "it must say where and why"
    )


@pytest.mark.parametrize(("name", "path", "source"), PASSES)
def test_what_is_allowed_passes(name: str, path: str, source: str) -> None:
    assert not list(RULE_NAMED[name](Module(path, source)))


def test_every_rule_is_shown_to_bite() -> None:
    assert {name for name, _, _ in BITES} == set(RULE_NAMED)


# ---- Adapter folders -----------------------------------------------------------------------------
def adapter_folders(root: Path) -> list[Path]:
    """Return the folders of channel kinds; the kit is not one."""
    adapters = root / "hub" / "adapters"
    found = sorted(adapters.iterdir()) if adapters.is_dir() else []
    return [path for path in found if path.is_dir() and path.name not in {"kit", "__pycache__"}]


def quality_breaches(text: str) -> Iterator[str]:
    """Yield what is wrong: each rule is done, todo or exempt with a reason."""
    document = tomllib.loads(text)
    states = [(key, value) for key, value in _leaves(document) if key != "tier"]
    if not states:
        yield "it names no rule"
    for key, value in states:
        if value not in {"done", "todo"} and not re.fullmatch(r"exempt: \S.*", str(value)):
            yield f"{key} = {value!r} is none of done, todo, 'exempt: reason'"


def _leaves(table: dict[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        else:
            yield key, value


def adapter_breaches(root: Path, folder: Path, kinds: set[str]) -> Iterator[str]:
    """Yield what an adapter folder lacks; `kinds` are those of `hub.adapters.KINDS`."""
    kind = folder.name
    place = f"hub/adapters/{kind}"
    if not (folder / "__init__.py").exists():
        yield f"{place} has no __init__.py: it would not be packed into the wheel."
    if not any((folder / name).exists() for name in ("adapter.py", "channel.py")):
        yield f"{place} has no adapter.py: whoever opens a channel looks there first."
    if not (folder / "README.md").exists():
        yield f"{place} has no README.md: an administrator could not set the channel up."
    quality = folder / "quality.toml"
    if not quality.exists():
        yield f"{place} has no quality.toml: nobody could see what is not done yet."
    else:
        for breach in quality_breaches(quality.read_text()):
            yield f"{place}/quality.toml: {breach}; an unread state hides what is missing."
    if kind not in kinds:
        yield f"{place} is not in hub.adapters.KINDS: the hub and its tests do not know it."
    cases = root / "tests" / "adapters" / kind / "cases"
    if not cases.is_dir() or not any(cases.iterdir()):
        yield f"tests/adapters/{kind}/cases is empty: an adapter without real payloads is a guess."


def test_every_adapter_folder_is_complete() -> None:
    folders = adapter_folders(ROOT)
    if not folders:
        return
    kinds = set(importlib.import_module("hub.adapters").KINDS)
    breaches = [text for folder in folders for text in adapter_breaches(ROOT, folder, kinds)]
    breaches += [
        f"hub.adapters.KINDS names {kind}, which has no folder."
        for kind in sorted(kinds - {folder.name for folder in folders})
    ]
    assert not breaches, "\n".join(breaches)


def test_an_incomplete_adapter_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "adapters" / "pigeon"
    folder.mkdir(parents=True)
    (tmp_path / "hub" / "adapters" / "kit").mkdir()
    assert adapter_folders(tmp_path) == [folder]
    assert len(list(adapter_breaches(tmp_path, folder, set()))) == 6
    for name in ("__init__.py", "adapter.py", "README.md"):
        (folder / name).touch()
    (folder / "quality.toml").write_text('tier = "bronze"\n[bronze]\nsend = "later"\n')
    cases = tmp_path / "tests" / "adapters" / "pigeon" / "cases"
    cases.mkdir(parents=True)
    (cases / "text.json").write_text("{}")
    (breach,) = adapter_breaches(tmp_path, folder, {"pigeon"})
    assert "send = 'later'" in breach
    (folder / "quality.toml").write_text('[bronze]\nsend = "done"\nprobe = "exempt: no API"\n')
    assert not list(adapter_breaches(tmp_path, folder, {"pigeon"}))


def test_no_adapters_yet_is_no_breach(tmp_path: Path) -> None:
    assert adapter_folders(tmp_path) == []
