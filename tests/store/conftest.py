"""One suite, two databases: `any_url` is a fresh database with the hub's tables on each in turn."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

import hub.store.tables  # noqa: F401 - registers the tables
from hub.store import search
from hub.store.engine import Database, StoreLimits, open_database
from tests.servers import PostgresServer

Opener = Callable[..., Awaitable[Database]]


def create_tables(url: str) -> None:
    """Create the hub's tables as the models say (migrations have tests of their own)."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        SQLModel.metadata.create_all(connection)
        search.install(connection)
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the hub's tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "hub.db"
    create_tables(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A fresh SQLite file with the hub's tables."""
    shutil.copy(sqlite_template, tmp_path / "hub.db")
    return f"sqlite:///{tmp_path / 'hub.db'}"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh PostgreSQL database with the hub's tables."""
    if not postgres_server.running:
        postgres_server.start()
    template = postgres_server.template("hub_store_tables", create_tables)
    with postgres_server.fresh_database(template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the hub's tables, on each kind in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def opened() -> AsyncIterator[Opener]:
    """Return `open(url, **limits)`; what it opened is closed after the test."""
    databases: list[Database] = []

    async def open_one(url: str, **limits: float) -> Database:
        db = await open_database(url, limits=StoreLimits(**limits))  # type: ignore[arg-type]
        databases.append(db)
        return db

    yield open_one
    for db in databases:
        await db.close()


@pytest.fixture
async def db(any_url: str, opened: Opener) -> Database:
    """An open database of each kind."""
    return await opened(any_url)
