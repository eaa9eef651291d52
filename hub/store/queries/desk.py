"""Tags and prepared wordings."""

from sqlalchemy import bindparam, delete, select, update

from hub.store.queries.rows import Row, dicts, one_dict
from hub.store.statement import stmt
from hub.store.tables import CannedReply, ConversationTag, Tag, table
from hub.store.tx import Tx

_tag = table(Tag)
_marks = table(ConversationTag)
_canned = table(CannedReply)

_TAGS = stmt(select(_tag).order_by(_tag.c.name), name="tag.list")
_TAG = stmt(select(_tag).where(_tag.c.id == bindparam("tag_id")), name="tag.one")
_TAG_CHANGE = stmt(
    update(_tag)
    .where(_tag.c.id == bindparam("tag_id"), _tag.c.version == bindparam("if_version"))
    .values(name=bindparam("new_name"), colour=bindparam("new_colour"), version=_tag.c.version + 1),
    name="tag.change",
)
_TAG_UNUSE = stmt(delete(_marks).where(_marks.c.tag_id == bindparam("tag_id")), name="tag.unuse")
_TAG_DROP = stmt(delete(_tag).where(_tag.c.id == bindparam("tag_id")), name="tag.drop")
_ALL = stmt(select(_canned).order_by(_canned.c.shortcut), name="canned.list")
_ONE = stmt(select(_canned).where(_canned.c.id == bindparam("reply_id")), name="canned.one")
_FIELDS = ("shortcut", "title", "texts", "queue_id")
_CHANGE = stmt(
    update(_canned)
    .where(_canned.c.id == bindparam("reply_id"), _canned.c.version == bindparam("if_version"))
    .values(**{name: bindparam(f"new_{name}") for name in _FIELDS}, version=_canned.c.version + 1),
    name="canned.change",
)
_DROP = stmt(delete(_canned).where(_canned.c.id == bindparam("reply_id")), name="canned.drop")


def tags(tx: Tx) -> list[Row]:
    """Return every tag by name."""
    return dicts(tx, _TAGS)


def tag(tx: Tx, tag_id: str) -> Row | None:
    """Return one tag."""
    return one_dict(tx, _TAG, {"tag_id": tag_id})


def change_tag(tx: Tx, tag_id: str, if_version: int, name: str, colour: str) -> bool:
    """Write a tag; False when the version is another."""
    values: Row = {
        "tag_id": tag_id, "if_version": if_version, "new_name": name, "new_colour": colour,
    }  # fmt: skip
    return tx.execute(_TAG_CHANGE, values) > 0


def drop_tag(tx: Tx, tag_id: str) -> bool:
    """Remove a tag from every conversation and altogether; False when there is none."""
    tx.execute(_TAG_UNUSE, {"tag_id": tag_id})
    return tx.execute(_TAG_DROP, {"tag_id": tag_id}) > 0


def canned_replies(tx: Tx) -> list[Row]:
    """Return every prepared wording by shortcut."""
    return dicts(tx, _ALL)


def canned_reply(tx: Tx, reply_id: str) -> Row | None:
    """Return one prepared wording."""
    return one_dict(tx, _ONE, {"reply_id": reply_id})


def change_canned(tx: Tx, reply_id: str, if_version: int, row: Row) -> bool:
    """Write a wording's columns; False when the version is another."""
    values = {f"new_{name}": row[name] for name in _FIELDS}
    return tx.execute(_CHANGE, {"reply_id": reply_id, "if_version": if_version, **values}) > 0


def drop_canned(tx: Tx, reply_id: str) -> bool:
    """Remove a wording; False when there is none."""
    return tx.execute(_DROP, {"reply_id": reply_id}) > 0
