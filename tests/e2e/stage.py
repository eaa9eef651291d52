"""What the end-to-end tests share: providers' signed requests, and a look into the database.

Requests are signed here by hand, not by the simulators, so that one can also be signed wrongly.
"""

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import aiohttp
import psycopg

from hub.demo.sim_twilio_webhooks import sign
from tests.live_hub import LiveHub

PATIENCE_S = 20.0
T = TypeVar("T")


async def until(
    look: Callable[[], Awaitable[T | None]], what: str, timeout_s: float = PATIENCE_S
) -> T:
    """Wait until `look()` gives something true and return it."""
    found: T | None = None
    try:
        async with asyncio.timeout(timeout_s):
            while not (found := await look()):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s:.0f} s: {what}") from None
    return found


def select(hub: LiveHub, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Read the running hub's database beside it; `?` stands for a value."""
    if hub.database_url:
        with psycopg.connect(hub.database_url, autocommit=True) as connection:
            return connection.execute(sql.replace("?", "%s").encode(), values).fetchall()
    path = next(hub.folder.glob("*.db"))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as beside:
        return beside.execute(sql, values).fetchall()


def count(hub: LiveHub, sql: str, *values: object) -> int:
    """Return the one number a query gives."""
    return int(select(hub, sql, *values)[0][0] or 0)


def outcomes(hub: LiveHub, channel_id: str) -> dict[str, int]:
    """Return a channel's intake counters over all days."""
    sql = "SELECT outcome, SUM(count) FROM intake_count WHERE channel_id = ? GROUP BY outcome"
    return {outcome: int(number) for outcome, number in select(hub, sql, channel_id)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender was told; status 0: nothing was heard."""

    status: int
    body: bytes = b""
    seconds: float = 0.0

    @property
    def code(self) -> str:
        """The problem's code, empty where the answer is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return ""
        return str(found.get("code", "")) if isinstance(found, dict) else ""


@dataclass
class Account:
    """One channel at a provider, with the secret its requests are signed with."""

    kind: str
    channel_id: str = ""
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    number: str = "+15005550006"

    def config(self) -> bytes:
        """Return the channel's configuration."""
        match self.kind:
            case "twilio_sms":
                made: dict[str, Any] = {
                    "account_sid": "AC" + "0" * 32,
                    "auth_token": self.secret,
                    "from_number": self.number,
                }
            case "telegram":
                made = {"bot_token": "1234567:" + "a" * 35, "secret_token": self.secret}
            case _:
                made = {
                    "bot_token": "xoxb-stage-1",
                    "signing_secret": self.secret,
                    "team_id": "T00000001",
                    "bot_user_id": "U00000000",
                }
        return json.dumps(made).encode()

    def message(self, sender: int, text: str, external: str = "") -> bytes:
        """Return the body by which the provider tells of a customer's text."""
        number = external or str(secrets.randbelow(10**9))
        match self.kind:
            case "twilio_sms":
                form = {
                    "MessageSid": "SM" + hashlib.md5(number.encode()).hexdigest(),
                    "AccountSid": "AC" + "0" * 32,
                    "From": f"+86139{sender:08d}",
                    "To": self.number,
                    "Body": text,
                    "NumMedia": "0",
                }
                return urlencode(form).encode()
            case "telegram":
                user = {"id": sender, "is_bot": False, "first_name": f"T{sender}"}
                told = {
                    "message_id": int(number),
                    "date": int(time.time()),
                    "chat": {"id": sender, "type": "private", "first_name": f"T{sender}"},
                    "from": user,
                    "text": text,
                }
                return json.dumps({"update_id": int(number), "message": told}).encode()
            case _:
                event = {
                    "type": "message",
                    "channel": f"D{sender:08d}",
                    "channel_type": "im",
                    "user": f"U{sender + 1:08d}",
                    "text": text,
                    "ts": f"1790000000.{number[-6:].zfill(6)}",
                }
                return self.event(event)

    def event(self, event: dict[str, Any]) -> bytes:
        """Return a Slack event in its envelope."""
        envelope = {
            "type": "event_callback",
            "team_id": "T00000001",
            "event_id": f"Ev{secrets.token_hex(5)}",
            "event_time": int(time.time()),
            "event": event,
        }
        return json.dumps(envelope).encode()

    def headers(self, url: str, body: bytes, secret: str | None = None) -> dict[str, str]:
        """Return the headers that prove who sends; `secret` proves somebody else's."""
        key = self.secret if secret is None else secret
        match self.kind:
            case "twilio_sms":
                pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
                return {
                    "X-Twilio-Signature": sign(url, pairs, key),
                    "Content-Type": "application/x-www-form-urlencoded",
                }
            case "telegram":
                return {
                    "X-Telegram-Bot-Api-Secret-Token": key,
                    "Content-Type": "application/json",
                }
            case _:
                stamp = str(int(time.time()))
                said = b"v0:" + stamp.encode() + b":" + body
                digest = hmac.new(key.encode(), said, hashlib.sha256).hexdigest()
                return {
                    "X-Slack-Request-Timestamp": stamp,
                    "X-Slack-Signature": f"v0={digest}",
                    "Content-Type": "application/json",
                }


class Providers:
    """Accounts of a hub and the requests they make.

    Args:
        hub: whose public URL is signed.
        kinds: one account each; a kind named twice gets two.
    """

    def __init__(self, hub: LiveHub, *kinds: str) -> None:
        self.hub = hub
        self.accounts = [Account(kind) for kind in kinds]
        self._session: aiohttp.ClientSession | None = None

    def __getitem__(self, kind: str) -> Account:
        return next(one for one in self.accounts if one.kind == kind)

    async def set_up(self) -> None:
        """Write the channels while the hub does not run."""
        named = {f"c{n}": one for n, one in enumerate(self.accounts)}
        ids = await self.hub.add_channels(
            {name: (one.kind, one.config()) for name, one in named.items()}
        )
        for name, one in named.items():
            one.channel_id = ids[name]

    async def post(
        self,
        account: Account,
        body: bytes,
        *,
        secret: str | None = None,
        at: LiveHub | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Post a body as the provider would, to another process than the signed one if named."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=30)
            )
        path = f"/in/{account.channel_id}"
        proof = account.headers(self.hub.url + path, body, secret)
        began = time.monotonic()
        try:
            async with self._session.post(
                (at or self.hub).url + path, data=body, headers=headers or proof
            ) as answer:
                text = await answer.read()
                return Answer(answer.status, text, time.monotonic() - began)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Answer(0, seconds=time.monotonic() - began)

    async def get(self, path: str, at: LiveHub | None = None) -> Answer:
        """Get a public page of the hub."""
        async with (
            aiohttp.ClientSession() as session,
            session.get((at or self.hub).url + path) as answer,
        ):
            return Answer(answer.status, await answer.read())

    async def metric(self, name: str) -> float:
        """Return one series of /metrics, 0 where it has not been raised."""
        text = (await self.get("/metrics")).body.decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        return float(found[1]) if found else 0.0

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
