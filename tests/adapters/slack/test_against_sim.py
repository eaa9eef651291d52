"""The adapter and the simulated workspace over real HTTP: events in, answers out, files, faults."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from hub.adapters.slack import SlackConfig
from hub.adapters.slack.adapter import SlackChannel
from hub.demo.operations import OpKind, OpOutcome
from hub.demo.sim_slack import Fault, SimMessage, SlackSim
from hub.model.address import Address, IdentityKind
from hub.model.channel import (
    ChangeKind,
    ChannelContext,
    FetchesMedia,
    HttpFailure,
    InboundItem,
    InboundMessage,
    MessageChange,
    OutgoingMedia,
    OutgoingPart,
    Probes,
    Pulls,
    RawRequest,
    StatusReport,
)
from hub.model.clock import utc_now
from hub.model.content import Choice, Content
from hub.model.delivery import DeliveryState
from hub.model.errors import SendError, SignatureRejected, TooLarge
from hub.model.ids import ConversationId, DeliveryId, MessageId, new_id

LI = "U0LI00001"
DELIVERY = DeliveryId(new_id())


@dataclass
class Hub:
    """What stands where the hub's webhook stands: verifies, parses, keeps."""

    channel: SlackChannel
    items: list[InboundItem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)  # statuses to give before doing anything
    hang: asyncio.Event | None = None

    async def receive(self, request: web.Request) -> web.Response:
        if "X-Slack-Retry-Num" in request.headers:
            headers = request.headers
            self.retries.append(f"{headers['X-Slack-Retry-Num']} {headers['X-Slack-Retry-Reason']}")
        if self.hang is not None:
            await self.hang.wait()
        if self.answers:
            return web.Response(status=self.answers.pop(0))
        raw = RawRequest(
            method=request.method,
            url=f"https://hub.example{request.path_qs}",
            path=request.path,
            query=request.query_string,
            headers={k.lower(): v for k, v in request.headers.items()},
            body=await request.read(),
            received_at=utc_now(),
            action=request.match_info.get("action", ""),
        )
        try:
            self.channel.verify(raw)
        except SignatureRejected:
            return web.Response(status=403)
        intake = self.channel.parse(raw)
        self.items += intake.items
        self.ignored += intake.ignored
        answer = self.channel.respond(intake, ())
        return web.Response(status=answer.status, body=answer.body)


@pytest.fixture
async def hub(sim: SlackSim, channel: SlackChannel) -> AsyncIterator[Hub]:
    made = Hub(channel)
    app = web.Application()
    app.router.add_post("/in/CH", made.receive)
    app.router.add_post("/in/CH/{action}", made.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sim.hub_url = f"http://127.0.0.1:{runner.addresses[0][1]}/in/CH"
    yield made
    if made.hang is not None:
        made.hang.set()
    await runner.cleanup()


def part(text: str, **more: object) -> OutgoingPart:
    fields: dict[str, object] = {
        "delivery_id": DELIVERY,
        "message_id": MessageId("m-1"),
        "conversation_id": ConversationId("c-1"),
        "part_no": 1,
        "to": Address(IdentityKind.SLACK, LI, "T0DEMO001"),
        "content": Content(text=text),
        **more,
    }
    return OutgoingPart(**fields)  # type: ignore[arg-type]


def reply_to(message: InboundMessage, text: str, **more: object) -> OutgoingPart:
    return part(
        text,
        to=message.sender,
        display=message.display,
        provider_thread=message.thread.provider_thread,
        **more,
    )


def only_message(hub: Hub) -> InboundMessage:
    (item,) = hub.items
    assert isinstance(item, InboundMessage)
    return item


async def test_a_direct_message_is_answered_and_the_echo_ignored(sim: SlackSim, hub: Hub) -> None:
    said = await sim.dm(LI, "订单 &lt;12&gt; 在哪里?")
    await sim.settled()
    message = only_message(hub)
    assert message.content.text == "订单 <12> 在哪里?"
    assert message.external_id == f"T0DEMO001:{said.channel}:{said.ts}"
    receipt = await hub.channel.send(reply_to(message, "在路上 <&>"))
    await sim.settled()
    assert [(m.text, m.channel, m.ts) for m in sim.sent] == [
        ("在路上 <&>", said.channel, receipt.external_id)
    ]
    assert sim.sent[0].delivery_id == DELIVERY
    assert hub.ignored == ["message.from_app"]
    report = hub.items[1]
    assert isinstance(report, StatusReport)
    assert (report.delivery_id, report.state) == (DELIVERY, DeliveryState.SENT)
    assert {o.outcome for o in sim.operations} == {OpOutcome.OK}


async def test_a_thread_in_a_channel_is_answered_in_the_thread(sim: SlackSim, hub: Hub) -> None:
    said = await sim.post("C0HELP001", LI, "printer is on fire", mention=True)
    await sim.settled()
    first, second = hub.items
    assert isinstance(first, InboundMessage)
    assert isinstance(second, InboundMessage)
    assert first.external_id == second.external_id, "message and app_mention are one message"
    assert first.content.text == "printer is on fire"
    receipt = await hub.channel.send(reply_to(first, "coming"))
    assert (sim.sent[0].channel, sim.sent[0].thread_ts) == ("C0HELP001", said.ts)
    assert receipt.provider_thread == first.thread.provider_thread == f"C0HELP001:{said.ts}"


async def test_the_hub_writes_first(sim: SlackSim, channel: SlackChannel) -> None:
    sim.workspace.add_user(LI)
    await channel.send(part("your parcel is here"))
    assert sim.sent[0].channel == sim.workspace.direct(LI)
    with pytest.raises(SendError) as caught:
        await channel.send(part("hi", to=Address(IdentityKind.SLACK, "U0NOBODY1", "T0DEMO001")))
    assert caught.value.code == "recipient_unknown"


async def test_edits_and_deletions(sim: SlackSim, hub: Hub) -> None:
    said = await sim.dm(LI, "order 12")
    await sim.settled()
    await sim.edit(said, "order 21")
    await sim.settled()
    await sim.delete(said)
    await sim.settled()
    message, edited, deleted = hub.items
    assert isinstance(message, InboundMessage)
    assert isinstance(edited, MessageChange)
    assert isinstance(deleted, MessageChange)
    assert edited.external_id == deleted.external_id == message.external_id
    assert (edited.kind, deleted.kind) == (ChangeKind.EDITED, ChangeKind.DELETED)
    assert edited.as_message is not None
    assert edited.as_message.content.text == "order 21"
    assert edited.revision < deleted.revision


async def test_files_both_ways(sim: SlackSim, hub: Hub) -> None:
    picture = sim.file(LI, "schaden.png", "image/png", b"\x89PNG-bytes")
    await sim.dm(LI, "see here", files=(picture,))
    await sim.settled()
    message = only_message(hub)
    (media,) = message.media
    assert (media.kind, media.filename, media.size_bytes) == ("image", "schaden.png", 10)
    assert isinstance(hub.channel, FetchesMedia)
    fetched = await hub.channel.fetch_media(media.ref, max_bytes=1_000)
    assert (fetched.data, fetched.content_type) == (b"\x89PNG-bytes", "image/png")
    with pytest.raises(TooLarge):
        await hub.channel.fetch_media(media.ref, max_bytes=5)

    async def read() -> bytes:
        return b"%PDF-1.7"

    out = OutgoingMedia("file", "收据.pdf", "application/pdf", 8, "https://hub.example/m/x", read)
    receipt = await hub.channel.send(reply_to(message, "your receipt", media=(out, out)))
    sent = sim.sent[0]
    assert [(f.name, f.data) for f in sent.files] == [("收据.pdf", b"%PDF-1.7")] * 2
    assert sent.text == "your receipt"
    assert receipt.external_id == f"file:{sent.files[0].file_id}"


async def test_the_token_goes_to_slack_alone(
    sim: SlackSim, config: SlackConfig, channel: SlackChannel
) -> None:
    seen: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(body=b"data")

    runner = web.ServerRunner(web.Server(elsewhere))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/f"
    try:
        for inside in (url, "http://169.254.169.254/latest", "http://[::1]/", "file:///etc/passwd"):
            for token in (True, False):
                ref = json.dumps({"id": "F1", "url": inside, "token": token})
                with pytest.raises(HttpFailure) as caught:
                    await channel.fetch_media(ref, max_bytes=100)
                assert caught.value.code == "target_refused"
        # A file of Slack's own that redirects elsewhere (its login page) is followed nowhere.
        ref = json.dumps({"id": "F1", "url": f"{sim.base_url}/nowhere", "token": True})
        with pytest.raises(SendError) as refused:
            await channel.fetch_media(ref, max_bytes=100)
        assert refused.value.code == "media_gone"
    finally:
        await runner.cleanup()
    assert seen == []
    with pytest.raises(SendError):
        await channel.fetch_media("not json", max_bytes=100)


async def test_a_lost_token_while_fetching_asks_for_a_new_installation(
    sim: SlackSim, config: SlackConfig, context: ChannelContext, channel: SlackChannel
) -> None:
    other = config.model_copy(update={"bot_token": type(config.bot_token)("xoxb-old")})
    file = sim.file(LI, "a.txt", "text/plain", b"x")
    url = f"{sim.base_url}/files-pri/{file.file_id}/download/a.txt"
    ref = json.dumps({"id": file.file_id, "url": url, "token": True})
    with pytest.raises(SendError) as caught:
        await SlackChannel(channel.manifest, other, context).fetch_media(ref, max_bytes=10)
    assert caught.value.needs_auth


async def test_buttons_come_back_as_choices(sim: SlackSim, hub: Hub) -> None:
    await sim.dm(LI, "hello")
    await sim.settled()
    choices = tuple(Choice(label=f"Option {n}", value=str(n)) for n in range(30))
    content = Content(text="Which? " + "x" * 3_500, choices=choices)
    await hub.channel.send(reply_to(only_message(hub), "", content=content))
    await sim.settled()
    key = await sim.press(LI, sim.sent[0], "27")
    await sim.settled()
    pressed = hub.items[-1]
    assert isinstance(pressed, InboundMessage)
    assert (pressed.external_id, pressed.content.chosen) == (key, "27")
    assert pressed.content.text == "Option 27"


async def test_repeats_until_the_hub_takes_it(sim: SlackSim, hub: Hub) -> None:
    hub.answers = [500, 503]
    await sim.dm(LI, "hello")
    await sim.settled()
    assert hub.retries == ["1 http_error", "2 http_error"]
    assert len(hub.items) == 1
    (operation,) = sim.operations
    assert (operation.outcome, operation.statuses) == (OpOutcome.OK, [500, 503, 200])
    hub.answers = [500, 500, 500, 500]
    await sim.dm(LI, "never heard")
    await sim.settled()
    assert sim.operations.of(OpKind.INBOUND, OpOutcome.FAILED)


async def test_slack_waits_for_its_time_limit_only(sim: SlackSim, hub: Hub) -> None:
    sim.delivery.time_limit_s = 0.05
    hub.hang = asyncio.Event()
    await sim.dm(LI, "hello")
    await sim.settled()
    (operation,) = sim.operations
    assert (operation.outcome, operation.statuses) == (OpOutcome.UNKNOWN, [0, 0, 0, 0])
    assert hub.retries[0] == "1 http_timeout"


async def test_a_forged_event_is_refused(sim: SlackSim, hub: Hub) -> None:
    sim.delivery.signing_secret = "guessed"
    await sim.dm(LI, "hello")
    await sim.settled()
    assert hub.items == []
    assert sim.operations.operations[0].statuses == [403] * 4


async def test_an_unknown_event_is_ignored_and_acknowledged(sim: SlackSim, hub: Hub) -> None:
    operation = sim.tell({"type": "team_join", "user": {"id": LI}})
    await sim.settled()
    assert operation.statuses == [200]
    assert hub.ignored == ["team_join"]


@pytest.mark.parametrize(
    ("fault", "maybe_sent", "arrived"),
    [
        (Fault(status=429, error="ratelimited", retry_after_s=3), False, 0),
        (Fault(error="channel_not_found"), False, 0),
        (Fault(status=502, accept=True), True, 1),
        (Fault(status=500), True, 0),
    ],
)
async def test_injected_faults(
    sim: SlackSim, channel: SlackChannel, fault: Fault, maybe_sent: bool, arrived: int
) -> None:
    sim.workspace.add_user(LI)
    sim.echo = sim.reports_metadata = False
    sim.fail("chat.postMessage", fault)
    with pytest.raises(SendError) as caught:
        await channel.send(part("hi"))
    assert caught.value.maybe_sent is maybe_sent
    assert caught.value.retry_after_s == fault.retry_after_s
    assert len(sim.sent) == arrived
    expected = OpOutcome.UNKNOWN if fault.accept else OpOutcome.FAILED
    assert [o.outcome for o in sim.operations] == [expected]
    await channel.send(part("again"))
    assert len(sim.sent) == arrived + 1


async def test_what_may_have_been_sent_is_told_of(sim: SlackSim, hub: Hub) -> None:
    sim.workspace.add_user(LI)
    sim.fail("chat.postMessage", Fault(status=504, accept=True))
    with pytest.raises(SendError) as caught:
        await hub.channel.send(part("hi"))
    assert caught.value.maybe_sent
    await sim.settled()
    (report,) = hub.items
    assert isinstance(report, StatusReport)
    assert (report.delivery_id, report.state) == (DELIVERY, DeliveryState.SENT)


async def test_the_customer_answers_when_answered(sim: SlackSim, hub: Hub) -> None:
    async def thank(message: SimMessage) -> None:
        await sim.dm(LI, f"thanks for {message.text}")

    sim.on_sent = thank
    await sim.dm(LI, "hello")
    await sim.settled()
    await hub.channel.send(reply_to(only_message(hub), "the answer"))
    await sim.settled()
    last = hub.items[-1]
    assert isinstance(last, InboundMessage)
    assert last.content.text == "thanks for the answer"


async def test_probe(
    sim: SlackSim, config: SlackConfig, context: ChannelContext, channel: SlackChannel
) -> None:
    assert isinstance(channel, Probes)
    assert not isinstance(channel, Pulls)
    report = await channel.probe()
    assert report.ok
    assert report.facts["team_id"] == sim.workspace.team_id
    sim.fail("auth.test", Fault(error="invalid_auth"))
    report = await channel.probe()
    assert (report.ok, report.code) == (False, "auth_refused")
    foreign = config.model_copy(update={"team_id": "T0OTHER01"})
    report = await SlackChannel(channel.manifest, foreign, context).probe()
    assert (report.ok, report.code) == (False, "other_team")
    nowhere = config.model_copy(update={"api_base": "http://127.0.0.1:1/api/"})
    report = await SlackChannel(channel.manifest, nowhere, context).probe()
    assert (report.ok, report.code) == (False, "cannot_connect")
