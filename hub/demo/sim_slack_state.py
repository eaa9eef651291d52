"""What the Slack simulator remembers: people, channels, messages, files, what happened."""

import secrets
from dataclasses import dataclass, field

from hub.demo.operations import OperationLog
from hub.model.clock import to_micros, utc_now


@dataclass(slots=True)
class SimFile:
    """A file Slack keeps."""

    file_id: str
    name: str
    content_type: str
    data: bytes
    user: str


@dataclass(slots=True)
class SimMessage:
    """A message somebody wrote in the simulated workspace."""

    channel: str
    ts: str
    user: str
    text: str
    thread_ts: str = ""
    files: tuple[SimFile, ...] = ()
    bot: bool = False
    blocks: list[dict[str, object]] = field(default_factory=list)
    metadata: dict[str, object] = field(default_factory=dict)
    username: str = ""
    edited_ts: str = ""

    @property
    def root(self) -> str:
        """The thread the message belongs to, its own when it began one."""
        return self.thread_ts or self.ts

    @property
    def delivery_id(self) -> str:
        """The hub's delivery id, from the message's metadata; empty for files."""
        payload = self.metadata.get("event_payload")
        found = payload.get("delivery_id") if isinstance(payload, dict) else None
        return found if isinstance(found, str) else ""


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next calls of one method.

    Attributes:
        status: HTTP status of the answer.
        error: Slack's error code in it; empty: an empty body.
        retry_after_s: sent as Retry-After.
        accept: do what was asked, and only then fail (the time-out after accepting).
        hang: give no answer at all.
        times: how many calls.
    """

    status: int = 200
    error: str = ""
    retry_after_s: int | None = None
    accept: bool = False
    hang: bool = False
    times: int = 1


@dataclass(slots=True)
class Workspace:
    """One workspace with one app in it."""

    team_id: str = "T0DEMO001"
    bot_user_id: str = "U0HUBBOT1"
    bot_id: str = "B0HUBBOT1"
    app_id: str = "A0HUBAPP1"
    users: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    messages: dict[tuple[str, str], SimMessage] = field(default_factory=dict)
    files: dict[str, SimFile] = field(default_factory=dict)
    log: OperationLog = field(default_factory=OperationLog)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    _last_ts: int = 0

    def add_user(self, user: str, name: str = "") -> None:
        """Let somebody join the workspace; their direct message channel exists at once."""
        self.users.setdefault(user, name or user)
        self.channels.setdefault(self.direct(user), "im")

    def direct(self, user: str) -> str:
        """Return the id of the direct message channel between `user` and the app."""
        return "D" + user[1:]

    def new_ts(self) -> str:
        """Return a message timestamp that was never given before."""
        self._last_ts = max(to_micros(utc_now()), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        """Return an identifier in Slack's style."""
        return f"{prefix}0{secrets.token_hex(4).upper()}"

    def fault_for(self, method: str) -> Fault | None:
        """Take the fault that is due for a call of `method`."""
        due = self.faults.get(method)
        if not due:
            return None
        fault = due[0]
        fault.times -= 1
        if fault.times <= 0:
            due.pop(0)
        return fault

    def key(self, channel: str, ts: str) -> str:
        """Return the external id the hub gives a message."""
        return f"{self.team_id}:{channel}:{ts}"
