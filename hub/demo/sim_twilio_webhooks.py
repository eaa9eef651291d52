"""How the simulated Twilio calls its customers' webhooks: signed, and not stubborn.

As documented (docs/usage/webhooks/webhooks-connection-overrides, read 2026-11): 15 s in all, no
further try after an error answer unless the URL asks for it in its fragment: `#rc=3&rp=ct,5xx`.
The fragment is neither sent nor signed. `default_retries` is what applies without one.
"""

import asyncio
import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, urldefrag, urlencode

import aiohttp
from yarl import URL

from hub.demo.operations import Operation, OperationLog, OpOutcome

TOTAL_S = 15.0
_MAX_RETRIES = 5
_FIRST_PAUSE_S = 0.1
_ALL_FAULTS = frozenset({"4xx", "5xx", "ct", "rt"})

Pairs = Sequence[tuple[str, str]]


def sign(url: str, pairs: Pairs, auth_token: str) -> str:
    """Return X-Twilio-Signature (docs/usage/security): URL, then names with values, sorted."""
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


class WebhookCaller:
    """Posts signed forms and notes what became of them.

    Attributes:
        default_retries: tries after the first when the URL asks for none.
        reach: turns the public URL that is signed into the address that is dialled.
        odd_answers: 2xx answers that were no TwiML; Twilio reports those as error 12300.
    """

    def __init__(self, auth_token: str, log: OperationLog) -> None:
        self.auth_token = auth_token
        self.default_retries = 0
        self.reach: Callable[[str], str] = lambda url: url
        self.odd_answers: list[str] = []
        self._log = log
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Open the session; in the loop."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TOTAL_S),
            headers={"User-Agent": "TwilioProxy/1.1", "Accept": "*/*"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def stop(self) -> None:
        """Close the session; calls under way end as unknown."""
        if self._session is not None:
            await self._session.close()

    async def call(self, url: str, pairs: Pairs, operation: Operation) -> None:
        """Post one form, again if the URL asks for it, and finish the operation."""
        bare, fragment = urldefrag(url)
        retries, faults = self._overrides(fragment)
        headers = {
            "X-Twilio-Signature": sign(bare, pairs, self.auth_token),
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        }
        body = urlencode(pairs).encode()
        outcome = OpOutcome.UNKNOWN  # also when we are stopped on the way
        unheard = False
        try:
            async with asyncio.timeout(TOTAL_S):
                for attempt in range(retries + 1):
                    if attempt:
                        await asyncio.sleep(_FIRST_PAUSE_S * 2**attempt)
                    status, fault = await self._attempt(bare, body, headers)
                    self._log.attempt(operation, status)
                    unheard = unheard or fault == "rt"
                    outcome = _outcome(status, unheard=unheard)
                    if outcome is OpOutcome.OK or fault not in faults:
                        break
        except TimeoutError:
            self._log.attempt(operation, 0)
            outcome = OpOutcome.UNKNOWN
        finally:
            self._log.finish(operation, outcome)

    async def fetch(self, url: str) -> tuple[bytes, str]:
        """Download what a MediaUrl names: bytes and content type. Raises aiohttp.ClientError."""
        assert self._session is not None, "start() first"
        async with self._session.get(URL(self.reach(url), encoded=True)) as response:
            response.raise_for_status()
            return await response.read(), response.content_type

    async def _attempt(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Return HTTP status (0: none) and the kind of fault as `rp` names it, empty when well."""
        assert self._session is not None, "start() first"
        target = URL(self.reach(url), encoded=True)
        try:
            async with self._session.post(
                target, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await response.read()
        except aiohttp.ClientConnectorError:
            return 0, "ct"
        except aiohttp.ClientError:
            return 0, "rt"
        if response.status >= 400:
            return response.status, "5xx" if response.status >= 500 else "4xx"
        if response.ok and answer and b"<Response" not in answer:
            self.odd_answers.append(url)
        return response.status, ""

    def _overrides(self, fragment: str) -> tuple[int, frozenset[str]]:
        asked = dict(parse_qsl(fragment))
        if "rc" not in asked:
            return self.default_retries, _ALL_FAULTS
        policy = asked.get("rp", "ct")
        faults = _ALL_FAULTS if policy == "all" else frozenset(policy.split(","))
        retries = int(asked["rc"]) if asked["rc"].isdigit() else self.default_retries
        return min(retries, _MAX_RETRIES), faults


def _outcome(status: int, *, unheard: bool) -> OpOutcome:
    """Return how it stands after an attempt; `unheard`: one of them was cut off without answer."""
    if 200 <= status < 300:
        return OpOutcome.OK
    # Certain only when every attempt was refused or found nobody: one that was cut off may have
    # been kept by the hub, whatever it said later.
    return OpOutcome.UNKNOWN if unheard else OpOutcome.FAILED
