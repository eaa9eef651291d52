"""The servers the tests stand on: they start, survive what tests do to them, and are ours alone."""

import imaplib
import os
import subprocess
from pathlib import Path

import psycopg
import pytest
import redis

from tests.servers import (
    DovecotServer,
    PostgresServer,
    ProgramMissing,
    RedisServer,
    find_program,
    wait_until,
)


def _answers(imap: imaplib.IMAP4) -> bool:
    try:
        return imap.noop()[0] == "OK"
    except (imaplib.IMAP4.error, OSError):
        return False


def test_a_fresh_database_is_empty_and_durable(
    fresh_postgres_url: str, postgres_server: PostgresServer
) -> None:
    with psycopg.connect(fresh_postgres_url) as connection:
        row = connection.execute(
            "SELECT current_setting('fsync'), count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
        assert row == ("on", 0)
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    postgres_server.stop_immediately()
    assert not postgres_server.running
    postgres_server.start()
    with psycopg.connect(fresh_postgres_url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_postgres_does_not_run_as_root(postgres_server: PostgresServer) -> None:
    assert postgres_server.process is not None
    status = Path(f"/proc/{postgres_server.process.pid}").stat()
    assert status.st_uid != 0


def test_a_template_is_prepared_once_and_copied(postgres_server: PostgresServer) -> None:
    calls: list[str] = []

    def prepare(url: str) -> None:
        calls.append(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE made (n int)")

    for _ in range(2):
        template = postgres_server.template("servers_test", prepare)
        with (
            postgres_server.fresh_database(template) as url,
            psycopg.connect(url) as connection,
        ):
            assert connection.execute("SELECT count(*) FROM made").fetchone() == (0,)
    assert len(calls) == 1


def test_redis_forgets_on_flush_and_restart(redis_server: RedisServer, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("hint", "1")
        redis_server.flush()
        assert client.get("hint") is None
        client.set("hint", "2")
    redis_server.restart()
    with redis.Redis.from_url(redis_url) as client:
        assert client.get("hint") is None


def test_dovecot_takes_mail_by_lmtp_and_gives_it_by_imap(dovecot: DovecotServer) -> None:
    dovecot.deliver("servers", b"Subject: \xe4\xbd\xa0\xe5\xa5\xbd\r\n\r\nbody\r\n")
    imap = imaplib.IMAP4(dovecot.host, dovecot.imap_port)
    imap.login("servers", dovecot.password)
    assert imap.select("INBOX") == ("OK", [b"1"])
    dovecot.kick("servers")
    # imaplib first reads the BYE, then finds the connection closed.
    wait_until(lambda: not _answers(imap), "end of the kicked session")
    imap.shutdown()
    dovecot.restart()
    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as imap:
        imap.login("servers", dovecot.password)
        assert imap.select("Processed")[0] == "OK"


def test_chromium_says_its_version(chromium_path: str) -> None:
    answer = subprocess.run(
        [chromium_path, "--version"], capture_output=True, text=True, check=True, env=os.environ
    )
    assert answer.stdout.startswith("Chromium")


def test_a_missing_program_says_what_to_install() -> None:
    with pytest.raises(ProgramMissing, match=r"apt-get install .* some-package"):
        find_program("no-such-program-at-all", "some-package")
