"""A dovecot of our own, where there is one on this machine: IMAP for the hub, LMTP for customers.

It needs root (dovecot drops to users of its own). Elsewhere the demo's mail comes in through the
hub's own SMTP listener instead, which is as real a way.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import structlog

from hub.demo.people import MAILBOX

log = structlog.get_logger(__name__)

START_S = 15.0
_PASSWORD = "demo"  # noqa: S105 - of a server on loopback that lives as long as the demo
_FOLDERS = ("run", "state", "mail", "home")
DOVECOT_CONF = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 0
mail_location = maildir:{folder}/mail/%u
mail_uid = nobody
mail_gid = nogroup
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/home/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Processed {{
    auto = create
  }}
}}
"""
"""A private dovecot of one folder; the tests start theirs with it too."""


class Mailbox:
    """A running dovecot. Any user's mailbox exists; blocking, so use it from a thread."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", folder: Path, ports: tuple[int, int]
    ) -> None:
        self._process, self._folder = process, folder
        self.imap_port, self.lmtp_port = ports

    @classmethod
    def start(cls) -> "Mailbox | None":
        """Start one; None where that is not possible."""
        program = shutil.which("dovecot", path=f"/usr/sbin:{os.defpath}")
        if program is None or not _may_start():
            return None
        folder = Path(tempfile.mkdtemp(prefix="hub-demo-mail-"))
        ports = (_free_port(), _free_port())
        try:
            made = cls(_launch(program, folder, ports), folder, ports)
        except OSError as error:
            log.info("demo.no_dovecot", error=type(error).__name__)
            shutil.rmtree(folder, ignore_errors=True)
            return None
        if made._answers():
            return made
        made.stop()
        log.info("demo.no_dovecot", error="not_ready")
        return None

    def imap_config(self) -> dict[str, object]:
        """Return what the e-mail channel is configured with."""
        return {
            "host": "127.0.0.1",
            "port": self.imap_port,
            "security": "none",
            "user": MAILBOX,
            "password": _PASSWORD,
        }

    def stop(self) -> None:
        """Stop it by its pid and remove its folder."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        """Wait until both ports greet."""
        for _ in range(int(START_S / 0.1)):
            if self._process.poll() is not None:
                return False
            if all(_greets(port) for port in (self.imap_port, self.lmtp_port)):
                return True
            time.sleep(0.1)
        return False


def _may_start() -> bool:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    if not Path("/usr/lib/dovecot/lmtp").exists():
        return False
    known = {entry.pw_name for entry in pwd.getpwall()}
    return {"dovecot", "dovenull", "nobody"} <= known


def _launch(program: str, folder: Path, ports: tuple[int, int]) -> "subprocess.Popen[bytes]":
    folder.chmod(0o755)
    for name in _FOLDERS:
        (folder / name).mkdir()
    for name in ("mail", "home"):
        shutil.chown(folder / name, "nobody", "nogroup")
    config = folder / "dovecot.conf"
    config.write_text(
        DOVECOT_CONF.format(
            folder=folder, password=_PASSWORD, imap_port=ports[0], lmtp_port=ports[1]
        )
    )
    return subprocess.Popen(  # noqa: S603 - a program of the system, found by name
        [program, "-F", "-c", str(config)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(2)
            return connection.recv(64).startswith((b"* OK", b"220"))
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
