"""Request bodies: read up to a limit, and JSON that cannot hurt what comes after it."""

import math
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from hub.api.problems import MediaTypeRefused, ValidationFailed
from hub.model.errors import BadInput, TooLarge

JSON_BYTES = 1_000_000
JSON_DEPTH = 32
JSON_NODES = 20_000
EXACT_INT = 2**53


async def read_limited(request: web.Request, limit: int) -> bytes:
    """Return the body, decoded from its transfer and content encoding.

    Raises:
        TooLarge: more than `limit` bytes, also when a small gzip body grows to it.
        BadInput: `body_broken`: it is not in the encoding it names.
    """
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(limit_bytes=limit)
    parts: list[bytes] = []
    size = 0
    try:
        async for chunk in request.content.iter_chunked(65_536):
            size += len(chunk)
            if size > limit:
                raise TooLarge(limit_bytes=limit)
            parts.append(chunk)
    except web.RequestPayloadError:
        raise BadInput("body_broken") from None
    return b"".join(parts)


async def read_json(request: web.Request) -> Any:
    """Return the JSON body.

    Raises:
        MediaTypeRefused: the content type is not JSON.
        BadInput: `json_invalid`: it cannot be read.
        ValidationFailed: it nests too deep, holds too much, NUL or a number nobody can keep.
        TooLarge: over `JSON_BYTES`.
    """
    if request.content_type != "application/json":
        raise MediaTypeRefused(expected="application/json")
    return parse_json(await read_limited(request, JSON_BYTES))


def parse_json(raw: bytes) -> Any:
    """Parse and guard JSON; raises as `read_json`. Lone surrogates and NaN are not JSON."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg or "recursion" in error.msg:
            raise ValidationFailed("json_too_deep", limit=JSON_DEPTH) from None
        raise BadInput("json_invalid", position=error.pos) from None
    _guard(value)
    return value


def require_text(text: str) -> None:
    """Refuse text that cannot be stored: with NUL, or bytes that were no UTF-8.

    Raises:
        ValidationFailed: `text_has_nul`, `text_not_utf8`.
    """
    if "\0" in text:
        raise ValidationFailed("text_has_nul")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValidationFailed("text_not_utf8") from None


def _guard(value: Any) -> None:
    """Refuse what PostgreSQL cannot keep, a browser cannot show or a checker would choke on."""
    level: list[Any] = [value]
    depth = nodes = 0
    while level:
        depth += 1
        nodes += len(level)
        if nodes > JSON_NODES:
            raise ValidationFailed("json_too_many_values", limit=JSON_NODES)
        if depth > JSON_DEPTH:
            raise ValidationFailed("json_too_deep", limit=JSON_DEPTH)
        below: list[Any] = []
        for one in level:
            below.extend(_inside(one))
        level = below


def _inside(one: Any) -> Iterator[Any]:
    if isinstance(one, str):
        if "\0" in one:
            raise ValidationFailed("text_has_nul")
    elif isinstance(one, float):
        if not math.isfinite(one) or abs(one) > 1e300:
            raise ValidationFailed("number_out_of_range")
    elif isinstance(one, int):
        if abs(one) > EXACT_INT:
            raise ValidationFailed("number_out_of_range")
    elif isinstance(one, dict):
        yield from one
        yield from one.values()
    elif isinstance(one, list):
        yield from one
