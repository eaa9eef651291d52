"""`hub rules`: check a rules file, and see why a message goes where it goes. No running hub."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.terminal import fail, say
from hub.model.clock import iso, utc_now
from hub.model.errors import BadInput

if TYPE_CHECKING:
    from hub.cli.explain import Explanation
    from hub.routing.calendar import Calendar
    from hub.routing.rule_schema import RuleSetSpec

_rules = typer.Typer(no_args_is_help=True, help="Routing rules.")
_COLOURS = {"chosen": "green", "enriched": "cyan", "passed": "", "not_reached": "dim"}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_rules, name="rules")


@_rules.command()
def check(file: Path) -> None:
    """Find the mistakes of a rules file (YAML or JSON).

    Queues, policies and calendars it names are looked up when it is published.
    """
    _checked(file)
    say("no mistake found")


@_rules.command(name="explain")
def explain_message(
    file: Path,
    message: Annotated[
        str, typer.Option(help='Facts: {"message.text": "…", "channel.kind": "email"}.')
    ],
    at: Annotated[str, typer.Option(help="Instant with zone (RFC 3339); default: now.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say which rule takes a message, and of every other what was false or unknown."""
    from hub.cli.explain import explain, facts_of

    spec, calendars = _checked(file)
    now = _instant(at)
    try:
        facts = facts_of(_message(message))
    except BadInput as error:
        fail(str(error))
    found = explain(spec, facts, now, calendars)
    if as_json:
        told = {"at": iso(now), **found.as_json()}
        say(json.dumps(told, ensure_ascii=False, indent=2, default=str))
    else:
        _show(found)


def _checked(file: Path) -> "tuple[RuleSetSpec, dict[str, Calendar]]":
    """Return a set without mistakes and the calendars beside it, or print them and end."""
    from hub.cli.explain import find_problems, read_calendars

    tree = _tree(file)
    try:
        calendars = read_calendars(file)
    except BadInput as error:
        fail(str(error))
    spec, problems = find_problems(tree, calendars)
    for problem in problems:
        facts = ", ".join(f"{k}={v}" for k, v in problem.params)
        say(f"{problem.path}: {problem.code} {facts}".rstrip())
    if problems or spec is None:
        raise typer.Exit(1)
    return spec, calendars


def _show(found: "Explanation") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("rule", "verdict", "condition", "fact", "result")
    for rule in found.rules:
        colour = _COLOURS[rule.verdict]
        head = (Text(rule.rule, colour), Text(rule.verdict, colour))
        for number, one in enumerate(rule.conditions):
            fact = "" if one.fact is None else str(one.fact)
            first = head if number == 0 else (Text(""), Text(""))
            table.add_row(*first, Text(one.says), Text(fact), Text(one.result))
        if not rule.conditions:
            always = "" if rule.verdict == "not_reached" else "always"
            table.add_row(*head, always, "", "matched" if always else "")
    console = Console()
    console.print(table)
    more = {"severity": found.severity, "sla": found.sla, "skills": found.skills}
    facts = ", ".join(f"{name} {value}" for name, value in more.items() if value)
    console.print(
        Text(f"{found.rule}: queue {found.queue}, from tier {found.min_tier} {facts}".rstrip())
    )


def _instant(text: str) -> datetime:
    if not text:
        return utc_now()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text} is no instant: write 2026-11-22T09:00:00+08:00")
    if found.tzinfo is None:
        fail(f"{text} names no zone: write 2026-11-22T09:00:00+08:00")
    return found


def _message(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        fail("--message is no JSON")


def _tree(file: Path) -> Any:
    import yaml

    if not file.is_file():
        fail(f"there is no file {file}")
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read: {type(error).__name__}")
