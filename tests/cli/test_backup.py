"""`hub backup` and `hub restore`: everything but the key, into an empty place or not at all."""

import asyncio
import io
import os
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.app.build import opened
from hub.cli.archive import restore_backup, write_backup
from hub.cli.main import app
from hub.model.errors import BadInput
from hub.model.visibility import Role
from hub.services import people
from hub.settings import load_settings
from hub.store.files import open_files

run = CliRunner()
SPOOLED = b"sealed bytes"


def said(*arguments: str, code: int = 0) -> str:
    result = run.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output.replace("\n", " ")


@pytest.fixture
def filled(tmp_path, monkeypatch) -> Path:
    """A data folder with an account, a file and something in the spool; returns its parent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "d"))
    said("admin", "create", "ann@example.com")
    asyncio.run(open_files(load_settings().files_place).put("ab" * 16, b"a picture"))
    (tmp_path / "d" / "spool").mkdir(exist_ok=True)
    (tmp_path / "d" / "spool" / "left.spool").write_bytes(SPOOLED)
    return tmp_path


def names(file: Path) -> list[str]:
    with tarfile.open(file) as tar:
        return tar.getnames()


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_what_was_backed_up_comes_back(filled, monkeypatch, name):
    key = (filled / "d" / "secret.key").read_bytes()
    told = said("backup", name)
    assert "not in it: the key" in told
    file = filled / name
    assert file.stat().st_mode & 0o077 == 0
    assert names(file) == ["about.json", "spool/left.spool", "hub.db", f"files/ab/ab/{'ab' * 16}"]
    assert key.strip() not in file.read_bytes()
    assert sorted(each.name for each in filled.iterdir()) == sorted([name, "d"])

    monkeypatch.setenv("HUB_DATA_DIR", str(filled / "new"))
    assert "put the key back" in said("restore", name)
    settings = load_settings()
    assert (filled / "new" / "spool" / "left.spool").read_bytes() == SPOOLED
    assert asyncio.run(open_files(settings.files_place).get("ab" * 16)) == b"a picture"
    (filled / "new" / "spool" / "left.spool").unlink()  # its bytes are none a hub could open
    handle = os.open(filled / "new" / "secret.key", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(handle, key)
    os.close(handle)

    async def accounts() -> list[str]:
        async with opened(settings) as house:
            return [row["email"] for row in await people.list_agents(house.deps)]

    assert asyncio.run(accounts()) == ["ann@example.com"]
    assert "BAD" not in said("doctor")


def test_the_key_may_be_there_first_but_nothing_else(filled, monkeypatch):
    said("backup", "b.tar")
    monkeypatch.setenv("HUB_DATA_DIR", str(filled / "new"))
    (filled / "new").mkdir()
    (filled / "new" / "secret.key").write_text("k" * 40)
    assert "put the key back" not in said("restore", "b.tar")
    assert "data_not_empty" in said("restore", "b.tar", code=2)
    assert "backup_exists" in said("backup", "b.tar", code=2)


def test_a_hub_at_work_is_backed_up_as_it_stands(filled):
    settings = load_settings()
    (filled / "d" / "spool" / "left.spool").unlink()

    async def both() -> None:
        async with opened(settings) as house:
            for number in range(20):
                fields = people.AgentFields(
                    f"a{number}@example.com", "A", roles=frozenset({Role.AGENT})
                )
                await people.create_agent(house.deps, fields, actor="system")
            # The writer's log was not written back yet: the snapshot must have it all the same.
            await asyncio.to_thread(write_backup, settings, filled / "b.tar")
            await asyncio.to_thread(
                restore_backup, load_settings(data_dir=filled / "new"), filled / "b.tar"
            )

    asyncio.run(both())
    (filled / "new" / "secret.key").write_text("k" * 40)
    (filled / "new" / "secret.key").chmod(0o600)

    async def count() -> int:
        async with opened(load_settings(data_dir=filled / "new")) as house:
            return len(await people.list_agents(house.deps))

    assert asyncio.run(count()) == 21


def write_tar(file: Path, members: dict[str, bytes], *, kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(file, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if name != "about.json":
                info.type = kind
            tar.addfile(info, io.BytesIO(data))


ABOUT = b'{"format": 1, "files": "folder", "made_at": "x"}'


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "not_a_backup"),
        ({"other": b""}, "not_a_backup"),
        ({"about.json": b"{"}, "not_a_backup"),
        ({"about.json": b'{"format": 9}'}, "not_a_backup"),
        ({"about.json": ABOUT}, "database_damaged"),
        ({"about.json": ABOUT, "hub.db": b"no database"}, "database_damaged"),
        ({"about.json": ABOUT, "files/../../x": b""}, "backup_has_odd_member"),
        ({"about.json": ABOUT, "/etc/x": b""}, "backup_has_odd_member"),
        ({"about.json": ABOUT, "files/secret.key": b""}, "backup_has_odd_member"),
        ({"about.json": ABOUT, "hub.sock": b""}, "backup_has_odd_member"),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(tmp_path, members, code):
    write_tar(tmp_path / "b.tar", members)
    settings = load_settings(data_dir=tmp_path / "d")
    with pytest.raises(BadInput) as caught:
        restore_backup(settings, tmp_path / "b.tar")
    assert caught.value.code == code
    assert not (tmp_path / "d").exists() or list((tmp_path / "d").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_links_are_refused(tmp_path, kind):
    write_tar(tmp_path / "b.tar", {"about.json": ABOUT, "files/x": b""}, kind=kind)
    with pytest.raises(BadInput) as caught:
        restore_backup(load_settings(data_dir=tmp_path / "d"), tmp_path / "b.tar")
    assert caught.value.code == "backup_has_odd_member"


def test_what_is_no_tar_is_refused(tmp_path):
    (tmp_path / "b.tar").write_bytes(os.urandom(2_000))
    with pytest.raises(BadInput):
        restore_backup(load_settings(data_dir=tmp_path / "d"), tmp_path / "b.tar")


def test_a_key_beside_the_files_stays_out(filled, monkeypatch):
    monkeypatch.setenv("HUB_FILES", str(filled / "d"))
    said("backup", "b.tar")
    assert not any("secret.key" in name for name in names(filled / "b.tar"))


def test_postgresql_has_its_own_tools(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql://a:b@127.0.0.1:1/c")
    assert "pg_dump" in said("backup", "b.tar", code=2)
    assert "pg_restore" in said("restore", "b.tar", code=2)
    monkeypatch.delenv("HUB_DATABASE_URL")
    assert "no_database" in said("backup", "b.tar", code=2)
