"""`hub normalize` and `hub rules`: tools that need no running hub."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.terminal import fail, say

_rules = typer.Typer(no_args_is_help=True, help="Routing rules.")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(normalize)
    app.add_typer(_rules, name="rules")


def normalize(
    kind: Annotated[str, typer.Argument(help="email, telegram, slack …")],
    file: Annotated[Path | None, typer.Argument(help="Default: standard input.")] = None,
) -> None:
    """Print a raw payload or mail as canonical JSON; no database, no network."""
    from hub.cli.normalize import KINDS

    if kind not in KINDS:
        fail(f"unknown kind {kind}: {', '.join(sorted(KINDS))}")
    if file is not None and not file.is_file():
        fail(f"there is no file {file}")
    raw = sys.stdin.buffer.read() if file is None else file.read_bytes()
    say(json.dumps(KINDS[kind](raw), ensure_ascii=False, indent=2, default=str))


@_rules.command()
def check(file: Path) -> None:
    """Check the shape of a rules file (YAML or JSON); names are checked when it is published."""
    from hub.routing.rule_schema import read_shape

    _spec, problems = read_shape(_tree(file))
    for problem in problems:
        facts = ", ".join(f"{k}={v}" for k, v in problem.params)
        say(f"{problem.path}: {problem.code} {facts}".rstrip())
    if problems:
        raise typer.Exit(1)
    say("no mistake found")


def _tree(file: Path) -> Any:
    import yaml

    if not file.is_file():
        fail(f"there is no file {file}")
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read: {type(error).__name__}")
