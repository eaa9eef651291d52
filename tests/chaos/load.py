"""Load from every channel with the retries each provider makes, and what must come of it.

Every message carries a marker of its own. A marker whose sender heard "stored" must stand in the
database exactly once; any other at most once.
"""

import asyncio
import contextlib
import json
import random
import secrets
import smtplib
import uuid
from collections import Counter
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import aiohttp

from hub.demo.operations import Operation, OperationLog, OpKind
from hub.demo.sim_slack import SlackSim
from hub.demo.sim_telegram import TelegramSim
from hub.demo.sim_twilio import TwilioSim
from tests.live_hub import LiveHub, free_port

MAILBOX = "help@hub.test"
SENDERS = 6


@dataclass
class Said:
    """What was said on one channel: every marker, and those that were acknowledged."""

    all: list[str] = field(default_factory=list)
    acked: set[str] = field(default_factory=set)


@dataclass
class Providers:
    """Five simulated ways in, their operation logs, and the hub they talk to."""

    hub: LiveHub
    rng: random.Random
    twilio: TwilioSim = field(default_factory=TwilioSim)
    telegram: TelegramSim = field(
        default_factory=lambda: TelegramSim(retry_delays_s=(0.2, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0))
    )
    slack: SlackSim = field(
        default_factory=lambda: SlackSim(signing_secret="s" * 32, bot_token="xoxb-chaos-1")
    )
    mail_port: int = field(default_factory=free_port)
    said: dict[str, Said] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    tokens: dict[int, str] = field(default_factory=dict)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self) -> None:
        """Start the simulators and write the hub's channels."""
        await self.twilio.start()
        await self.telegram.start()
        self.slack.echo = False
        self.slack.reports_metadata = False
        await self.slack.start()
        self.slack.delivery.retry_delays_s = (0.2, 1.5, 3.0, 3.0)
        self.channels = await self.hub.add_channels(
            {
                "twilio_sms": ("twilio_sms", json.dumps(self.twilio.channel_config()).encode()),
                "telegram": ("telegram", json.dumps(self._telegram()).encode()),
                "slack": ("slack", json.dumps(self._slack()).encode()),
                "email": ("email", json.dumps(self._email()).encode()),
                "webchat": ("webchat", json.dumps(self._webchat()).encode()),
            }
        )
        base = f"{self.hub.url}/in"
        # Twilio repeats only when its URL asks for it; the hub's set-up guide says so.
        self.twilio.hub_url = f"{base}/{self.channels['twilio_sms']}#rc=4&rp=ct,rt,5xx"
        self.slack.hub_url = f"{base}/{self.channels['slack']}"
        await self._telegram_webhook(f"{base}/{self.channels['telegram']}")
        self.said = {kind: Said() for kind in self.channels}

    def _telegram(self) -> dict[str, str]:
        return {
            "bot_token": self.telegram.token,
            "secret_token": "chaos_secret_token_1234",
            "api_base": self.telegram.api_base,
        }

    def _slack(self) -> dict[str, Any]:
        workspace = self.slack.workspace
        return {
            "bot_token": "xoxb-chaos-1",
            "signing_secret": "s" * 32,
            "team_id": workspace.team_id,
            "bot_user_id": workspace.bot_user_id,
            "api_base": self.slack.api_base,
        }

    def _email(self) -> dict[str, Any]:
        return {
            "address": MAILBOX,
            "listener": {"bind": "127.0.0.1", "port": self.mail_port},
            "dkim_check": False,
        }

    def _webchat(self) -> dict[str, Any]:
        return {"allowed_origins": [self.hub.url]}

    async def _telegram_webhook(self, url: str) -> None:
        call = f"{self.telegram.api_base}/bot{self.telegram.token}/setWebhook"
        form = {"url": url, "secret_token": "chaos_secret_token_1234"}
        async with aiohttp.ClientSession() as session, session.post(call, data=form) as answer:
            assert answer.status == 200, await answer.text()

    # --- people who write ----------------------------------------------------------------------
    def start(self) -> list[asyncio.Task[None]]:
        """Let customers write on every channel until `stop`."""
        makers = (self._sms, self._telegrams, self._slacks, self._mails, self._chats)
        return [asyncio.create_task(self._pace(maker)) for maker in makers]

    async def _pace(self, say: Any) -> None:
        n = 0
        pending: set[asyncio.Task[None]] = set()
        while not self.stop.is_set():
            n += 1
            task = asyncio.create_task(say(n))
            pending.add(task)
            task.add_done_callback(pending.discard)
            await asyncio.sleep(self.rng.uniform(0.01, 0.08))
            if len(pending) > 40:
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if pending:
            await asyncio.wait(pending, timeout=60)

    def _marker(self, kind: str, n: int) -> str:
        marker = f"mark-{kind}-{n}-{secrets.token_hex(4)}"
        self.said[kind].all.append(marker)
        return marker

    async def _sms(self, n: int) -> None:
        marker = self._marker("twilio_sms", n)
        number = f"+8613900000{n % SENDERS:03d}"
        operation = await self.twilio.customer_says(number, f"{marker} 您好")
        if operation.outcome.value == "ok":
            self.said["twilio_sms"].acked.add(marker)

    async def _telegrams(self, n: int) -> None:
        marker = self._marker("telegram", n)
        user = 700_000 + n % SENDERS
        self.telegram.customer(user, f"T{user}")
        operation = await self.telegram.customer_says(user, marker)
        await self._ended(self.telegram.log, operation)
        if operation.outcome.value == "ok":
            self.said["telegram"].acked.add(marker)

    async def _slacks(self, n: int) -> None:
        marker = self._marker("slack", n)
        before = len(self.slack.operations)
        await self.slack.dm(f"U{n % SENDERS:08d}", marker)
        operation = self.slack.operations.operations[before]
        await self._ended(self.slack.operations, operation)
        if operation.outcome.value == "ok":
            self.said["slack"].acked.add(marker)

    async def _ended(self, log: OperationLog, operation: Operation) -> None:
        """Wait until a provider was answered or gave up; one still trying at the end is neither."""
        with contextlib.suppress(TimeoutError):
            await log.until(lambda: operation.outcome.value != "pending", 60)

    async def _mails(self, n: int) -> None:
        marker = self._marker("email", n)
        mail = EmailMessage()
        mail["From"] = f"Person {n % SENDERS} <person{n % SENDERS}@example.net>"
        mail["To"] = MAILBOX
        mail["Subject"] = f"Question {n % SENDERS}"
        mail["Message-ID"] = f"<{marker}@example.net>"
        mail["Date"] = "Mon, 02 Nov 2026 10:00:00 +0000"
        mail.set_content(f"{marker}\n您好")
        for pause_s in (0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 4.0):
            if await asyncio.to_thread(self._hand_over, mail):
                self.said["email"].acked.add(marker)
                return
            await asyncio.sleep(pause_s)

    def _hand_over(self, mail: EmailMessage) -> bool:
        """Hand a mail over as a mail server does: only a 250 after the text means it is stored."""
        try:
            with smtplib.SMTP("127.0.0.1", self.mail_port, timeout=15) as server:
                server.send_message(mail)
        except (OSError, smtplib.SMTPException):
            return False
        return True

    async def _chats(self, n: int) -> None:
        """A page that keeps its text until the hub says it is stored; visitors keep their token."""
        marker = self._marker("webchat", n)
        message = {"client_id": str(uuid.uuid4()), "text": marker}
        visitor = n % SENDERS
        timeout = aiohttp.ClientTimeout(total=15)
        headers = {"Origin": self.hub.url}
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            for pause_s in (0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 4.0):
                try:
                    if visitor not in self.tokens:
                        await self._chat_session(session, visitor)
                    if visitor in self.tokens and await self._chat_says(session, visitor, message):
                        self.said["webchat"].acked.add(marker)
                        return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(pause_s)

    async def _chat_session(self, session: aiohttp.ClientSession, visitor: int) -> None:
        body = {"channel_id": self.channels["webchat"], "language": "en"}
        async with session.post(f"{self.hub.url}/widget/v1/session", json=body) as answer:
            if answer.status in (200, 201):
                self.tokens.setdefault(visitor, str((await answer.json())["token"]))

    async def _chat_says(
        self, session: aiohttp.ClientSession, visitor: int, message: dict[str, str]
    ) -> bool:
        async with session.post(
            f"{self.hub.url}/widget/v1/messages",
            json={"messages": [message]},
            headers={"Authorization": f"Bearer {self.tokens[visitor]}"},
        ) as answer:
            if answer.status != 200:
                return False
            outcome = (await answer.json())["results"][0]["outcome"]
            return outcome in ("stored", "duplicate", "spooled")

    async def end(self) -> None:
        """Stop the simulators."""
        await self.twilio.stop()
        await self.telegram.stop()
        await self.slack.stop()

    def attempts(self, kind: str) -> tuple[int, int]:
        """Return how many hand-overs of a provider were acknowledged, and how many unheard."""
        log = {
            "twilio_sms": self.twilio.log,
            "telegram": self.telegram.log,
            "slack": self.slack.operations,
        }[kind]
        statuses: Counter[bool] = Counter()
        for operation in log.of(OpKind.INBOUND):
            for status in operation.statuses:
                if status == 0:
                    statuses[False] += 1
                elif 200 <= status < 300:
                    statuses[True] += 1
        return statuses[True], statuses[False]
