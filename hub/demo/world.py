"""The demo's world around one hub: simulators, mail servers, channels, seeding, customers.

world = World(data_dir, "http://127.0.0.1:8080", Pace())
await world.prepare(deps, reload, head)    # before the loops run
world.begin(subscribe)                     # once HTTP is served
await world.close()
"""

import asyncio
import json
import random
import secrets
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import structlog

from hub.demo import mark
from hub.demo.customers import Customers, Pace
from hub.demo.dialogues import Dialogue
from hub.demo.lines import Ears, Heard, Line, SlackLine, SmsLine, TelegramLine, connect
from hub.demo.mail_line import CHECKER, MailLine, MailRoom
from hub.demo.mailbox import Mailbox
from hub.demo.past import past_moments
from hub.demo.people import MAILBOX, Person
from hub.demo.seed_company import ACTOR, seed_company
from hub.demo.seed_history import History
from hub.demo.sim_slack import SlackSim
from hub.demo.sim_telegram import TelegramSim
from hub.demo.sim_telegram_state import seconds_now
from hub.demo.sim_twilio import TwilioSim
from hub.demo.web_line import PAGES, Shop, open_chat
from hub.services.channels import ChannelChange, add_channel, change_channel, load_channels
from hub.services.deps import ChannelInfo, Deps

log = structlog.get_logger(__name__)

SEED = 2026
TALKS = 120
"""Conversations of the history."""
SHOP = "https://www.huaxin.example"
UNCONFIRMED = "daniel.fox@mail.example"
"""Somebody whose mail server proves nothing: his mails are marked "sender not confirmed"."""
_NAMES = {
    "webchat": "Website chat 在线客服",
    "twilio_sms": "SMS 短信",
    "telegram": "Telegram",
    "slack": "Slack partners 合作伙伴",
    "email": "E-mail 邮件",
}
_TELEGRAM_EPOCH = 1_700_000_000


class World:
    """Everything around the hub, on free ports of this machine.

    Args:
        hub: the hub's public URL.
        config: folder with the shipped policies and calendars.
        talks: conversations of the history.
    """

    def __init__(
        self, data_dir: Path, hub: str, config: Path, pace: Pace, *, talks: int = TALKS
    ) -> None:
        self._data_dir, self._hub, self._config = data_dir, hub, config
        self._pace, self._talks = pace, talks
        self.ears = Ears()
        self.twilio = TwilioSim()
        self.telegram = TelegramSim(first_message=seconds_now() - _TELEGRAM_EPOCH)
        bot_token, signing_secret = f"xoxb-{secrets.token_hex(12)}", secrets.token_hex(16)
        self._slack_secrets = {"bot_token": bot_token, "signing_secret": signing_secret}
        self.slack = SlackSim(bot_token=bot_token, signing_secret=signing_secret)
        self.mail = MailRoom(self.ears)
        self.mailbox: Mailbox | None = None
        self._identity_secret = secrets.token_urlsafe(32)
        self._channels: dict[str, ChannelInfo] = {}
        self._http: aiohttp.ClientSession | None = None
        self._stop = asyncio.Event()
        self._living: asyncio.Task[None] | None = None
        self.customers = Customers(self._open_line, pace, seed=random.randrange(10**6))  # noqa: S311

    # --- life -----------------------------------------------------------------------------------
    async def prepare(
        self, deps: Deps, reload: Callable[[], Awaitable[None]], head: Callable[[], int]
    ) -> None:
        """Start the simulators, set the channels up, and seed what is empty.

        Args:
            reload: makes the process read channels and organisation anew.
            head: up to which event the log may be read.
        """
        await self._start_servers()
        empty = not mark.is_seeded(self._data_dir)
        if empty:
            await seed_company(deps, self._config)
        await self._set_up_channels(deps)
        await reload()
        if empty:
            await self._seed_history(deps, head)
            await asyncio.to_thread(mark.set_seeded, self._data_dir)

    def begin(self, subscribe: Callable[[str], Awaitable[None]]) -> None:
        """Let customers write.

        Args:
            subscribe: has a channel, by its id, tell its provider where the hub is.
        """
        self._living = asyncio.create_task(self._live(subscribe), name="demo-customers")

    async def close(self) -> None:
        """Send everybody home and stop every server."""
        self._stop.set()
        if self._living is not None:
            self._living.cancel()
            await asyncio.gather(self._living, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
        await self.twilio.stop()
        await self.telegram.stop()
        await self.slack.stop()
        await self.mail.stop()
        if self.mailbox is not None:
            await asyncio.to_thread(self.mailbox.stop)

    async def _start_servers(self) -> None:
        await self.twilio.start()
        await self.telegram.start()
        await self.slack.start()
        connect(self.ears, self.twilio, self.telegram, self.slack)
        self._http = aiohttp.ClientSession()
        self.mailbox = await asyncio.to_thread(Mailbox.start)

    async def _live(self, subscribe: Callable[[str], Awaitable[None]]) -> None:
        await subscribe(self._channels["telegram"].id)
        await self.customers.run(self._stop)

    # --- channels -------------------------------------------------------------------------------
    async def _set_up_channels(self, deps: Deps) -> None:
        """Add the five channels, or tell the known ones where their simulators are today."""
        configs = await self._configs()
        known = {row.info.kind: row for row in await load_channels(deps)}
        for kind, config in configs.items():
            change = ChannelChange(_NAMES[kind], json.dumps(config).encode(), region="CN")
            row = known.get(kind)
            if row is None:
                await add_channel(deps, kind, change, actor=ACTOR)
            else:
                await change_channel(deps, row.info.id, change, if_version=row.version, actor=ACTOR)
        self._channels = {row.info.kind: row.info for row in await load_channels(deps)}
        self.twilio.hub_url = self._webhook("twilio_sms")
        self.slack.hub_url = self._webhook("slack")

    def _webhook(self, kind: str) -> str:
        return f"{self._hub}/in/{self._channels[kind].id}"

    async def _configs(self) -> dict[str, dict[str, object]]:
        smtp_port = await self.mail.start()
        return {
            "webchat": {
                "allowed_origins": [SHOP],
                "identity_secret": self._identity_secret,
                "title": "Huaxin Telecom",
                "greeting": {"en": "Hello! Can we help?", "zh-CN": "您好，需要帮忙吗？"},
                "welcome": {
                    "en": "Ask us anything. We usually answer within a minute.",
                    "zh-CN": "欢迎咨询，我们通常一分钟内回复您。",
                },
            },
            "twilio_sms": dict(self.twilio.channel_config()),
            "telegram": {
                "bot_token": self.telegram.token,
                "secret_token": secrets.token_urlsafe(24),
                "api_base": self.telegram.api_base,
            },
            "slack": {
                **self._slack_secrets,
                "team_id": self.slack.workspace.team_id,
                "bot_user_id": self.slack.workspace.bot_user_id,
                "api_base": self.slack.api_base,
            },
            "email": {
                "address": MAILBOX,
                "display_name": "Huaxin Telecom",
                "smtp": {"host": "127.0.0.1", "port": smtp_port, "security": "none"},
                "trusted_authserv_id": CHECKER,
                "dkim_check": False,
                **self._way_of_mail(),
            },
        }

    def _way_of_mail(self) -> dict[str, object]:
        """Fetch from dovecot where there is one, else open the hub's own door for mail."""
        if self.mailbox is not None:
            self.mail.delivery_port, self.mail.lmtp = self.mailbox.lmtp_port, True
            return {"imap": self.mailbox.imap_config()}
        self.mail.delivery_port = free_port()
        return {"listener": {"port": self.mail.delivery_port}}

    # --- history --------------------------------------------------------------------------------
    async def _seed_history(self, deps: Deps, head: Callable[[], int]) -> None:
        now = deps.clock.now()
        moments = past_moments(now, talks=self._talks, seed=SEED)
        history = History(deps, self._channels, now - timedelta(days=8))
        await history.play(moments)
        await history.finish(head())
        log.info("demo.seeded", conversations=self._talks, moments=len(moments))

    # --- customers ------------------------------------------------------------------------------
    async def _open_line(self, person: Person, way: str, said: Dialogue, heard: Heard) -> Line:
        match way:
            case "twilio_sms":
                return SmsLine(self.twilio, self.ears, person, heard)
            case "telegram":
                return TelegramLine(self.telegram, self.ears, person, heard)
            case "slack":
                return SlackLine(self.slack, self.ears, person, heard)
            case "email":
                subject = said.subject or said.customer[0].text[:40]
                sure = person.email != UNCONFIRMED
                return MailLine(self.mail, person, subject, heard, confirmed=sure)
        assert self._http is not None
        shop = Shop(
            self._http, self._hub, self._channels["webchat"].id, SHOP, self._identity_secret
        )
        page = PAGES[len(person.name) % len(PAGES)]
        return await open_chat(shop, person, page, heard)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
