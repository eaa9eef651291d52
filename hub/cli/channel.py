"""`hub probe`, `hub replay`, `hub new-channel`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.scaffold import write_channel
from hub.cli.terminal import carry_out, fail, load, say

_NAME = re.compile(r"\A[a-z][a-z0-9_]{1,39}\Z")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(probe)
    app.command()(replay)
    app.command(name="new-channel")(new_channel)


def probe(channel: Annotated[str, typer.Argument(help="Id or name.")]) -> None:
    """Try a channel's saved credentials with one harmless real call."""
    answer = carry_out(load(), "probe", channel=channel)
    facts = ", ".join(f"{k}={v}" for k, v in answer["facts"].items())
    if not answer["ok"]:
        fail(f"{channel}: {answer['code']} {facts}".rstrip())
    say(f"{channel}: ok {facts}".rstrip())


def replay(intake_id: Annotated[str, typer.Argument(help="Of the intake log.")]) -> None:
    """Parse and store a logged request again (after an adapter was corrected)."""
    answer = carry_out(load(), "replay", intake_id=intake_id)
    say(", ".join(answer["outcomes"]) or "nothing in it")


def new_channel(
    name: Annotated[str, typer.Argument(help="Kind, as in the metric label: line, viber …")],
    root: Annotated[Path, typer.Option(help="Project folder.")] = Path(),
) -> None:
    """Write the folder of a new channel kind, with tests that fail until it is written."""
    if not _NAME.match(name):
        fail("a kind is lower case letters, digits and _, beginning with a letter")
    if not (root / "hub" / "adapters").is_dir():
        fail("run this in the project's folder (or name it with --root)")
    made = write_channel(root, name)
    if made is None:
        fail(f"hub/adapters/{name} is there already")
    for path in made:
        say(f"wrote {path.relative_to(root)}")
    say(f'now add "{name}": "hub.adapters.{name}" to the list in hub/adapters/__init__.py')
