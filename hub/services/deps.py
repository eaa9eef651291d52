"""What every use case is handed: the store, the clock, files, keys, and facts about channels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.model.channel import Capabilities
from hub.model.clock import Clock
from hub.model.ids import ChannelId
from hub.model.router_commands import Command, Outcome
from hub.services.passwords import Passwords
from hub.services.signals import Signals
from hub.store.crypto import Keyring
from hub.store.engine import Database
from hub.store.files import FileStore
from hub.store.ratelimit import LocalLimiter, RateLimiter
from hub.store.wake import Wake


class RouterPort(Protocol):
    """The way to the one writer of routing rows."""

    async def submit(self, command: Command) -> Outcome:
        """Have the router carry out a command and say how it ended.

        Raises:
            RouterPending: no answer within 2 s; the result comes over the live feed.
        """
        ...


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What services know of a channel kind: data, not code."""

    kind: str
    work_class: str
    identity_kind: str
    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """A channel as services see it: the row without its secrets.

    `region` is the ISO country in whose form national phone numbers are read.
    """

    id: ChannelId
    kind: str
    name: str
    state: str = "active"
    separate: bool = False
    language: str = ""
    region: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Organisation:
    """Whose hub this is; the row is read at start and when it changes."""

    name: str = "Hub"
    zone: str = "UTC"
    language: str = "en"
    region: str = "CN"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Deps:
    """The composition root fills this once; use cases take what they need from it."""

    db: Database
    clock: Clock
    files: FileStore
    keyring: Keyring
    public_url: str
    kinds: Mapping[str, KindFacts]
    router: RouterPort
    wake: Wake
    organisation: Organisation = field(default_factory=Organisation)
    max_upload_bytes: int = 25_000_000
    reopen_s: int = 72 * 3600
    limiter: RateLimiter = field(default_factory=LocalLimiter)
    passwords: Passwords = field(default_factory=Passwords)
    signals: Signals = field(default_factory=Signals)
