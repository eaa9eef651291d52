"""The adapter and the simulated Twilio on loopback: real HTTP, real signatures, both ways."""

import dataclasses
from collections.abc import Sequence

import pytest

from hub.demo.operations import OpKind, OpOutcome
from hub.demo.sim_twilio import Fault, SimMedia, TwilioSim
from hub.model.channel import (
    ContactSignal,
    FetchesMedia,
    HttpFailure,
    InboundItem,
    InboundMessage,
    Probes,
    SignalKind,
    StatusReport,
)
from hub.model.delivery import DeliveryState
from hub.model.errors import SendError, TooLarge
from tests.adapters.twilio_sms.small_hub import connected

CUSTOMER = "+15005550001"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def messages(items: Sequence[InboundItem]) -> list[InboundMessage]:
    return [item for item in items if isinstance(item, InboundMessage)]


def states(items: Sequence[InboundItem]) -> list[DeliveryState]:
    return [item.state for item in items if isinstance(item, StatusReport)]


async def test_a_customers_message_arrives_once_and_is_acknowledged() -> None:
    sim = TwilioSim()
    async with connected(sim) as (hub, _):
        operation = await sim.customer_says(CUSTOMER, "宽带断了 & more = less?")
        (message,) = messages(hub.items)
    assert message.content.text == "宽带断了 & more = less?"
    assert message.external_id == operation.external_id
    assert (operation.outcome, operation.statuses) == (OpOutcome.OK, [200])
    assert sim.webhooks.odd_answers == []


async def test_a_reply_reaches_the_customer_and_its_states_come_back() -> None:
    sim = TwilioSim()
    async with connected(sim) as (hub, channel):
        part = hub.part(CUSTOMER, "We are on it. 师傅马上到 😀")
        receipt = await channel.send(part)
        await sim.settled()
    assert [(m.to, m.body) for m in sim.sent] == [(CUSTOMER, "We are on it. 师傅马上到 😀")]
    assert receipt.external_id == sim.sent[0].sid
    assert states(hub.items) == [DeliveryState.SENT, DeliveryState.DELIVERED]
    assert hub.ignored == ["status.queued"]
    for item in hub.items:
        assert isinstance(item, StatusReport)
        assert (item.delivery_id, item.external_id) == (part.delivery_id, receipt.external_id)
    assert sim.state.odd_fields == set()
    assert all("#" not in request.url for request in hub.requests)


async def test_a_picture_goes_out_by_our_link() -> None:
    sim = TwilioSim()
    async with connected(sim) as (hub, channel):
        await channel.send(hub.part(CUSTOMER, "See", ("image/png", PNG), ("image/gif", b"GIF89a")))
        await sim.settled()
    assert [(m.content_type, m.data) for m in sim.sent[0].media] == [
        ("image/png", PNG),
        ("image/gif", b"GIF89a"),
    ]


async def test_a_picture_that_is_gone_fails_the_message() -> None:
    sim = TwilioSim()
    async with connected(sim) as (hub, channel):
        part = hub.part(CUSTOMER, "See", ("image/png", PNG))
        gone = dataclasses.replace(part.media[0], url=f"{hub.url}/gone")
        await channel.send(dataclasses.replace(part, media=(gone,)))
        await sim.settled()
    assert states(hub.items) == [DeliveryState.FAILED]
    assert sim.sent == []


@pytest.mark.parametrize("own_cdn", [False, True])
async def test_a_customers_picture_is_fetched(own_cdn: bool) -> None:
    sim = TwilioSim()
    async with connected(sim, own_cdn=own_cdn) as (hub, channel):
        photo = SimMedia("image/png", PNG, "router.png")
        await sim.customer_says(CUSTOMER, "", [photo, SimMedia("text/vcard", b"BEGIN:VCARD")])
        (message,) = messages(hub.items)
        assert [media.kind for media in message.media] == ["image", "file"]
        assert isinstance(channel, FetchesMedia)
        fetched = await channel.fetch_media(message.media[0].ref, max_bytes=1_000_000)
        assert (fetched.data, fetched.content_type, fetched.filename) == (
            PNG, "image/png", "router.png",
        )  # fmt: skip
        with pytest.raises(TooLarge):
            await channel.fetch_media(message.media[0].ref, max_bytes=len(PNG) - 1)
    assert sim.state.leaked == [], "the CDN saw the account's credentials"


async def test_a_redirect_into_the_inside_is_refused() -> None:
    sim = TwilioSim()
    async with connected(sim, own_cdn=True, cdn_is_exception=False) as (hub, channel):
        await sim.customer_says(CUSTOMER, "", [SimMedia("image/png", PNG)])
        with pytest.raises(HttpFailure) as caught:
            await channel.fetch_media(messages(hub.items)[0].media[0].ref, max_bytes=1_000_000)
    assert caught.value.code == "target_refused"


async def test_a_forged_media_address_gets_no_credentials_and_no_inside_host() -> None:
    sim, other = TwilioSim(), TwilioSim()
    async with connected(sim) as (_, channel):
        await other.start()
        ref = other.state.keep_media("MM1", SimMedia("image/png", PNG))
        for url in (ref, f"http://169.254.169.254/{sim.account_sid}", "http://localhost:1/x"):
            with pytest.raises(HttpFailure) as caught:
                await channel.fetch_media(url, max_bytes=1000)
            assert caught.value.code == "target_refused"
        await other.stop()


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [
        (Fault(status=404, code=20404), "media_gone", False),
        (Fault(status=503, code=20503), "provider_failed", True),
        (Fault(status=401, code=20003), "auth_refused", False),
    ],
)
async def test_media_that_is_not_given(fault: Fault, code: str, retryable: bool) -> None:
    sim = TwilioSim()
    async with connected(sim) as (hub, channel):
        await sim.customer_says(CUSTOMER, "", [SimMedia("image/png", PNG)])
        sim.fail("media", fault)
        with pytest.raises(SendError) as caught:
            await channel.fetch_media(messages(hub.items)[0].media[0].ref, max_bytes=1_000_000)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)


async def test_stop_silences_until_start() -> None:
    sim = TwilioSim(advanced_opt_out=True)
    async with connected(sim) as (hub, channel):
        await sim.customer_says(CUSTOMER, "STOP")
        with pytest.raises(SendError) as caught:
            await channel.send(hub.part(CUSTOMER, "Are you there?"))
        assert (caught.value.code, caught.value.retryable) == ("opted_out", False)
        await sim.customer_says(CUSTOMER, "start")
        await channel.send(hub.part(CUSTOMER, "Welcome back"))
        await sim.settled()
    signals = [item.kind for item in hub.items if isinstance(item, ContactSignal)]
    assert signals == [SignalKind.OPTED_OUT, SignalKind.OPTED_IN]
    assert [message.body for message in sim.sent] == ["Welcome back"]


async def test_an_unreachable_phone_is_reported() -> None:
    sim = TwilioSim(unreachable={CUSTOMER})
    async with connected(sim) as (hub, channel):
        await channel.send(hub.part(CUSTOMER, "hello?"))
        await sim.settled()
    reports = [item for item in hub.items if isinstance(item, StatusReport)]
    assert [(r.state, r.error_code) for r in reports] == [
        (DeliveryState.SENT, ""),
        (DeliveryState.FAILED, "unreachable"),
    ]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=429, code=20429, retry_after_s=2), ("rate_limited", True, False, 2.0)),
        (Fault(status=503), ("provider_failed", True, False, None)),
        (Fault(status=400, code=21211), ("number_invalid", False, False, None)),
        (Fault(status=0), ("cut_off", False, True, None)),
        (Fault(status=0, accepts=True), ("cut_off", False, True, None)),
        (Fault(status=504, accepts=True), ("gateway_failed", False, True, None)),
    ],
)
async def test_faults_say_whether_the_message_may_have_gone(
    fault: Fault, error: tuple[str, bool, bool, float | None]
) -> None:
    sim = TwilioSim()
    async with connected(sim) as (hub, channel):
        sim.fail("messages", fault)
        part = hub.part(CUSTOMER, "x")
        with pytest.raises(SendError) as caught:
            await channel.send(part)
        e = caught.value
        assert (e.code, e.retryable, e.maybe_sent, e.retry_after_s) == error
        await sim.settled()
        assert len(sim.sent) == int(fault.accepts)
        assert sim.sent == [] or e.maybe_sent, "what was sent must never look certainly unsent"
        if fault.accepts:  # the callback resolves what the answer left open
            assert states(hub.items)[-1] is DeliveryState.DELIVERED
            assert all(
                item.delivery_id == part.delivery_id
                for item in hub.items
                if isinstance(item, StatusReport)
            )
        await channel.send(hub.part(CUSTOMER, "y"))
        await sim.settled()
    assert sim.sent[-1].body == "y"


async def test_the_wrong_token_needs_auth_and_its_webhooks_are_refused() -> None:
    sim = TwilioSim()
    async with connected(sim) as (hub, channel):
        sim.state.auth_token = sim.webhooks.auth_token = "0" * 32
        with pytest.raises(SendError) as caught:
            await channel.send(hub.part(CUSTOMER, "x"))
        assert (caught.value.code, caught.value.needs_auth) == ("auth_refused", True)
        operation = await sim.customer_says(CUSTOMER, "forged")
        probe = await channel.probe()
    assert (operation.outcome, operation.statuses) == (OpOutcome.FAILED, [403])
    assert hub.items == []
    assert (probe.ok, probe.code) == (False, "auth_refused")


async def test_probe_reads_the_account() -> None:
    sim = TwilioSim()
    async with connected(sim) as (_, channel):
        assert isinstance(channel, Probes)
        good = await channel.probe()
        sim.fail("account", Fault(status=0))
        cut = await channel.probe()
        sim.fail("account", Fault(status=200))
        odd = await channel.probe()
    assert good.ok
    assert good.facts == {"account_name": "Simulated account", "account_status": "active"}
    assert (cut.ok, cut.code) == (False, "cannot_connect")
    assert (odd.ok, odd.code) == (False, "not_twilio")


async def test_twilio_does_not_repeat_a_message_unless_asked() -> None:
    sim = TwilioSim()
    async with connected(sim) as (hub, _):
        hub.answers = [503]
        lost = await sim.customer_says(CUSTOMER, "lost")
        assert (lost.outcome, lost.statuses) == (OpOutcome.FAILED, [503])
        sim.hub_url = f"{hub.webhook_url}#rc=2&rp=5xx"
        hub.answers = [503, 500]
        kept = await sim.customer_says(CUSTOMER, "kept")
        assert (kept.outcome, kept.statuses) == (OpOutcome.OK, [503, 500, 200])
        hub.answers = [404]
        refused = await sim.customer_says(CUSTOMER, "refused")
        assert (refused.outcome, refused.statuses) == (OpOutcome.FAILED, [404])
    assert [m.content.text for m in messages(hub.items)] == ["kept"]
    assert len({r.headers["i-twilio-idempotency-token"] for r in hub.requests}) == 3


async def test_status_callbacks_are_repeated_because_the_channel_asks() -> None:
    sim = TwilioSim()
    async with connected(sim) as (hub, channel):
        hub.answers = [503, 503]
        await channel.send(hub.part(CUSTOMER, "x"))
        await sim.settled()
    assert states(hub.items) == [DeliveryState.SENT, DeliveryState.DELIVERED]
    assert [op.outcome for op in sim.log.of(OpKind.STATUS)] == [OpOutcome.OK] * 3
    assert sim.log.of(OpKind.STATUS)[0].statuses == [503, 503, 200]


async def test_nobody_listening_is_logged_as_failed() -> None:
    sim = TwilioSim()
    async with connected(sim):
        sim.hub_url = "http://127.0.0.1:1/in/x"
        operation = await sim.customer_says(CUSTOMER, "x")
    assert (operation.outcome, operation.statuses) == (OpOutcome.FAILED, [0])


async def test_simulated_customers_answer() -> None:
    sim = TwilioSim()

    async def answer(message: object) -> None:
        await sim.customer_says(CUSTOMER, "thanks")

    async with connected(sim) as (hub, channel):
        sim.on_sent = answer
        await channel.send(hub.part(CUSTOMER, "Done"))
        await sim.settled()
    assert [m.content.text for m in messages(hub.items)] == ["thanks"]
    assert sim.inbound_ok() == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": "12"}, 21211),
        ({"To": ""}, 21604),
        ({"From": "+15005550009"}, 21606),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"MediaUrl": "nonsense"}, 21620),
        ({"StatusCallback": "nonsense"}, 21609),
        ({"MessagingServiceSid": "MG1"}, 21701),
    ],
)
async def test_the_simulator_judges_as_twilio_does(fields: dict[str, str], code: int) -> None:
    import aiohttp

    sim = TwilioSim()
    good = {"To": CUSTOMER, "From": sim.number, "Body": "x"}
    async with connected(sim), aiohttp.ClientSession() as client:
        url = f"{sim.base_url}/2010-04-01/Accounts/{sim.account_sid}/Messages.json"
        auth = aiohttp.encode_basic_auth(sim.account_sid, sim.auth_token)
        headers = {"Authorization": auth}
        async with client.post(url, data=good | fields, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, code)
        async with client.post(url, data=good, headers=headers) as answer:
            assert answer.status == 201
        async with client.post(url, data=good) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, 20003)
        await sim.settled()
