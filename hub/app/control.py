"""Commands for a hub that runs: a Unix socket in the data folder, for whoever may read the folder.

SQLite has one process, so the command line asks that process; when none runs, the command opens
the hub itself for a moment.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from aiohttp import web

from hub.app.build import House, opened, prepare_database
from hub.app.first_start import furnish
from hub.ingress.live_channels import Live
from hub.model.channel import Probes
from hub.model.errors import HubError, NotFound
from hub.model.visibility import Role
from hub.services import intake_replay, keys, people, sessions
from hub.services.condition import store_clock
from hub.settings import Settings

log = structlog.get_logger(__name__)

SOCKET = "hub.sock"
_PATH_BYTES = 100  # the kernel allows 107
Answer = dict[str, Any]


async def create_admin(house: House, email: str, name: str = "") -> Answer:
    """Add an administrator, or find the account; return a link to set its password."""
    rows = await people.list_agents(house.deps)
    known = next((row for row in rows if row["email"] == email.strip().lower()), None)
    if known is None:
        fields = people.AgentFields(
            email, name or email.partition("@")[0], roles=frozenset({Role.ADMINISTRATOR})
        )
        known = await people.create_agent(house.deps, fields, actor="system")
    url = await sessions.make_link(house.deps, known["id"], sessions.SET_PASSWORD)
    return {"id": known["id"], "url": url}


async def probe(house: House, channel: str) -> Answer:
    """Make one harmless real call with a channel's saved credentials."""
    live = _channel(house, channel)
    if not isinstance(live.channel, Probes):
        raise NotFound("probe_not_supported", kind=live.manifest.kind)
    report = await live.channel.probe()
    return {"ok": report.ok, "code": report.code, "facts": dict(report.facts)}


async def replay(house: House, intake_id: str) -> Answer:
    """Parse and store a request of the intake log again; it was verified when it came."""
    channel_id, request, kept_id = await intake_replay.logged_request(house.deps, intake_id)
    taken = await house.ingress.replay(channel_id, request, kept_id)
    return {"outcomes": [outcome.value for outcome in taken.outcomes]}


async def reseal(house: House) -> Answer:
    """Seal long-lived secrets with the first key."""
    return {"sealed": await keys.reseal(house.deps)}


async def condition(house: House) -> Answer:
    """Say how the parts of the process are, and every channel's state."""
    ready, parts = house.health.ready()
    channels = [
        {
            "id": live.info.id,
            "name": live.info.name,
            "kind": live.info.kind,
            "state": live.info.state,
        }
        for live in house.channels
    ]
    now = house.deps.clock.now()
    off_s = ((await store_clock(house.deps)) - now).total_seconds()
    return {"ready": ready, "parts": parts, "channels": channels, "clock_off_s": off_s}


COMMANDS: Mapping[str, Callable[..., Awaitable[Answer]]] = {
    # one line per command a running hub carries out for the command line
    "create_admin": create_admin,
    "probe": probe,
    "replay": replay,
    "reseal": reseal,
    "condition": condition,
}


def socket_path(settings: Settings) -> Path:
    """Return where the socket stands."""
    return settings.data_dir.resolve() / SOCKET


@asynccontextmanager
async def listening(house: House) -> AsyncIterator[None]:
    """Answer commands while the block runs; where paths are too long, only say so."""
    if not house.settings.on_sqlite:
        yield  # commands open the database themselves; several processes may share the folder
        return
    path = socket_path(house.settings)
    if len(str(path).encode()) > _PATH_BYTES or not hasattr(asyncio, "start_unix_server"):
        log.warning("control.not_listening", reason="path too long or no Unix sockets")
        yield
        return

    async def serve(request: web.Request) -> web.Response:
        return web.json_response(await _answer(house, request))

    app = web.Application()
    app.router.add_post("/{command}", serve)
    runner = web.AppRunner(app, handle_signals=False, access_log=None)
    await runner.setup()
    await asyncio.to_thread(path.unlink, missing_ok=True)
    await web.UnixSite(runner, path).start()
    await asyncio.to_thread(path.chmod, 0o600)
    try:
        yield
    finally:
        await runner.cleanup()
        await asyncio.to_thread(path.unlink, missing_ok=True)


async def _answer(house: House, request: web.Request) -> Answer:
    command = COMMANDS.get(request.match_info["command"])
    try:
        if command is None:
            raise NotFound("command_not_found")
        return {"answer": await command(house, **await request.json())}
    except HubError as error:
        return {"code": error.code, "params": dict(error.params)}
    except Exception as error:
        log.exception("control.failed")
        return {"code": "internal_error", "params": {"reason": type(error).__name__}}


async def ask(settings: Settings, command: str, **arguments: Any) -> Answer:
    """Have a command carried out by the hub that runs, else by this process.

    Raises:
        HubError: with the code the command failed by.
    """
    path = socket_path(settings)
    if not settings.on_sqlite:
        return await _alone(settings, command, arguments)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
            session.post(f"http://hub/{command}", json=arguments) as response,
        ):
            said: Answer = await response.json()
    except (aiohttp.ClientConnectorError, OSError):
        return await _alone(settings, command, arguments)
    if "answer" not in said:
        raise HubError(said["code"], **said["params"])
    answer: Answer = said["answer"]
    return answer


async def _alone(settings: Settings, command: str, arguments: Mapping[str, Any]) -> Answer:
    await asyncio.to_thread(prepare_database, settings)
    async with opened(settings) as house:
        await furnish(house)
        await house.watch.load()
        return await COMMANDS[command](house, **arguments)


def _channel(house: House, wanted: str) -> Live:
    """Find a channel by id or name."""
    for live in house.channels:
        if wanted in (live.info.id, live.info.name):
            return live
    raise NotFound("channel_not_found")
