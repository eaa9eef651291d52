"""Rate limits: token buckets in this process, or shared through Redis.

With Redis away each process limits for itself; a limit may then be exceeded by as many times as
there are processes, which is better than refusing everybody.
"""

import time
from collections import OrderedDict
from typing import Protocol

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

_MAX_BUCKETS = 100_000
_PREFIX = "hub:rate:"
_TIMEOUT_S = 0.25
_AWAY_S = 1.0

# One bucket: a hash of tokens and the server's time they were counted at, in seconds.
_SCRIPT = """
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(known[1]) or burst
local at = tonumber(known[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local wait = 0
if tokens >= cost then tokens = tokens - cost else wait = (cost - tokens) / rate end
local counted = string.format('%.6f', tokens)
redis.call('HSET', KEYS[1], 'tokens', counted, 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return string.format('%.6f', wait)
"""


class RateLimiter(Protocol):
    """Counts what happens under a key."""

    async def take(self, key: str, *, rate_per_s: float, burst: float, cost: float = 1.0) -> float:
        """Take `cost` tokens of the key's bucket.

        Args:
            key: who and what, for instance `login:203.0.113.7`.
            rate_per_s: tokens that come back each second.
            burst: tokens a full bucket holds.
            cost: tokens this takes; at most `burst`.

        Returns:
            0.0 when taken, else the seconds until it can be (nothing was taken).
        """

    async def close(self) -> None:
        """Close connections, if any."""


class LocalLimiter:
    """Token buckets in memory; the least recently used are forgotten first."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def take(self, key: str, *, rate_per_s: float, burst: float, cost: float = 1.0) -> float:
        """Take `cost` tokens of the key's bucket; 0.0 or the seconds to wait."""
        now = time.monotonic()
        tokens, at = self._buckets.pop(key, (burst, now))
        tokens = min(burst, tokens + (now - at) * rate_per_s)
        wait_s = 0.0
        if tokens >= cost:
            tokens -= cost
        else:
            wait_s = (cost - tokens) / rate_per_s
        self._buckets[key] = (tokens, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return wait_s

    async def close(self) -> None:
        """Nothing to close."""


class RedisLimiter:
    """Token buckets on Redis, by Redis' clock; local ones while it is away."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )
        self._script = self._client.register_script(_SCRIPT)
        self._local = LocalLimiter()
        self._away_until = 0.0

    async def take(self, key: str, *, rate_per_s: float, burst: float, cost: float = 1.0) -> float:
        """Take `cost` tokens of the key's bucket; 0.0 or the seconds to wait."""
        if time.monotonic() >= self._away_until:
            try:
                wait = await self._script([_PREFIX + key], [rate_per_s, burst, cost])
                return float(wait)
            except (RedisError, OSError) as error:
                log.warning("ratelimit.redis_lost", error=type(error).__name__)
                self._away_until = time.monotonic() + _AWAY_S
        return await self._local.take(key, rate_per_s=rate_per_s, burst=burst, cost=cost)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def open_limiter(redis_url: str | None) -> RateLimiter:
    """Return rate limits on Redis when a URL is given, else in the process."""
    return RedisLimiter(redis_url) if redis_url else LocalLimiter()
