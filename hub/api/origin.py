"""Same-origin checks: whether a browser's request comes from our own pages."""

from urllib.parse import urlsplit

from aiohttp import web

from hub.model.errors import NotAllowed

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PORTS = {"http": 80, "https": 443}


class Origins:
    """The one origin our pages have, from HUB_PUBLIC_URL; never from a header.

    On a loopback address the machine's other names for itself count too, since people type them.
    """

    def __init__(self, public_url: str) -> None:
        self.public = _parts(public_url)
        self.secure = self.public[0] == "https"
        self.loopback = self.public[1] in _LOOPBACK

    def is_ours(self, origin: str) -> bool:
        """Tell whether an Origin header names us."""
        scheme, host, port = _parts(origin)
        if (scheme, host, port) == self.public:
            return True
        return (
            self.loopback
            and host in _LOOPBACK
            and (scheme, port) == (self.public[0], self.public[2])
        )

    def require(self, request: web.Request) -> None:
        """Refuse a browser's request from another site; programs send neither header.

        Raises:
            NotAllowed: `origin_refused`.
        """
        origin = request.headers.get("Origin")
        if origin is not None:
            if not self.is_ours(origin):
                raise NotAllowed("origin_refused")
            return
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise NotAllowed("origin_refused")


def _parts(url: str) -> tuple[str, str, int]:
    try:
        split = urlsplit(url)
        return split.scheme, split.hostname or "", split.port or _PORTS.get(split.scheme, 0)
    except ValueError:
        return "", "", 0
