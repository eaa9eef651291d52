"""What the simulated Telegram remembers: customers, chats, files, what was sent, what to break."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.model.clock import to_micros, utc_now


class ApiError(Exception):
    """A refusal of the Bot API."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        self.status = status
        self.description = description
        self.parameters = parameters
        super().__init__(description)


@dataclass(frozen=True, slots=True)
class SimUser:
    """A customer on Telegram."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language_code: str = "en"

    def as_user(self) -> dict[str, Any]:
        """Return the User object."""
        return {
            "id": self.id,
            "is_bot": False,
            **self._names(),
            "language_code": self.language_code,
        }

    def as_chat(self) -> dict[str, Any]:
        """Return the private Chat object."""
        return {"id": self.id, "type": "private", **self._names()}

    def _names(self) -> dict[str, str]:
        names = {
            "first_name": self.first_name,
            "last_name": self.last_name,
            "username": self.username,
        }
        return {name: value for name, value in names.items() if value}


@dataclass(frozen=True, slots=True)
class SimFile:
    """A file at Telegram."""

    file_id: str
    data: bytes
    filename: str
    content_type: str
    path: str


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What a customer received from the bot.

    Attributes:
        method: the Bot API method that sent it.
        text: text or caption.
        buttons: (label, value) of the inline keyboard.
    """

    chat_id: int
    message_id: int
    method: str
    text: str = ""
    file: SimFile | None = None
    latitude: float | None = None
    longitude: float | None = None
    buttons: tuple[tuple[str, str], ...] = ()
    keyboard: Mapping[str, Any] = field(default_factory=dict)

    @property
    def external_id(self) -> str:
        """The id as the hub's adapter makes it."""
        return f"{self.chat_id}:{self.message_id}"


@dataclass(slots=True)
class Fault:
    """What the next calls of the hub meet.

    Attributes:
        method: of the Bot API; empty: any that sends to a customer.
        status: answer with this error and do nothing; 0: do not refuse.
        retry_after_s: goes with status 429.
        accept: "" as status says; "hang" or "cut": the message goes out, but the answer is held
            back until the caller gives up, or the connection is cut.
        times: how many calls meet it.
    """

    method: str = ""
    status: int = 0
    retry_after_s: int = 0
    accept: str = ""
    times: int = 1


class SimState:
    """The simulated Telegram's memory."""

    def __init__(self, bot_id: int, username: str, first_message: int = 1) -> None:
        self.bot = {
            "id": bot_id,
            "is_bot": True,
            "first_name": "Demo Support",
            "username": username,
        }
        self.users: dict[int, SimUser] = {}
        self.blocked: set[int] = set()
        self.sent: list[SentMessage] = []
        self.messages: dict[tuple[int, int], dict[str, Any]] = {}
        self.files: dict[str, SimFile] = {}
        self.faults: list[Fault] = []
        self.pressed: set[str] = set()
        self.answered: set[str] = set()
        self.actions: list[tuple[int, str]] = []
        self._first_message = first_message
        self._message_ids: dict[int, itertools.count[int]] = {}
        self._serial = itertools.count(1)

    def user(self, user_id: int) -> SimUser:
        """Return a customer; an unknown one appears with a plain name."""
        return self.users.setdefault(user_id, SimUser(user_id, f"Customer {user_id}"))

    def serial(self) -> int:
        """Return the next number of anything."""
        return next(self._serial)

    def new_message(
        self, user_id: int, sender: Mapping[str, Any], **content: Any
    ) -> dict[str, Any]:
        """Make a Message in the private chat of one customer and remember it."""
        numbers = self._message_ids.setdefault(user_id, itertools.count(self._first_message))
        message = {
            "message_id": next(numbers),
            "from": dict(sender),
            "chat": self.user(user_id).as_chat(),
            "date": seconds_now(),
            **content,
        }
        self.messages[user_id, message["message_id"]] = message
        return message

    def new_file(self, data: bytes, filename: str, content_type: str, folder: str) -> SimFile:
        """Take a file in."""
        number = self.serial()
        extension = filename.rpartition(".")[2] if "." in filename else "bin"
        extension = extension if extension.isascii() and extension.isalnum() else "bin"
        file = SimFile(
            file_id=f"AgACAgSIM{number:08d}",
            data=data,
            filename=filename,
            content_type=content_type,
            path=f"{folder}/file_{number}.{extension}",
        )
        self.files[file.file_id] = file
        return file

    def fault_for(self, method: str, *, sends: bool) -> Fault | None:
        """Return the fault this call meets, and use it up."""
        for fault in self.faults:
            if fault.method == method or (not fault.method and sends):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None


def seconds_now() -> int:
    """Return the current Unix time in whole seconds."""
    return to_micros(utc_now()) // 1_000_000
