"""Channels as configuration: rows in and out, the configuration encrypted at rest."""

from dataclasses import dataclass

from hub.model.channel import Subscribes
from hub.model.clock import to_micros
from hub.model.errors import NotFound, SendError, VersionMismatch
from hub.model.events import EventKind, new_event
from hub.model.ids import ChannelId, new_id
from hub.services.deps import ChannelInfo, Deps
from hub.store.crypto import place
from hub.store.queries import intake
from hub.store.queries.rows import Row, dump, insert_row, load_map
from hub.store.tables import Channel
from hub.store.tx import Tx


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel with its configuration in clear, for whoever builds adapters."""

    info: ChannelInfo
    config: bytes
    version: int
    state_reason: str = ""


@dataclass(frozen=True, slots=True)
class ChannelChange:
    """What an administrator sets. `config` is JSON, already validated by the kind's model."""

    name: str
    config: bytes
    separate: bool = False
    language: str = ""
    region: str = ""
    settings: dict[str, object] | None = None
    state: str = "active"


async def load_channels(deps: Deps) -> list[ChannelRow]:
    """Return every channel with its configuration decrypted."""

    def unit(tx: Tx) -> list[Row]:
        return intake.channels(tx)

    return [_row(deps, row) for row in await deps.db.read(unit)]


async def add_channel(
    deps: Deps, kind: str, change: ChannelChange, *, actor: str, channel_id: str | None = None
) -> ChannelId:
    """Insert a channel and tell every process; returns its id."""
    now = deps.clock.now()
    id_ = channel_id or new_id()
    sealed = deps.keyring.encrypt(change.config, place("channel", "config", id_))

    def unit(tx: Tx) -> None:
        insert_row(
            tx,
            Channel,
            id=id_,
            kind=kind,
            name=change.name,
            config=sealed,
            state=change.state,
            separate=change.separate,
            language=change.language,
            region=change.region,
            settings=dump(change.settings or {}),
            created_at=to_micros(now),
        )
        _told(tx, deps, id_, change.state, "added", actor)

    await deps.db.run(unit, name="channel.add")
    return ChannelId(id_)


async def change_channel(
    deps: Deps, channel_id: str, change: ChannelChange, *, if_version: int, actor: str
) -> None:
    """Replace a channel's settings.

    Raises:
        NotFound: no such channel.
        VersionMismatch: somebody changed it meanwhile.
    """
    sealed = deps.keyring.encrypt(change.config, place("channel", "config", channel_id))

    def unit(tx: Tx) -> None:
        done = tx.execute(
            intake.CHANNEL_UPDATE,
            {
                "channel_id": channel_id,
                "if_version": if_version,
                "new_name": change.name,
                "new_config": sealed,
                "new_state": change.state,
                "reason": "",
                "new_separate": change.separate,
                "new_language": change.language,
                "new_region": change.region,
                "new_settings": dump(change.settings or {}),
            },
        )
        if not done:
            if intake.channel(tx, channel_id) is None:
                raise NotFound("channel_not_found")
            raise VersionMismatch
        _told(tx, deps, channel_id, change.state, "changed", actor)

    await deps.db.run(unit, name="channel.change")


async def move_channel(deps: Deps, channel_id: str, state: str, reason: str, actor: str) -> bool:
    """Set a channel's state (active, paused, needs_auth, broken) and why; False: it was so."""

    def unit(tx: Tx) -> bool:
        moved = intake.move_channel(tx, channel_id, state, reason)
        if moved:
            _told(tx, deps, channel_id, state, reason, actor)
        return moved

    return await deps.db.run(unit, name="channel.move")


async def subscribe_channel(deps: Deps, channel_id: str, channel: Subscribes, *, actor: str) -> str:
    """Have the network call a saved channel; its row then says `active`, or why it does not work.

    Called outside any transaction. A channel that was paused meanwhile stays paused.

    Returns:
        Empty, or the code of what went wrong (the row's `state_reason`).
    """
    state, code = "active", ""
    try:
        await channel.subscribe()
    except SendError as error:
        state, code = "needs_auth" if error.needs_auth else "broken", error.code

    def unit(tx: Tx) -> None:
        row = intake.channel(tx, channel_id)
        if row is None or row["state"] == "paused":
            return
        if intake.move_channel(tx, channel_id, state, code):
            _told(tx, deps, channel_id, state, code, actor)

    await deps.db.run(unit, name="channel.subscribe")
    return code


async def cursor_of(deps: Deps, channel_id: str) -> str | None:
    """Return how far a fetching channel has read."""

    def unit(tx: Tx) -> str | None:
        return intake.cursor_of(tx, channel_id)

    return await deps.db.read(unit)


async def move_cursor(deps: Deps, channel_id: str, cursor: str) -> None:
    """Pass over something that was fetched and cannot be stored."""
    now = deps.clock.now()

    def unit(tx: Tx) -> None:
        intake.set_cursor(tx, channel_id, cursor, now)

    await deps.db.run(unit, name="channel.cursor")


def _told(tx: Tx, deps: Deps, channel_id: str, state: str, reason: str, actor: str) -> None:
    data = {"channel": channel_id, "state": state, "reason": reason[:100], "by": actor}
    tx.append([new_event(EventKind.CHANNEL_CHANGED, deps.clock.now(), actor=actor, data=data)])


def _row(deps: Deps, row: Row) -> ChannelRow:
    return ChannelRow(
        info=info_of(row),
        config=deps.keyring.decrypt(row["config"], place("channel", "config", row["id"])),
        version=row["version"],
        state_reason=row["state_reason"],
    )


def info_of(row: Row) -> ChannelInfo:
    """Make what services may know of a channel from its row."""
    return ChannelInfo(
        id=ChannelId(row["id"]),
        kind=row["kind"],
        name=row["name"],
        state=row["state"],
        separate=bool(row["separate"]),
        language=row["language"],
        region=row["region"],
        settings=load_map(row["settings"]),
    )
