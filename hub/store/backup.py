"""A copy of a SQLite database while it is in use, and the look at one before it is trusted."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hub.model.errors import BadInput, StoreUnavailable
from hub.store.engine import parse_url


def database_path(url: str) -> Path:
    """Return the file of a SQLite URL."""
    return Path(parse_url(url).database or "")


def copy_database(source: Path, target: Path) -> None:
    """Write one consistent snapshot of a database; the hub may run meanwhile. Blocking.

    Raises:
        StoreUnavailable: it cannot be read, or there is no room.
    """
    # A reader of its own: it sees what was committed when it began and holds nobody up.
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as reader:
            reader.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        reason = getattr(error, "sqlite_errorname", type(error).__name__)
        raise StoreUnavailable("backup_failed", reason=reason) from error


def check_database(path: Path) -> None:
    """Look through a whole file. Raises BadInput `database_damaged`. Blocking."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as reader:
            (said,) = reader.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise BadInput("database_damaged", file=path.name) from error
    if said != "ok":
        raise BadInput("database_damaged", file=path.name)
