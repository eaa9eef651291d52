"""Slack: Events API and Socket Mode behind one parser, Web API calls through the port."""

from hub.adapters.slack.config import CAPABILITIES, SlackConfig
from hub.model.address import IdentityKind
from hub.model.channel import Channel, ChannelConfig, ChannelContext, Manifest

__all__ = ["MANIFEST", "SlackConfig"]


def _build(config: ChannelConfig, context: ChannelContext) -> Channel:
    # Imported here, so that reading the manifest costs nothing of the SDK.
    from hub.adapters.slack.adapter import SlackChannel, SlackSocketChannel

    if not isinstance(config, SlackConfig):
        raise TypeError("a Slack channel is built from a SlackConfig")
    kind = SlackSocketChannel if config.mode == "socket" else SlackChannel
    return kind(MANIFEST, config, context)


MANIFEST = Manifest(
    kind="slack",
    work_class="messaging",
    identity_kind=IdentityKind.SLACK,
    capabilities=CAPABILITIES,
    config=SlackConfig,
    build=_build,
    # Slack gives up after three seconds; the rest of them is the network's and the spool's.
    deadline_s=2.0,
)
