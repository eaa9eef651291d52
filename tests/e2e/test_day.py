"""One day on real parts: a page in Chromium, mail through SMTP and dovecot, signed webhooks.

One customer on three channels is one conversation, answered on each; a forger stays outside.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub.demo.sim_slack import SlackSim
from hub.demo.sim_telegram import TelegramSim
from hub.demo.sim_twilio import TwilioSim
from tests.e2e.browser import Page, open_page
from tests.e2e.desk import Desk, at_desk, hire
from tests.e2e.post_office import CHECKER, Domain, PostOffice, write
from tests.e2e.shop import Shop
from tests.e2e.stage import select, until
from tests.live_hub import LiveHub
from tests.servers import DovecotServer

MAILBOX = "day@hub.test"
ADA, PHONE = "ada@mail.test", "+8613812345678"
IDENTITY_SECRET = "i" * 40
TELEGRAM_SECRET = "day_secret_token_123"


@dataclass
class Town:
    """The hub and everything around it."""

    hub: LiveHub
    shop: Shop
    post: PostOffice
    domain: Domain
    twilio: TwilioSim
    telegram: TelegramSim
    slack: SlackSim
    channels: dict[str, str]

    async def conversation_of(self, text: str) -> str:
        """Wait for a customer's text to be stored; return its conversation."""

        async def look() -> str | None:
            sql = "SELECT conversation_id, content FROM message WHERE direction = 'in'"
            for conversation, content in select(self.hub, sql):
                if text in json.loads(content)["text"]:
                    return str(conversation)
            return None

        return await until(look, f"{text!r} is stored", 30)


@pytest.fixture(scope="module")
async def town(
    tmp_path_factory: pytest.TempPathFactory, dovecot: DovecotServer
) -> AsyncIterator[Town]:
    hub = LiveHub(tmp_path_factory.mktemp("day"))
    domain = Domain("mail.test")
    claims = {
        "sub": "account-7", "name": "Ada Li", "email": ADA, "email_verified": True,
        "phone": PHONE, "phone_verified": True,
    }  # fmt: skip
    made = Town(
        hub, Shop(IDENTITY_SECRET, claims), PostOffice(dovecot, domain), domain, TwilioSim(),
        TelegramSim(), SlackSim(signing_secret="s" * 32, bot_token="xoxb-day-1"), {},
    )  # fmt: skip
    parts = (made.shop, made.post, made.twilio, made.telegram, made.slack)
    for part in parts:
        await part.start()
    try:
        made.channels = await hub.add_channels(_channels(made, dovecot))
        await hire(hub, "lin")
        made.shop.hub, made.shop.channel = hub.url, made.channels["chat"]
        made.twilio.hub_url = f"{hub.url}/in/{made.channels['sms']}"
        made.slack.hub_url = f"{hub.url}/in/{made.channels['slack']}"
        hub.start()
        await hub.ready()
        await _set_webhook(made)
        yield made
    finally:
        hub.kill()
        for part in parts:
            await part.stop()


def _channels(town: Town, dovecot: DovecotServer) -> dict[str, tuple[str, bytes]]:
    workspace = town.slack.workspace
    configs: dict[str, tuple[str, dict[str, Any]]] = {
        "chat": ("webchat", {
            "allowed_origins": [town.shop.origin], "identity_secret": IDENTITY_SECRET,
        }),
        "mail": ("email", {
            "address": MAILBOX, "display_name": "Help", "trusted_authserv_id": CHECKER,
            "dkim_check": False,
            "imap": {
                "host": dovecot.host, "port": dovecot.imap_port, "security": "none",
                "user": MAILBOX, "password": dovecot.password,
            },
            "smtp": {"host": "127.0.0.1", "port": town.post.sink_port, "security": "none"},
        }),
        "sms": ("twilio_sms", dict(town.twilio.channel_config())),
        "telegram": ("telegram", {
            "bot_token": town.telegram.token, "secret_token": TELEGRAM_SECRET,
            "api_base": town.telegram.api_base,
        }),
        "slack": ("slack", {
            "bot_token": "xoxb-day-1", "signing_secret": "s" * 32, "team_id": workspace.team_id,
            "bot_user_id": workspace.bot_user_id, "api_base": town.slack.api_base,
        }),
    }  # fmt: skip
    return {name: (kind, json.dumps(config).encode()) for name, (kind, config) in configs.items()}


async def _set_webhook(town: Town) -> None:
    import aiohttp

    url = f"{town.hub.url}/in/{town.channels['telegram']}"
    call = f"{town.telegram.api_base}/bot{town.telegram.token}/setWebhook"
    form = {"url": url, "secret_token": TELEGRAM_SECRET}
    async with aiohttp.ClientSession() as session, session.post(call, data=form) as answer:
        assert answer.status == 200


async def test_one_customer_on_three_channels(
    town: Town, tmp_path: Path, chromium_path: str
) -> None:
    async with (
        at_desk(town.hub, "lin") as lin,
        open_page(chromium_path, tmp_path / "chromium", town.shop.origin + "/") as page,
    ):
        talk = await _chats(town, page, lin)
        mail = await _mails(town, lin, talk)
        await _texts(town, lin, talk)
        await _answers_in_the_thread(town, lin, talk, mail)
        await _is_one(town, lin, talk)
        await _a_forger_stays_outside(town, lin, talk)
        await _resolved_and_back(town, lin, talk)


async def _chats(town: Town, page: Page, lin: Desk) -> str:
    """The visitor is signed in at the shop and writes; Lin gets an offer and answers."""
    await page.shows("document.querySelector('#state')?.textContent === 'signed'", "a session")
    await page.shows("document.body.dataset.live === 'yes'", "an open socket")
    await page.type("#text", "my router blinks red")
    talk = await town.conversation_of("my router blinks red")
    await page.shows("document.querySelector('[data-from=visitor]')?.dataset.state", "it arrived")
    await lin.accept(talk)
    await page.shows("document.body.dataset.agent", "who answers")
    answer = await lin.answer(talk, "<b>hello</b> from the desk")
    said = "document.querySelector('[data-from=agent]')?.textContent"
    await page.shows(f"{said} === '<b>hello</b> from the desk'", "the answer as text")
    await lin.delivered(answer, "read")
    return talk


async def _mails(town: Town, lin: Desk, talk: str) -> Any:
    """A mail from the confirmed address joins; the answer goes out by SMTP, quoting nothing odd."""
    mail = town.domain.sign(write(f"Ada <{ADA}>", MAILBOX, "The invoice", "here is my invoice"))
    await town.post.post(mail, ADA, MAILBOX)
    assert await town.conversation_of("here is my invoice") == talk
    answer = await lin.answer(talk, "thank you for the invoice", channel_id=town.channels["mail"])
    await lin.delivered(answer, "sent")
    (got,) = town.post.sent
    assert ADA in str(got["To"])
    assert str(got["Subject"]).endswith("The invoice")
    body = got.get_body(("plain",))
    assert body is not None
    assert "thank you for the invoice" in body.get_content()
    return got


async def _texts(town: Town, lin: Desk, talk: str) -> None:
    """An SMS from the number the shop vouched for joins; delivery is Twilio's word."""
    operation = await town.twilio.customer_says(PHONE, "sent from my phone")
    assert operation.outcome.value == "ok"
    assert await town.conversation_of("sent from my phone") == talk
    answer = await lin.answer(talk, "got your text", channel_id=town.channels["sms"])
    await lin.delivered(answer, "delivered")
    assert [(m.to, m.body) for m in town.twilio.sent] == [(PHONE, "got your text")]


async def _answers_in_the_thread(town: Town, lin: Desk, talk: str, got: Any) -> None:
    """The customer answers our mail with a program that signs nothing: our reference vouches."""
    again = write(ADA, MAILBOX, f"Re: {got['Subject']}", "and one more page", got["Message-ID"])
    await town.post.post(again, ADA, MAILBOX)
    assert await town.conversation_of("and one more page") == talk


async def _is_one(town: Town, lin: Desk, talk: str) -> None:
    detail = (await lin.call("GET", f"/conversations/{talk}"))["detail"]
    assert detail["conversation"]["handler_agent_id"] == lin.agent_id
    assert len(detail["cases"]) == 1
    messages = (await lin.call("GET", f"/conversations/{talk}/messages"))["items"]
    spoken = [m for m in messages if m["direction"] in ("in", "out")]
    names = {channel: name for name, channel in town.channels.items()}
    assert [(m["direction"], names[m["channel_id"]]) for m in spoken] == [
        ("in", "chat"), ("out", "chat"), ("in", "mail"), ("out", "mail"),
        ("in", "sms"), ("out", "sms"), ("in", "mail"),
    ]  # fmt: skip
    numbers = [m["number"] for m in messages]
    assert numbers == sorted(set(numbers))
    states = [part["state"] for m in spoken for part in m["deliveries"]]
    assert states == ["read", "sent", "delivered"]


async def _a_forger_stays_outside(town: Town, lin: Desk, talk: str) -> None:
    """A mail in Ada's name, with a pass somebody else wrote and no signature, is a stranger's."""
    forged = (
        f"Authentication-Results: {CHECKER}; dmarc=pass header.from=mail.test\r\n".encode()
        + write(f"Ada <{ADA}>", MAILBOX, "Re: The invoice", "send the money elsewhere")
    )
    await town.post.post(forged, "thief@evil.test", MAILBOX)
    other = await town.conversation_of("send the money elsewhere")
    assert other != talk
    detail = (await lin.call("GET", f"/conversations/{talk}"))["detail"]["conversation"]
    sql = "SELECT customer_id, sender_confirmed FROM conversation WHERE id = ?"
    ((customer, confirmed),) = select(town.hub, sql, other)
    assert not confirmed
    assert customer != detail["customer_id"]


async def _resolved_and_back(town: Town, lin: Desk, talk: str) -> None:
    """Resolved, then a text within the window: the same conversation, case number and owner."""
    before = (await lin.call("GET", f"/conversations/{talk}"))["detail"]
    (case,) = before["cases"]
    assert case["owner_agent_id"] == lin.agent_id
    await lin.call("POST", f"/conversations/{talk}/resolve", {"disposition": "solved"})

    def is_in(state: str) -> Any:
        async def look() -> bool:
            now = (await lin.call("GET", f"/conversations/{talk}"))["detail"]
            return bool(now["conversation"]["state"] == state)

        return until(look, f"the conversation is {state}")

    await is_in("resolved")
    lin.frames.clear()
    await town.twilio.customer_says(PHONE, "it blinks again")
    assert await town.conversation_of("it blinks again") == talk
    await is_in("open")
    await lin.accept(talk)
    now = (await lin.call("GET", f"/conversations/{talk}"))["detail"]
    assert [(c["number"], c["owner_agent_id"], c["state"]) for c in now["cases"]] == [
        (case["number"], lin.agent_id, "open")
    ]
    answer = await lin.answer(talk, "we look at it again")
    await lin.delivered(answer, "delivered")


async def test_first_contacts_on_telegram_and_slack(town: Town) -> None:
    async with at_desk(town.hub, "lin") as lin:
        town.telegram.customer(5001, "Ben")
        await town.telegram.customer_says(5001, "telegram speaking")
        by_telegram = await town.conversation_of("telegram speaking")
        await town.slack.dm("U0BEN0001", "slack speaking")
        by_slack = await town.conversation_of("slack speaking")
        assert by_telegram != by_slack
        for talk, text in ((by_telegram, "hello telegram"), (by_slack, "hello slack & co")):
            await lin.accept(talk)
            answer = await lin.answer(talk, text)
            await lin.delivered(answer, "sent")
        assert [m.text for m in town.telegram.sent] == ["hello telegram"]
        assert [m.text for m in town.slack.sent] == ["hello slack & co"]
        await asyncio.wait_for(town.slack.settled(), 20)
        listed = await lin.call("GET", "/conversations?view=mine")
        assert {by_telegram, by_slack} <= {one["id"] for one in listed["items"]}
