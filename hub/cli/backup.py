"""`hub backup` and `hub restore`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer

from hub.cli.terminal import fail, load, say
from hub.model.errors import HubError
from hub.settings import KEY_FILE, Settings

_POSTGRES = (
    "the database is PostgreSQL: use {tool} for it and copy the files folder (HUB_FILES)"
    " after the dump; docs/operators.md has the commands"
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(file: Path) -> None:
    """Write database, files and spool into FILE (tar; .tar.gz compresses). Never the secret key.

    The hub may run meanwhile.
    """
    from hub.cli.archive import write_backup

    settings = load()
    if not settings.on_sqlite:
        _refuse_postgres("pg_dump")
    made = _working("backing up", lambda: write_backup(settings, file))
    say(f"wrote {file} ({made['bytes'] / 1e6:.1f} MB), tables at revision {made['revision']}")
    if made["files"] == "s3":
        say("not in it: the files, which lie in S3")
    say(f"not in it: the key ({_key_place(settings)}); keep it elsewhere, nothing opens without it")


def restore(file: Path) -> None:
    """Put a backup into an empty data folder (HUB_DATA_DIR); stop the hub first."""
    from hub.cli.archive import restore_backup

    settings = load()
    if not settings.on_sqlite:
        _refuse_postgres("pg_restore")
    if not file.is_file():
        fail(f"there is no file {file}")
    about = _working("restoring", lambda: restore_backup(settings, file))
    say(f"restored the state of {about['made_at']} into {settings.data_dir}")
    if about["files"] == "s3":
        say("files lie in S3: HUB_FILES must name the same place as before")
    if not settings.secret_key and not (settings.data_dir / KEY_FILE).exists():
        say(f"now put the key back into {settings.data_dir / KEY_FILE} (0600), then start")


def _working(what: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do long work while a person sees that it goes on; ends with its error if any."""
    from rich.console import Console

    try:
        with Console(stderr=True).status(what):
            return work()
    except HubError as error:
        fail(str(error))


def _refuse_postgres(tool: str) -> NoReturn:
    fail(_POSTGRES.format(tool=tool))


def _key_place(settings: Settings) -> str:
    return "HUB_SECRET_KEY" if settings.secret_key else str(settings.data_dir / KEY_FILE)
