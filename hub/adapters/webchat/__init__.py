"""The hub's own chat widget as a channel. See README.md and docs/widget-protocol.md."""

from hub.adapters.webchat.config import CAPABILITIES, WebchatConfig
from hub.model.address import IdentityKind
from hub.model.channel import Channel, ChannelConfig, ChannelContext, Manifest

__all__ = ["MANIFEST", "WebchatConfig"]


def _build(config: ChannelConfig, context: ChannelContext) -> Channel:
    from hub.adapters.webchat.adapter import WebchatChannel

    if not isinstance(config, WebchatConfig):
        raise TypeError("a chat channel is built from a WebchatConfig")
    return WebchatChannel(MANIFEST, config, context)


MANIFEST = Manifest(
    kind="webchat",
    work_class="webchat",
    identity_kind=IdentityKind.WEB,
    capabilities=CAPABILITIES,
    config=WebchatConfig,
    build=_build,
    # The visitor watches a spinner: past this the request is in the spool and the answer is out.
    deadline_s=5.0,
    max_body_bytes=64_000,
)
