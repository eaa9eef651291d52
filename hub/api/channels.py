"""Channels for administrators: kinds, accounts, a try before saving. Secrets go in, never out."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, JsonValue, StringConstraints

from hub.api.channel_secrets import merged, veiled
from hub.api.context import Context
from hub.api.http import Body, Created, Id, Path, Query, Routes, Wish
from hub.api.keys import CHANNELS
from hub.ingress.live_channels import Live, LiveChannels
from hub.model.channel import Probes, Subscribes
from hub.model.errors import BadInput, Conflict, NotFound, SettingsInvalid
from hub.model.ids import ChannelId, new_id
from hub.model.visibility import may_administer
from hub.services import channels
from hub.services.channels import ChannelChange, ChannelRow
from hub.services.deps import ChannelInfo
from hub.services.views import View

ROUTES = Routes("channels")

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Tongue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*)?$")]
Region = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2})?$")]


class NewChannel(Created):
    """An account on a network. `probe`: make one harmless real call before saving."""

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    name: Name
    config: dict[str, JsonValue]
    separate: bool = False
    language: Tongue = ""
    region: Region = ""
    settings: dict[str, JsonValue] | None = None
    probe: bool = True


class ChannelPatch(Wish):
    """What is left out stays; so does every secret shown as dots."""

    name: Name | None = None
    config: dict[str, JsonValue] | None = None
    separate: bool | None = None
    language: Tongue | None = None
    region: Region | None = None
    settings: dict[str, JsonValue] | None = None
    state: Literal["active", "paused"] | None = None
    probe: bool = True


class ChannelView(View):
    """A channel for whoever works with conversations."""

    id: str
    kind: str
    name: str
    state: str
    separate: bool
    language: str
    region: str
    capabilities: dict[str, Any]


class ChannelDetail(ChannelView):
    """A channel with its configuration, secrets as dots."""

    state_reason: str
    config: dict[str, Any]
    settings: dict[str, Any]
    webhook_url: str
    version: int


class ChannelList(View):
    """Channels, oldest first."""

    items: tuple[ChannelView, ...]


class KindView(View):
    """A kind of channel and the JSON Schema of its configuration."""

    kind: str
    work_class: str
    config_schema: dict[str, Any]
    capabilities: dict[str, Any]


class KindList(View):
    """The kinds this hub knows."""

    items: tuple[KindView, ...]


class ProbeView(View):
    """What a harmless real call found; never a secret."""

    ok: bool
    code: str
    facts: dict[str, str | int | float | bool | None]


class Everything(BaseModel):
    """No filter yet; names nothing, so that a wrong one is refused."""

    model_config = {"extra": "forbid"}


@ROUTES.route("GET", "/api/v1/channels", summary="Channels")
async def list_channels(ctx: Context, q: Annotated[Everything, Query]) -> ChannelList:
    """List channels with what each can carry."""
    rows = await channels.load_channels(ctx.deps)
    return ChannelList(items=tuple(ChannelView(**_shown(ctx, row.info)) for row in rows))


@ROUTES.route("GET", "/api/v1/channel-kinds", allow=may_administer, summary="Kinds of channels")
async def list_kinds(ctx: Context) -> KindList:
    """List the kinds with the schema of their configuration."""
    found = _live(ctx).manifests
    return KindList(
        items=tuple(
            KindView(
                kind=one.kind,
                work_class=one.work_class,
                config_schema=one.config.model_json_schema(),
                capabilities=one.capabilities.model_dump(mode="json"),
            )
            for one in found.values()
        )
    )


@ROUTES.route(
    "POST", "/api/v1/channels", status=201, allow=may_administer, creates=True, summary="Add one"
)
async def add_channel(ctx: Context, body: Annotated[NewChannel, Body]) -> ChannelDetail:
    """Validate, try and save a channel, and have the network call it (see its `state`)."""
    info = ChannelInfo(
        ChannelId(new_id()), body.kind, body.name, "active", body.separate, body.language,
        body.region, body.settings or {},
    )  # fmt: skip
    config = orjson.dumps(body.config)
    await _try(ctx, ChannelRow(info, config, 0), probe=body.probe)
    change = _change(info, config)
    await channels.add_channel(ctx.deps, body.kind, change, actor=ctx.actor, channel_id=info.id)
    await _subscribe(ctx, info.id)
    return await _detail(ctx, info.id)


@ROUTES.route("GET", "/api/v1/channels/{id}", allow=may_administer, summary="Show a channel")
async def show_channel(ctx: Context, id: Annotated[Id, Path]) -> ChannelDetail:
    """Show a channel; secrets as dots."""
    return await _detail(ctx, id)


@ROUTES.route(
    "PATCH", "/api/v1/channels/{id}", allow=may_administer, if_match=True, summary="Change one"
)
async def change_channel(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[ChannelPatch, Body]
) -> ChannelDetail:
    """Change a channel: pause it, rename it, give new credentials."""
    version = ctx.if_match()
    row = await _row(ctx, id)
    wish = body.model_dump(exclude_none=True, exclude={"config", "probe"})
    before = row.info
    info = ChannelInfo(
        id=before.id,
        kind=before.kind,
        name=wish.get("name", before.name),
        state=wish.get("state", before.state),
        separate=wish.get("separate", before.separate),
        language=wish.get("language", before.language),
        region=wish.get("region", before.region),
        settings=wish.get("settings", before.settings),
    )
    config = row.config if body.config is None else merged(row.config, body.config)
    if body.config is not None:
        await _try(ctx, ChannelRow(info, config, 0), probe=body.probe)
    change = _change(info, config)
    await channels.change_channel(ctx.deps, id, change, if_version=version, actor=ctx.actor)
    await _subscribe(ctx, id)
    return await _detail(ctx, id)


@ROUTES.route(
    "POST", "/api/v1/channels/{id}/probe", allow=may_administer, summary="Try a channel's account"
)
async def probe_channel(ctx: Context, id: Annotated[Id, Path]) -> ProbeView:
    """Make one harmless real call with the saved credentials."""
    return await _probe(_live(ctx).build(await _row(ctx, id)))


@ROUTES.route(
    "POST", "/api/v1/channels/{id}/subscribe", allow=may_administer, summary="Have it called again"
)
async def subscribe_channel(ctx: Context, id: Annotated[Id, Path]) -> ChannelDetail:
    """Tell the network once more where to call; a channel that was broken by that works again."""
    row = await _row(ctx, id)
    channel = _live(ctx).build(row).channel
    if not isinstance(channel, Subscribes):
        raise NotFound("subscribe_not_supported")
    if row.info.state == "paused":
        raise Conflict("channel_paused")
    code = await channels.subscribe_channel(ctx.deps, id, channel, actor=ctx.actor)
    if code:
        raise BadInput("channel_subscribe_failed", reason=code)
    return await _detail(ctx, id)


def _live(ctx: Context) -> LiveChannels:
    return ctx.request.config_dict[CHANNELS]


async def _row(ctx: Context, channel_id: str) -> ChannelRow:
    for row in await channels.load_channels(ctx.deps):
        if row.info.id == channel_id:
            return row
    raise NotFound("channel_not_found")


async def _try(ctx: Context, row: ChannelRow, *, probe: bool) -> None:
    """Build the adapter and, if wanted, make its harmless call; nothing is saved before."""
    live = _live(ctx).build(row)
    if probe and isinstance(live.channel, Probes):
        report = await live.channel.probe()
        if not report.ok:
            raise BadInput("channel_probe_failed", reason=report.code)


async def _subscribe(ctx: Context, channel_id: str) -> None:
    """Have the network call a channel that was just saved; it stays saved if that fails."""
    row = await _row(ctx, channel_id)
    if row.info.state == "paused":
        return
    try:
        channel = _live(ctx).build(row).channel
    except SettingsInvalid:
        return  # whoever reloads the channels marks it `broken`
    if isinstance(channel, Subscribes):
        await channels.subscribe_channel(ctx.deps, channel_id, channel, actor=ctx.actor)


async def _probe(live: Live) -> ProbeView:
    if not isinstance(live.channel, Probes):
        raise NotFound("probe_not_supported")
    report = await live.channel.probe()
    return ProbeView(ok=report.ok, code=report.code, facts=dict(report.facts))


async def _detail(ctx: Context, channel_id: str) -> ChannelDetail:
    row = await _row(ctx, channel_id)
    return ChannelDetail(
        **_shown(ctx, row.info),
        state_reason=row.state_reason,
        config=_veiled(ctx, row),
        settings=dict(row.info.settings),
        webhook_url=f"{ctx.deps.public_url.rstrip('/')}/in/{row.info.id}",
        version=row.version,
    )


def _shown(ctx: Context, info: ChannelInfo) -> dict[str, Any]:
    facts = ctx.deps.kinds.get(info.kind)
    return {
        "id": info.id,
        "kind": info.kind,
        "name": info.name,
        "state": info.state,
        "separate": info.separate,
        "language": info.language,
        "region": info.region,
        "capabilities": {} if facts is None else facts.capabilities.model_dump(mode="json"),
    }


def _change(info: ChannelInfo, config: bytes) -> ChannelChange:
    return ChannelChange(
        info.name, config, info.separate, info.language, info.region, dict(info.settings),
        info.state,
    )  # fmt: skip


def _veiled(ctx: Context, row: ChannelRow) -> dict[str, Any]:
    """Return the configuration with every secret as dots; nothing of a kind nobody knows."""
    manifest = _live(ctx).manifests.get(row.info.kind)
    if manifest is None:
        return {}
    return veiled(manifest.config, orjson.loads(row.config))
