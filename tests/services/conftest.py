"""A hub's services on each database in turn, with real files, keys and wake-ups."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.model.address import Address, Assurance, IdentityKind
from hub.model.channel import (
    Capabilities,
    InboundMessage,
    Intake,
    ItemOutcome,
    RawRequest,
    ThreadHint,
)
from hub.model.clock import ManualClock
from hub.model.content import Content
from hub.model.ids import new_id
from hub.model.router_commands import Command, Outcome, OutcomeCode
from hub.services.channels import ChannelChange, add_channel
from hub.services.deps import ChannelInfo, Deps, KindFacts
from hub.services.receive import Arrival, receive
from hub.store.crypto import Keyring
from hub.store.engine import open_database
from hub.store.files import FolderStore
from hub.store.wake import LocalWake
from tests.store.conftest import any_url, postgres_url, sqlite_template, sqlite_url

__all__ = ["any_url", "postgres_url", "sqlite_template", "sqlite_url"]

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
TEXT = Capabilities(max_text_chars=1600, can_start=True, max_media=5, max_media_bytes=5_000_000)
KINDS = {
    "twilio_sms": KindFacts("twilio_sms", "sms", "phone", TEXT),
    "email": KindFacts("email", "email", "email", TEXT.model_copy(update={"subject": True})),
    "webchat": KindFacts("webchat", "webchat", "web", TEXT.model_copy(update={"live": True})),
}


@dataclass
class RecordingRouter:
    """Takes commands and says yes; the real router has tests of its own."""

    commands: list[Command] = field(default_factory=list)

    async def submit(self, command: Command) -> Outcome:
        """Remember the command."""
        self.commands.append(command)
        return Outcome(OutcomeCode.OK)


@dataclass
class World:
    """The services under test with one channel of each kind."""

    deps: Deps
    clock: ManualClock
    channels: dict[str, ChannelInfo]

    async def receive(self, kind: str, *messages: InboundMessage) -> tuple[ItemOutcome, ...]:
        """Store messages as one request of a channel."""
        channel = self.channels[kind]
        request = RawRequest(
            "POST", "http://hub/in/x", "/in/x", "", {}, b"payload", self.clock.now()
        )
        arrival = Arrival(channel, request, Intake(tuple(messages)), new_id())
        return await receive(self.deps, arrival)

    def sms(self, text: str, sender: str = "+8613800138000", external: str = "") -> InboundMessage:
        """An SMS."""
        return InboundMessage(
            external or new_id(),
            Address(IdentityKind.PHONE, sender),
            Content(text=text),
            self.clock.now(),
        )

    def mail(
        self,
        text: str,
        sender: str = "ada@example.com",
        subject: str = "Refund",
        *,
        confirmed: bool = True,
        answers: str | None = None,
    ) -> InboundMessage:
        """A mail; `answers` is a conversation whose keyed reference verified."""
        return InboundMessage(
            new_id(),
            Address(IdentityKind.EMAIL, sender),
            Content(text=text, subject=subject),
            self.clock.now(),
            assurance=Assurance.VERIFIED if confirmed else Assurance.CLAIMED,
            thread=ThreadHint(conversation_id=answers),  # type: ignore[arg-type]
        )


@pytest.fixture
async def world(any_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Services on a fresh database."""
    clock = ManualClock(START)
    db = await open_database(any_url)
    deps = Deps(
        db=db,
        clock=clock,
        files=FolderStore(tmp_path / "files"),
        keyring=Keyring([b"0123456789abcdef0123456789abcdef"]),
        public_url="http://hub.test",
        kinds=KINDS,
        router=RecordingRouter(),
        wake=LocalWake(),
    )
    channels = {}
    for kind in KINDS:
        id_ = await add_channel(deps, kind, ChannelChange(kind, b"{}"), actor="test")
        channels[kind] = ChannelInfo(id_, kind, kind)
    yield World(deps, clock, channels)
    await db.close()
