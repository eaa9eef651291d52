"""Providers in trouble, over real sockets: too busy, broken, or silent after they took it.

What a provider may have taken is never certain to be unsent: `maybe_sent`, and so never repeated.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from hub.adapters import manifest
from hub.adapters.kit.http import HttpPool
from hub.model.errors import SendError
from hub.model.http_port import HttpPort
from tests.adapters.case_files import build_channel, harness_of, part_of, read_cases
from tests.adapters.email import harness as mail

KINDS = ("twilio_sms", "telegram", "slack")
HASTE_S = 0.3


class Provider:
    """Answers every call as told; `None`: takes the call and says nothing until it is released."""

    def __init__(self) -> None:
        self.calls = 0
        self.answer: Callable[[], web.Response] | None = None
        self.release = asyncio.Event()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        await request.read()
        self.calls += 1
        if self.answer is None:
            await self.release.wait()
            return web.Response()
        return self.answer()


class Hasty:
    """The real port with less patience, so that a test need not wait for twenty seconds."""

    def __init__(self, port: HttpPort) -> None:
        self._port = port

    def request(self, *args: Any, **more: Any) -> Awaitable[Any]:
        return self._port.request(*args, **{**more, "timeout_s": HASTE_S})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    made.release.set()
    await runner.cleanup()


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    made = HttpPool()
    yield made
    await made.close()


async def refused(kind: str, provider: Provider, pool: HttpPool) -> SendError:
    """Send the kind's ordinary text to the provider; return how that failed."""
    [case] = [one for one in read_cases(kind, "out") if one.name == "text"]
    base = provider.url + ("/api/" if kind == "slack" else "")
    config = {**harness_of(kind).CONFIG, "api_base": base}
    port = Hasty(pool.port(frozenset({provider.url.removeprefix("http://")})))
    channel = build_channel(manifest(kind), config, port)  # type: ignore[arg-type]
    with pytest.raises(SendError) as caught:
        await channel.send(part_of(case))
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
async def test_who_takes_it_and_says_nothing_may_have_sent_it(
    kind: str, provider: Provider, pool: HttpPool
) -> None:
    error = await refused(kind, provider, pool)
    assert (error.maybe_sent, error.retryable, provider.calls) == (True, False, 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_too_many_requests_name_the_wait_and_are_certain(
    kind: str, provider: Provider, pool: HttpPool
) -> None:
    def busy() -> web.Response:
        body = {"ok": False, "error_code": 429, "code": 20429, "error": "ratelimited"}
        return web.json_response(body, status=429, headers={"Retry-After": "7"})

    provider.answer = busy
    error = await refused(kind, provider, pool)
    assert (error.maybe_sent, error.retryable, provider.calls) == (False, True, 1)
    assert error.retry_after_s == 7


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_broken_provider_is_asked_once(
    kind: str, status: int, provider: Provider, pool: HttpPool
) -> None:
    """Either it is certain that nothing went out, or it is not tried again by itself."""
    provider.answer = lambda: web.Response(status=status, text="<html>sorry</html>")
    error = await refused(kind, provider, pool)
    assert error.maybe_sent or error.retryable
    assert not (error.maybe_sent and error.retryable)
    assert provider.calls == 1
    if status in (502, 504):
        assert error.maybe_sent, "a gateway does not know what is behind it"


async def test_a_mail_server_silent_after_the_last_dot_may_have_taken_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.adapters.email.smtp_out.DATA_TIMEOUT_S", HASTE_S)
    [case] = [one for one in read_cases("email", "out") if one.name == "answer"]
    part = part_of(case)
    part = dataclasses.replace(
        part, to=dataclasses.replace(part.to, value="silent@customer.example")
    )
    mail.SERVER.script.mails.clear()
    with pytest.raises(SendError) as caught:
        await build_channel(manifest("email"), mail.CONFIG, None).send(part)  # type: ignore[arg-type]
    error = caught.value
    assert (error.code, error.maybe_sent, error.retryable) == ("timeout", True, False)
    assert len(mail.SERVER.script.mails) == 1
