"""An agent who answers all the time while the hub is killed under them, and what must follow.

Every answer carries a marker and one client id, repeated until the hub says it is stored. It may
reach the customer at most once, whatever was killed: what may have been sent is `unknown`, never
sent again by itself.
"""

import asyncio
import contextlib
import uuid
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
from sqlalchemy import text

from hub.app.build import House
from hub.model.visibility import Role
from hub.services.organisation import list_units
from hub.services.people import AgentFields, create_agent
from hub.services.sessions import LOG_IN, NewSession, make_link, use_login_link
from hub.store.statement import stmt
from hub.store.tx import Tx
from tests.live_hub import LiveHub

DELIVERIES = stmt(
    text(
        "SELECT d.state, d.part, c.kind, d.conversation_id FROM delivery d"
        " JOIN channel c ON c.id = d.channel_id"
    )
)


@dataclass
class Desk:
    """One agent's session and what they answered."""

    hub: LiveHub
    session: NewSession | None = None
    acked: set[str] = field(default_factory=set)
    tried: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        """Make the agent, a supervisor of everything, and log them in; no hub runs yet."""

        async def work(house: House) -> NewSession:
            (unit, *_) = await list_units(house.deps)
            roles = frozenset({Role.AGENT, Role.SUPERVISOR})
            fields = AgentFields("zoe@hub.test", "Zoe", roles=roles, unit_id=unit["id"])
            agent = await create_agent(house.deps, fields, actor="test")
            link = await make_link(house.deps, agent["id"], LOG_IN)
            return await use_login_link(house.deps, link.partition("#")[2], ip="127.0.0.1")

        self.session = await self.hub.offline(work)

    async def answer(self, stop: asyncio.Event) -> None:
        """Answer the newest conversations, one after the other, until `stop`."""
        assert self.session is not None
        headers = {
            "Cookie": f"hub_session={self.session.token}",
            "X-CSRF-Token": self.session.csrf,
            "Origin": self.hub.url,
        }
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            while not stop.is_set():
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    await self._round(session)
                await asyncio.sleep(0.05)

    async def _round(self, session: aiohttp.ClientSession) -> None:
        # Without a socket the link counts as lost after a while: come back before each round.
        presence = f"{self.hub.url}/api/v1/me/presence"
        async with session.post(presence, json={"move": "sign_in"}) as answer:
            await answer.read()
        url = f"{self.hub.url}/api/v1/conversations?view=all&limit=20"
        async with session.get(url) as answer:
            heads = (await answer.json())["items"] if answer.status == 200 else []
        for head in heads:
            marker = f"answer-{uuid.uuid4()}"
            body = {"client_id": str(uuid.uuid4()), "text": marker, "take": True}
            self.tried.append(marker)
            path = f"{self.hub.url}/api/v1/conversations/{head['id']}/messages"
            for _ in range(2):  # the client repeats an answer it did not hear of, same id
                try:
                    async with session.post(path, json=body) as answer:
                        if answer.status in (200, 201):
                            self.acked.add(marker)
                        break
                except (aiohttp.ClientError, TimeoutError):
                    await asyncio.sleep(0.2)


def balance_answers(desk: Desk, rows: list[tuple[object, ...]], received: list[str]) -> None:
    """Compare the answers acknowledged, the deliveries written and what came by SMS."""
    written: dict[str, str] = {}
    by_sms: dict[str, object] = {}
    held = {talk for state, _, _, talk in rows if state == "sending"}
    for state, part, kind, talk in rows:
        for word in str(part).replace('"', " ").split():
            if word.startswith("answer-"):
                assert word not in written, f"{word}: two deliveries of one answer"
                written[word] = str(state)
                if kind == "twilio_sms":
                    by_sms[word] = talk
    got = Counter(word for said in received for word in said.split() if word.startswith("answer-"))
    twice = [marker for marker, times in got.items() if times > 1]
    assert not twice, f"reached the customer twice: {twice[:5]}"
    arrived = ("sent", "delivered", "read")
    sent = {m for m, state in written.items() if m in by_sms and state in arrived}
    assert sent <= set(got), f"said to be sent and never received: {sorted(sent - set(got))[:5]}"
    lost = desk.acked - set(written)
    assert not lost, f"acknowledged and not stored: {sorted(lost)[:5]}"
    # A claim of a killed process stands as `sending` until it runs out and becomes `unknown`; what
    # was written later in its conversation waits behind it, so that order is kept.
    waiting = [m for m, talk in by_sms.items() if written[m] == "queued" and talk not in held]
    assert not waiting, f"never sent: {waiting[:5]}"


def read_deliveries(tx: Tx) -> list[tuple[object, ...]]:
    """Return state, part, channel kind and conversation of every delivery."""
    return tx.run(DELIVERIES)
