"""`hub doctor`: what is wrong here, and what to do."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import typer

from hub.cli.terminal import load, run_loop, say
from hub.model.errors import HubError
from hub.settings import Settings, secret_keys

ROOM_BYTES = 1_000_000_000
CLOCK_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One part looked at. `do`: what to do when it is not good."""

    part: str
    good: bool
    says: str
    do: str = ""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor() -> None:
    """Look at settings, key, database, Redis, clock, disk and channels."""
    settings = load()
    findings = run_loop(examine(settings))
    for one in findings:
        say(f"{'ok  ' if one.good else 'BAD '} {one.part:10} {one.says}")
        if not one.good and one.do:
            say(f"     do: {one.do}")
    if not all(one.good for one in findings):
        raise typer.Exit(1)


async def examine(settings: Settings) -> list[Finding]:
    """Look at every part; a part that fails does not hide the others."""
    findings = [Finding("settings", True, f"{settings.url}, data in {settings.data_dir}")]
    looks: tuple[tuple[str, Callable[[Settings], Awaitable[list[Finding]]]], ...] = (
        ("key", _key),
        ("database", _database),
        ("redis", _redis),
        ("disk", _disk),
        ("hub", _hub),
    )
    for part, look in looks:
        try:
            findings += await look(settings)
        except (HubError, OSError) as error:
            findings.append(Finding(part, False, str(error)))
    return findings


async def _key(settings: Settings) -> list[Finding]:
    if settings.on_sqlite and not settings.secret_key and not settings.data_dir.exists():
        return [Finding("key", True, "made at the first start")]
    count = len(await asyncio.to_thread(secret_keys, settings))
    return [Finding("key", True, f"{count} usable; keep a copy apart from the backups")]


async def _database(settings: Settings) -> list[Finding]:
    from hub.store import migrate

    revision = await asyncio.to_thread(migrate.current, settings.database)
    wanted = migrate.head()
    kind = "SQLite" if settings.on_sqlite else "PostgreSQL"
    if revision == wanted:
        return [Finding("database", True, f"{kind} at revision {revision}")]
    if revision is None and settings.on_sqlite:
        return [Finding("database", True, "made at the first start")]
    says = f"{kind} at revision {revision}, this version wants {wanted}"
    return [Finding("database", settings.on_sqlite, says, "hub migrate")]


async def _redis(settings: Settings) -> list[Finding]:
    if not settings.redis_url:
        note = "not set: wake-ups stay inside this process"
        return [Finding("redis", True, note)]
    import redis.asyncio as client
    from redis.exceptions import RedisError

    link = client.Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        await link.ping()
    except (RedisError, OSError) as error:
        do = "start it, or unset HUB_REDIS_URL; the hub polls meanwhile"
        return [Finding("redis", False, type(error).__name__, do)]
    finally:
        await link.aclose()
    return [Finding("redis", True, "answers")]


async def _disk(settings: Settings) -> list[Finding]:
    folder = settings.data_dir.resolve()
    place = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    free = (await asyncio.to_thread(shutil.disk_usage, place)).free
    says = f"{free / 1e9:.1f} GB free for {settings.data_dir}"
    return [Finding("disk", free > ROOM_BYTES, says, "make room: a full disk stops storing")]


async def _hub(settings: Settings) -> list[Finding]:
    """Ask the hub (or open it for a moment) for its clock and its channels."""
    from hub.app.control import ask

    answer = await ask(settings, "condition")
    off_s = float(answer["clock_off_s"])
    found = [
        Finding("clock", abs(off_s) < CLOCK_S, f"{off_s:+.1f} s from the database's", "run NTP")
    ]
    for channel in answer["channels"]:
        good = channel["state"] in {"active", "paused"}
        says = f"{channel['kind']} {channel['name']}: {channel['state']}"
        found.append(Finding("channel", good, says, f"hub probe {channel['id']}"))
    if not answer["channels"]:
        found.append(Finding("channel", True, "none configured yet"))
    return found
