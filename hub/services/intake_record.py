"""A request as the intake log and the spool keep it: whole to be replayed, redacted to be shown."""

import base64

import orjson

from hub.model.channel import RawRequest
from hub.model.clock import from_micros, to_micros

# What may be shown of a request's headers. Everything else can hold a credential.
_SHOWN_HEADERS = frozenset(
    {
        "content-type", "content-length", "user-agent", "x-slack-retry-num",
        "x-slack-retry-reason", "i-twilio-idempotency-token", "date", "message-id", "hub-dkim",
    }
)  # fmt: skip
BODY_KEPT_BYTES = 256_000
"""A larger body is not kept in the log (its mail is a file of its message); the spool keeps it."""


def encode_request(request: RawRequest, intake_id: str, *, whole: bool = True) -> bytes:
    """Return the request as bytes for encryption.

    Args:
        whole: false leaves out a body over `BODY_KEPT_BYTES`; such a record cannot be replayed.
    """
    body = request.body if whole or len(request.body) <= BODY_KEPT_BYTES else None
    return orjson.dumps(
        {
            "id": intake_id,
            "method": request.method,
            "url": request.url,
            "path": request.path,
            "query": request.query,
            "headers": dict(request.headers),
            "body": None if body is None else base64.b64encode(body).decode(),
            "received_at": to_micros(request.received_at),
            "action": request.action,
        }
    )


def decode_request(raw: bytes) -> tuple[RawRequest, str] | None:
    """Return the request and its intake id, or None when its body was not kept."""
    data = orjson.loads(raw)
    if data["body"] is None:
        return None
    request = RawRequest(
        method=data["method"],
        url=data["url"],
        path=data["path"],
        query=data["query"],
        headers=data["headers"],
        body=base64.b64decode(data["body"]),
        received_at=from_micros(data["received_at"]),
        action=data["action"],
    )
    return request, str(data["id"])


def shown_headers(request: RawRequest) -> str:
    """Return the headers that may be shown, as JSON."""
    kept = {name: value[:200] for name, value in request.headers.items() if name in _SHOWN_HEADERS}
    return orjson.dumps(kept).decode()
