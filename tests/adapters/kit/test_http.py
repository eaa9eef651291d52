"""The outbound port against real servers on loopback and raw sockets."""

import asyncio
import contextlib
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from hub.adapters.kit.http import AddrInfo, GuardedHttp, HttpPool
from hub.model.channel import FormFile, HttpFailure

Handler = Callable[[Any], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve every path with `handler` on a free loopback port; yields host:port."""
    server = web.Server(handler)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_serving(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Serve a raw socket conversation; yields host:port."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def port(*exceptions: str, **kwargs: Any) -> AsyncIterator[GuardedHttp]:
    pool = HttpPool(**kwargs)
    try:
        yield pool.port(frozenset(exceptions))
    finally:
        await pool.close()


async def failure(call: Awaitable[Any]) -> HttpFailure:
    with pytest.raises(HttpFailure) as caught:
        await call
    return caught.value


async def echo(request: web.Request) -> web.Response:
    headers = {k.lower(): v for k, v in request.headers.items()}
    body = (await request.read()).decode("utf-8", "replace")
    return web.json_response(
        {"method": request.method, "path": request.path_qs, "headers": headers, "body": body}
    )


async def test_an_answer_comes_back_whole_and_errors_are_answers() -> None:
    async def teapot(request: web.Request) -> web.Response:
        return web.Response(status=418, body=b"tea", headers={"Retry-After": "7", "X-A": "1"})

    async with serving(teapot) as host, port(host) as http:
        answer = await http.request("post", f"http://{host}/a", trusted=True)
    assert (answer.status, answer.body) == (418, b"tea")
    assert answer.headers["retry-after"] == "7"


async def test_form_params_and_files_are_encoded() -> None:
    async with serving(echo) as host, port(host) as http:
        plain = await http.request(
            "POST",
            f"http://{host}/a?x=1",
            params={"q": "é &"},
            form=[("To", "+1555"), ("To", "张三")],
            trusted=True,
        )
        files = await http.request(
            "POST",
            f"http://{host}/a",
            form=[("a", "b"), ("f", FormFile("图.png", "image/png", b"\x89PNG"))],
            trusted=True,
        )
    assert b"To=%2B1555&To=%E5%BC%A0%E4%B8%89" in plain.body
    assert b"/a?x=1&q=" in plain.body
    assert b"multipart/form-data" in files.body
    assert b"image/png" in files.body


async def test_trust_opens_exactly_the_configured_host_and_port() -> None:
    async with serving(echo) as host, serving(echo) as other, port(host) as http:
        assert (await http.request("GET", f"http://{host}/", trusted=True)).status == 200
        for url, trusted in [
            (f"http://{host}/", False),  # the exception counts only for trusted calls
            (f"http://{other}/", True),  # another port of the same machine
            (f"http://localhost:{other.split(':')[1]}/", True),
        ]:
            fail = await failure(http.request("GET", url, trusted=trusted))
            assert (fail.code, fail.maybe_sent) == ("target_refused", False)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1",
        "0", "0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254", "[fe80::1]", "100.64.0.1",
        "224.0.0.1", "10.0.0.1", "localhost", "localhost.", "１２７.0.0.1", "127。0。0。1",
        "①②⑦.⓪.⓪.①",
    ],
)  # fmt: skip
async def test_every_notation_of_an_inside_address_is_refused(host: str) -> None:
    async with port() as http:
        fail = await failure(http.request("GET", f"http://{host}:9/x", timeout_s=5))
    # Some notations are no valid URL to begin with; none may end in a connection.
    assert fail.code in ("target_refused", "connect_failed")
    assert not fail.maybe_sent
    if host != "localhost.":  # not every resolver knows it with the dot
        assert fail.code == "target_refused"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://1.1.1.1/", "gopher://1.1.1.1/", "http://", "http:///x", "/x", "",
     "http://user:secret@1.1.1.1/", "http://[::1", "http://1.1.1.1:99999/"],
)  # fmt: skip
async def test_other_schemes_and_broken_urls_are_refused(url: str) -> None:
    async with port() as http:
        fail = await failure(http.request("GET", url))
    assert (fail.code, fail.maybe_sent) == ("target_refused", False)


async def test_a_name_with_one_inside_address_is_refused_entirely() -> None:
    async with port(lookup=lambda host, port: ["8.8.8.8", "10.0.0.1"]) as http:
        fail = await failure(http.request("GET", "http://two-faced.example/"))
    assert (fail.code, fail.maybe_sent) == ("target_refused", False)


class _Rerouted(socket.socket):
    """A socket to a public address that ends at our loopback server: the internet of the tests."""

    end: tuple[str, int] = ("", 0)

    def connect(self, address: Any) -> None:
        super().connect(self.end)


def internet(host: str, dialled: list[str]) -> Callable[[AddrInfo], socket.socket]:
    """Return a socket maker that leads every public address to the server at `host`."""
    name, port_no = host.split(":")

    def make(info: AddrInfo) -> socket.socket:
        dialled.append(str(info[4][0]))
        made = _Rerouted(info[0], info[1], info[2])
        made.end = (name, int(port_no))
        return made

    return make


async def test_rebinding_gains_nothing_the_checked_address_is_dialled() -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    asked: list[str] = []
    dialled: list[str] = []

    def lookup(host: str, port_no: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), 2) - 1]

    async with serving(echo) as host:
        async with port(lookup=lookup, make_socket=internet(host, dialled)) as http:
            answer = await http.request("GET", "http://rebind.example/", headers={"A": "b"})
            assert answer.status == 200
            assert (asked, dialled) == (["rebind.example"], ["93.184.216.34"])
        async with port(lookup=lookup, make_socket=internet(host, dialled)) as http:
            fail = await failure(http.request("GET", "http://rebind.example/"))
    assert fail.code == "target_refused"
    assert dialled == ["93.184.216.34"]


async def test_a_kept_connection_to_an_inside_host_does_not_serve_outside_urls() -> None:
    async with serving(echo) as host, port(host) as http:
        assert (await http.request("GET", f"http://{host}/", trusted=True)).status == 200
        assert (await failure(http.request("GET", f"http://{host}/"))).code == "target_refused"


def redirecting(target: str, status: int = 302) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        if request.path == "/end":
            return await echo(request)
        return web.Response(status=status, headers={"Location": target})

    return handle


async def test_redirects_are_followed_only_when_asked() -> None:
    async with serving(redirecting("/end")) as host, port(host) as http:
        kept = await http.request("GET", f"http://{host}/", trusted=True)
        assert kept.status == 302
        spent = await http.request("GET", f"http://{host}/", trusted=True, follow_redirects=1)
        assert spent.status == 200
    async with serving(redirecting("/again")) as host, port(host) as http:
        endless = await http.request("GET", f"http://{host}/", trusted=True, follow_redirects=5)
        assert endless.status == 302


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:1/", "http://169.254.169.254/latest", "//10.0.0.1/", "http://localhost/",
     "file:///etc/passwd", "ftp://1.1.1.1/", "http://[::ffff:127.0.0.1]/", "mailto:a@b",
     "http://u:p@1.1.1.1/"],
)  # fmt: skip
async def test_a_redirect_to_the_inside_is_refused(target: str) -> None:
    async with serving(redirecting(target)) as host, port(host) as http:
        fail = await failure(
            http.request("GET", f"http://{host}/", trusted=True, follow_redirects=3)
        )
    assert fail.code == "target_refused"


async def test_a_redirect_from_outside_to_the_inside_is_refused() -> None:
    dialled: list[str] = []
    async with serving(redirecting("http://192.168.0.1/")) as host:
        make = internet(host, dialled)
        async with port(lookup=lambda *_: ["1.1.1.1"], make_socket=make) as http:
            fail = await failure(http.request("GET", "http://a.example/", follow_redirects=3))
    assert fail.code == "target_refused"
    assert dialled == ["1.1.1.1"]


async def test_credentials_stay_with_the_first_host() -> None:
    secret = {"Authorization": "Basic abc", "X-Api-Key": "k", "Cookie": "c=1", "Accept": "image/*"}
    async with (
        serving(echo) as cdn,
        serving(redirecting(f"http://{cdn}/end")) as host,
        port(host, cdn) as http,
    ):
        crossed = await http.request(
            "GET", f"http://{host}/", headers=secret, trusted=True, follow_redirects=1
        )
    assert crossed.status == 200
    assert b"Basic abc" not in crossed.body
    assert b'"x-api-key"' not in crossed.body
    assert b"c=1" not in crossed.body
    assert b"image/*" in crossed.body
    async with serving(redirecting("/end")) as host, port(host) as http:
        same = await http.request(
            "GET", f"http://{host}/", headers=secret, trusted=True, follow_redirects=1
        )
    assert b"Basic abc" in same.body


@pytest.mark.parametrize(
    ("status", "method", "body"), [(302, "GET", ""), (303, "GET", ""), (307, "POST", "pay")]
)
async def test_redirects_keep_or_drop_the_body_as_http_says(
    status: int, method: str, body: str
) -> None:
    async with serving(redirecting("/end", status)) as host, port(host) as http:
        answer = await http.request(
            "POST", f"http://{host}/", body=b"pay", trusted=True, follow_redirects=1
        )
    assert f'"method": "{method}"'.encode() in answer.body
    assert f'"body": "{body}"'.encode() in answer.body


async def test_a_body_over_the_cap_is_cut_off() -> None:
    async def big(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 5000)

    async with serving(big) as host, port(host) as http:
        fail = await failure(http.request("GET", f"http://{host}/", trusted=True, max_bytes=4999))
        assert (fail.code, fail.maybe_sent) == ("too_large", True)
        whole = await http.request("GET", f"http://{host}/", trusted=True, max_bytes=5000)
    assert len(whole.body) == 5000


async def test_a_gzip_bomb_is_measured_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 60_000_000)

    async def explode(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with serving(explode) as host, port(host) as http:
        fail = await failure(
            http.request("GET", f"http://{host}/", trusted=True, max_bytes=1_000_000)
        )
    assert len(bomb) < 100_000
    assert fail.code == "too_large"


async def test_an_endless_body_stops_at_the_cap_and_a_slow_one_at_the_time_out() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.01)

    async with raw_serving(endless) as host, port(host) as http:
        fail = await failure(http.request("GET", f"http://{host}/", trusted=True))
        assert fail.code == "too_large"
    async with raw_serving(slow) as host, port(host) as http:
        fail = await failure(http.request("GET", f"http://{host}/", trusted=True, timeout_s=0.2))
        assert (fail.code, fail.maybe_sent) == ("timeout", True)


async def test_nobody_answers_is_certain() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{closed.getsockname()[1]}"
        async with port(host) as http:
            fail = await failure(http.request("POST", f"http://{host}/", trusted=True))
    assert (fail.code, fail.maybe_sent) == ("connect_failed", False)


async def test_an_unknown_name_is_certain() -> None:
    def lookup(host: str, port_no: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    async with port(lookup=lookup) as http:
        fail = await failure(http.request("POST", "http://nowhere.example/"))
    assert (fail.code, fail.maybe_sent) == ("connect_failed", False)


async def test_a_tls_failure_is_certain() -> None:
    async with serving(echo) as host, port(host) as http:  # plain HTTP behind an https URL
        fail = await failure(http.request("POST", f"https://{host}/", trusted=True))
    assert (fail.code, fail.maybe_sent) == ("connect_failed", False)
    assert isinstance(fail.__cause__, ssl.SSLError | OSError)


async def test_a_time_out_after_the_request_left_may_have_been_sent() -> None:
    got: list[bytes] = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readuntil(b"\r\n\r\n"))
        await asyncio.Event().wait()

    async with raw_serving(mute) as host, port(host) as http:
        fail = await failure(
            http.request("POST", f"http://{host}/", body=b"x", trusted=True, timeout_s=0.3)
        )
    assert (fail.code, fail.maybe_sent) == ("timeout", True)
    assert got


async def test_a_time_out_in_the_look_up_is_certain() -> None:
    import threading

    done = threading.Event()

    def lookup(host: str, port_no: int) -> list[str]:
        done.wait(10)
        return ["1.1.1.1"]

    async with port(lookup=lookup) as http:
        fail = await failure(http.request("POST", "http://slow.example/", timeout_s=0.1))
        done.set()
    assert (fail.code, fail.maybe_sent) == ("timeout", False)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"\x00\x01garbage\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"],
    ids=["nothing", "half a body", "garbage", "false gzip"],
)  # fmt: skip
async def test_a_broken_answer_may_have_been_sent(answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw_serving(talk) as host, port(host) as http:
        fail = await failure(http.request("POST", f"http://{host}/", body=b"x", trusted=True))
    assert (fail.code, fail.maybe_sent) == ("cut_off", True)


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_call_is_made_once_even_when_a_kept_connection_dies(method: str) -> None:
    requests = 0

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        while True:
            await reader.readuntil(b"\r\n\r\n")
            requests += 1
            if requests > 1:
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with raw_serving(drop) as host, port(host) as http:
        await http.request(method, f"http://{host}/", trusted=True)
        fail = await failure(http.request(method, f"http://{host}/", trusted=True))
    assert (fail.code, fail.maybe_sent, requests) == ("cut_off", True, 2)
