"""A real Chromium without a window, driven over the DevTools protocol."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.stage import until

START_S = 60.0


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come between are passed over."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        async with asyncio.timeout(30):
            while True:
                told = json.loads(await self._socket.receive_str())
                if told.get("id") == self._number:
                    assert "error" not in told, told
                    return dict(told["result"])

    async def run(self, script: str) -> Any:
        """Evaluate an expression in the page; a promise is awaited."""
        told = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def shows(self, script: str, what: str) -> Any:
        """Wait until an expression is true in the page."""
        return await until(lambda: self.run(script), f"the page shows {what}", 30)

    async def type(self, selector: str, text: str) -> None:
        """Click into a field, type, and press Enter."""
        await self.run(f"document.querySelector({selector!r}).focus()")
        await self.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                windowsVirtualKeyCode=13,
            )  # fmt: skip


@asynccontextmanager
async def open_page(chromium: str, folder: Path, url: str) -> AsyncIterator[Page]:
    """Start Chromium with a profile of its own and open one page."""
    command = [
        chromium, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}",
        "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions",
        "--disable-background-networking", "about:blank",
    ]  # fmt: skip
    if os.geteuid() == 0:
        command.insert(1, "--no-sandbox")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        ports = folder / "DevToolsActivePort"

        async def ready() -> str:
            assert process.poll() is None, (folder / "chromium.log").read_text()[-2000:]
            return ports.read_text().split("\n")[0] if ports.exists() else ""

        port = await until(ready, "Chromium starts", START_S)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
            async with session.ws_connect(
                tabs[0]["webSocketDebuggerUrl"], max_msg_size=0
            ) as socket:
                page = Page(socket)
                await page.call("Page.navigate", url=url)
                yield page
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        await asyncio.to_thread(process.wait)
