"""Fixtures every room may use: real servers, Chromium, the long tier's reports.

Servers start when the first test asks for one, once per xdist worker, and stop with the session. A
missing program fails the test with what to install; nothing is skipped.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest

from tests.servers import (
    DovecotServer,
    PostgresServer,
    ProgramMissing,
    RedisServer,
    Server,
    find_chromium,
)

ROOT = Path(__file__).resolve().parent.parent
LONG = os.environ.get("HUB_TEST_LONG") == "1"
S = TypeVar("S", bound=Server)

# Deadlines measure a shared two-core machine, not our code; slowness has tests of its own.
hypothesis.settings.register_profile("short", max_examples=50, deadline=None, print_blob=True)
hypothesis.settings.register_profile("long", max_examples=2_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("long" if LONG else "short")


def _serve(make: Callable[[], S]) -> Iterator[S]:
    try:
        server = make()
    except ProgramMissing as missing:
        pytest.fail(str(missing))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of this worker's own; a test that stops it must start it again."""
    yield from _serve(PostgresServer)


@pytest.fixture
def fresh_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database that only this test sees."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of this worker's own; use `redis_url` for an empty one."""
    yield from _serve(RedisServer)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of a Redis that is up and empty."""
    if not redis_server.running:
        redis_server.start()
    redis_server.flush()
    return redis_server.url


@pytest.fixture(scope="session")
def dovecot() -> Iterator[DovecotServer]:
    """IMAP and LMTP of this worker's own; take a mailbox name that no other test takes."""
    yield from _serve(DovecotServer)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of a Chromium to drive."""
    try:
        return find_chromium()
    except ProgramMissing as missing:
        pytest.fail(str(missing))


@pytest.fixture
def long_report() -> Callable[[str, object], None]:
    """Return `write(name, facts)`: puts what a long test measured into bench-out/long-NAME.json."""

    def write(name: str, facts: object) -> None:
        folder = ROOT / "bench-out"
        folder.mkdir(exist_ok=True)
        (folder / f"long-{name}.json").write_text(json.dumps(facts, indent=2, default=str) + "\n")

    return write


_outcomes: list[dict[str, object]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what became of every test of the long tier."""
    if LONG and (report.when == "call" or report.failed):
        _outcomes.append(
            {"test": report.nodeid, "outcome": report.outcome, "seconds": round(report.duration, 3)}
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the long tier's outcomes where the benchmarks write theirs."""
    if LONG and _outcomes and not hasattr(session.config, "workerinput"):
        folder = ROOT / "bench-out"
        folder.mkdir(exist_ok=True)
        (folder / "long-tests.json").write_text(json.dumps(_outcomes, indent=2) + "\n")
