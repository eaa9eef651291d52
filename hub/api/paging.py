"""Cursors of lists: opaque to clients, checked when they come back."""

import base64
import binascii
import hashlib
import hmac
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field

from hub.model.errors import BadInput

_MAC = 10


class PageQuery(BaseModel):
    """Query parameters of a list; inherit to add filters. `cursor` is the last answer's `next`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cursor: Annotated[str | None, Field(max_length=400)] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class Cursors:
    """Signs the position after which a list goes on, so that nobody makes one up.

    Args:
        key: 32 bytes derived from the secret key.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, *position: str | int | float | None) -> str:
        """Return the opaque text for a position (the sort values of the last row shown)."""
        body = orjson.dumps(position)
        return base64.urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")

    def read(self, cursor: str) -> list[str | int | float | None]:
        """Return the position of a cursor we made.

        Raises:
            BadInput: `cursor_invalid`.
        """
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            raise BadInput("cursor_invalid") from None
        mac, body = raw[:_MAC], raw[_MAC:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise BadInput("cursor_invalid")
        position: list[str | int | float | None] = orjson.loads(body)
        return position

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)[:_MAC]
