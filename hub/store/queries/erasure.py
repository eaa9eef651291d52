"""What redaction and erasure take away: statements that leave no copy of what was said."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import String, bindparam, text

from hub.store import search
from hub.store.queries.rows import Row
from hub.store.statement import Stmt, stmt
from hub.store.tx import Tx


def _ids(sql: str, name: str) -> Stmt:
    core = text(sql).bindparams(bindparam("ids", expanding=True, type_=String()))
    return stmt(core, name=f"erase.{name}")


_KEYS = _ids(
    "SELECT storage_key FROM attachment WHERE message_id IN :ids AND storage_key <> ''", "keys"
)
_OF_MESSAGES = (
    _ids(
        "DELETE FROM media_token WHERE attachment_id IN"
        " (SELECT id FROM attachment WHERE message_id IN :ids)",
        "media_tokens",
    ),
    _ids("DELETE FROM attachment WHERE message_id IN :ids", "attachments"),
    _ids("DELETE FROM message_revision WHERE message_id IN :ids", "revisions"),
)
_WITH_MESSAGES = (
    _ids(
        "DELETE FROM delivery_attempt WHERE delivery_id IN"
        " (SELECT id FROM delivery WHERE message_id IN :ids)",
        "attempts",
    ),
    _ids("DELETE FROM delivery WHERE message_id IN :ids", "deliveries"),
    _ids("DELETE FROM mention WHERE message_id IN :ids", "mentions"),
    _ids("DELETE FROM message WHERE id IN :ids", "messages"),
)
_CONVERSATION = tuple(
    stmt(text(f"DELETE FROM {name} WHERE conversation_id = :id"), name=f"erase.{name}")
    for name in ("draft", "read_mark", "conversation_tag", "conversation_channel", '"case"')
)
_CONVERSATION_ROW = stmt(text("DELETE FROM conversation WHERE id = :id"), name="erase.conversation")
_CASES_OF = stmt(text('SELECT id FROM "case" WHERE conversation_id = :id'), name="erase.cases_of")
_MESSAGES_OF = stmt(
    text("SELECT id FROM message WHERE conversation_id = :id ORDER BY id LIMIT :limit"),
    name="erase.messages_of",
)
_CONVERSATIONS = _ids("SELECT id FROM conversation WHERE customer_id IN :ids", "conversations")
_ELSEWHERE = _ids(
    "SELECT m.id FROM message m WHERE m.identity_id IN :ids AND m.conversation_id IN"
    " (SELECT w.conversation_id FROM conversation_channel w WHERE w.identity_id IN :ids)"
    " ORDER BY m.id LIMIT 200",
    "elsewhere",
)
_ANSWERS = stmt(text("DELETE FROM client_request WHERE answer LIKE :pattern"), name="erase.answers")
_UPLOAD_KEYS = _ids(
    "SELECT storage_key FROM attachment WHERE uploaded_by IN :ids AND storage_key <> ''",
    "upload_keys",
)
_UPLOADS = _ids("DELETE FROM attachment WHERE uploaded_by IN :ids", "uploads")
_SESSIONS = _ids("DELETE FROM widget_session WHERE visitor_id IN :ids", "sessions")
_IDENTITIES = (
    _ids("DELETE FROM conversation_channel WHERE identity_id IN :ids", "ways"),
    _ids(
        "DELETE FROM delivery_attempt WHERE delivery_id IN"
        " (SELECT id FROM delivery WHERE identity_id IN :ids)",
        "attempts_to",
    ),
    _ids("DELETE FROM delivery WHERE identity_id IN :ids", "deliveries_to"),
    _ids("DELETE FROM identity WHERE id IN :ids", "identities"),
)
_CUSTOMERS = (
    _ids("DELETE FROM customer_link WHERE customer_id IN :ids OR other_id IN :ids", "links"),
    _ids("DELETE FROM customer_merge WHERE from_id IN :ids OR into_id IN :ids", "merges"),
    _ids('DELETE FROM "case" WHERE customer_id IN :ids', "cases"),
    _ids("UPDATE customer SET merged_into = NULL WHERE merged_into IN :ids", "pointers"),
    _ids("DELETE FROM customer WHERE id IN :ids", "customers"),
)
_CASES_OF_CUSTOMERS = _ids('SELECT id FROM "case" WHERE customer_id IN :ids', "case_ids")
_CHANNELS = _ids(
    "SELECT DISTINCT channel_id FROM conversation_channel WHERE conversation_id IN :ids",
    "channels",
)
_MOMENTS = stmt(
    text(
        "SELECT recorded_at FROM message WHERE conversation_id IN :ids"
        " AND channel_id = :channel_id AND direction = 'in'"
    ).bindparams(bindparam("ids", expanding=True, type_=String())),
    name="erase.moments",
)
_LIVE_ITEMS = _ids(
    "SELECT id FROM work_item WHERE closed_at IS NULL AND conversation_id IN :ids", "live_items"
)
_BLANK_PARTS = stmt(
    text("UPDATE delivery SET part = :part WHERE message_id = :id"), name="redact.parts"
)
_STOP = stmt(
    text(
        "UPDATE delivery SET state = 'failed', error_code = 'redacted', updated_at = :now"
        " WHERE message_id = :id AND state = 'queued'"
    ),
    name="redact.stop",
)
_FIRST_DISPLAY = stmt(
    text(
        "SELECT channel_id, identity_id, display FROM conversation_channel"
        " WHERE conversation_id = :id"
    ),
    name="redact.displays",
)
_SET_DISPLAY = stmt(
    text(
        "UPDATE conversation_channel SET display = :display, mail_subject = :mail_subject"
        " WHERE conversation_id = :id AND channel_id = :channel_id AND identity_id = :identity_id"
    ),
    name="redact.display",
)
_LOG_PAGE = stmt(
    text(
        "SELECT id, at, request FROM intake_log WHERE channel_id = :channel_id"
        " AND (at, id) > (:at, :id) ORDER BY at, id LIMIT 200"
    ),
    name="erase.log_page",
)
_LOG_DROP = _ids("DELETE FROM intake_log WHERE id IN :ids", "log")


def _run(tx: Tx, statements: Sequence[Stmt], ids: Sequence[str]) -> None:
    for statement in statements:
        tx.execute(statement, {"ids": list(ids)})


def _column(tx: Tx, statement: Stmt, params: dict[str, Any]) -> list[str]:
    return [str(row[0]) for row in tx.run(statement, params)]


def drop_files(tx: Tx, messages: Sequence[str]) -> list[str]:
    """Delete files and revisions of messages; return the files' keys, to be removed after."""
    keys = _column(tx, _KEYS, {"ids": list(messages)})
    _run(tx, _OF_MESSAGES, messages)
    return keys


def drop_messages(tx: Tx, messages: Sequence[str]) -> list[str]:
    """Delete messages with all that hangs on them; return keys of files to be removed after."""
    keys = drop_files(tx, messages)
    _run(tx, _WITH_MESSAGES, messages)
    # After the rows: an indexer that holds one of them has then committed what is removed here.
    for message_id in messages:
        search.unindex(tx, "message", message_id)
    return keys


def some_messages(tx: Tx, conversation_id: str, limit: int) -> list[str]:
    """Return some messages of a conversation."""
    return _column(tx, _MESSAGES_OF, {"id": conversation_id, "limit": limit})


def messages_elsewhere(tx: Tx, identities: Sequence[str]) -> list[str]:
    """Return up to 200 messages that came from or went to addresses, in anybody's talk."""
    return _column(tx, _ELSEWHERE, {"ids": list(identities)}) if identities else []


def conversations_of(tx: Tx, customers: Sequence[str]) -> list[str]:
    """Return the conversations of customers."""
    return _column(tx, _CONVERSATIONS, {"ids": list(customers)})


def channels_of(tx: Tx, conversations: Sequence[str]) -> list[str]:
    """Return the channels conversations were held on."""
    return _column(tx, _CHANNELS, {"ids": list(conversations)}) if conversations else []


def moments(tx: Tx, conversations: Sequence[str], channel_id: str) -> list[int]:
    """Return when the customer's messages on a channel were recorded (microseconds)."""
    params: dict[str, Any] = {"ids": list(conversations), "channel_id": channel_id}
    return [int(row[0]) for row in tx.run(_MOMENTS, params)]


def live_items(tx: Tx, conversations: Sequence[str]) -> list[str]:
    """Return the live work items of conversations."""
    return _column(tx, _LIVE_ITEMS, {"ids": list(conversations)}) if conversations else []


def drop_conversation(tx: Tx, conversation_id: str) -> None:
    """Delete a conversation without messages and what agents kept about it."""
    for case_id in _column(tx, _CASES_OF, {"id": conversation_id}):
        search.unindex(tx, "case", case_id)
    for statement in _CONVERSATION:
        tx.execute(statement, {"id": conversation_id})
    tx.execute(_CONVERSATION_ROW, {"id": conversation_id})
    drop_answers(tx, conversation_id)


def drop_answers(tx: Tx, id_: str) -> None:
    """Delete stored answers to creating requests that show a thing."""
    tx.execute(_ANSWERS, {"pattern": f"%{id_}%"})


def drop_people(
    tx: Tx, customers: Sequence[str], identities: Sequence[Row], uploader_prefix: str
) -> list[str]:
    """Delete customers without conversations; return keys of files to be removed after."""
    visitors = [row["value"] for row in identities if row["kind"] == "web"]
    uploaders = [f"{uploader_prefix}{row['value']}" for row in identities]
    keys = _column(tx, _UPLOAD_KEYS, {"ids": uploaders})
    _run(tx, (_UPLOADS,), uploaders)
    _run(tx, (_SESSIONS,), visitors)
    _run(tx, _IDENTITIES, [row["id"] for row in identities])
    for case_id in _column(tx, _CASES_OF_CUSTOMERS, {"ids": list(customers)}):
        search.unindex(tx, "case", case_id)
    _run(tx, _CUSTOMERS, customers)
    for customer_id in customers:
        search.unindex(tx, "customer", customer_id)
        drop_answers(tx, customer_id)
    return keys


def blank_deliveries(tx: Tx, message_id: str, part: str, now: int) -> None:
    """Replace what was to be sent of a message; what has not left stays here."""
    tx.execute(_STOP, {"id": message_id, "now": now})
    tx.execute(_BLANK_PARTS, {"id": message_id, "part": part})


def displays(tx: Tx, conversation_id: str) -> list[tuple[str, str, str]]:
    """Return (channel, identity, display) of a conversation's ways."""
    return [(r[0], r[1], r[2]) for r in tx.run(_FIRST_DISPLAY, {"id": conversation_id})]


def set_display(tx: Tx, conversation_id: str, way: tuple[str, str], display: str) -> None:
    """Replace what answers by a way carry; the subject of its last mail is forgotten."""
    params: dict[str, Any] = {"id": conversation_id, "channel_id": way[0], "identity_id": way[1]}
    tx.execute(_SET_DISPLAY, {**params, "display": display, "mail_subject": ""})


def log_page(tx: Tx, channel_id: str, after: tuple[int, str]) -> list[tuple[str, int, bytes]]:
    """Return up to 200 kept requests of a channel after (at, id): (id, at, sealed request)."""
    params: dict[str, Any] = {"channel_id": channel_id, "at": after[0], "id": after[1]}
    return [(r[0], int(r[1]), bytes(r[2])) for r in tx.run(_LOG_PAGE, params)]


def drop_log(tx: Tx, ids: Sequence[str]) -> int:
    """Delete kept requests."""
    return tx.execute(_LOG_DROP, {"ids": list(ids)}) if ids else 0
