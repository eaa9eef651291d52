"""Twilio's SDK on the hub's HTTP port: base URL, time-out and Retry-After are handled here."""

import base64
import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account import message as _message  # noqa: F401

# (The SDK imports its resources on first use, 0.6 s in which nothing else would run; loaded here
# they are paid for when the channel is built.)
from hub.adapters.twilio_sms.config import TwilioConfig
from hub.model.channel import FormFile, HttpPort

_API = "https://api.twilio.com"
_TIMEOUT_S: Final = 20.0
# A non-empty mapping, or the SDK reads TWILIO_EDGE and TWILIO_REGION from the environment and
# talks to another host than the administrator configured.
_NO_ENVIRONMENT: Final = {"": ""}


class PortHttpClient(AsyncHttpClient):  # type: ignore[misc]  # the SDK is untyped
    """The SDK's transport, made of the port: one call each, no session and no retry of its own.

    Attributes:
        retry_after_s: what the last answer asked us to wait, in seconds.
    """

    def __init__(self, port: HttpPort, api_base: str) -> None:
        super().__init__(logging.getLogger(__name__), True, _TIMEOUT_S)
        self._port = port
        self._api_base = api_base
        self.retry_after_s: float | None = None

    async def request(  # noqa: PLR0913 - the SDK's signature
        self,
        method: str,
        uri: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Make the SDK's call. Raises HttpFailure, which the SDK lets through."""
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = basic_auth(*auth)
        answer = await self._port.request(
            method,
            self._api_base + uri.removeprefix(_API),
            headers=sent,
            params={name: str(value) for name, value in (params or {}).items()},
            form=_form(data) if data else None,
            trusted=True,
            timeout_s=timeout or _TIMEOUT_S,
        )
        self.retry_after_s = _seconds(answer.headers.get("retry-after", ""))
        return Response(answer.status, answer.body.decode("utf-8", "replace"), answer.headers)


def new_client(config: TwilioConfig, port: HttpPort) -> tuple[Any, PortHttpClient]:
    """Return an SDK client for one call, with its transport (for `retry_after_s`)."""
    http = PortHttpClient(port, config.api_base)
    client = Client(
        config.account_sid,
        config.auth_token.get_secret_value(),
        http_client=http,
        environment=_NO_ENVIRONMENT,
    )
    return client, http


def basic_auth(user: str, password: str) -> str:
    """Return the value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def is_twilio_host(url: str, api_base: str) -> bool:
    """Tell whether a URL is on the configured API's host and port, or on twilio.com over TLS."""
    target, base = urlsplit(url), urlsplit(api_base)
    if (target.scheme, target.netloc.lower()) == (base.scheme, base.netloc.lower()):
        return True
    host = (target.hostname or "").lower()
    return target.scheme == "https" and (host == "twilio.com" or host.endswith(".twilio.com"))


def _form(data: Mapping[str, object]) -> list[tuple[str, str | FormFile]]:
    return [
        (name, str(value))
        for name, values in data.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _seconds(text: str) -> float | None:
    """Read Retry-After in seconds; Twilio sends no dates. At most an hour is believed."""
    try:
        return min(max(float(text), 0.0), 3600.0)
    except ValueError:
        return None
