"""As much of a hub as a provider sees: webhooks through a real channel, media links, a server."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from hub.adapters import manifest
from hub.adapters.kit.http import HttpPool
from hub.adapters.kit.target import host_port
from hub.adapters.twilio_sms.adapter import TwilioSms
from hub.demo.sim_twilio import TwilioSim
from hub.model.address import Address, IdentityKind
from hub.model.channel import (
    ChannelContext,
    InboundItem,
    ItemOutcome,
    OutgoingMedia,
    OutgoingPart,
    RawRequest,
)
from hub.model.clock import utc_now
from hub.model.content import Content
from hub.model.errors import PayloadInvalid, SignatureRejected
from hub.model.ids import ChannelId, ConversationId, DeliveryId, MessageId, new_id

CHANNEL_ID = ChannelId("0192f0c0-0000-7000-8000-0000000000ff")


@dataclass
class SmallHub:
    """Receives webhooks at `url` and keeps what they said; `answer` overrules the status."""

    url: str = ""
    items: list[InboundItem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    requests: list[RawRequest] = field(default_factory=list)
    channel: TwilioSms | None = None

    @property
    def webhook_url(self) -> str:
        return f"{self.url}/in/{CHANNEL_ID}"

    async def receive(self, request: web.Request) -> web.Response:
        """Do what ingress does: verify, parse, keep, respond."""
        assert self.channel is not None
        raw = RawRequest(
            method=request.method,
            url=self.url + request.raw_path,
            path=request.path,
            query=request.raw_path.partition("?")[2],
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            received_at=utc_now(),
            action=request.match_info.get("action", ""),
        )
        self.requests.append(raw)
        if self.answers:
            return web.Response(status=self.answers.pop(0))
        try:
            self.channel.verify(raw)
            intake = self.channel.parse(raw)
        except (SignatureRejected, PayloadInvalid) as error:
            return web.Response(status=error.status)
        self.items += intake.items
        self.ignored += intake.ignored
        answer = self.channel.respond(intake, (ItemOutcome.STORED,) * len(intake.items))
        return web.Response(
            status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type}
        )

    async def serve_file(self, request: web.Request) -> web.Response:
        """Serve /media/{token} once, as the hub does for providers."""
        content_type, data = self.files[request.match_info["token"]]
        return web.Response(body=data, content_type=content_type)

    def part(self, to: str, text: str, *files: tuple[str, bytes]) -> OutgoingPart:
        """Return a part as `workers.sender` builds it."""
        delivery = DeliveryId(new_id())
        return OutgoingPart(
            delivery_id=delivery,
            message_id=MessageId(new_id()),
            conversation_id=ConversationId(new_id()),
            part_no=1,
            to=Address(IdentityKind.PHONE, to),
            content=Content(text=text),
            media=tuple(self._media(content_type, data) for content_type, data in files),
            status_url=f"{self.webhook_url}/status?delivery={delivery}",
        )

    def _media(self, content_type: str, data: bytes) -> OutgoingMedia:
        token = new_id()
        self.files[token] = (content_type, data)

        async def read() -> bytes:
            return data

        return OutgoingMedia(
            "image", "f.png", content_type, len(data), f"{self.url}/media/{token}", read
        )


@contextlib.asynccontextmanager
async def connected(
    sim: TwilioSim, *, own_cdn: bool = False, cdn_is_exception: bool = True
) -> AsyncIterator[tuple[SmallHub, TwilioSms]]:
    """Run simulator and hub on loopback, connected with each other."""
    hub = SmallHub()
    app = web.Application()
    app.router.add_post("/in/{channel}", hub.receive)
    app.router.add_post("/in/{channel}/{action}", hub.receive)
    app.router.add_get("/media/{token}", hub.serve_file)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await sim.start(own_cdn=own_cdn)
    exceptions = {host_port(sim.base_url)}
    if own_cdn and cdn_is_exception:
        exceptions.add(host_port(sim.state.cdn_url))
    pool = HttpPool()
    kind = manifest("twilio_sms")
    context = ChannelContext(
        CHANNEL_ID, hub.webhook_url, pool.port(frozenset(exceptions)), b"k" * 32
    )
    channel = kind.build(kind.config.model_validate(sim.channel_config()), context)
    assert isinstance(channel, TwilioSms)
    hub.channel = channel
    sim.hub_url = hub.webhook_url
    try:
        yield hub, channel
    finally:
        await sim.stop()
        await pool.close()
        await runner.cleanup()
