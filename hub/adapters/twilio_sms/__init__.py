"""SMS and MMS through Twilio's Programmable Messaging. See README.md."""

from hub.adapters.kit.sms import sms_capabilities
from hub.adapters.twilio_sms.config import TwilioConfig
from hub.model.address import IdentityKind
from hub.model.channel import Channel, ChannelConfig, ChannelContext, Manifest


def _build(config: ChannelConfig, context: ChannelContext) -> Channel:
    # Here, not above: manifests are read without paying for an SDK (0.5 s).
    from hub.adapters.twilio_sms.adapter import TwilioSms

    assert isinstance(config, TwilioConfig)
    return TwilioSms(MANIFEST, config, context)


MANIFEST = Manifest(
    kind="twilio_sms",
    work_class="sms",
    identity_kind=IdentityKind.PHONE,
    capabilities=sms_capabilities(
        # Twilio queues what a number cannot send at once; this keeps below its API concurrency.
        rate_per_s=20.0,
        max_media=10,
        max_media_bytes=5_000_000,
        media_types=("image/*", "audio/*", "video/*", "text/vcard", "text/csv", "application/pdf"),
    ),
    config=TwilioConfig,
    build=_build,
    deadline_s=8.0,  # Twilio gives up after 15 s and by default never comes back
    max_body_bytes=256_000,
)
