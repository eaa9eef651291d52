"""The rules of the house as functions from one module's source to what breaks them.

Each rule takes a `Module` and yields sentences that name the line, the breach and the reason.
`test_house.py` runs them over `hub/` and shows on samples that each one bites.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MODULE_LINES = 400
FUNCTION_LINES = 60
FUNCTION_LINES_AIM = 40

CLOCK = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
    }
)
STOPWATCH = frozenset(
    {"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"}
)
# Where something is really waited for or measured, so that the reason for a stopwatch is evident.
STOPWATCH_ROOMS = (
    "hub/store/",
    "hub/workers/",
    "hub/api/",
    "hub/adapters/kit/",
    "hub/ingress",
    "hub/cli/",
)
DATABASE_LIBRARIES = frozenset({"sqlalchemy", "sqlmodel", "sqlite3", "psycopg", "alembic"})
GENERATED = "hub/store/migrations/versions/"
"""Written by Alembic from the tables; nobody holds them in mind."""
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "helper", "manager", "base", "misc", "common"})


@dataclass(frozen=True)
class Module:
    """One module: its path from the project's root (with `/`) and its source."""

    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed source."""
        return ast.parse(self.source, self.path)

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Every imported dotted name with its line; `from a import b` gives `a.b`."""
        found: list[tuple[int, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        return found

    @cached_property
    def references(self) -> list[tuple[int, str]]:
        """Every name or attribute chain with its line, local names resolved to what they import."""
        local: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.split(".")[0]
                    local[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                for alias in node.names:
                    local[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        found: list[tuple[int, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute):
                first, _, rest = dotted(node).partition(".")
                full = local.get(first, first)
                found.append((node.lineno, f"{full}.{rest}" if rest else full))
        return found

    def within(self, *places: str) -> bool:
        """Say whether the path begins with one of `places`."""
        return self.path.startswith(places)


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for an attribute chain; what is not a name in it becomes `?`."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
    return "?"


def calls(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and dotted name of everything called, unresolved."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield node.lineno, dotted(node.func)


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring and decorators."""
    docstring = 0
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        docstring = (first.end_lineno or 0) - first.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def functions(module: Module) -> Iterator[tuple[int, str, int]]:
    """Yield line, name and code lines of every function."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name, code_lines(node)


def module_length(module: Module) -> Iterator[str]:
    """A module holds one subject."""
    lines = module.source.count("\n")
    if lines > MODULE_LINES and not module.within(GENERATED):
        yield (
            f"{module.path} has {lines} lines, over {MODULE_LINES}: it holds two subjects. "
            "Give the second one a module of its own."
        )


def function_length(module: Module) -> Iterator[str]:
    """A function fits on a screen."""
    for line, name, lines in functions(module):
        if lines > FUNCTION_LINES and not module.within(GENERATED):
            yield (
                f"{module.path}:{line} {name}() has {lines} lines, over {FUNCTION_LINES} (aim "
                f"{FUNCTION_LINES_AIM}): a reader must hold it in mind at once. Name its steps."
            )


def one_clock(module: Module) -> Iterator[str]:
    """The wall clock is read in one place, so that tests and simulations own time."""
    if module.path == "hub/model/clock.py":
        return
    for line, name in module.references:
        if name in CLOCK:
            yield (
                f"{module.path}:{line} reads {name}: only hub/model/clock.py reads the wall clock. "
                "Take `now` as an argument or use an injected Clock (utc_now() at the edge)."
            )
        elif name in STOPWATCH and not module.within(*STOPWATCH_ROOMS):
            yield (
                f"{module.path}:{line} reads {name}: a stopwatch belongs where something is waited "
                f"for ({', '.join(STOPWATCH_ROOMS)}); pure code takes durations as values."
            )


def one_transaction_owner(module: Module) -> Iterator[str]:
    """Units of work are opened by services alone."""
    if module.within("hub/services/", "hub/store/"):
        return
    for line, name in calls(module):
        if re.search(r"(^|[._])db\.(run|read)$", name):
            yield (
                f"{module.path}:{line} calls {name}(): services are the only caller, so that no "
                "transaction is ever open while a network is waited for. Call a use case instead."
            )


def one_committer(module: Module) -> Iterator[str]:
    """Only the store commits."""
    if module.within("hub/store/"):
        return
    for line, name in calls(module):
        if name.endswith(".commit"):
            yield (
                f"{module.path}:{line} calls {name}(): only hub/store commits (group commit, "
                "retries and wake-ups hang on it). Return from the unit instead."
            )


def sql_in_store(module: Module) -> Iterator[str]:
    """No SQL outside the store."""
    if module.within("hub/store/"):
        return
    for line, name in module.imports:
        if name.split(".")[0] in DATABASE_LIBRARIES:
            yield (
                f"{module.path}:{line} imports {name}: there is no SQL outside hub/store; what a "
                "use case needs is a function in hub/store/queries."
            )


def one_place_for_settings(module: Module) -> Iterator[str]:
    """The environment is read once, validated, and handed on."""
    if module.within("hub/settings"):
        return
    for line, name in module.references:
        if name in {"os.environ", "os.getenv", "os.environb", "os.putenv"}:
            yield (
                f"{module.path}:{line} reads {name}: settings are one validated object made by "
                "hub.settings at start, or unknown and misspelt keys pass unseen."
            )


def prints_in_cli(module: Module) -> Iterator[str]:
    """Only the command line talks to a terminal."""
    if module.within("hub/cli/"):
        return
    for line, name in calls(module):
        if name == "print":
            yield (
                f"{module.path}:{line} prints: outside hub/cli nobody reads it, and it escapes the "
                "redaction that logging has. Log an event."
            )


def nothing_left_for_later(module: Module) -> Iterator[str]:
    """What is committed is finished; what is missing stands in an issue."""
    for number, text in enumerate(module.source.splitlines(), 1):
        found = re.search(r"\b(TODO|FIXME|XXX)\b", text)
        if found:
            yield (
                f"{module.path}:{number} says {found[0]}: do it, or file an issue and say in the "
                "docs what does not work yet."
            )


def plain_model(module: Module) -> Iterator[str]:
    """The vocabulary stands on the standard library and pydantic alone."""
    if not module.within("hub/model/"):
        return
    allowed = sys.stdlib_module_names | {"pydantic", "pydantic_core", "typing_extensions"}
    for line, name in module.imports:
        if name.split(".")[0] not in allowed and not name.startswith("hub.model"):
            yield (
                f"{module.path}:{line} imports {name}: hub.model is what everybody reads and "
                "imports; it stands on the standard library and pydantic alone."
            )


def adapters_alone(module: Module) -> Iterator[str]:
    """An adapter knows the model, the kit and itself."""
    parts = module.path.split("/")
    if parts[:2] != ["hub", "adapters"] or len(parts) < 4:
        return
    allowed = ("hub.model", "hub.adapters.kit", f"hub.adapters.{parts[2]}")
    for line, name in module.imports:
        if name.split(".")[0] == "hub" and not f"{name}.".startswith(
            tuple(f"{prefix}." for prefix in allowed)
        ):
            yield (
                f"{module.path}:{line} imports {name}: an adapter imports hub.model and "
                "hub.adapters.kit only, so that a channel is one folder and touches no rows."
            )


def telling_names(module: Module) -> Iterator[str]:
    """A module's name says its subject."""
    if VAGUE_NAMES & set(Path(module.path).with_suffix("").parts):
        yield (
            f"{module.path}: {', '.join(sorted(VAGUE_NAMES))} name no subject, so everything ends "
            "up there. Name what it is about."
        )


RULES: tuple[Callable[[Module], Iterator[str]], ...] = (
    module_length,
    function_length,
    one_clock,
    one_transaction_owner,
    one_committer,
    sql_in_store,
    one_place_for_settings,
    prints_in_cli,
    nothing_left_for_later,
    plain_model,
    adapters_alone,
    telling_names,
)
