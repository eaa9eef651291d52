"""Real servers for tests, on private ports in a folder of their own, stopped by their own pid.

`PostgresServer`, `RedisServer` and `DovecotServer` are started by the session fixtures in
`conftest.py`, one of each per xdist worker and only when a test asks. None is mocked and none is
skipped: a missing program raises `ProgramMissing`, which says what to install.
"""

import contextlib
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from hub.demo.mailbox import DOVECOT_CONF

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


class ProgramMissing(RuntimeError):
    """A program the tests need is not on this machine; the message says how to get it."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(
            f"{program} is not on this machine: `scripts/test --install` installs it, or "
            f"`apt-get install -y --no-install-recommends {package}`. Tests never skip for it."
        )


def find_program(name: str, package: str, folders: Sequence[str] = ()) -> str:
    """Return the path of a program, newest first where `folders` are glob patterns."""
    for pattern in folders:
        for path in sorted(Path("/").glob(pattern.lstrip("/") + "/" + name), reverse=True):
            return str(path)
    found = shutil.which(name)
    if found is None:
        raise ProgramMissing(name, package)
    return found


def find_chromium() -> str:
    """Return the path of Debian's Chromium."""
    return find_program("chromium", "chromium fonts-noto-cjk")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(ready: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait until `ready()` is true; raise TimeoutError naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout_s:.0f} s")
        time.sleep(0.02)


class Server:
    """One foreground process in a folder under the system's temporary folder.

    The folder's path is short (unix sockets allow 107 bytes) and others may pass through it, since
    PostgreSQL and dovecot run as users of their own.
    """

    name = "server"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"hub-{self.name}-"))
        self.folder.chmod(0o755)
        self.log = self.folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Say whether our process is alive."""
        return self.process is not None and self.process.poll() is None

    def launch(self, command: Sequence[str], user: str | None = None) -> None:
        """Start `command`, as `user` when given, and wait until `is_ready`."""
        as_user: Mapping[str, object] = {}
        if user is not None:
            entry = pwd.getpwnam(user)
            as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in pytest is not for the server
                **as_user,  # type: ignore[call-overload]
            )
        wait_until(lambda: self.is_ready() or not self.running, f"start of {self.name}")
        if not self.running:
            tail = self.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended at its start:\n{tail}")

    def is_ready(self) -> bool:
        """Say whether the server answers; overridden."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server where it stood; overridden."""
        raise NotImplementedError

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop our process by its pid; a server that does not end in time is killed."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer(Server):
    """A PostgreSQL cluster of our own, never run as root, with fsync on.

    `url(name)` are addresses like ``postgresql://hub@127.0.0.1:PORT/NAME`` (no password).
    """

    name = "postgres"

    def __init__(self, fsync: bool = True) -> None:
        super().__init__()
        self.bin = Path(find_program("initdb", "postgresql", ["/usr/lib/postgresql/*/bin"])).parent
        self.fsync = fsync
        self.port = free_port()
        self.data = self.folder / "data"
        self.socket_folder = self.folder / "s"
        self.templates: set[str] = set()
        self.user = self._choose_user()
        for folder in (self.data, self.socket_folder):
            folder.mkdir(mode=0o700)
            if self.user is not None:
                shutil.chown(folder, self.user)
        self._run("initdb", "-D", self.data, "-U", "hub", "-A", "trust", "-E", "UTF8", "-N")
        self.start()

    @staticmethod
    def _choose_user() -> str | None:
        """Return the unprivileged user to run as; None when we are one already."""
        if os.geteuid() != 0:
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"

    def _run(self, program: str, *arguments: str | Path) -> None:
        entry = pwd.getpwnam(self.user) if self.user is not None else None
        subprocess.run(
            [str(self.bin / program), *map(str, arguments)],
            check=True,
            cwd=self.folder,
            capture_output=True,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=[] if entry else None,
        )

    def start(self) -> None:
        """Start on the same port and data; recovers after `stop_immediately`."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_folder),
            "fsync": "on" if self.fsync else "off",
            "max_connections": "200",
            "timezone": "UTC",
            "log_min_duration_statement": "-1",
        }
        arguments = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        self.launch([str(self.bin / "postgres"), "-D", str(self.data), *arguments], self.user)

    def is_ready(self) -> bool:
        """Say whether it takes connections (not while it still recovers)."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop fast (SIGINT): open connections are cut, a checkpoint is written."""
        super().stop(how)

    def stop_immediately(self) -> None:
        """Stop without a checkpoint, as after a crash; the next start recovers from the log."""
        self.stop(signal.SIGQUIT)

    def url(self, database: str) -> str:
        """Return the address of one database of this server."""
        return f"postgresql://hub@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: sql.SQL | sql.Composed) -> None:
        """Run one statement outside a transaction in the database `postgres`."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def create_database(self, template: str = "template1") -> str:
        """Copy a template into a fresh database and return its URL."""
        name = f"t_{uuid.uuid4().hex}"
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database that `create_database` made, cutting whoever is still connected."""
        name = url.rsplit("/", 1)[1]
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self.execute(drop.format(sql.Identifier(name)))

    def template(self, name: str, prepare: Callable[[str], object]) -> str:
        """Return the name of a template that `prepare(url)` filled, once per server.

        A test that wants the hub's tables copies a migrated template in some 30 ms instead of
        migrating. `prepare` must close its connections.
        """
        if name not in self.templates:
            self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            prepare(self.url(name))
            self.templates.add(name)
        return name

    @contextlib.contextmanager
    def fresh_database(self, template: str = "template1") -> Iterator[str]:
        """Give the URL of a fresh database and drop it afterwards."""
        url = self.create_database(template)
        try:
            yield url
        finally:
            if self.running:
                self.drop_database(url)


class RedisServer(Server):
    """A Redis that keeps nothing on disk: a restart forgets everything, as hints may be."""

    name = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.program = find_program("redis-server", "redis-server")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start on the same port, empty."""
        options = {
            "--bind": "127.0.0.1",
            "--port": str(self.port),
            "--save": "",
            "--appendonly": "no",
            "--dir": str(self.folder),
            "--daemonize": "no",
        }
        self.launch([self.program, *(part for pair in options.items() for part in pair)])

    def is_ready(self) -> bool:
        """Say whether it answers a PING."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        """Throw everything away, as FLUSHALL by somebody else would."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


class DovecotServer(Server):
    """IMAP and LMTP by dovecot; any user name is a mailbox of its own, the password is one.

    Needs root, as dovecot drops to users of its own.
    """

    name = "dovecot"
    host = "127.0.0.1"
    password = "secret"

    def __init__(self) -> None:
        super().__init__()
        self.program = find_program("dovecot", "dovecot-imapd dovecot-lmtpd", ["/usr/sbin"])
        find_program("lmtp", "dovecot-lmtpd", ["/usr/lib/dovecot"])
        if os.geteuid() != 0:
            raise RuntimeError("dovecot is started as root here: run the mail tests as root")
        self.imap_port = free_port()
        self.lmtp_port = free_port()
        for name in ("run", "state", "mail", "home"):
            (self.folder / name).mkdir()
        for name in ("mail", "home"):
            shutil.chown(self.folder / name, "nobody", "nogroup")
        self.config = self.folder / "dovecot.conf"
        self.config.write_text(
            DOVECOT_CONF.format(
                folder=self.folder,
                password=self.password,
                imap_port=self.imap_port,
                lmtp_port=self.lmtp_port,
            )
        )
        self.start()

    def start(self) -> None:
        """Start on the same ports and mailboxes."""
        self.launch([self.program, "-F", "-c", str(self.config)])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop, and wait until the listeners are gone too (they outlive the master a moment)."""
        was_running = self.running
        super().stop(how)
        if was_running:
            wait_until(lambda: not self._listens(), "end of dovecot", STOP_TIMEOUT_S)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.host, self.imap_port)) == 0

    def is_ready(self) -> bool:
        """Say whether IMAP and LMTP both greet."""
        try:
            for port in (self.imap_port, self.lmtp_port):
                with socket.create_connection((self.host, port), 2) as connection:
                    connection.settimeout(5)
                    if not connection.recv(64).startswith((b"* OK", b"220")):
                        return False
        except OSError:
            return False
        return True

    def deliver(self, recipient: str, mail: bytes, sender: str = "sender@example.com") -> None:
        """Put one mail (bytes as they are) into `recipient`'s INBOX; it is there on return."""
        with smtplib.LMTP(self.host, self.lmtp_port) as lmtp:
            lmtp.sendmail(sender, [recipient], mail)

    def kick(self, user: str) -> None:
        """Cut every IMAP session of `user`, as a server in trouble would."""
        doveadm = find_program("doveadm", "dovecot-imapd", ["/usr/bin"])
        command = [doveadm, "-c", str(self.config), "kick", user]
        subprocess.run(command, check=False, capture_output=True)
