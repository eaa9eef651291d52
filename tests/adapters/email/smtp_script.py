"""A submission server that answers by the recipient's name, in threads of its own.

The conformance suite reads case files and opens no connections of its own, so the harness starts
one of these when it is imported. `Script.mails` holds what was accepted, by recipient.
"""

import socket
import socketserver
import threading
from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override


@dataclass
class Accepted:
    """One mail as it was accepted."""

    mail_from: str
    recipients: list[str]
    raw: bytes


@dataclass
class Script:
    """What the server remembers; answers are chosen by the local part of a recipient."""

    mails: list[Accepted] = field(default_factory=list)

    RCPT: ClassVar[dict[str, str]] = {
        "nobody": "550 5.1.1 nobody@customer.example is unknown",
        "full": "552 5.2.2 mailbox full",
        "greylisted": "450 4.7.1 come back later",
        "policy": "554 5.7.1 refused by policy",
    }
    DATA: ClassVar[dict[str, str]] = {
        "toolarge": "552 5.3.4 message too big",
        "spam": "554 5.7.1 looks like spam",
        "busy": "451 4.3.0 try later",
    }


class _Session(socketserver.StreamRequestHandler):
    server: "SmtpServer"

    @override
    def handle(self) -> None:
        self._say("220 script ESMTP")
        mail_from = ""
        recipients: list[str] = []
        while line := self.rfile.readline(4_096):
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            match verb.upper():
                case "EHLO":
                    self._say("250-script", "250-AUTH PLAIN", "250 SIZE 1000000")
                case "AUTH":
                    good = "AGh1YgBodW50ZXIy" in rest  # \0hub\0hunter2
                    self._say("235 2.7.0 welcome" if good else "535 5.7.8 wrong password")
                case "MAIL":
                    mail_from, recipients = rest.partition("<")[2].partition(">")[0], []
                    self._say("250 2.1.0 ok")
                case "RCPT":
                    to = rest.partition("<")[2].partition(">")[0]
                    answer = Script.RCPT.get(to.partition("@")[0], "250 2.1.5 ok")
                    if answer.startswith("250"):
                        recipients.append(to)
                    if to.startswith("cutearly@"):
                        return
                    self._say(answer)
                case "DATA":
                    self._say("354 go on")
                    if not self._data(mail_from, recipients):
                        return
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _data(self, mail_from: str, recipients: list[str]) -> bool:
        lines = []
        while (line := self.rfile.readline(65_536)) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        name = recipients[0].partition("@")[0] if recipients else ""
        answer = Script.DATA.get(name, "250 2.0.0 queued")
        if answer.startswith("250"):
            self.server.script.mails.append(Accepted(mail_from, recipients, b"".join(lines)))
        if name == "silent":
            self.rfile.read(1)  # until the other side hangs up
            return False
        if name == "cutlate":
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        self._say(answer)
        return True

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


class SmtpServer(socketserver.ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1 until the process ends or `close` is called."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.script = Script()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        address: Any = self.server_address
        return int(address[1])

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()
