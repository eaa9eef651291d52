"""HTTP itself as a weapon: bombs to webhooks, smuggled requests, headers only a proxy may set."""

import asyncio
import gzip
import re
import zlib

import pytest
from yarl import URL

from hub.api import session
from tests.api.conftest import House, make_person
from tests.api.test_webhooks import channel_id

__all__ = ["channel_id"]

ROOMS = [session.ROUTES]
EVIL = "https://evil.example"


@pytest.fixture
async def address(house: House, channel_id: str) -> URL:
    client = await house.serve(ROOMS)
    return client.make_url("/")


async def said(address: URL, raw: bytes) -> bytes:
    """Send bytes and return everything that comes back until the hub hangs up."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(raw)
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except TimeoutError:
        return b"(still open)"
    finally:
        writer.close()


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in re.split(rb"HTTP/1\.[01] ", answer)[1:]]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_bomb_to_a_webhook_is_cut_off(house: House, channel_id: str, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    bomb = pack(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    client = await house.serve()
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    answer = await client.post(f"/in/{channel_id}", data=bomb, headers=headers)
    assert answer.status == 413
    assert house.ingress.taken == []
    assert house.ingress.refused == [channel_id]


async def test_a_body_that_is_no_gzip_is_refused(house: House, channel_id: str) -> None:
    client = await house.serve()
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer = await client.post(f"/in/{channel_id}", data=b"\x1f\x8bnothing", headers=headers)
    assert (answer.status, (await answer.json())["code"]) == (400, "body_broken")
    assert house.ingress.taken == []


SMUGGLED = b"GET /in/CHANNEL?smuggled=1 HTTP/1.1\r\nHost: x\r\n\r\n"
AMBIGUOUS = {
    "a length and chunks": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 5\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length that is none": b"Content-Length: 0x0\r\n\r\n",
    "a space before the colon": b"Content-Length : 5\r\n\r\n",
    "a tab before the colon": b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "chunks spelt otherwise": b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunks twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks before another coding": b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a bare carriage return": b"X: a\rTransfer-Encoding: chunked\r\n\r\n",
    "a chunk size with a sign": b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    "a chunk size in underscores": b"Transfer-Encoding: chunked\r\n\r\n0_0\r\n\r\n",
}


@pytest.mark.parametrize("name", sorted(AMBIGUOUS))
async def test_an_ambiguous_request_smuggles_nothing(
    house: House, channel_id: str, address: URL, name: str
) -> None:
    """What two programs could read in two ways is refused, and nothing behind it is served."""
    head = f"POST /in/{channel_id} HTTP/1.1\r\nHost: hub\r\n".encode()
    behind = SMUGGLED.replace(b"CHANNEL", channel_id.encode())
    answer = await said(address, head + AMBIGUOUS[name] + behind)
    assert statuses(answer) == [400], (name, answer[:300])
    assert house.ingress.taken == []


async def test_requests_in_one_piece_are_answered_one_by_one(
    house: House, channel_id: str, address: URL
) -> None:
    one = f"POST /in/{channel_id} HTTP/1.1\r\nHost: hub\r\nContent-Length: 1\r\n".encode()
    answer = await said(address, one + b"\r\na" + one + b"Connection: close\r\n\r\nb")
    assert statuses(answer) == [200, 200]
    assert [raw.body for _, raw in house.ingress.taken] == [b"a", b"b"]


async def test_the_absolute_form_changes_no_public_url(
    house: House, channel_id: str, address: URL
) -> None:
    raw = (
        f"POST http://evil.example/in/{channel_id}?a=1 HTTP/1.1\r\nHost: evil.example\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    assert statuses(await said(address, raw.encode())) == [200]
    ((_, taken),) = house.ingress.taken
    assert taken.url == f"{house.deps.public_url}/in/{channel_id}?a=1"


FORGED = {
    "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1",
    "Forwarded": "for=127.0.0.1;proto=https", "X-Forwarded-Proto": "https",
    "X-Forwarded-User": "boss@example.com", "X-Remote-User": "boss@example.com",
    "Remote-User": "boss@example.com", "X-Auth-Request-Email": "boss@example.com",
    "X-Forwarded-Email": "boss@example.com", "X-User": "boss", "X-Roles": "administrator",
    "X-Forwarded-Host": "evil.example", "X-Original-URL": "/api/v1/session",
    "X-Rewrite-URL": "/api/v1/session", "X-HTTP-Method-Override": "DELETE",
}  # fmt: skip


async def test_headers_of_a_proxy_or_of_single_sign_on_say_nothing(seeded: House) -> None:
    client = await seeded.serve(ROOMS)
    await make_person(seeded, "boss", rooms=ROOMS)
    assert (await client.get("/api/v1/session", headers=FORGED)).status == 401
    assert (await client.get("/", headers=FORGED)).status == 404
    health = await client.get("/healthz", headers=FORGED)
    assert "Strict-Transport-Security" not in health.headers  # nobody made this https


async def test_another_address_in_a_header_gives_no_more_guesses(seeded: House) -> None:
    mia = await make_person(seeded, "mia", rooms=ROOMS)
    body = {"email": "mia@example.com", "password": "guess guess 1"}
    answers = []
    for n in range(7):
        claimed = {"X_Forwarded_For": f"10.0.0.{n}", "X_Real_IP": f"10.0.0.{n}"}
        answers.append(await mia.call("POST", "/session", body, **claimed))
    assert answers[-1].status == 429


async def test_no_other_site_reads_or_asks(seeded: House) -> None:
    mia = await make_person(seeded, "mia", rooms=ROOMS)
    for origin in (EVIL, "null", "http://127.0.0.1:8080.evil.example"):
        read = await mia.client.get("/api/v1/session", headers={"Origin": origin})
        asked = await mia.client.options(
            "/api/v1/session",
            headers={"Origin": origin, "Access-Control-Request-Method": "DELETE"},
        )
        for answer in (read, asked):
            assert not [name for name in answer.headers if name.startswith("Access-Control")]
        assert asked.status in {404, 405}
    await mia.ok("GET", "/session")
