"""From a signed webhook to an agent's socket: 300 messages/s, 20 agents who each see one in twenty.

    python benchmarks/bench_live.py [--rate 300] [--seconds 10] [--long] [--out FILE]

The hub is pinned to one core, load and sockets run on the other. A message's time is from the first
byte of its webhook to its frame on the one socket that may see it; the aim is p99 under 100 ms.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
from sqlalchemy import text

from benchmarks.bench_inbound import CONFIG, form, http_request, signature
from benchmarks.bench_receive import raw
from hub.app.build import House
from hub.services.people import AgentFields, create_agent
from hub.services.sessions import LOG_IN, make_link, use_login_link
from hub.store.statement import stmt
from hub.store.tx import Tx
from tests.live_hub import LiveHub

AGENTS = 20
SENDERS = 200
# Owners keep seeing their matters wherever the router puts the work.
OWN = stmt(
    text(
        'UPDATE "case" SET owner_agent_id = :agent WHERE customer_id IN ('
        " SELECT customer_id FROM identity WHERE value = :phone)"
    )
)


async def furnish(house: House, channel_id: str, hub_url: str) -> list[str]:
    """Make 20 agents and 200 known senders whose matters they own; return sessions."""
    await house.watch.load()
    path = f"/in/{channel_id}"
    for sender in range(SENDERS):
        request = raw(hub_url + path, path, sender, f"SMfirst{sender:027d}")
        await house.ingress.accept(channel_id, request)
    tokens, agents = [], []
    for n in range(AGENTS):
        agent = await create_agent(
            house.deps, AgentFields(f"agent{n}@bench.test", f"Agent {n}"), actor="bench"
        )
        link = await make_link(house.deps, agent["id"], LOG_IN)
        session = await use_login_link(house.deps, link.partition("#")[2], ip=f"127.0.1.{n}")
        tokens.append(session.token)
        agents.append(agent["id"])

    def unit(tx: Tx) -> None:
        for sender in range(SENDERS):
            phone = f"+86138{sender:08d}"
            tx.execute(OWN, {"agent": agents[sender % AGENTS], "phone": phone})

    await house.deps.db.run(unit)
    return tokens


async def listen(hub: LiveHub, token: str, seen: dict[str, float], ready: asyncio.Event) -> None:
    """Be one agent's socket; note when each message's frame came."""
    headers = {"Cookie": f"hub_session={token}", "Origin": hub.url}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{hub.url}/api/v1/live") as socket,
    ):
        async for message in socket:
            now = time.perf_counter()
            frame = json.loads(message.data)
            if frame["type"] == "hello":
                ready.set()
            elif frame["type"] == "message.received":
                seen[str(frame["data"]["text"]).split()[0]] = now


async def load(hub: LiveHub, channel_id: str, rate: int, seconds: int) -> dict[str, float]:
    """Send signed webhooks at a steady rate; return when each one's first byte left."""
    path = f"/in/{channel_id}"
    url = hub.url + path
    sent: dict[str, float] = {}
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(40):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", hub.port))
    made = []
    for n in range(rate * seconds):
        fields = form(n % SENDERS, f"SM{n:032d}", f"bench{n} 您好")
        made.append(http_request(hub.port, path, fields, signature(url, fields)))

    async def send(n: int) -> None:
        reader, writer = await free.get()
        sent[f"bench{n}"] = time.perf_counter()
        writer.write(made[n])
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head[:120])
        lower = head.lower()
        at = lower.find(b"content-length:")
        if at >= 0:
            await reader.readexactly(int(lower[at + 15 : lower.index(b"\r\n", at)]))
        free.put_nowait((reader, writer))

    began = time.perf_counter()
    tasks = []
    for n in range(len(made)):
        late = began + n / rate - time.perf_counter()
        if late > 0:
            await asyncio.sleep(late)
        tasks.append(asyncio.create_task(send(n)))
    await asyncio.gather(*tasks)
    return sent


async def run(rate: int, seconds: int) -> dict[str, Any]:
    """Provision, start, warm up, measure."""
    with tempfile.TemporaryDirectory() as name:
        hub = LiveHub(Path(name), pin=0)
        ids = await hub.add_channels({"sms": ("twilio_sms", json.dumps(CONFIG).encode())})
        tokens = await hub.offline(lambda house: furnish(house, ids["sms"], hub.url))
        hub.start()
        seen: dict[str, float] = {}
        ready = [asyncio.Event() for _ in tokens]
        sockets: list[asyncio.Task[None]] = []
        try:
            await hub.ready()
            sockets = [
                asyncio.create_task(listen(hub, token, seen, event))
                for token, event in zip(tokens, ready, strict=True)
            ]
            async with asyncio.timeout(30):
                await asyncio.gather(*(event.wait() for event in ready))
            sent = await load(hub, ids["sms"], rate, seconds)
            async with asyncio.timeout(30):
                while len(seen) < len(sent):
                    await asyncio.sleep(0.05)
        finally:
            for task in sockets:
                task.cancel()
            hub.stop()
    times = sorted((seen[marker] - at) * 1000 for marker, at in sent.items())
    return {
        "rate_per_s": rate,
        "messages": len(times),
        "p50_ms": round(times[len(times) // 2], 1),
        "p99_ms": round(times[int(len(times) * 0.99)], 1),
        "max_ms": round(times[-1], 1),
    }


def main() -> None:
    """Parse arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    os.sched_setaffinity(0, {1})
    found = asyncio.run(run(args.rate, 60 if args.long else args.seconds))
    print(json.dumps(found))
    if args.out:
        args.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
