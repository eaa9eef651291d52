"""Messages stored per second without sockets: verify, parse, receive, commit, in one process.

    python benchmarks/bench_receive.py [--messages 3000] [--long] [--profile] [--out FILE]

The aim is 1,000 messages/s on SQLite with synchronous=FULL (issue 2, f).
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop

from benchmarks.bench_inbound import CONFIG, form, signature
from hub.app.build import House
from hub.model.channel import RawRequest
from hub.model.clock import utc_now
from tests.live_hub import LiveHub


def raw(url: str, path: str, sender: int, sid: str) -> RawRequest:
    """A signed SMS webhook as the HTTP layer hands it on."""
    fields = form(sender, sid, "message 您好, is there any news about my refund?")
    headers = {
        "x-twilio-signature": signature(url, fields),
        "content-type": "application/x-www-form-urlencoded",
    }
    return RawRequest("POST", url, path, "", headers, urlencode(fields).encode(), utc_now())


async def store(
    house: House, channel_id: str, requests: list[RawRequest], lanes: int
) -> tuple[float, float]:
    """Store all requests over some lanes; return the seconds it took, by the wall and of CPU."""
    todo = iter(requests)

    async def lane() -> None:
        for request in todo:
            await house.ingress.accept(channel_id, request)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(lane() for _ in range(lanes)))
    return time.perf_counter() - began, time.process_time() - cpu


async def measure(hub: LiveHub, messages: int, profile: bool) -> dict[str, Any]:
    """Provision a hub, store messages of 200 senders, twice; count the second time."""
    ids = await hub.add_channels({"sms": ("twilio_sms", json.dumps(CONFIG).encode())})

    async def work(house: House) -> tuple[float, float]:
        await house.watch.load()
        path = f"/in/{ids['sms']}"
        url = hub.url + path
        first = [raw(url, path, n % 200, f"SM{n:032d}") for n in range(400)]
        await store(house, ids["sms"], first, 64)
        rest = [raw(url, path, n % 200, f"SM{n:032d}") for n in range(400, 400 + messages)]
        if not profile:
            return await store(house, ids["sms"], rest, 64)
        profiler = cProfile.Profile()
        profiler.enable()
        found = await store(house, ids["sms"], rest, 64)
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
        return found

    seconds, cpu = await hub.offline(work)
    return {
        "messages": messages,
        "per_s": round(messages / seconds, 1),
        "cpu_ms_per_message": round(cpu * 1000 / messages, 2),
    }


def main() -> None:
    """Parse arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    messages = 20_000 if args.long else args.messages
    with tempfile.TemporaryDirectory() as name:
        hub = LiveHub(Path(name))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measure(hub, messages, args.profile))
    print(json.dumps(found))
    if args.out:
        args.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
