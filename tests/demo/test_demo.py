"""`hub serve --demo` as people start it: a living hub on five channels, on its own data only."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"webchat", "twilio_sms", "telegram", "email", "slack"}
START_S = 90.0


class DemoProcess:
    """`python -m hub serve --demo` in a folder of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.data = folder / "data-demo"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
        own = {"HUB_DATA_DIR": str(self.data), "HUB_PORT": str(self.port)}
        self.env = {**inherited, **own, **env}
        self.log: list[str] = []
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> "DemoProcess":
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub", "serve", "--demo", "--pace", "3", cwd=ROOT, env=self.env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while raw := await self.process.stdout.readline():
            self.log.append(raw.decode())

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(40):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        assert self._reading is not None
        await self._reading
        return code


class Agent:
    """Somebody at the API, logged in by a demo link."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url, self.csrf, self.id = http, url, "", ""

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-CSRF-Token": self.csrf} if self.csrf else {}
        async with self.http.request(
            method, f"{self.url}/api/v1{path}", json=body, headers=headers
        ) as answer:
            found = await answer.json() if answer.status != 204 else None
            assert answer.status < 400, (method, path, answer.status, found)
            return found

    async def enter(self, name: str) -> None:
        people = (await self.call("GET", "/demo/people"))["items"]
        person = next(one for one in people if name in one["name"])
        link = await self.call("POST", "/demo/login-links", {"agent_id": person["id"]})
        secret = link["url"].partition("#")[2]
        session = await self.call("POST", "/links/login", {"secret": secret})
        self.csrf, self.id = session["csrf"], session["agent"]["id"]

    async def until(self, look: Callable[[], Any], within_s: float = START_S) -> Any:
        """Look until there is something; the feed is tested elsewhere."""
        async with asyncio.timeout(within_s):
            while True:
                found = await look()
                if found:
                    return found
                await asyncio.sleep(0.3)


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[DemoProcess]:
    made = DemoProcess(tmp_path)
    yield made
    if made.process.returncode is None:
        await made.stop()


async def _served(demo: DemoProcess, http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(START_S):
        while True:
            assert demo.process.returncode is None, "".join(demo.log)
            try:
                async with http.get(f"{demo.url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)


@pytest.mark.timeout(300)
async def test_a_living_hub_on_five_channels(demo: DemoProcess) -> None:
    await demo.start()
    jar = aiohttp.CookieJar(unsafe=True)  # the cookie of an address, not of a name
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        await _served(demo, http)
        auditor = Agent(http, demo.url)
        await auditor.enter("Zhou Jie")
        channels = (await auditor.call("GET", "/channels"))["items"]
        kinds = {one["id"]: one["kind"] for one in channels}
        assert set(kinds.values()) == KINDS
        resolved = (await auditor.call("GET", "/conversations?view=resolved&limit=200"))["items"]
        assert len(resolved) >= 100

        async def every_kind_wrote() -> bool:
            page = await auditor.call("GET", "/conversations?view=all&limit=100")
            return {kinds[one["last_channel_id"]] for one in page["items"]} >= KINDS

        await auditor.until(every_kind_wrote)
        http.cookie_jar.clear()
        await _answers_one(Agent(http, demo.url))
    assert await demo.stop() == 0
    text = "".join(demo.log)
    assert "Traceback" not in text, text
    assert "talk_ended" not in text, text


async def _answers_one(agent: Agent) -> None:
    """Sign in, accept what is offered (or was given), answer, and hear the customer again."""
    await agent.enter("Chen Wei")
    await agent.call("POST", "/me/presence", {"move": "sign_in"})

    async def work() -> Any:
        for offer in (await agent.call("GET", "/offers"))["items"]:
            await agent.call("POST", f"/offers/{offer['id']}/accept", {})
        mine = (await agent.call("GET", "/conversations?view=mine"))["items"]
        return [one for one in mine if one["state"] == "open"]

    talk = (await agent.until(work))[0]
    path = f"/conversations/{talk['id']}/messages"

    async def said() -> int:
        items = (await agent.call("GET", path))["items"]
        return len([one for one in items if one["direction"] == "in"])

    before = await said()
    body = {"client_id": str(uuid4()), "text": "One moment please. 请稍候。"}
    await agent.call("POST", path, body)

    async def heard_again() -> bool:
        return await said() > before

    await agent.until(heard_again)


async def test_other_data_other_hosts_and_other_databases_are_refused(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    (taken / "data-demo").mkdir(parents=True)
    (taken / "data-demo" / "hub.db").write_bytes(b"somebody's")
    for number, (folder, env) in enumerate(
        (
            (taken, {}),
            (tmp_path, {"HUB_HOST": "0.0.0.0", "HUB_ALLOW_HTTP": "true"}),
            (tmp_path, {"HUB_PUBLIC_URL": "https://desk.example.com"}),
            (tmp_path, {"HUB_DATABASE_URL": "sqlite:///elsewhere.db"}),
        )
    ):
        demo = await DemoProcess(folder, **env).start()
        assert await asyncio.wait_for(demo.process.wait(), 30) == 2, number
        await demo.stop()
        assert re.search(r"hub: settings refused: --demo: HUB_\w+: ", "".join(demo.log)), demo.log
    assert (taken / "data-demo" / "hub.db").read_bytes() == b"somebody's"
