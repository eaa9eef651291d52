"""The port every outgoing HTTP call goes through. Implemented by `hub.adapters.kit.http`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class HttpFailure(Exception):  # noqa: N818 - it is a fact the adapter turns into SendError
    """A call that brought no answer.

    Attributes:
        code: connect_failed, timeout, cut_off, too_large, target_refused.
        maybe_sent: false only when it is certain that nothing reached the other side.
    """

    def __init__(self, code: str, *, maybe_sent: bool) -> None:
        self.code = code
        self.maybe_sent = maybe_sent
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class FormFile:
    """One file of a multipart body."""

    filename: str
    content_type: str
    data: bytes


class HttpPort(Protocol):
    """Every outgoing HTTP call goes through this: time-outs, size caps, guard, no retry.

    `trusted=True` is for addresses an administrator configured (API base): exactly that host:port
    is reached also when it is private. Everything that came from outside is `trusted=False`:
    private, loopback and link-local targets are refused, through redirects and DNS rebinding.
    Credentials go to the first host only: redirects drop Authorization.
    """

    async def request(  # noqa: PLR0913 - one call, all of HTTP
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        form: list[tuple[str, str | FormFile]] | None = None,
        trusted: bool = False,
        timeout_s: float = 20.0,
        max_bytes: int = 2_000_000,
        follow_redirects: int = 0,
    ) -> HttpAnswer:
        """Make one call. Raises HttpFailure; an error status is an answer."""
        ...
