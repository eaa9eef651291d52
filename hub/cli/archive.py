"""What `hub backup` writes and `hub restore` reads: one tar file, never with the secret key.

    about.json   format, version, table revision, when
    spool/…      requests that waited for the database (sealed with the key)
    hub.db       one consistent snapshot
    files/…      attachments and originals, when they lie in a folder

In this order on purpose: a request that leaves the spool meanwhile is in the copy of it, and the
duplicate check meets the one that is in the database too; a file is written before the row that
names it, so every file the snapshot names is found afterwards.
"""

import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from hub import __version__
from hub.model.clock import iso, utc_now
from hub.model.errors import BadInput, StoreUnavailable
from hub.settings import KEY_FILE, Settings
from hub.store import migrate
from hub.store.backup import check_database, copy_database, database_path

FORMAT = 1
_ABOUT = "about.json"
_DATABASE = "hub.db"
_FILES = "files"
_SPOOL = "spool"
_MAX_ABOUT_BYTES = 100_000


def files_folder(settings: Settings) -> Path | None:
    """Return the folder of attachments; None when they lie in S3."""
    return None if settings.files_place.startswith("s3://") else Path(settings.files_place)


def write_backup(settings: Settings, target: Path) -> dict[str, Any]:
    """Write a backup beside `target` and move it into place; readable by its owner alone.

    Returns:
        What `about.json` says, and `bytes`.

    Raises:
        BadInput: `backup_exists`, or there is no database yet.
        StoreUnavailable: the database cannot be read, or nothing more can be written.
    """
    source = database_path(settings.database)
    if not source.is_file():
        raise BadInput("no_database", file=str(source))
    if target.exists():
        raise BadInput("backup_exists", file=str(target))
    part = target.with_name(f"{target.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            about = _fill(settings, source, cast("BinaryIO", out), part)
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    except OSError as error:
        raise StoreUnavailable("backup_failed", reason=error.strerror or "") from error
    finally:
        part.unlink(missing_ok=True)
    return {**about, "bytes": target.stat().st_size}


def _fill(settings: Settings, source: Path, out: BinaryIO, part: Path) -> dict[str, Any]:
    folder = files_folder(settings)
    about: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "revision": migrate.current(settings.database),
        "made_at": iso(utc_now()),
        "files": "folder" if folder is not None else "s3",
    }
    compressed = part.name.removesuffix(".part").endswith((".gz", ".tgz"))
    with tarfile.open(fileobj=out, mode="w:gz" if compressed else "w") as tar:
        _add_bytes(tar, _ABOUT, json.dumps(about, indent=1).encode())
        for path in _below(settings.data_dir / _SPOOL):
            # At once: the hub may shorten a file while it is read.
            _add_bytes(tar, f"{_SPOOL}/{path.name}", path.read_bytes())
        with tempfile.TemporaryDirectory(dir=part.parent, prefix=".hub-backup-") as aside:
            snapshot = Path(aside) / _DATABASE
            copy_database(source, snapshot)
            tar.add(snapshot, _DATABASE)
        if folder is not None:
            _add_folder(tar, folder, _FILES)
    return about


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _add_folder(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    for path in _below(folder):
        try:
            tar.add(path, f"{name}/{path.relative_to(folder).as_posix()}", recursive=False)
        except FileNotFoundError:
            continue  # erased since it was listed


def _below(folder: Path) -> list[Path]:
    """List the files below a folder, without half-written ones and never the key."""
    found = (each for each in folder.rglob("*") if each.is_file())
    return sorted(each for each in found if each.name != KEY_FILE and each.name[0] != ".")


def read_about(source: Path) -> dict[str, Any]:
    """Return what a backup says of itself. Raises BadInput `not_a_backup`."""
    try:
        with tarfile.open(source, "r") as tar:
            first = tar.next()
            if first is None or first.name != _ABOUT or first.size > _MAX_ABOUT_BYTES:
                raise BadInput("not_a_backup", file=source.name)
            stream = tar.extractfile(first)
            about = json.load(stream) if stream is not None else None
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise BadInput("not_a_backup", file=source.name) from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise BadInput("not_a_backup", file=source.name)
    return about


def restore_backup(settings: Settings, source: Path) -> dict[str, Any]:
    """Put a backup's database, files and spool where the settings say.

    A backup that is refused leaves nothing behind.

    Raises:
        BadInput: `not_a_backup`, `data_not_empty`, `database_damaged`, `backup_has_odd_member`.
    """
    about = read_about(source)
    for place in _places(settings):
        if _holds_something(place):
            raise BadInput("data_not_empty", folder=str(place))
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=settings.data_dir, prefix=".restore-"))
    try:
        _unpack(source, aside)
        check_database(aside / _DATABASE)
        _move(aside / _SPOOL, settings.data_dir / _SPOOL)
        folder = files_folder(settings)
        if folder is not None:
            _move(aside / _FILES, folder)
        # Last: with it the restored hub exists.
        database = database_path(settings.database)
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(aside / _DATABASE, database)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return about


def _places(settings: Settings) -> Iterator[Path]:
    """Yield what must be empty or missing before a restore."""
    yield settings.data_dir
    yield database_path(settings.database)
    folder = files_folder(settings)
    if folder is not None:
        yield folder


def _holds_something(place: Path) -> bool:
    """Tell whether a file or folder is in the way; the key may be there already."""
    if place.is_dir():
        return any(each.name != KEY_FILE for each in place.iterdir())
    return place.exists()


def _unpack(source: Path, folder: Path) -> None:
    """Write the members out; only plain files under the names a backup has."""
    try:
        with tarfile.open(source, "r") as tar:
            for member in tar:
                if member.name == _ABOUT:
                    continue
                path = folder / _safe_name(member)
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                stream = tar.extractfile(member)
                if stream is None:
                    raise BadInput("backup_has_odd_member")
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:
                    shutil.copyfileobj(stream, out)
    except (tarfile.TarError, EOFError) as error:
        raise BadInput("not_a_backup", file=source.name) from error


def _safe_name(member: tarfile.TarInfo) -> PurePosixPath:
    name = PurePosixPath(member.name)
    known = member.name == _DATABASE or (len(name.parts) > 1 and name.parts[0] in (_FILES, _SPOOL))
    if not member.isreg() or not known or ".." in name.parts or name.name == KEY_FILE:
        raise BadInput("backup_has_odd_member")
    return name


def _move(source: Path, target: Path) -> None:
    if source.is_dir():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if target.is_dir():
            target.rmdir()  # empty: looked at before
        shutil.move(source, target)
