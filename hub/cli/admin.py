"""`hub admin`: accounts and keys."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.terminal import carry_out, fail, load, say
from hub.settings import KEY_FILE, Settings, secret_keys

_admin = typer.Typer(no_args_is_help=True, help="Accounts and keys.")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_admin, name="admin")


@_admin.command()
def create(
    email: str, name: Annotated[str, typer.Option(help="Shown to colleagues.")] = ""
) -> None:
    """Add an administrator (or find the account) and print a one-use link to set the password."""
    answer = carry_out(load(), "create_admin", email=email, name=name)
    say(f"set the password (works once): {answer['url']}")


@_admin.command(name="rotate-key")
def rotate_key() -> None:
    """Make a new secret key and seal secrets with it; the old one still opens what is older.

    With HUB_SECRET_KEY set, put the new key first in that list yourself; this then seals anew.
    """
    settings = load()
    if not settings.secret_key:
        _new_key(settings)
    answer = carry_out(settings, "reseal")
    total = sum(answer["sealed"].values())
    say(f"{total} secrets sealed with the first key; keep the old ones until backups are over")


def _new_key(settings: Settings) -> None:
    """Put a new key first in the key file; a running hub would not read it."""
    from hub.app.control import socket_path

    async def running() -> bool:
        try:
            _reader, writer = await asyncio.open_unix_connection(str(socket_path(settings)))
        except OSError:
            return False
        writer.close()
        return True

    if asyncio.run(running()):
        fail("stop the hub first: it reads its keys at the start")
    secret_keys(settings)  # makes the file, or refuses it
    path = settings.data_dir / KEY_FILE
    _write_aside(path, f"{secrets.token_urlsafe(32)}\n{path.read_text()}")


def _write_aside(path: Path, text: str) -> None:
    """Replace a file so that a cut never leaves half of it."""
    aside = path.with_suffix(".new")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(path)
