"""The channels that run in this process: adapters built from rows, kept from the last good read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import orjson
import structlog
from pydantic import ValidationError

from hub.model.channel import Channel, ChannelConfig, ChannelContext, HttpPort, Manifest
from hub.model.errors import NotFound, SettingsInvalid
from hub.model.ids import ChannelId
from hub.services.channels import ChannelRow
from hub.services.deps import ChannelInfo

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Live:
    """One channel ready to work; `version` is that of the row it was built from."""

    info: ChannelInfo
    manifest: Manifest
    channel: Channel
    version: int


class LiveChannels:
    """Builds and keeps adapters. `reload` is called at start and after every channel event.

    Args:
        manifests: of every kind.
        http_for: makes the guarded port of a channel from its configuration (its trusted hosts).
        mac_key_for: derives the key of a channel's references and tokens.
    """

    def __init__(
        self,
        manifests: Mapping[str, Manifest],
        http_for: Callable[[ChannelConfig], HttpPort],
        mac_key_for: Callable[[str], bytes],
        public_url: str,
    ) -> None:
        self._manifests = manifests
        self._http_for = http_for
        self._mac_key_for = mac_key_for
        self._public_url = public_url.rstrip("/")
        self._live: dict[str, Live] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """The manifest of every kind."""
        return self._manifests

    def get(self, channel_id: str) -> Live:
        """Return a channel.

        Raises:
            NotFound: there is none of that id, or it could not be built.
        """
        found = self._live.get(channel_id)
        if found is None:
            raise NotFound("channel_not_found")
        return found

    def __iter__(self) -> Iterator[Live]:
        return iter(list(self._live.values()))

    def on_change(self, call: Callable[[], None]) -> None:
        """Have `call()` made after every reload that changed something."""
        self._listeners.append(call)

    def replace(self, rows: list[ChannelRow]) -> dict[str, str]:
        """Take the rows as they are now; return channel id to error code of those not buildable.

        A row that did not change keeps its adapter; a broken one is left out and named.
        """
        broken: dict[str, str] = {}
        fresh: dict[str, Live] = {}
        for row in rows:
            known = self._live.get(row.info.id)
            if known is not None and known.version == row.version:
                fresh[row.info.id] = known
                continue
            try:
                fresh[row.info.id] = self.build(row)
            except SettingsInvalid as error:
                broken[row.info.id] = error.code
                log.warning("channel.broken", channel_id=row.info.id, code=error.code)
        changed = fresh != self._live
        self._live = fresh
        if changed:
            for call in self._listeners:
                call()
        return broken

    def build(self, row: ChannelRow) -> Live:
        """Make an adapter of a row; no I/O.

        Raises:
            SettingsInvalid: unknown kind, or a configuration its kind refuses.
        """
        manifest = self._manifests.get(row.info.kind)
        if manifest is None:
            raise SettingsInvalid("channel_kind_unknown", kind=row.info.kind)
        config = read_config(manifest, row.config)
        context = ChannelContext(
            channel_id=ChannelId(row.info.id),
            webhook_url=f"{self._public_url}/in/{row.info.id}",
            http=self._http_for(config),
            mac_key=self._mac_key_for(row.info.id),
        )
        return Live(row.info, manifest, manifest.build(config, context), row.version)


def read_config(manifest: Manifest, raw: bytes) -> ChannelConfig:
    """Validate a channel's configuration (JSON).

    Raises:
        SettingsInvalid: `channel_config_invalid` with the first wrong field and why.
    """
    try:
        return manifest.config.model_validate(orjson.loads(raw))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsInvalid(
            "channel_config_invalid", kind=manifest.kind, field=where, reason=first["type"]
        ) from None
    except orjson.JSONDecodeError:
        raise SettingsInvalid("channel_config_invalid", kind=manifest.kind, field="") from None
