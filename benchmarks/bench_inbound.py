"""The inbound path beside a bare server: signed SMS webhook in, commit, answer.

    python benchmarks/bench_inbound.py [--messages 6000] [--long] [--out FILE]

Both servers are pinned to one core, the load runs on the other, in one run, alternating. The bare
server is aiohttp and SQLite with the same statements (those the hub's unit ran for the same kind of
message, recorded from it), the same durability (WAL, synchronous=FULL) and the plainest group
commit there is; it checks no signature, knows no customer and decides nothing. The figure is the
ratio of the two rates; aim 0.3. `bench_receive.py` measures messages per second without sockets.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import queue
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))

from hub.app.build import House
from hub.model.channel import RawRequest
from hub.model.clock import utc_now
from hub.store import tx as tx_module
from tests.live_hub import LiveHub, free_port

TOKEN = "0" * 32
SENDERS = 200
CONFIG = {
    "account_sid": "AC" + "0" * 32,
    "auth_token": TOKEN,
    "from_number": "+15005550006",
}


def form(sender: int, sid: str, text: str) -> dict[str, str]:
    """An incoming SMS as Twilio posts it."""
    return {
        "MessageSid": sid,
        "SmsSid": sid,
        "AccountSid": CONFIG["account_sid"],
        "From": f"+86138{sender:08d}",
        "To": CONFIG["from_number"],
        "Body": text,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
    }


def signature(url: str, fields: dict[str, str]) -> str:
    """X-Twilio-Signature over the public URL and the sorted fields."""
    said = url + "".join(k + fields[k] for k in sorted(fields))
    digest = hmac.new(TOKEN.encode(), said.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def http_request(port: int, path: str, fields: dict[str, str], signed: str) -> bytes:
    """One request as bytes, so that the load costs its core as little as possible."""
    body = urlencode(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: {signed}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def requests_for(port: int, path: str, count: int, *, start: int) -> list[bytes]:
    """`count` signed messages of different senders, every one new."""
    url = f"http://127.0.0.1:{port}{path}"
    made = []
    for n in range(start, start + count):
        fields = form(n % SENDERS, f"SM{n:032d}", f"message number {n} 您好")
        made.append(http_request(port, path, fields, signature(url, fields)))
    return made


async def fire(
    port: int, requests: list[bytes], connections: int = 32
) -> tuple[float, list[float]]:
    """Send all requests over some kept-alive connections; return seconds and every latency."""
    todo = iter(requests)
    latencies: list[float] = []

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in todo:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head[:200])
            lower = head.lower()
            at = lower.find(b"content-length:")
            length = int(lower[at + 15 : lower.index(b"\r\n", at)]) if at >= 0 else 0
            if length:
                await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    async with asyncio.timeout(120):
        await asyncio.gather(*(lane() for _ in range(connections)))
    return time.perf_counter() - began, latencies


# --- the bare server --------------------------------------------------------------------------
def bare_server(database: str, template: str, port: int) -> None:
    """Serve: parse the form, run the recorded statements for its sender, answer after COMMIT."""
    import uvloop
    from aiohttp import web

    plan = json.loads(Path(template).read_text())
    statements = [s["sql"] for s in plan["statements"]]
    values = [s["values"] for s in plan["statements"]]
    people: dict[str, dict[str, Any]] = plan["people"]
    jobs: queue.SimpleQueue[tuple[Any, asyncio.Future[None]]] = queue.SimpleQueue()
    loop_box: list[asyncio.AbstractEventLoop] = []

    def bound(template_values: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
        return {
            k: names.get(v[1:], v) if isinstance(v, str) and v.startswith("$") else v
            for k, v in template_values.items()
        }

    def answer(done: list[asyncio.Future[None]]) -> None:
        for future in done:
            future.set_result(None)

    def writer() -> None:
        connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        cursor = connection.cursor()
        while True:
            batch = [jobs.get()]
            while len(batch) < 64:
                try:
                    batch.append(jobs.get_nowait())
                except queue.Empty:
                    break
            try:
                cursor.execute("BEGIN IMMEDIATE")
                for names, _ in batch:
                    for sql, template_values in zip(statements, values, strict=True):
                        cursor.execute(sql, bound(template_values, names))
                        if cursor.description is not None:
                            cursor.fetchall()
                cursor.execute("COMMIT")
            except sqlite3.Error as error:
                print("bare server:", sql, error, flush=True)
                os._exit(1)
            loop_box[0].call_soon_threadsafe(answer, [future for _, future in batch])

    async def handle(request: web.Request) -> web.Response:
        fields = await request.post()
        sid = str(fields["MessageSid"])
        person = people[str(fields["From"])]
        names = {
            **person,
            "sid": sid,
            "number": int(sid[2:]) + 10,
            **{f"new{n}": f"{os.urandom(4).hex()}-{sid[2:]}"[:36] for n in range(plan["ids"])},
        }
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        jobs.put((names, future))
        await future
        return web.Response(text="<Response/>", content_type="text/xml")

    async def main() -> None:
        loop_box.append(asyncio.get_running_loop())
        threading.Thread(target=writer, daemon=True).start()
        app = web.Application()
        app.router.add_post("/in", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


# --- recording what the hub's unit does ---------------------------------------------------------
async def record(house: House, channel_id: str, hub_url: str) -> dict[str, Any]:
    """Make all senders known, then record the statements of one further message."""
    path = f"/in/{channel_id}"
    url = hub_url + path

    async def say(sender: int, sid: str) -> None:
        fields = form(sender, sid, "first message 您好")
        request = RawRequest(
            "POST",
            url,
            path,
            "",
            {
                "x-twilio-signature": signature(url, fields),
                "content-type": "application/x-www-form-urlencoded",
            },
            urlencode(fields).encode(),
            utc_now(),
        )
        await house.ingress.accept(channel_id, request)

    await house.watch.load()
    for sender in range(SENDERS):
        await say(sender, f"SMfirst{sender:027d}")
    trace: list[tuple[str, dict[str, Any]]] = []
    original = tx_module.Tx._execute

    def traced(self: Any, statement: Any, params: Any) -> Any:
        sql, bound = statement.bound(self.dialect, params)
        trace.append((sql, dict(bound)))
        return original(self, statement, params)

    tx_module.Tx._execute = traced  # type: ignore[method-assign]
    try:
        await say(0, "SM" + "9" * 32)
    finally:
        tx_module.Tx._execute = original  # type: ignore[method-assign]
    people = await house.deps.db.read(_people)
    return _template(trace, people)


def _people(tx: Any) -> dict[str, dict[str, str]]:
    from sqlalchemy import text

    from hub.store.statement import stmt

    rows = tx.run(
        stmt(
            text(
                "SELECT i.value, i.id, i.customer_id, c.id, c.item_id, c.case_id FROM identity i"
                " JOIN conversation c ON c.customer_id = i.customer_id"
            )
        )
    )
    return {
        row[0]: dict(
            zip(("identity", "customer", "conversation", "item", "case"), row[1:], strict=True)
        )
        | {"phone": row[0]}
        for row in rows
    }


def _template(trace: list[tuple[str, dict[str, Any]]], people: dict[str, Any]) -> dict[str, Any]:
    """Put names where a sender's ids, the message's id and fresh ids stand."""
    own = {value: f"${name}" for name, value in people["+8613800000000"].items()}
    fresh: dict[str, str] = {}

    def named(key: str, value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if not isinstance(value, str):
            return "$number" if key == "number" else value
        if value in own:
            return own[value]
        if value == "SM" + "9" * 32:
            return "$sid"
        if len(value) == 36 and value.count("-") == 4 and key in ("id", "message_id"):
            return fresh.setdefault(value, f"$new{len(fresh)}")
        return value

    statements = [
        {"sql": sql, "values": {k: named(k, v) for k, v in values.items()}} for sql, values in trace
    ]
    return {"statements": statements, "people": people, "ids": len(fresh)}


# --- the run ------------------------------------------------------------------------------------
def prepare(folder: Path) -> tuple[LiveHub, str, Path, Path]:
    """Provision a hub, record its statements, copy its database for the bare server."""
    hub_folder = folder / "hub"
    hub_folder.mkdir()
    hub = LiveHub(hub_folder, pin=0)

    async def work() -> tuple[str, dict[str, Any]]:
        ids = await hub.add_channels({"sms": ("twilio_sms", json.dumps(CONFIG).encode())})
        plan = await hub.offline(lambda house: record(house, ids["sms"], hub.url))
        return ids["sms"], plan

    channel_id, plan = asyncio.run(work())
    template = folder / "plan.json"
    template.write_text(json.dumps(plan))
    database = next(hub_folder.glob("*.db"))
    bare = folder / "bare.db"
    with sqlite3.connect(database) as source, sqlite3.connect(bare) as target:
        source.backup(target)
    return hub, channel_id, template, bare


def rate(port: int, path: str, count: int, start: int) -> tuple[float, float]:
    """Return messages per second and the 99th percentile of latency in milliseconds."""
    requests = requests_for(port, path, count, start=start)
    seconds, latencies = asyncio.run(fire(port, requests))
    latencies.sort()
    return count / seconds, latencies[int(len(latencies) * 0.99)] * 1000


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    import socket

    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the bare server did not start")


def run(messages: int, rounds: int) -> dict[str, Any]:
    """Alternate between the two servers and return the figures."""
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hub, channel_id, template, database = prepare(folder)
        bare_port = free_port()
        bare = subprocess.Popen(
            ["taskset", "-c", "0", sys.executable, __file__, "--bare", str(database), str(template),
             str(bare_port)]
        )  # fmt: skip
        results: dict[str, list[tuple[float, float]]] = {"hub": [], "bare": []}
        start = 1
        try:
            wait_for(bare_port)
            for _ in range(rounds):
                results["bare"].append(rate(bare_port, "/in", messages, start))
                hub.start()
                asyncio.run(hub.ready())
                rate(hub.port, f"/in/{channel_id}", 200, start)  # imports and caches are warm
                results["hub"].append(rate(hub.port, f"/in/{channel_id}", messages, start + 200))
                hub.stop()
                start += messages + 200
        finally:
            hub.kill()
            bare.kill()
            bare.wait()
    best = {side: max(found) for side, found in results.items()}
    return {
        "messages": messages,
        "rounds": rounds,
        "hub_per_s": round(best["hub"][0], 1),
        "bare_per_s": round(best["bare"][0], 1),
        "ratio": round(best["hub"][0] / best["bare"][0], 3),
        "hub_p99_ms": round(best["hub"][1], 1),
        "bare_p99_ms": round(best["bare"][1], 1),
    }


def main() -> None:
    """Parse arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--bare", nargs=3, metavar=("DB", "PLAN", "PORT"))
    args = parser.parse_args()
    if args.bare:
        bare_server(args.bare[0], args.bare[1], int(args.bare[2]))
        return
    found = run(10_000 if args.long else args.messages, 4 if args.long else args.rounds)
    print(json.dumps(found, indent=1))
    if args.out:
        args.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
