"""Providers' requests: bytes and public URL as they came, limits counted, nothing parsed here."""

import pytest

from hub import adapters
from hub.adapters.kit.http import HttpPool
from hub.ingress.live_channels import LiveChannels
from hub.model.ids import ChannelId, new_id
from hub.services.channels import ChannelRow
from hub.services.deps import ChannelInfo
from tests.api.conftest import PUBLIC_URL

CONFIG = b'{"bot_token": "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "mode": "polling"}'


@pytest.fixture
async def channel_id(house) -> str:
    id_ = new_id()
    manifests = {"telegram": adapters.manifest("telegram")}
    house.channels = LiveChannels(
        manifests, lambda config: HttpPool().port(), lambda id: b"k" * 32, PUBLIC_URL
    )
    row = ChannelRow(ChannelInfo(ChannelId(id_), "telegram", "Bot"), CONFIG, 1)
    assert house.channels.replace([row]) == {}
    return id_


async def test_a_request_is_handed_on_as_it_came(house, channel_id):
    client = await house.serve()
    headers = [("X-Twilio-Signature", "abc"), ("X-Two", "1"), ("X-Two", "2"),
               ("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"),
               ("X-Forwarded-Proto", "https")]  # fmt: skip
    body = b'\xff\x00 {"a": 1'
    path = f"/in/{channel_id}/status?b=%2B1&a=%E4%BD%A0&a=x+y"
    answer = await client.post(path, data=body, headers=headers)
    assert (answer.status, await answer.read()) == (200, b"<Response/>")
    assert answer.content_type == "text/xml"
    ((taken_by, raw),) = house.ingress.taken
    assert taken_by == channel_id
    assert raw.url == PUBLIC_URL + path
    assert (raw.path, raw.query) == (path.partition("?")[0], path.partition("?")[2])
    assert (raw.method, raw.action, raw.body) == ("POST", "status", body)
    assert raw.headers["x-two"] == "1, 2"
    assert all(name == name.lower() for name in raw.headers)
    assert (await client.get(f"/in/{channel_id}?challenge=1")).status == 200
    assert house.ingress.taken[1][1].action == ""


async def test_too_large_is_counted_and_not_read(house, channel_id):
    client = await house.serve()
    limit = adapters.manifest("telegram").max_body_bytes
    answer = await client.post(f"/in/{channel_id}", data=b"x" * (limit + 1))
    assert answer.status == 413
    assert house.ingress.refused == [channel_id]
    assert house.ingress.taken == []


async def test_no_channel_no_answer(house, channel_id):
    client = await house.serve()
    for path in (f"/in/{new_id()}", "/in/x", "/in/%00", f"/in/{channel_id}/a/b", "/in"):
        answer = await client.post(path, data=b"x")
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found") or (
            (await answer.json())["code"] == "channel_not_found"
        )
    assert (await client.put(f"/in/{channel_id}")).status == 405
