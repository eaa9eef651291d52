"""Payloads bent in every way: wrong types in every field, broken bodies, bombs."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from hub.model.channel import RawRequest

ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 10**30, 1e308, "", "\x00\ud800text", "9" * 400, [], [None], {}, {"a": [{}]},
)  # fmt: skip
ODD_TEXTS = ("", "\x00", "null", "-1", "9" * 400, "[]", '{"a":1}', "\u202e\ufeff", "x" * 70_000)
BROKEN_BODIES = (
    b"", b" ", b"null", b"[]", b"[null]", b"{}", b"123", b"1e999", b'"x"', b"true", b"NaN",
    b'{"a":', b'{"a":1}}', b"\xff\xfe\x00", b"\x00" * 100, b"[" * 100_000, b'{"a":' * 50_000,
    b"=&=&=", b"a=%ff%00&b=%zz", b"&" * 10_000, b"1" * 5_000,
    b"--x\r\nContent-Disposition: form-data\r\n\r\n", b"\r\n\r\n", b"payload=%7B", b"payload=null",
)  # fmt: skip


def bent_requests(request: RawRequest, told: Mapping[str, Any]) -> Iterator[tuple[str, RawRequest]]:
    """Yield (what was bent, request) for one case's request; a field at a time, then the body."""
    if "json" in told:
        for at, document in bent_documents(told["json"]):
            yield at, with_body(request, json.dumps(document).encode())
    elif "form" in told:
        for at, pairs in bent_forms([(str(k), str(v)) for k, v in told["form"]]):
            body = urlencode(pairs, errors="surrogatepass").encode()
            yield at, with_body(request, body)
    else:
        for cut in range(1, 8):
            yield f"cut {cut}/8", with_body(request, request.body[: len(request.body) * cut // 8])
            flipped = bytearray(request.body)
            for index in range(cut, len(flipped), 97):
                flipped[index] ^= 0x80
            yield f"flipped {cut}", with_body(request, bytes(flipped))
    for body in BROKEN_BODIES:
        yield f"body {body[:20]!r}", with_body(request, body)
    yield "no headers", dataclasses.replace(request, headers={})
    yield "odd type", dataclasses.replace(request, headers={"content-type": "text/\x00; charset=x"})
    yield "unknown action", dataclasses.replace(request, action="no-such-action")
    yield "odd query", dataclasses.replace(request, query="delivery=%00&delivery=&=&%ff")


def with_body(request: RawRequest, body: bytes) -> RawRequest:
    """Return the request with another body."""
    return dataclasses.replace(request, body=body)


def bent_documents(document: Any, at: str = "$") -> Iterator[tuple[str, Any]]:
    """Yield the document with one place replaced by each odd value, or taken out."""
    for odd in ODD_VALUES:
        yield f"{at} = {odd!r:.40}", odd
    if isinstance(document, dict):
        for key, value in document.items():
            yield f"{at}.{key} gone", {k: v for k, v in document.items() if k != key}
            for place, bent in bent_documents(value, f"{at}.{key}"):
                yield place, {**document, key: bent}
    elif isinstance(document, list):
        for index, value in enumerate(document):
            for place, bent in bent_documents(value, f"{at}[{index}]"):
                yield place, [*document[:index], bent, *document[index + 1 :]]


def bent_forms(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Yield the form with one field replaced, doubled or taken out."""
    for index, (name, value) in enumerate(pairs):
        before, after = pairs[:index], pairs[index + 1 :]
        yield f"{name} gone", [*before, *after]
        yield f"{name} twice", [*before, (name, value), (name, "other"), *after]
        yield f"{name} = bytes", [*before, (name, b"\xff\xfe\x00"), *after]
        for odd in ODD_TEXTS:
            yield f"{name} = {odd[:20]!r}", [*before, (name, odd), *after]
