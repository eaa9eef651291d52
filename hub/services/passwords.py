"""Passwords: argon2id in a thread, two at a time; unknown accounts cost the same."""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.model.errors import BadInput

SHORTEST = 10
LONGEST = 200
_AT_ONCE = 2
# OWASP's 19 MiB, two passes: some 40 ms; more would let logins eat the two cores.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def require_strong(password: str, email: str) -> None:
    """Refuse what is guessed first.

    Raises:
        BadInput: `password_too_short`, `password_too_long`, `password_too_simple`.
    """
    if len(password) < SHORTEST:
        raise BadInput("password_too_short", shortest=SHORTEST)
    if len(password) > LONGEST:
        raise BadInput("password_too_long", longest=LONGEST)
    if len(set(password)) < 5 or password.casefold() in {email, email.partition("@")[0]}:
        raise BadInput("password_too_simple")


class Passwords:
    """Hashes and checks, bounded so that a burst of logins cannot take the machine."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return the hash to store."""
        async with self._slots:
            return await asyncio.to_thread(_HASHER.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Check a password; without a stored hash the same work is done and the answer is no."""
        async with self._slots:
            return await asyncio.to_thread(_matches, stored, password)


def _matches(stored: str | None, password: str) -> bool:
    try:
        fits = _HASHER.verify(stored or _nobodys(), password)
    except (VerificationError, InvalidHashError):
        return False
    return fits and stored is not None


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody has this password")
