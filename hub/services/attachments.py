"""Files of messages: uploaded by agents, given to who may see their conversation or has a link."""

import asyncio
import hashlib

import puremagic

from hub.model.clock import to_micros
from hub.model.content import MediaKind
from hub.model.errors import BadInput, NotFound, TooLarge
from hub.model.filename import clean_filename
from hub.model.ids import new_id
from hub.model.visibility import Viewer, may_see, may_supervise
from hub.services.access import fingerprint
from hub.services.deps import Deps
from hub.store.files import new_key
from hub.store.queries import attachments
from hub.store.queries.rows import Row, insert_row
from hub.store.queries.visibility import facts_of
from hub.store.tables import Attachment
from hub.store.tx import Tx

_LOOKED_AT = 16_384
_UNKNOWN = "application/octet-stream"


async def attachment_for(deps: Deps, viewer: Viewer, attachment_id: str) -> Row:
    """Return the row of a stored file the viewer may have.

    A file of a message its customer deleted is for supervisors, of a redacted one for nobody; an
    upload that is in no message yet is its uploader's.

    Raises:
        NotFound: there is none, it is not stored (yet), or not to be seen.
    """
    now = deps.clock.now()

    def unit(tx: Tx) -> Row | None:
        row = attachments.with_message(tx, attachment_id)
        if row is None or row["state"] != "stored":
            return None
        if row["message_id"] is None:
            return row if row["uploaded_by"] == viewer.agent_id else None
        facts = facts_of(tx, row["conversation_id"], viewer, now)
        if facts is None or not may_see(viewer, facts) or row["redacted_at"] is not None:
            return None
        if row["deleted_at"] is not None and not may_supervise(viewer, facts.queue_id):
            return None
        return row

    found = await deps.db.read(unit)
    if found is None:
        raise NotFound("attachment_not_found")
    return found


async def attachment_by_token(deps: Deps, token: str) -> Row:
    """Return the row of the file a provider's link stands for.

    Raises:
        NotFound: the link is unknown or over.
    """
    now = to_micros(deps.clock.now())
    token_hash = fingerprint(token)

    def unit(tx: Tx) -> Row | None:
        return attachments.by_token(tx, token_hash, now)

    found = await deps.db.read(unit) if token else None
    if found is None or found["state"] != "stored":
        raise NotFound("attachment_not_found")
    return found


async def keep_upload(deps: Deps, viewer: Viewer, filename: str, data: bytes) -> Row:
    """Store a file an agent will send; its type is what its bytes say, never what was declared.

    Raises:
        BadInput: `file_empty`.
        TooLarge: over `max_upload_bytes`.
    """
    if not data:
        raise BadInput("file_empty")
    if len(data) > deps.max_upload_bytes:
        raise TooLarge(limit_bytes=deps.max_upload_bytes)
    name = clean_filename(filename)
    content_type, digest = await asyncio.to_thread(_look, data, name)
    key = new_key()
    await deps.files.put(key, data)
    row: Row = {
        "id": new_id(),
        "uploaded_by": viewer.agent_id,
        "kind": kind_of(content_type),
        "filename": name,
        "content_type": content_type,
        "size_bytes": len(data),
        "sha256": digest,
        "storage_key": key,
        "state": "stored",
        "created_at": to_micros(deps.clock.now()),
    }

    def unit(tx: Tx) -> None:
        insert_row(tx, Attachment, **row)

    await deps.db.run(unit, name="attachment.upload")
    return {**row, "error": "", "inline": False, "content_id": ""}


async def prune(deps: Deps) -> int:
    """Remove providers' links that are over; returns how many."""
    now = to_micros(deps.clock.now())

    def unit(tx: Tx) -> int:
        return attachments.prune_tokens(tx, now)

    return await deps.db.run(unit, name="media_token.prune")


def kind_of(content_type: str) -> MediaKind:
    """Return how a file of a content type is shown; SVG runs scripts, so it is a plain file."""
    head = content_type.partition("/")[0]
    if content_type == "image/svg+xml":
        return "file"
    if head == "image":
        return "image"
    if head == "audio":
        return "audio"
    return "video" if head == "video" else "file"


def _look(data: bytes, name: str) -> tuple[str, str]:
    digest = hashlib.sha256(data).hexdigest()
    extension = "." + name.rpartition(".")[2].lower() if "." in name else ""
    try:
        found = puremagic.magic_string(data[:_LOOKED_AT], name)
    except (puremagic.PureError, ValueError):
        found = []
    # Containers (zip, mp4) fit several types: the name decides among those the bytes allow.
    fits = [one for one in found if one.extension == extension] or found
    mime = next((str(one.mime_type) for one in fits if one.mime_type), "")
    if not mime and b"\0" not in data[:_LOOKED_AT]:
        mime = {".txt": "text/plain", ".csv": "text/csv"}.get(extension, "")
    return mime or _UNKNOWN, digest
