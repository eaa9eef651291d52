"""Sending, signals, probes and files against the simulated Bot API, over the real port."""

import logging

import pytest

from hub.demo.operations import OpKind, OpOutcome
from hub.model.address import Address, IdentityKind
from hub.model.channel import FetchesMedia, InboundMessage, Probes, Pulls, SignalKind, Signals
from hub.model.content import Choice, Content, Location
from hub.model.errors import SendError, TooLarge
from tests.adapters.telegram.harness import SECRETS
from tests.adapters.telegram.sim_fixtures import media, part, world

TEXT = Content(text="您好,包裹明天到。")
WEI = Address(IdentityKind.TELEGRAM, "5001")


async def test_every_kind_of_part_reaches_the_customer() -> None:
    parts = {
        "sendMessage": part(TEXT),
        "sendPhoto": part(Content(text="看"), media("image", "a.png", "image/png", b"\x89PNG")),
        "sendDocument": part(Content(), media("file", "合同.pdf", "application/pdf", b"%PDF")),
        "sendVoice": part(Content(), media("voice", "v.ogg", "audio/ogg", b"OggS")),
        "sendAudio": part(Content(), media("audio", "a.mp3", "audio/mpeg", b"ID3")),
        "sendVideo": part(Content(), media("video", "a.mp4", "video/mp4", b"ftyp")),
        "sendLocation": part(Content(location=Location(latitude=31.2, longitude=121.4))),
        "sendVenue": part(Content(location=Location(latitude=31.2, longitude=121.4, label="店"))),
    }
    async with world() as w:
        channel = w.channel()
        receipts = [await channel.send(one) for one in parts.values()]
        assert [sent.method for sent in w.sim.sent] == list(parts)
        assert [sent.external_id for sent in w.sim.sent] == [one.external_id for one in receipts]
        assert w.sim.sent[0].text == "您好,包裹明天到。"
        assert w.sim.sent[1].text == "看"
        document = w.sim.sent[2].file
        assert document is not None
        assert (document.filename, document.data) == ("合同.pdf", b"%PDF")
        assert (w.sim.sent[6].latitude, w.sim.sent[6].longitude) == (31.2, 121.4)
        assert len(w.sim.log.of(OpKind.OUTBOUND, OpOutcome.OK)) == len(parts)


async def test_the_limits_we_publish_are_telegrams() -> None:
    async with world() as w:
        channel = w.channel()
        await channel.send(part(Content(text="字" * 4096)))
        await channel.send(part(Content(text="字" * 1024), media("file", "a", "x/y", b"1")))
        for content, code in ((Content(text="字" * 4097), "text_too_long"),):
            with pytest.raises(SendError) as caught:
                await channel.send(part(content))
            assert (caught.value.code, caught.value.retryable) == (code, False)
        choices = (Choice(label="是", value="y" * 64), Choice(label="No", value="n"))
        await channel.send(part(Content(text="?", choices=choices)))
        assert w.sim.sent[-1].buttons == (("是", "y" * 64), ("No", "n"))


async def test_errors_say_how_certain_they_are() -> None:
    async with world() as w:
        channel = w.channel()
        w.sim.fail_next(429, retry_after_s=7)
        w.sim.fail_next(502)
        w.sim.fail_next(accept="cut")
        found = []
        for _ in range(3):
            with pytest.raises(SendError) as caught:
                await channel.send(part(TEXT))
            error = caught.value
            found.append((error.code, error.retryable, error.maybe_sent, error.retry_after_s))
        assert found == [
            ("rate_limited", True, False, 7.0),
            ("provider_error", False, True, None),
            ("cut_off", False, True, None),
        ]
        # Only the one that was cut off went out; the simulator knows that nobody heard of it.
        assert len(w.sim.sent) == 1
        outcomes = [one.outcome for one in w.sim.log.of(OpKind.OUTBOUND)]
        assert outcomes == [OpOutcome.FAILED, OpOutcome.FAILED, OpOutcome.UNKNOWN]


async def test_blocked_unknown_and_revoked() -> None:
    async with world() as w:
        channel = w.channel()
        with pytest.raises(SendError) as unknown:
            await channel.send(part(TEXT, to="999"))
        await w.sim.customer_blocks(5001)
        with pytest.raises(SendError) as blocked:
            await channel.send(part(TEXT))
        revoked = w.channel(bot_token="110201543:AAAAAAAAAAAAAAAAAAAA")
        with pytest.raises(SendError) as refused:
            await revoked.send(part(TEXT))
        assert unknown.value.code == "recipient_unknown"
        assert (blocked.value.code, blocked.value.retryable) == ("blocked_by_customer", False)
        assert (refused.value.code, refused.value.needs_auth) == ("auth_refused", True)


async def test_nothing_listens() -> None:
    async with world() as w:
        channel = w.channel()
        await w.sim.stop()
        with pytest.raises(SendError) as caught:
            await channel.send(part(TEXT))
        error = caught.value
        assert (error.code, error.retryable, error.maybe_sent) == ("connect_failed", True, False)
        assert (await channel.probe()).code == "cannot_connect"


async def test_probe_and_typing() -> None:
    async with world() as w:
        channel = w.channel()
        assert isinstance(channel, Probes)
        assert isinstance(channel, Signals)
        assert isinstance(channel, FetchesMedia)
        assert not isinstance(channel, Pulls), "a webhook channel is not fetched from"
        report = await channel.probe()
        assert report.ok
        assert report.facts == {"bot_id": 110201543, "username": "hub_demo_bot"}
        bad = await w.channel(bot_token="110201543:AAAAAAAAAAAAAAAAAAAA").probe()
        assert (bad.ok, bad.code) == (False, "auth_refused")
        await channel.signal(SignalKind.TYPING, WEI, {})
        await channel.signal(SignalKind.READ, WEI, {})
        assert w.sim.state.actions == [(5001, "typing")]
        assert w.sim.sent == []


async def test_files_are_fetched_with_a_cap_and_their_url_stays_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with world() as w:
        channel = w.channel(mode="polling", secret_token="")
        await w.sim.customer_sends(
            5001, "photo", b"\xff\xd8\xff" * 50, filename="p.jpg", content_type="image/jpeg"
        )
        ((_, body),) = await channel._get_updates(None)
        (item,) = channel.parse(channel._pulled_request(body)).items
        assert isinstance(item, InboundMessage)
        (photo,) = item.media
        fetched = await channel.fetch_media(photo.ref, max_bytes=150)
        assert fetched.data == b"\xff\xd8\xff" * 50
        assert fetched.content_type == "image/jpeg"
        with pytest.raises(TooLarge):
            await channel.fetch_media(photo.ref, max_bytes=149)
        with pytest.raises(SendError) as gone:
            await channel.fetch_media("AgACnothing", max_bytes=149)
        assert (gone.value.code, gone.value.maybe_sent) == ("media_unavailable", False)
        seen = f"{gone.value!r} {gone.value.__cause__!r} {gone.value.__context__!r} {fetched!r}"
        assert not [secret for secret in SECRETS if secret in seen + caplog.text]


async def test_a_time_out_after_accepting_is_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.adapters.telegram import client

    monkeypatch.setattr(client, "CALL_TIMEOUT_S", 0.3)
    async with world() as w:
        w.sim.fail_next(accept="hang")
        with pytest.raises(SendError) as caught:
            await w.channel().send(part(TEXT))
        error = caught.value
        assert (error.code, error.retryable, error.maybe_sent) == ("timeout", False, True)
        assert len(w.sim.sent) == 1
