"""From a delivery row to the part an adapter is handed: addressing, files, links for providers."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from hub.model.address import Address, IdentityKind
from hub.model.channel import OutgoingMedia, OutgoingPart
from hub.model.clock import to_micros
from hub.model.content import Content
from hub.model.errors import SendError
from hub.model.ids import ConversationId, DeliveryId, MessageId
from hub.services.deps import Deps
from hub.store.engine import Lane
from hub.store.queries import conversations, customers, messages
from hub.store.queries.rows import Row, dicts, insert_row, load_list, load_map, one_dict
from hub.store.tables import MediaToken
from hub.store.tx import Tx

MEDIA_LINK_S = 15 * 60


async def load_part(deps: Deps, row: Row, *, has_webhook: bool) -> OutgoingPart:
    """Return what `send` is handed for a claimed delivery.

    Links for providers that fetch files themselves are random, hashed in the table, good for 15
    minutes and for one file each.

    Raises:
        SendError: `redacted`: what it said was taken away meanwhile.
    """
    now = deps.clock.now()
    made = load_map(row["part"])
    tokens = {file_id: secrets.token_urlsafe(32) for file_id in made.get("media", [])}

    def unit(tx: Tx) -> tuple[Row | None, Row | None, list[Row]]:
        message = messages.message(tx, row["message_id"])
        if message is None or message["redacted_at"] is not None:
            raise SendError("redacted")
        identity = one_dict(tx, customers.IDENTITY, {"id": row["identity_id"]})
        ways = dicts(tx, conversations.CHANNELS_OF, {"id": row["conversation_id"]})
        way = next(
            (
                w
                for w in ways
                if w["channel_id"] == row["channel_id"] and w["identity_id"] == row["identity_id"]
            ),
            None,
        )
        files = dicts(tx, messages.FILES, {"ids": list(tokens)}) if tokens else []
        for file in files:
            insert_row(
                tx,
                MediaToken,
                token_hash=hashlib.sha256(tokens[file["id"]].encode()).hexdigest(),
                attachment_id=file["id"],
                expires_at=to_micros(now + timedelta(seconds=MEDIA_LINK_S)),
            )
        return identity, way, files

    run = (
        deps.db.run(unit, lane=Lane.BACKGROUND, name="outgoing.part")
        if tokens
        else deps.db.read(unit)
    )
    identity, way, files = await run
    assert identity is not None  # a delivery's identity is a foreign key
    return _part(
        deps, row, made, identity, way or {}, _media(deps, made, files, tokens), has_webhook
    )


def _part(  # noqa: PLR0913 - assembled from everything read above
    deps: Deps,
    row: Row,
    made: Mapping[str, Any],
    identity: Row,
    way: Mapping[str, Any],
    media: tuple[OutgoingMedia, ...],
    has_webhook: bool,
) -> OutgoingPart:
    status_url = f"{deps.public_url}/in/{row['channel_id']}/status?delivery={row['id']}"
    return OutgoingPart(
        delivery_id=DeliveryId(row["id"]),
        message_id=MessageId(row["message_id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        part_no=row["part_no"],
        to=Address(IdentityKind(identity["kind"]), identity["value"], identity["scope"]),
        content=Content.model_validate(made["content"]),
        media=media,
        display={str(k): str(v) for k, v in load_map(way.get("display")).items()},
        status_url=status_url if has_webhook else "",
        provider_thread=str(way.get("provider_thread") or ""),
        cc=tuple(
            Address(IdentityKind(kind), value, scope) for kind, value, scope in made.get("cc", [])
        ),
        references=tuple(str(r) for r in load_list(way.get("refs"))),
        sender_name=str(made.get("sender_name", "")),
        attempt=row["attempt"],
        automatic=bool(made.get("automatic")),
    )


def _media(
    deps: Deps, made: Mapping[str, Any], files: list[Row], tokens: Mapping[str, str]
) -> tuple[OutgoingMedia, ...]:
    by_id = {file["id"]: file for file in files}
    out = []
    for file_id in made.get("media", []):
        file = by_id[file_id]
        key = file["storage_key"]
        out.append(
            OutgoingMedia(
                kind=file["kind"],
                filename=file["filename"],
                content_type=file["content_type"],
                size_bytes=file["size_bytes"] or 0,
                url=f"{deps.public_url}/media/{tokens[file_id]}",
                read=partial(deps.files.get, key),
            )
        )
    return tuple(out)
