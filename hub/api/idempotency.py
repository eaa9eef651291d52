"""Creating POSTs that may be repeated: the first answer is stored and given again."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from hub.api.context import Context
from hub.model.errors import HubError, StoreUnavailable
from hub.services import once


async def answered_once(
    ctx: Context, route: str, raw: Any, call: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Call at most once per (actor, route, client_id), also when two requests run in parallel.

    Without a `client_id` the call is simply made.

    Raises:
        Conflict: `client_id_reused` (another body), `client_id_unfinished` (the first attempt has
            not ended, or its process died: look before sending again under another id).
    """
    client_id = raw.get("client_id") if isinstance(raw, dict) else None
    if not isinstance(client_id, str):
        return await call()
    digest = hashlib.sha256(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)).hexdigest()
    key = once.Key(ctx.actor, route, client_id)
    stored = await once.claim(ctx.deps, key, digest)
    if stored is not None:
        return _replay(stored)
    try:
        response = await call()
    except HubError as error:
        # Refused before anything was kept. After any other error nobody knows: the claim stays,
        # and a repeat is answered `client_id_unfinished` rather than carried out twice.
        if 400 <= error.status < 500 or isinstance(error, StoreUnavailable):
            await once.give_back(ctx.deps, key)
        raise
    await once.keep(ctx.deps, key, _kept(response))
    return response


def _kept(response: web.StreamResponse) -> str:
    body = response.body if isinstance(response, web.Response) else None
    text = bytes(body).decode() if isinstance(body, bytes | bytearray) else ""
    return orjson.dumps({"body": text, "etag": response.headers.get("ETag", "")}).decode()


def _replay(stored: str) -> web.Response:
    kept = orjson.loads(stored)
    headers = {"Idempotent-Replay": "true"}
    if kept["etag"]:
        headers["ETag"] = kept["etag"]
    return web.Response(
        status=200, body=kept["body"].encode(), content_type="application/json", headers=headers
    )
