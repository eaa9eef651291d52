"""The rows of one filed message: message, files, the way it took, the conversation's head."""

from hub.model.clock import to_micros
from hub.model.conversation import ConversationState
from hub.model.widget import UPLOADER_PREFIX
from hub.services.filing import Filing
from hub.services.prepare import PreparedFile
from hub.store.queries import conversations, messages
from hub.store.queries.rows import dump, insert_row, load_list
from hub.store.tables import Attachment, Message

MAX_REFERENCES = 50


def insert_message(filing: Filing, number: int, case_id: str | None) -> None:
    """Insert the message under its number, with its files."""
    prepared, message = filing.prepared, filing.prepared.message
    insert_row(
        filing.tx,
        Message,
        id=prepared.message_id,
        conversation_id=filing.conversation_id,
        number=number,
        direction="in",
        author_kind="customer",
        author_id=None,
        channel_id=filing.setting.channel.id,
        identity_id=filing.sender.identity_id,
        case_id=case_id,
        external_id=message.external_id[:255],
        content=prepared.content_json,
        thread_rule=filing.place.decision.rule.value,
        assurance=message.assurance.value,
        auto_reply=message.auto_reply,
        recorded_at=to_micros(prepared.now),
        occurred_at=to_micros(message.occurred_at),
    )
    for file in prepared.files:
        _insert_file(filing, file)


def _insert_file(filing: Filing, file: PreparedFile) -> None:
    if file.media.upload_id:
        _attach_upload(filing, file.media.upload_id)
        return
    now = to_micros(filing.prepared.now)
    state = "refused" if file.refused else "stored" if file.storage_key else "pending"
    insert_row(
        filing.tx,
        Attachment,
        id=file.id,
        message_id=filing.prepared.message_id,
        channel_id=filing.setting.channel.id,
        kind=file.media.kind,
        filename=file.media.filename[:300],
        content_type=file.media.content_type[:150],
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        storage_key=file.storage_key,
        state=state,
        source_ref=file.media.ref,
        content_id=file.media.content_id[:300],
        inline=file.media.inline,
        due_at=now if state == "pending" else None,
        error=file.refused,
        created_at=now,
    )


def _attach_upload(filing: Filing, upload_id: str) -> None:
    """Hang a file on the message that its sender put into the hub before; nobody else's."""
    by = f"{UPLOADER_PREFIX}{filing.prepared.sender.value}"
    params = {"attachment_id": upload_id, "by": by, "message": filing.prepared.message_id}
    filing.tx.execute(messages.ATTACH, params)


def note_way(filing: Filing) -> None:
    """Remember through which channel and identity, and what an answer there must carry."""
    prepared, message = filing.prepared, filing.prepared.message
    now = to_micros(prepared.now)
    refs: list[str] = []
    if prepared.is_mail:
        refs = [str(r) for r in load_list(message.display.get("references"))][-MAX_REFERENCES:]
    filing.tx.execute(
        conversations.CHANNEL_IN,
        {
            "conversation_id": filing.conversation_id,
            "channel_id": filing.setting.channel.id,
            "identity_id": filing.sender.identity_id,
            "provider_thread": message.thread.provider_thread[:255],
            "mail_subject": prepared.subject_key[:1000] if prepared.is_mail else None,
            "display": dump(dict(message.display)),
            "refs": dump(refs),
            "touched_at": now,
            "inbound_at": now,
        },
    )


def update_head(
    filing: Filing, state: ConversationState, case_id: str | None, item_id: str | None
) -> None:
    """Bring the head of the conversation up to date with its newest message."""
    prepared = filing.prepared
    resolved = to_micros(prepared.now) if state is ConversationState.RESOLVED else None
    filing.tx.execute(
        conversations.INBOUND,
        {
            "conversation_id": filing.conversation_id,
            "new_state": state.value,
            "keep_resolved": not filing.place.new,
            "new_resolved_at": resolved,
            "new_preview": prepared.preview,
            "new_subject": (prepared.content.subject or "")[:1000],
            "new_language": prepared.language,
            "channel_id": filing.setting.channel.id,
            "identity_id": filing.sender.identity_id,
            "at": to_micros(prepared.now),
            "waits": state is ConversationState.OPEN,
            "new_case_id": case_id,
            "new_item_id": item_id,
        },
    )
