"""Channels and pulls for tests: what is needed to read a mailbox as the puller does."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from hub.adapters.email import MANIFEST, EmailConfig
from hub.adapters.email.pulling import PullingEmailChannel
from hub.model.channel import InboundMessage, Pulled
from tests.adapters.case_files import new_context
from tests.adapters.scripted_http import ScriptedHttp
from tests.servers import DovecotServer

WAIT_S = 20.0


def channel(**config: Any) -> PullingEmailChannel:
    """Build a mailbox that is read; `imap` and `listener` as plain values."""
    told = EmailConfig.model_validate(
        {"address": "support@shop.example", "dkim_check": False, **config}
    )
    return PullingEmailChannel(MANIFEST, told, new_context(ScriptedHttp()))


def imap(dovecot: DovecotServer, user: str, **more: Any) -> dict[str, Any]:
    """Return the configuration of one of dovecot's mailboxes."""
    return {
        "host": dovecot.host,
        "port": dovecot.imap_port,
        "security": "none",
        "user": user,
        "password": dovecot.password,
        **more,
    }


def mail(number: int, body: str = "text") -> bytes:
    """Return a mail with its number in subject and id."""
    return (
        f"From: ada@customer.example\r\nSubject: {number}\r\n"
        f"Message-ID: <{number}@customer.example>\r\n\r\n{body}\r\n"
    ).encode()


class Pull:
    """One running pull, taken from as the puller does."""

    def __init__(self, mailbox: PullingEmailChannel, cursor: str | None) -> None:
        self.channel = mailbox
        self.stop = asyncio.Event()
        self.stream: AsyncGenerator[Pulled, None] = mailbox.pull(cursor, self.stop)
        self.cursor = cursor

    async def next(self) -> Pulled:
        """Return the next thing, acknowledged and with its cursor kept."""
        async with asyncio.timeout(WAIT_S):
            pulled = await anext(self.stream)
        self.cursor = pulled.cursor
        if pulled.ack is not None:
            await pulled.ack()
        return pulled

    async def subjects(self, count: int) -> list[str]:
        """Return the subjects of the next mails."""
        found: list[str] = []
        while len(found) < count:
            pulled = await self.next()
            for item in self.channel.parse(pulled.request).items:
                assert isinstance(item, InboundMessage)
                found.append(item.content.subject or "")
        return found

    @property
    def uid(self) -> int:
        """The UID of the cursor."""
        uid: int = json.loads(self.cursor or "{}")["uid"]
        return uid


@asynccontextmanager
async def pulling(mailbox: PullingEmailChannel, cursor: str | None = None) -> AsyncIterator[Pull]:
    """Run a pull and end it as the puller does."""
    pull = Pull(mailbox, cursor)
    try:
        yield pull
    finally:
        pull.stop.set()
        await pull.stream.aclose()


async def until(ready: Callable[[], bool]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(WAIT_S):
        while not ready():
            await asyncio.sleep(0.02)
