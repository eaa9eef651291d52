"""Migrations: what they make equals the models, and a failing one changes nothing."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.model.errors import HubError, StoreUnavailable
from hub.store import migrate
from hub.store.filelock import FileLock
from tests.servers import PostgresServer

RECREATE = """
import sqlalchemy as sa
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    with op.batch_alter_table("customer", recreate="always") as batch:
        batch.add_column(sa.Column("shoe_size", sa.Integer(), nullable=True))
"""
ADD_COLUMN = RECREATE.replace(', recreate="always"', "")
BREAK = """
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    op.execute("DELETE FROM customer")
"""


@pytest.fixture(scope="module")
def first_revision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrations folder whose only revision was made of the models now."""
    folder = tmp_path_factory.mktemp("migrations") / "migrations"
    shutil.copytree(migrate._FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(folder / "versions")
    (folder / "versions").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "_FOLDER", folder)
        made = migrate.make_revision("First tables")
    assert made.name == "0001_first_tables.py"
    return folder


@pytest.fixture
def with_revision(
    first_revision: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Work on a copy of that folder; `add(source)` puts a second revision beside the first."""
    folder = tmp_path / "migrations"
    shutil.copytree(first_revision, folder)
    monkeypatch.setattr(migrate, "_FOLDER", folder)

    def add(source: str) -> None:
        (folder / "versions" / "0002_next.py").write_text(source)

    return add


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: PostgresServer
) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'deep' / 'hub.db'}"
        return
    with postgres_server.fresh_database() as url:
        yield url


def execute(url: str, *statements: str) -> list[tuple]:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
            return [tuple(row) for row in result.fetchall()] if result.returns_rows else []
    finally:
        engine.dispose()


def test_the_revisions_make_what_the_models_say(empty_url: str):
    migrate.migrate(empty_url)
    before_the_first = migrate.head() is None
    assert before_the_first or migrate.drift(empty_url) == []


def test_what_autogenerate_makes_equals_the_models(
    empty_url: str, with_revision: Callable[[str], None]
):
    assert migrate.current(empty_url) is None
    assert migrate.is_behind(empty_url)
    assert migrate.migrate(empty_url) == "0001"
    assert not migrate.is_behind(empty_url)
    assert migrate.drift(empty_url) == []
    assert migrate.migrate(empty_url) == "0001"
    with_revision(ADD_COLUMN)
    assert migrate.is_behind(empty_url)
    assert migrate.migrate(empty_url) == "0002"
    assert any("shoe_size" in line for line in migrate.drift(empty_url))


def fill(url: str) -> None:
    """Put in a customer and an identity that refers to it, whatever else their columns are."""
    engine = sa.create_engine(url)
    tables = sa.MetaData()
    tables.reflect(engine)
    customer, identity = tables.tables["customer"], tables.tables["identity"]

    def row(table: sa.Table, **given: object) -> dict[str, object]:
        values: dict[str, object] = {}
        for column in table.columns:
            if not column.nullable:
                values[column.name] = 0 if isinstance(column.type, sa.Integer) else "x"
        return {**values, **given}

    with engine.begin() as connection:
        connection.execute(sa.insert(customer).values(row(customer, id="c")))
        connection.execute(sa.insert(identity).values(row(identity, id="i", customer_id="c")))
    engine.dispose()


def test_a_recreated_table_keeps_its_children_and_a_copy(
    tmp_path: Path, with_revision: Callable[[str], None]
):
    path = tmp_path / "hub.db"
    url = f"sqlite:///{path}"
    migrate.migrate(url)
    fill(url)
    with_revision(RECREATE)
    migrate.migrate(url)
    assert execute(url, "SELECT id, shoe_size FROM customer") == [("c", None)]
    assert execute(url, "SELECT id, customer_id FROM identity") == [("i", "c")]
    copy = f"sqlite:///{path}.before-0001"
    assert execute(copy, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert execute(copy, "SELECT id FROM customer") == [("c",)]


def test_a_revision_that_breaks_references_changes_nothing(
    tmp_path: Path, with_revision: Callable[[str], None]
):
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    migrate.migrate(url)
    fill(url)
    with_revision(BREAK)
    with pytest.raises(HubError) as caught:
        migrate.migrate(url)
    assert caught.value.code == "migration_broke_references"
    assert execute(url, "SELECT id FROM customer") == [("c",)]
    assert migrate.current(url) == "0001"


def test_a_running_hub_is_not_migrated_under_its_feet(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    migrate.migrate(url)
    lock = FileLock(tmp_path / "hub.db.lock")
    assert lock.take()
    with pytest.raises(StoreUnavailable) as caught:
        migrate.migrate(url)
    assert caught.value.code == "database_in_use"
    lock.release()
    migrate.migrate(url)


def test_several_processes_may_migrate_at_once(
    postgres_server: PostgresServer, with_revision: Callable[[str], None]
):
    with postgres_server.fresh_database() as url:
        errors: list[BaseException] = []

        def run() -> None:
            try:
                migrate.migrate(url)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert migrate.current(url) == "0001"


def test_a_database_that_cannot_be_reached_is_said():
    with pytest.raises(StoreUnavailable):
        migrate.migrate("postgresql://127.0.0.1:1/x")
    with pytest.raises(StoreUnavailable):
        migrate.current("postgresql://127.0.0.1:1/x")


def test_search_is_ready_after_a_migration(tmp_path: Path, with_revision: Callable[[str], None]):
    migrate.migrate(f"sqlite:///{tmp_path / 'hub.db'}")
    with sqlite3.connect(tmp_path / "hub.db") as connection:
        assert connection.execute("SELECT count(*) FROM search_fts").fetchone() == (0,)


def test_a_database_of_a_newer_version_is_left_as_it_is(
    tmp_path: Path, with_revision: Callable[[str], None]
):
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    migrate.migrate(url)
    execute(url, "UPDATE alembic_version SET version_num = '0099'")
    assert not migrate.is_behind(url)
    assert migrate.migrate(url) == "0099"
