"""What the outside sees of the hub's rows: one shape per entity, for REST, live feed and export.

Instants are RFC 3339 text in UTC. Within API version 1 fields are only added. `version` is what
`If-Match` takes. No view holds a secret, an unclean HTML text or a storage key.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from hub.model.clock import from_micros, iso
from hub.model.content import Choice, Content, Location
from hub.store.queries.rows import Row, load_map

JsonValue = Any


class View(BaseModel):
    """Root of all views."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def when(micros: int | None) -> str | None:
    """Return an instant of a row as text, None for None."""
    return None if micros is None else iso(from_micros(micros))


def at(micros: int) -> str:
    """Return an instant of a row as text."""
    return iso(from_micros(micros))


class AttachmentView(View):
    """A file of a message; fetched from /api/v1/attachments/{id}."""

    id: str
    kind: str
    filename: str
    content_type: str
    size_bytes: int | None
    state: Literal["pending", "stored", "failed", "refused"]
    error: str
    inline: bool
    content_id: str


class DeliveryView(View):
    """One part on its way to the customer."""

    id: str
    part_no: int
    channel_id: str
    identity_id: str
    state: Literal["queued", "sending", "sent", "delivered", "read", "failed", "unknown"]
    attempt: int
    due_at: str
    external_id: str | None
    error_code: str
    provider_code: str
    maybe_sent: bool
    updated_at: str


class MessageView(View):
    """One thing said, or a note, or a system line (`system` holds its code and params)."""

    id: str
    conversation_id: str
    number: int
    direction: Literal["in", "out", "note", "system"]
    author_kind: str
    author_id: str | None
    channel_id: str | None
    identity_id: str | None
    case_id: str | None
    client_id: str | None
    text: str
    visible: str | None
    subject: str | None
    has_html: bool
    location: Location | None
    choices: tuple[Choice, ...]
    chosen: str | None
    unsupported: str | None
    system: dict[str, JsonValue] | None
    thread_rule: str
    assurance: str
    auto_reply: bool
    recorded_at: str
    occurred_at: str
    edited_at: str | None
    deleted_at: str | None
    redacted_at: str | None
    attachments: tuple[AttachmentView, ...]
    deliveries: tuple[DeliveryView, ...]
    version: int


class ConversationView(View):
    """The head of a conversation, as lists and the live feed show it."""

    id: str
    customer_id: str
    customer_name: str
    customer_level: str
    state: Literal["open", "waiting", "snoozed", "resolved", "closed"]
    subject: str
    preview: str
    language: str
    handler_agent_id: str | None
    queue_id: str | None
    item_id: str | None
    case_id: str | None
    previous_id: str | None
    merged_into: str | None
    sender_confirmed: bool
    spam: bool
    last_number: int
    last_channel_id: str | None
    last_identity_id: str | None
    last_message_at: str
    last_inbound_at: str | None
    waiting_since: str | None
    due_at: str | None
    snoozed_until: str | None
    resolved_at: str | None
    created_at: str
    tags: tuple[str, ...]
    version: int


class CaseView(View):
    """One matter with the number people read out."""

    id: str
    number: int
    customer_id: str
    conversation_id: str
    type: str
    class_code: str
    severity: int
    severity_by: str
    owner_agent_id: str | None
    state: Literal["open", "solved", "closed"]
    title: str
    deadlines: dict[str, JsonValue]
    reopens: int
    opened_at: str
    solved_at: str | None
    version: int


class IdentityView(View):
    """An address of a customer; `value` is masked for those who may not see numbers."""

    id: str
    customer_id: str
    kind: str
    scope: str
    value: str
    name: str
    verified_at: str | None
    verified_how: str
    opted_out_at: str | None
    blocked_at: str | None
    version: int


class SuggestionView(View):
    """Two customers who may be one."""

    id: str
    customer_id: str
    other_id: str
    reason: str
    score: int


class CustomerView(View):
    """Who writes to us, with every address of the merged family."""

    id: str
    name: str
    locale: str
    zone: str
    level: str
    care_group: str
    attributes: dict[str, JsonValue]
    merged_ids: tuple[str, ...]
    identities: tuple[IdentityView, ...]
    suggestions: tuple[SuggestionView, ...]
    created_at: str
    version: int


_DELETED = Content()


def attachment_view(row: Row) -> AttachmentView:
    """Make the view of an attachment row."""
    state = row["state"]
    return AttachmentView(
        id=row["id"],
        kind=row["kind"],
        filename=row["filename"],
        content_type=row["content_type"],
        size_bytes=row["size_bytes"],
        state=state,
        error=row["error"],
        inline=bool(row["inline"]),
        content_id=row["content_id"],
    )


def delivery_view(row: Row) -> DeliveryView:
    """Make the view of a delivery row."""
    return DeliveryView(
        id=row["id"],
        part_no=row["part_no"],
        channel_id=row["channel_id"],
        identity_id=row["identity_id"],
        state=row["state"],
        attempt=row["attempt"],
        due_at=at(row["due_at"]),
        external_id=row["external_id"],
        error_code=row["error_code"],
        provider_code=row["provider_code"],
        maybe_sent=bool(row["maybe_sent"]),
        updated_at=at(row["updated_at"]),
    )


def message_view(
    row: Row, attachments: list[Row], deliveries: list[Row], *, show_deleted: bool = False
) -> MessageView:
    """Make the view of a message row; what the customer deleted is hidden unless `show_deleted`."""
    system: dict[str, JsonValue] | None = None
    content = _DELETED
    if row["direction"] == "system":
        system = load_map(row["content"])
    elif row["deleted_at"] is None or show_deleted:
        content = Content.model_validate_json(row["content"])
    return MessageView(
        id=row["id"],
        conversation_id=row["conversation_id"],
        number=row["number"],
        direction=row["direction"],
        author_kind=row["author_kind"],
        author_id=row["author_id"],
        channel_id=row["channel_id"],
        identity_id=row["identity_id"],
        case_id=row["case_id"],
        client_id=row["client_id"],
        text=content.text,
        visible=content.visible,
        subject=content.subject,
        has_html=content.html is not None,
        location=content.location,
        choices=content.choices,
        chosen=content.chosen,
        unsupported=content.unsupported,
        system=system,
        thread_rule=row["thread_rule"],
        assurance=row["assurance"],
        auto_reply=bool(row["auto_reply"]),
        recorded_at=at(row["recorded_at"]),
        occurred_at=at(row["occurred_at"]),
        edited_at=when(row["edited_at"]),
        deleted_at=when(row["deleted_at"]),
        redacted_at=when(row["redacted_at"]),
        attachments=tuple(attachment_view(a) for a in attachments)
        if row["deleted_at"] is None or show_deleted
        else (),
        deliveries=tuple(delivery_view(d) for d in deliveries),
        version=row["version"],
    )


def conversation_view(row: Row, tags: list[str]) -> ConversationView:
    """Make the view of a conversation row joined with `customer_name`, `customer_level`."""
    return ConversationView(
        id=row["id"],
        customer_id=row["customer_id"],
        customer_name=row["customer_name"],
        customer_level=row["customer_level"],
        state=row["state"],
        subject=row["subject"],
        preview=row["preview"],
        language=row["language"],
        handler_agent_id=row["handler_agent_id"],
        queue_id=row["queue_id"],
        item_id=row["item_id"],
        case_id=row["case_id"],
        previous_id=row["previous_id"],
        merged_into=row["merged_into"],
        sender_confirmed=bool(row["sender_confirmed"]),
        spam=bool(row["spam"]),
        last_number=row["last_number"],
        last_channel_id=row["last_channel_id"],
        last_identity_id=row["last_identity_id"],
        last_message_at=at(row["last_message_at"]),
        last_inbound_at=when(row["last_inbound_at"]),
        waiting_since=when(row["waiting_since"]),
        due_at=when(row["due_at"]),
        snoozed_until=when(row["snoozed_until"]),
        resolved_at=when(row["resolved_at"]),
        created_at=at(row["created_at"]),
        tags=tuple(tags),
        version=row["version"],
    )


def case_view(row: Row) -> CaseView:
    """Make the view of a case row."""
    return CaseView(
        id=row["id"],
        number=row["number"],
        customer_id=row["customer_id"],
        conversation_id=row["conversation_id"],
        type=row["type"],
        class_code=row["class_code"],
        severity=row["severity"],
        severity_by=row["severity_by"],
        owner_agent_id=row["owner_agent_id"],
        state=row["state"],
        title=row["title"],
        deadlines=load_map(row["deadlines"]),
        reopens=row["reopens"],
        opened_at=at(row["opened_at"]),
        solved_at=when(row["solved_at"]),
        version=row["version"],
    )
