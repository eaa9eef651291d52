"""E-mail: IMAP and our own SMTP/LMTP listener behind one reader, SMTP out."""

from hub.adapters.email.config import CAPABILITIES, EmailConfig
from hub.model.address import IdentityKind
from hub.model.channel import Channel, ChannelConfig, ChannelContext, Manifest

__all__ = ["MANIFEST", "EmailConfig"]


def _build(config: ChannelConfig, context: ChannelContext) -> Channel:
    # Imported here, so that reading the manifest costs nothing of the mail libraries.
    from hub.adapters.email.adapter import EmailChannel
    from hub.adapters.email.pulling import PullingEmailChannel

    if not isinstance(config, EmailConfig):
        raise TypeError("an e-mail channel is built from an EmailConfig")
    fetches = config.imap is not None or config.listener is not None
    kind = PullingEmailChannel if fetches else EmailChannel
    return kind(MANIFEST, config, context)


MANIFEST = Manifest(
    kind="email",
    work_class="email",
    identity_kind=IdentityKind.EMAIL,
    capabilities=CAPABILITIES,
    config=EmailConfig,
    build=_build,
    deadline_s=20.0,
    # Mails come by IMAP or our listener, which have limits of their own; no webhook carries one.
    max_body_bytes=64_000,
)
