"""Opens the store and makes what use cases, routes and loops take."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import HttpUrl

from hub import adapters
from hub.adapters.kit.http import HttpPool
from hub.adapters.kit.target import host_port
from hub.app.health import Health
from hub.ingress.live_channels import LiveChannels
from hub.ingress.pipeline import Ingress
from hub.model.channel import ChannelConfig, HttpPort, Manifest
from hub.model.clock import SystemClock
from hub.model.errors import StoreUnavailable
from hub.model.ids import new_id
from hub.model.router_commands import Command, Outcome
from hub.services import metrics
from hub.services.deps import Deps, KindFacts
from hub.settings import Settings, secret_keys
from hub.store import migrate
from hub.store.crypto import Keyring
from hub.store.engine import Database, StoreLimits, open_database
from hub.store.files import open_files
from hub.store.follower import Follower
from hub.store.ratelimit import open_limiter
from hub.store.spool import Spool, open_spool
from hub.store.wake import open_wake
from hub.workers.leases import Leases
from hub.workers.router import Router
from hub.workers.watch import ConfigWatch

log = structlog.get_logger(__name__)

_BASES = ("api_base", "base_url")
"""Names of configuration fields whose host an administrator vouches for."""


@dataclass(slots=True)
class House:
    """Everything one process is made of."""

    settings: Settings
    process: str
    deps: Deps
    follower: Follower
    spool: Spool
    pool: HttpPool
    manifests: dict[str, Manifest]
    channels: LiveChannels
    ingress: Ingress
    leases: Leases
    router: Router
    watch: ConfigWatch
    health: Health


class _NoRouterYet:
    """Stands in `Deps` until the router, which needs the deps itself, is made."""

    async def submit(self, command: Command) -> Outcome:
        """Refuse the command; nothing was written."""
        raise StoreUnavailable("router_unavailable")


class Meter:
    """Hands the ingress's counts to Prometheus."""

    def intake(self, kind: str, outcome: str) -> None:
        """Count one item or request by outcome."""
        metrics.INTAKE.labels(kind, outcome).inc()

    def inbound_seconds(self, kind: str, seconds: float) -> None:
        """Note how long a request took to its commit."""
        metrics.INBOUND_SECONDS.observe(seconds)


def prepare_database(settings: Settings) -> None:
    """Bring the tables to this version on SQLite; on PostgreSQL only look. Blocking.

    Raises:
        StoreUnavailable: `database_behind`: run `hub migrate` first.
    """
    if settings.on_sqlite:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        migrate.migrate(settings.database)
    elif migrate.is_behind(settings.database):
        raise StoreUnavailable("database_behind", do="hub migrate")


@asynccontextmanager
async def opened(settings: Settings, *, limits: StoreLimits | None = None) -> AsyncIterator[House]:
    """Open everything in order and close it in reverse; the tables must exist.

    Raises:
        SettingsInvalid: a setting that only shows to be wrong now.
        StoreUnavailable: the database is away, or `database_in_use`.
    """
    async with AsyncExitStack() as stack:
        keyring = Keyring(secret_keys(settings))
        db = await open_database(settings.database, limits=limits)
        stack.push_async_callback(db.close)
        limiter = open_limiter(settings.redis_url or None)
        stack.push_async_callback(limiter.close)
        wake = open_wake(settings.redis_url or None)
        await wake.start()
        stack.push_async_callback(wake.close)
        manifests = adapters.manifests()
        deps = Deps(
            db=db,
            clock=SystemClock(),
            files=open_files(settings.files_place),
            keyring=keyring,
            public_url=settings.url,
            kinds={kind: _facts(manifest) for kind, manifest in manifests.items()},
            router=_NoRouterYet(),
            wake=wake,
            limiter=limiter,
            max_upload_bytes=settings.max_upload_mb * 1_000_000,
        )
        yield await _assemble(settings, deps, db, manifests, stack)


async def _assemble(
    settings: Settings,
    deps: Deps,
    db: Database,
    manifests: dict[str, Manifest],
    stack: AsyncExitStack,
) -> House:
    process = new_id()
    folder = spool_folder(settings)
    spool = await open_spool(folder, deps.keyring)
    stack.push_async_callback(spool.close)
    pool = HttpPool()
    stack.push_async_callback(pool.close)
    follower = Follower(db, wake=deps.wake, clock=deps.clock)
    await follower.start()
    stack.push_async_callback(follower.close)

    def http_for(config: ChannelConfig) -> HttpPort:
        return pool.port(trusted_hosts(config))

    def mac_key_for(channel_id: str) -> bytes:
        return deps.keyring.derive(f"channel:{channel_id}")

    router = Router(deps, follower, holder=process)
    deps.router = router
    channels = LiveChannels(manifests, http_for, mac_key_for, settings.url)
    return House(
        settings=settings,
        process=process,
        deps=deps,
        follower=follower,
        spool=spool,
        pool=pool,
        manifests=manifests,
        channels=channels,
        ingress=Ingress(deps, channels, spool, Meter()),
        leases=Leases(deps, process),
        router=router,
        watch=ConfigWatch(deps, channels, follower),
        health=Health(spool, folder, database_file=_database_file(settings)),
    )


def _database_file(settings: Settings) -> Path | None:
    return Path(settings.database.removeprefix("sqlite:///")) if settings.on_sqlite else None


def spool_folder(settings: Settings) -> Path:
    """Return where requests wait while the store is away."""
    return settings.data_dir / "spool"


def trusted_hosts(config: ChannelConfig) -> frozenset[str]:
    """Return host:port of the API base an administrator configured: the guard's only exception."""
    found: set[str] = set()
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name in _BASES and isinstance(value, str | HttpUrl) and str(value):
            found.add(host_port(str(value)))
    return frozenset(found)


def _facts(manifest: Manifest) -> KindFacts:
    return KindFacts(
        manifest.kind, manifest.work_class, manifest.identity_kind.value, manifest.capabilities
    )
