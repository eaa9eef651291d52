"""The outbound HTTP port: time-outs, size caps, the guard against inside targets, no retry.

One `HttpPool` per process owns the connections; every channel gets a `GuardedHttp` of its own with
the one or two `host:port` its administrator configured. Two pools of connections exist: *open*,
which reaches what it is told, and *guarded*, which dials public addresses only. They never share a
connection, so a kept-alive one to an inside host cannot serve a URL that came from outside.

The guard sits where the socket is made: an address is looked up once, checked, and that same
address is dialled, so a name that changes its mind between check and use (DNS rebinding) gains
nothing.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict, CIMultiDictProxy
from typing_extensions import override
from yarl import URL

from hub.adapters.kit.target import host_port, is_public, parse_ip
from hub.model.channel import FormFile, HttpAnswer, HttpFailure

AddrInfo: TypeAlias = tuple[
    int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[str | int, ...]
]
Lookup: TypeAlias = Callable[[str, int], list[str]]
"""Host and port to IP addresses; runs in a thread, raises OSError when there are none."""
MakeSocket: TypeAlias = Callable[[AddrInfo], socket.socket]
Form: TypeAlias = list[tuple[str, "str | FormFile"]]

_CONNECT_S: Final = 10.0
# Shorter than what servers commonly keep: a POST on a connection the server just closed would be
# a "maybe sent", and an SMS that may have been sent waits for a person.
_KEEP_ALIVE_S: Final = 4.0
_LOOKUP_THREADS: Final = 4
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# What may follow a redirect to another origin; everything else may hold a credential.
_HARMLESS_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-type", "range", "user-agent"}
)


class _TargetRefused(OSError):
    """The guard's no. An OSError, so that the connector treats it like any failed address."""


@dataclass(slots=True)
class _Call:
    """One request and how far it got."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes | None
    form: Form | None
    wrote: bool = False  # a connection stood, so bytes may have left

    def follow(self, status: int, target: URL) -> None:
        """Turn into the request a redirect asks for, leaving credentials at their origin."""
        if self.url.origin() != target.origin():
            kept = [(k, v) for k, v in self.headers.items() if k.lower() in _HARMLESS_HEADERS]
            self.headers = CIMultiDict(kept)
        keeps_body = status in (307, 308) or self.method in ("GET", "HEAD")
        if not keeps_body:
            self.method, self.body, self.form = "GET", None, None
            self.headers.pop("content-type", None)
        self.url = target


class HttpPool:
    """Owns every outgoing connection of the process. Make it in the loop, `close` it at the end.

    Args:
        lookup: name resolution, the system's by default.
        make_socket: makes the socket for one checked address; plain TCP by default.
    """

    def __init__(
        self, *, lookup: Lookup | None = None, make_socket: MakeSocket | None = None
    ) -> None:
        self._lookup = lookup or _system_lookup
        self._make_socket = make_socket or _plain_socket
        # Own threads: a name server that never answers must not block everybody's `to_thread`, nor
        # one that a customer's link names the look-ups of configured hosts.
        self._threads = {
            guarded: ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="dns")
            for guarded in (True, False)
        }
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def port(self, exceptions: frozenset[str] = frozenset()) -> "GuardedHttp":
        """Return the port of one channel; `exceptions` as in `GuardedHttp`."""
        return GuardedHttp(self, exceptions)

    def session(self, *, guarded: bool) -> aiohttp.ClientSession:
        """Return the shared session of one side of the guard."""
        found = self._sessions.get(guarded)
        if found is None or found.closed:
            found = self._sessions[guarded] = self._new_session(guarded=guarded)
        return found

    async def close(self) -> None:
        """Close all connections. Calls that are under way fail."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    def _new_session(self, *, guarded: bool) -> aiohttp.ClientSession:
        def make_socket(info: AddrInfo) -> socket.socket:
            if guarded:
                _check(str(info[4][0]))
            return self._make_socket(info)

        connector = aiohttp.TCPConnector(
            resolver=_Resolver(self._lookup, self._threads[guarded], guarded=guarded),
            use_dns_cache=False,
            keepalive_timeout=_KEEP_ALIVE_S,
            socket_factory=make_socket,
        )
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_mark_written)
        trace.on_connection_reuseconn.append(_mark_written)
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            headers={"User-Agent": "omni-hub", "Accept-Encoding": "gzip, deflate"},
            trust_env=False,
            trace_configs=[trace],
        )
        # aiohttp repeats GET, PUT and DELETE by itself when a kept connection breaks. No retry
        # means none; there is no public switch (3.14), so a test watches this one.
        session._retry_connection = False
        return session


class GuardedHttp:
    """`hub.model.channel.HttpPort` for one channel.

    Args:
        pool: the process's connections.
        exceptions: `host:port` (see `kit.target.host_port`) an administrator configured for this
            channel; reached with `trusted=True` also when they are inside. Nothing else ever is.
    """

    def __init__(self, pool: HttpPool, exceptions: frozenset[str] = frozenset()) -> None:
        self._pool = pool
        self._exceptions = exceptions

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        form: Form | None = None,
        trusted: bool = False,
        timeout_s: float = 20.0,
        max_bytes: int = 2_000_000,
        follow_redirects: int = 0,
    ) -> HttpAnswer:
        """Make one call and return the whole answer, whatever its status.

        `timeout_s` covers everything from the look-up to the last byte, redirects included;
        `max_bytes` counts unpacked bytes. When `follow_redirects` is spent, the redirect itself
        is the answer.

        Raises:
            HttpFailure: no answer; see its `code` and `maybe_sent`.
        """
        call = _Call(method.upper(), _parse_url(url), CIMultiDict(headers or {}), body, form)
        if params:
            call.url = call.url.extend_query(params)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(call, trusted, max_bytes, follow_redirects)
        except TimeoutError as error:  # also aiohttp's connect time-outs
            raise HttpFailure("timeout", maybe_sent=call.wrote) from error
        except aiohttp.InvalidURL as error:
            raise HttpFailure("target_refused", maybe_sent=call.wrote) from error
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, _TargetRefused)
            code = "target_refused" if refused else "connect_failed"
            raise HttpFailure(code, maybe_sent=call.wrote) from error
        except (aiohttp.ClientError, OSError) as error:
            raise HttpFailure("cut_off", maybe_sent=True) from error

    async def _exchange(
        self, call: _Call, trusted: bool, max_bytes: int, redirects: int
    ) -> HttpAnswer:
        while True:
            answer = await self._hop(call, trusted, max_bytes)
            location = answer.headers.get("location", "")
            if answer.status not in _REDIRECTS or not location or redirects <= 0:
                return answer
            redirects -= 1
            call.follow(answer.status, _redirect_target(call.url, location))

    async def _hop(self, call: _Call, trusted: bool, max_bytes: int) -> HttpAnswer:
        guarded = not (trusted and _key(call.url) in self._exceptions)
        if guarded:
            _check_url(call)
        session = self._pool.session(guarded=guarded)
        data = _form_data(call.form) if call.form is not None else call.body
        async with session.request(
            call.method,
            call.url,
            headers=call.headers,
            data=data,
            allow_redirects=False,
            trace_request_ctx=call,
        ) as response:
            return HttpAnswer(
                status=response.status,
                headers=_joined(response.headers),
                body=await _read(response, max_bytes),
            )


class _Resolver(AbstractResolver):
    """Looks a name up once; the guarded one refuses it if *any* of its addresses is inside."""

    def __init__(self, lookup: Lookup, threads: ThreadPoolExecutor, *, guarded: bool) -> None:
        self._lookup = lookup
        self._threads = threads
        self._guarded = guarded

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._lookup, host, port)
        if self._guarded:
            for text in found:
                _check(text)
        return [
            ResolveResult(
                hostname=host,
                host=text,
                port=port,
                family=socket.AF_INET6 if ":" in text else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for text in found
        ]

    @override
    async def close(self) -> None:
        """Do nothing: the pool owns the threads."""


def _system_lookup(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _plain_socket(info: AddrInfo) -> socket.socket:
    return socket.socket(family=info[0], type=info[1], proto=info[2])


def _check(address: str) -> None:
    ip = parse_ip(address)
    if ip is None or not is_public(ip):
        raise _TargetRefused("not a public address")


def _check_url(call: _Call) -> None:
    """Refuse what needs no look-up: other schemes, credentials in the URL, literal addresses."""
    url = call.url
    literal = parse_ip(url.raw_host or "")
    if (
        _key(url) is None
        or url.user is not None
        or url.password is not None
        or (literal is not None and not is_public(literal))
    ):
        raise HttpFailure("target_refused", maybe_sent=call.wrote)


def _key(url: URL) -> str | None:
    """Return `host:port`, or None for anything but http and https."""
    try:
        return host_port(url)
    except ValueError:
        return None


def _parse_url(text: str) -> URL:
    try:
        return URL(text)
    except ValueError as error:
        raise HttpFailure("target_refused", maybe_sent=False) from error


def _redirect_target(base: URL, location: str) -> URL:
    try:
        target = base.join(URL(location))
    except ValueError as error:
        raise HttpFailure("target_refused", maybe_sent=True) from error
    if _key(target) is None:
        raise HttpFailure("target_refused", maybe_sent=True)
    return target


def _form_data(form: Form) -> aiohttp.FormData:
    # Names go out as UTF-8, as browsers send them: quoted ones reach customers as %E5%90%88.
    data = aiohttp.FormData(quote_fields=False)
    for name, value in form:
        if isinstance(value, FormFile):
            data.add_field(
                name, value.data, filename=value.filename, content_type=value.content_type
            )
        else:
            data.add_field(name, value)
    return data


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Read at most `max_bytes` unpacked bytes; the parser unpacks piece by piece, bombs as well."""
    if response.content_length is not None and response.content_length > max_bytes:
        response.close()
        raise HttpFailure("too_large", maybe_sent=True)
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            response.close()
            raise HttpFailure("too_large", maybe_sent=True)
    return bytes(body)


def _joined(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


async def _mark_written(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: object
) -> None:
    context.trace_request_ctx.wrote = True
