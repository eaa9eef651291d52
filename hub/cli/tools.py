"""`hub normalize`: reads a payload without a running hub."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.terminal import fail, say


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(normalize)


def normalize(
    kind: Annotated[str, typer.Argument(help="email, telegram, slack …")],
    file: Annotated[Path | None, typer.Argument(help="Default: standard input.")] = None,
    action: Annotated[
        str, typer.Option(help="Last part of the webhook's path, as `status` of Twilio's.")
    ] = "",
    query: Annotated[str, typer.Option(help="The webhook's query, as `delivery=…`.")] = "",
    content_type: Annotated[str, typer.Option(help="Default: guessed from the body.")] = "",
) -> None:
    """Print a raw payload or mail as canonical JSON; nothing is verified, no database."""
    from hub import adapters
    from hub.cli.normalize import KINDS

    known = sorted({*KINDS, *adapters.kinds()})
    if kind not in known:
        fail(f"unknown kind {kind}: {', '.join(known)}")
    if file is not None and not file.is_file():
        fail(f"there is no file {file}")
    raw = sys.stdin.buffer.read() if file is None else file.read_bytes()
    if kind in KINDS:
        found = KINDS[kind](raw)
    else:
        found = _items(kind, raw, action=action, query=query, content_type=content_type)
    say(json.dumps(found, ensure_ascii=False, indent=2, default=str))


def _items(kind: str, raw: bytes, *, action: str, query: str, content_type: str) -> dict[str, Any]:
    from hub import adapters
    from hub.cli.canonical import read_payload
    from hub.model.errors import BadInput

    try:
        return read_payload(
            adapters.manifest(kind), raw, action=action, query=query, content_type=content_type
        )
    except BadInput as error:
        fail(f"{kind}: {error}")
