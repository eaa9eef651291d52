"""Messages, their revisions and their files."""

from datetime import datetime

from sqlalchemy import bindparam, func, null, select, tuple_, update

from hub.model.clock import to_micros
from hub.store.engine import Tx
from hub.store.queries.rows import Row, dicts, insert_row, one_dict
from hub.store.statement import stmt
from hub.store.tables import Attachment, MediaToken, Message, MessageRevision, table

_m = table(Message)
_a = table(Attachment)
_r = table(MessageRevision)
_t = table(MediaToken)

SEEN = stmt(
    select(_m.c.id, _m.c.conversation_id, _m.c.revision, _m.c.identity_id).where(
        _m.c.channel_id == bindparam("channel_id"),
        _m.c.external_id == bindparam("external_id"),
        _m.c.direction == "in",
    ),
    name="message.seen",
)
ONE = stmt(select(_m).where(_m.c.id == bindparam("id")), name="message")
BY_CLIENT = stmt(
    select(_m).where(
        _m.c.conversation_id == bindparam("conversation_id"),
        _m.c.client_id == bindparam("client_id"),
        _m.c.author_id == bindparam("author_id"),
    ),
    name="message.by_client",
)
PAGE = stmt(
    select(_m)
    .where(
        _m.c.conversation_id.in_(bindparam("conversations", expanding=True)),
        tuple_(_m.c.recorded_at, _m.c.id) < tuple_(bindparam("before_at"), bindparam("before_id")),
    )
    .order_by(_m.c.recorded_at.desc(), _m.c.id.desc())
    .limit(bindparam("limit")),
    name="message.page",
)
AFTER = stmt(
    select(_m)
    .where(
        _m.c.conversation_id == bindparam("conversation_id"),
        _m.c.number > bindparam("after"),
    )
    .order_by(_m.c.number)
    .limit(bindparam("limit")),
    name="message.after",
)
CHANGE = stmt(
    update(_m)
    .where(_m.c.id == bindparam("message_id"))
    .values(
        content=bindparam("new_content"),
        revision=bindparam("new_revision"),
        edited_at=bindparam("new_edited_at"),
        deleted_at=bindparam("new_deleted_at"),
        version=_m.c.version + 1,
    ),
    name="message.change",
)
REDACT = stmt(
    update(_m)
    .where(_m.c.id == bindparam("message_id"))
    .values(
        content=bindparam("new_content"), redacted_at=bindparam("at"), version=_m.c.version + 1
    ),
    name="message.redact",
)
REVISIONS = stmt(
    select(_r).where(_r.c.message_id == bindparam("message_id")).order_by(_r.c.at),
    name="message.revisions",
)
ATTACHMENTS = stmt(
    select(_a).where(_a.c.message_id.in_(bindparam("messages", expanding=True))).order_by(_a.c.id),
    name="attachments",
)
ATTACHMENT = stmt(select(_a).where(_a.c.id == bindparam("id")), name="attachment")
FILES = stmt(select(_a).where(_a.c.id.in_(bindparam("ids", expanding=True))), name="files")
ATTACHMENTS_DUE = stmt(
    select(_a)
    .where(_a.c.state == "pending", _a.c.due_at <= bindparam("now"))
    .order_by(_a.c.due_at)
    .limit(bindparam("limit")),
    name="attachment.due",
)
ATTACHMENT_CLAIM = stmt(
    update(_a)
    .where(
        _a.c.id == bindparam("attachment_id"),
        _a.c.state == "pending",
        _a.c.due_at <= bindparam("now"),
    )
    .values(due_at=bindparam("until"), attempts=_a.c.attempts + 1),
    name="attachment.claim",
)
ATTACHMENT_LATER = stmt(
    update(_a)
    .where(_a.c.id == bindparam("attachment_id"), _a.c.state == "pending")
    .values(due_at=bindparam("due")),
    name="attachment.later",
)
ATTACHMENT_DONE = stmt(
    update(_a)
    .where(_a.c.id == bindparam("attachment_id"), _a.c.state == "pending")
    .values(
        state=bindparam("new_state"),
        content_type=bindparam("new_type"),
        filename=bindparam("new_filename"),
        size_bytes=bindparam("new_size"),
        sha256=bindparam("new_sha256"),
        storage_key=bindparam("new_key"),
        error=bindparam("new_error"),
        due_at=null(),
    ),
    name="attachment.done",
)
ATTACH = stmt(
    update(_a)
    .where(
        _a.c.id == bindparam("attachment_id"),
        _a.c.message_id.is_(None),
        _a.c.uploaded_by == bindparam("by"),
    )
    .values(message_id=bindparam("message")),
    name="attachment.attach",
)
TOKEN = stmt(
    select(_t.c.attachment_id).where(
        _t.c.token_hash == bindparam("token_hash"), _t.c.expires_at > bindparam("now")
    ),
    name="media_token",
)
LAST_IN_ON = stmt(
    select(func.max(_m.c.recorded_at)).where(
        _m.c.conversation_id == bindparam("conversation_id"),
        _m.c.channel_id == bindparam("channel_id"),
        _m.c.direction == "in",
    ),
    name="message.last_in_on",
)


def seen(tx: Tx, channel_id: str, external_id: str) -> tuple[str, str, str, str] | None:
    """Return (id, conversation, revision, identity) of a message stored before, or None."""
    row = tx.one(SEEN, {"channel_id": channel_id, "external_id": external_id})
    return None if row is None else (row[0], row[1], row[2], row[3])


def message(tx: Tx, message_id: str) -> Row | None:
    """Return one message row."""
    return one_dict(tx, ONE, {"id": message_id})


def attachments_of(tx: Tx, messages: list[str]) -> dict[str, list[Row]]:
    """Return the files of several messages, by message."""
    out: dict[str, list[Row]] = {}
    for row in dicts(tx, ATTACHMENTS, {"messages": messages}):
        out.setdefault(row["message_id"], []).append(row)
    return out


def keep_revision(
    tx: Tx, *, id: str, message_id: str, revision: str, kind: str, content: str, at: datetime
) -> bool:  # noqa: PLR0913 - the columns of the row
    """Keep what a message said; False when this revision was kept before."""
    if tx.one(REVISION, {"message_id": message_id, "revision": revision}) is not None:
        return False
    insert_row(
        tx,
        MessageRevision,
        id=id,
        message_id=message_id,
        revision=revision,
        kind=kind,
        content=content,
        at=to_micros(at),
    )
    return True


REVISION = stmt(
    select(_r.c.id).where(
        _r.c.message_id == bindparam("message_id"), _r.c.revision == bindparam("revision")
    ),
    name="message.revision",
)
