"""Files visitors send and fetch: by a list of kinds, by what the bytes are, only their own."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import ClassVar

import puremagic

from hub.model.clock import to_micros
from hub.model.content import MediaKind
from hub.model.errors import BadInput, NotFound, TooLarge
from hub.model.filename import clean_filename
from hub.model.ids import is_id, new_id
from hub.model.widget import UPLOADER_PREFIX, UploadedFile, WidgetPolicy
from hub.services.deps import Deps
from hub.services.widget import Session
from hub.store.files import new_key
from hub.store.queries import widget
from hub.store.queries.rows import Row, dicts, insert_row, one_dict
from hub.store.tables import Attachment
from hub.store.tx import Tx

LOOKED_AT_BYTES = 16_384
_OFFICE = "application/vnd.openxmlformats-officedocument"
_TYPES: Mapping[str, tuple[MediaKind, str]] = {
    "png": ("image", "image/png"),
    "jpg": ("image", "image/jpeg"),
    "jpeg": ("image", "image/jpeg"),
    "gif": ("image", "image/gif"),
    "webp": ("image", "image/webp"),
    "heic": ("image", "image/heic"),
    "mp3": ("audio", "audio/mpeg"),
    "m4a": ("audio", "audio/mp4"),
    "wav": ("audio", "audio/wav"),
    "ogg": ("audio", "audio/ogg"),
    "mp4": ("video", "video/mp4"),
    "mov": ("video", "video/quicktime"),
    "webm": ("video", "video/webm"),
    "pdf": ("file", "application/pdf"),
    "txt": ("file", "text/plain"),
    "csv": ("file", "text/csv"),
    "zip": ("file", "application/zip"),
    "doc": ("file", "application/msword"),
    "xls": ("file", "application/vnd.ms-excel"),
    "ppt": ("file", "application/vnd.ms-powerpoint"),
    "docx": ("file", f"{_OFFICE}.wordprocessingml.document"),
    "xlsx": ("file", f"{_OFFICE}.spreadsheetml.sheet"),
    "pptx": ("file", f"{_OFFICE}.presentationml.presentation"),
}
_ZIP = frozenset({"zip", "docx", "xlsx", "pptx"})
_OLE = frozenset({"doc", "xls", "ppt"})
# The extensions a look at the bytes may find for one name: containers hold more than one kind.
_LOOKS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("jpg", "jpeg"), frozenset({"jpg", "jpeg", "jpe", "jfif"})),
    "heic": frozenset({"heic", "heif"}),
    "mp3": frozenset({"mp3", "mpga"}),
    "m4a": frozenset({"m4a", "f4a", "mp4"}),
    "mp4": frozenset({"mp4", "m4v", "m4a"}),
    "mov": frozenset({"mov", "qt", "mp4"}),
    "ogg": frozenset({"ogg", "oga", "opus", "ogx"}),
    "webm": frozenset({"webm", "mkv"}),
    **dict.fromkeys(_ZIP, _ZIP),
    **dict.fromkeys(_OLE, _OLE),
}
_TEXTS = frozenset({"txt", "csv"})
_RUNS = frozenset({"exe", "dll", "elf", "html", "htm", "svg", "xml", "sh", "php", "js", "class"})


class FileTypeRefused(BadInput):
    """A file of a kind the channel does not take, or whose bytes are not what its name says."""

    status: ClassVar[int] = 415
    default_code: ClassVar[str] = "file_type_refused"


def judge(filename: str, data: bytes, policy: WidgetPolicy) -> tuple[MediaKind, str]:
    """Return kind and content type of a file.

    Raises:
        FileTypeRefused: params `extension` and `reason` (extension, content).
    """
    extension = filename.rpartition(".")[2].lower() if "." in filename else ""
    if extension not in policy.extensions:
        raise FileTypeRefused(extension=extension[:20], reason="extension")
    looks = _looks_like(data[:LOOKED_AT_BYTES])
    if extension in _TEXTS:
        good = b"\0" not in data and not looks & _RUNS
    else:
        good = bool(looks & _LOOKS.get(extension, frozenset({extension})))
    if not good:
        raise FileTypeRefused(extension=extension, reason="content")
    return _TYPES.get(extension, ("file", "application/octet-stream"))


def _looks_like(head: bytes) -> frozenset[str]:
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return frozenset()
    return frozenset(match.extension.lstrip(".").lower() for match in found)


async def keep_upload(
    deps: Deps, session: Session, policy: WidgetPolicy, name: str, data: bytes
) -> UploadedFile:
    """Store a visitor's file, to be named by a message.

    Raises:
        FileTypeRefused, TooLarge, BadInput: `file_empty`.
    """
    limit = min(policy.max_file_bytes, deps.max_upload_bytes)
    if len(data) > limit:
        raise TooLarge(limit_bytes=limit)
    if not data:
        raise BadInput("file_empty")
    filename = clean_filename(name)
    kind, content_type = await asyncio.to_thread(judge, filename, data, policy)
    key, id_ = new_key(), new_id()
    await deps.files.put(key, data)
    digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    now = to_micros(deps.clock.now())

    def unit(tx: Tx) -> None:
        insert_row(
            tx,
            Attachment,
            id=id_,
            channel_id=session.channel_id,
            uploaded_by=f"{UPLOADER_PREFIX}{session.visitor_id}",
            kind=kind,
            filename=filename,
            content_type=content_type,
            size_bytes=len(data),
            sha256=digest,
            storage_key=key,
            state="stored",
            created_at=now,
        )

    await deps.db.run(unit, name="widget.upload")
    return UploadedFile(
        id=id_, kind=kind, filename=filename, content_type=content_type, size_bytes=len(data)
    )


async def uploads(deps: Deps, session: Session, ids: Sequence[str]) -> tuple[UploadedFile, ...]:
    """Return the visitor's own uploads in the order named.

    Raises:
        NotFound: `attachment_not_found`: there is none, or it is somebody else's.
    """
    if not ids:
        return ()
    params = {
        "ids": [id_ for id_ in ids if is_id(id_)],
        "by": f"{UPLOADER_PREFIX}{session.visitor_id}",
    }

    def unit(tx: Tx) -> list[Row]:
        return dicts(tx, widget.UPLOADS, params)

    rows = {row["id"]: row for row in await deps.db.read(unit)}
    if any(id_ not in rows for id_ in ids):
        raise NotFound("attachment_not_found")
    return tuple(
        UploadedFile(
            id=row["id"],
            kind=row["kind"],
            filename=row["filename"],
            content_type=row["content_type"],
            size_bytes=row["size_bytes"] or 0,
        )
        for row in (rows[id_] for id_ in ids)
    )


async def file_of(deps: Deps, session: Session, file_id: str) -> Row:
    """Return the row of a file the visitor may fetch: of their own talk, or their own upload.

    Raises:
        NotFound: there is none, it is not stored (yet), or it is not theirs.
    """

    def unit(tx: Tx) -> Row | None:
        return one_dict(tx, widget.FILE, {"id": file_id})

    row = await deps.db.read(unit) if is_id(file_id) else None
    if row is None or row["state"] != "stored" or row["kind"] == "original":
        raise NotFound
    theirs = row["said_on"] == session.channel_id and row["said_by"] in session.visitors
    loose = row["message_id"] is None and row["uploaded_by"] in {
        f"{UPLOADER_PREFIX}{visitor}" for visitor in session.visitors
    }
    if not (theirs or loose):
        raise NotFound
    return row
