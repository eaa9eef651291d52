"""Files with what decides who may have them."""

from sqlalchemy import bindparam, delete, select

from hub.store.queries.rows import Row, one_dict
from hub.store.statement import stmt
from hub.store.tables import Attachment, MediaToken, Message, table
from hub.store.tx import Tx

_a = table(Attachment)
_m = table(Message)
_t = table(MediaToken)
_FILE = (
    _a.c.id,
    _a.c.filename,
    _a.c.content_type,
    _a.c.size_bytes,
    _a.c.storage_key,
    _a.c.state,
    _a.c.uploaded_by,
    _a.c.message_id,
)
_ONE = stmt(
    select(*_FILE, _m.c.conversation_id, _m.c.deleted_at, _m.c.redacted_at)
    .select_from(_a)
    .outerjoin(_m, _m.c.id == _a.c.message_id)
    .where(_a.c.id == bindparam("attachment_id")),
    name="attachment.with_message",
)
_BY_TOKEN = stmt(
    select(*_FILE)
    .select_from(_t)
    .join(_a, _a.c.id == _t.c.attachment_id)
    .where(_t.c.token_hash == bindparam("token_hash"), _t.c.expires_at > bindparam("now")),
    name="attachment.by_token",
)
_PRUNE = stmt(delete(_t).where(_t.c.expires_at <= bindparam("now")), name="media_token.prune")


def with_message(tx: Tx, attachment_id: str) -> Row | None:
    """Return a file with its message's conversation_id, deleted_at and redacted_at."""
    return one_dict(tx, _ONE, {"attachment_id": attachment_id})


def by_token(tx: Tx, token_hash: str, now: int) -> Row | None:
    """Return the file a provider's link stands for, while it is good."""
    return one_dict(tx, _BY_TOKEN, {"token_hash": token_hash, "now": now})


def prune_tokens(tx: Tx, now: int) -> int:
    """Remove links that are over; returns how many."""
    return tx.execute(_PRUNE, {"now": now})
