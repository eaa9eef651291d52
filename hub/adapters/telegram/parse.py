"""From one Telegram Update to what the hub acts on: pure, and total over hostile input."""

import re
from datetime import UTC, datetime

from pydantic import ValidationError

from hub.adapters.telegram.media import media_of
from hub.adapters.telegram.payload import (
    CallbackQuery,
    ChatMemberUpdated,
    Contact,
    Message,
    Update,
    User,
)
from hub.model.address import Address, IdentityKind
from hub.model.channel import (
    ChangeKind,
    ContactSignal,
    InboundItem,
    InboundMessage,
    Intake,
    MessageChange,
    RawRequest,
    SignalKind,
)
from hub.model.content import Content, Location
from hub.model.errors import PayloadInvalid

CALLBACK_PREFIX = "callback:"
"""External id of a pressed button: this and Telegram's callback_query id."""

_ENVELOPE = frozenset(
    {
        "entities", "caption_entities", "reply_to_message", "external_reply", "quote", "via_bot",
        "reply_to_story", "reply_to_checklist_task_id", "reply_to_poll_option_id", "forward_origin",
        "forward_from", "forward_date", "forward_from_chat", "forward_from_message_id",
        "forward_sender_name", "forward_signature", "sender_boost_count", "sender_business_bot",
        "sender_tag", "is_topic_message", "is_automatic_forward", "has_protected_content",
        "is_from_offline", "is_paid_post", "media_group_id", "author_signature", "effect_id",
        "paid_star_count", "link_preview_options", "suggested_post_info", "has_media_spoiler",
        "show_caption_above_media", "business_connection_id", "guest_query_id", "reply_markup",
        "direct_messages_topic", "guest_bot_caller_user", "guest_bot_caller_chat",
    }
)  # fmt: skip
"""Fields around a message's content; they say nothing by themselves."""

_SERVICE = frozenset(
    {
        "new_chat_members", "new_chat_member", "new_chat_participant", "left_chat_member",
        "left_chat_participant", "chat_owner_left", "chat_owner_changed", "new_chat_title",
        "new_chat_photo", "delete_chat_photo", "group_chat_created", "supergroup_chat_created",
        "channel_chat_created", "message_auto_delete_timer_changed", "migrate_to_chat_id",
        "migrate_from_chat_id", "pinned_message", "connected_website", "write_access_allowed",
        "proximity_alert_triggered", "boost_added", "chat_background_set",
        "checklist_tasks_done", "checklist_tasks_added", "direct_message_price_changed",
        "forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened",
        "general_forum_topic_hidden", "general_forum_topic_unhidden", "giveaway_created",
        "giveaway_completed", "managed_bot_created", "paid_message_price_changed",
        "poll_option_added", "poll_option_deleted", "suggested_post_approved",
        "suggested_post_approval_failed", "suggested_post_declined", "suggested_post_paid",
        "suggested_post_refunded", "video_chat_scheduled", "video_chat_started",
        "video_chat_ended", "video_chat_participants_invited",
    }
)  # fmt: skip
"""Service notes of the app, not words of a customer: ignored by name."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z")
_START = "/start"


def parse_update(request: RawRequest, *, allow_groups: bool) -> Intake:
    """Read one update.

    Raises:
        PayloadInvalid: not an Update.
    """
    try:
        update = Update.model_validate_json(request.body)
    except ValidationError as error:
        # The error's own text repeats the payload; only where it is wrong is passed on.
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise PayloadInvalid(None, where=where[:100]) from None
    found: InboundItem | str
    if update.message is not None:
        found = _read_message(update.message, "message", allow_groups)
    elif update.edited_message is not None:
        found = _read_edit(update.edited_message, update.update_id, allow_groups)
    elif update.callback_query is not None:
        found = _read_button(update.callback_query, request.received_at, allow_groups)
    elif update.my_chat_member is not None:
        found = _read_standing(update.my_chat_member)
    else:
        found = next((_safe(name) for name in update.unread()), "empty")
    return Intake(ignored=(found,)) if isinstance(found, str) else Intake(items=(found,))


def external_id(chat_id: int, message_id: int) -> str:
    """Return the id of a message that is unique for one bot; message ids count per chat."""
    return f"{chat_id}:{message_id}"


def callback_id(item: InboundItem) -> str:
    """Return Telegram's id of the pressed button behind this item, empty if it is none."""
    if isinstance(item, InboundMessage) and item.external_id.startswith(CALLBACK_PREFIX):
        return item.external_id.removeprefix(CALLBACK_PREFIX)
    return ""


def _read_message(message: Message, event: str, allow_groups: bool) -> InboundItem | str:
    sender = message.sender
    private = message.chat.type == "private"
    if not private and not (allow_groups and message.chat.type in ("group", "supergroup")):
        return f"{event}.{_safe(message.chat.type)}"
    if sender is None or message.sender_chat is not None:
        return f"{event}.on_behalf_of_chat"
    if sender.is_bot:
        return f"{event}.from_bot"
    if private and event == "message" and message.text == _START:
        # Pressing "Start" says "you may write to me", not yet a word of the matter.
        return ContactSignal(SignalKind.OPTED_IN, _address(sender), _instant(message.date))
    content = _content(message)
    if isinstance(content, str):
        return f"{event}.{content}"
    return InboundMessage(
        external_id=external_id(message.chat.id, message.message_id),
        sender=_address(sender),
        content=content,
        occurred_at=_instant(message.date),
        sender_name=_name(sender),
        media=media_of(message),
        display={} if private else _group_display(message),
        language=_language(sender),
    )


def _read_edit(message: Message, update_id: int, allow_groups: bool) -> InboundItem | str:
    now = _read_message(message, "edited_message", allow_groups)
    if not isinstance(now, InboundMessage):
        return now
    edited_at = message.edit_date if message.edit_date is not None else message.date
    return MessageChange(
        external_id=now.external_id,
        kind=ChangeKind.EDITED,
        # Two edits may fall into one second; the update's number tells them apart and sorts them.
        revision=f"{edited_at:012d}-{update_id:020d}",
        occurred_at=_instant(edited_at),
        as_message=now,
    )


def _read_button(query: CallbackQuery, at: datetime, allow_groups: bool) -> InboundItem | str:
    message = query.message
    if message is None or query.data is None:
        return "callback_query.without_message" if message is None else "callback_query.game"
    private = message.chat.type == "private"
    if not private and not allow_groups:
        return f"callback_query.{_safe(message.chat.type)}"
    rows = message.reply_markup.inline_keyboard if message.reply_markup else ()
    labels = [button.text for row in rows for button in row if button.callback_data == query.data]
    return InboundMessage(
        external_id=CALLBACK_PREFIX + query.id,
        sender=_address(query.sender),
        content=Content(text=_clean(labels[0] if labels else query.data), chosen=query.data),
        # Telegram does not say when a button was pressed.
        occurred_at=at,
        sender_name=_name(query.sender),
        display={} if private else {"chat_id": str(message.chat.id)},
        language=_language(query.sender),
    )


def _read_standing(change: ChatMemberUpdated) -> InboundItem | str:
    if change.chat.type != "private":
        return f"my_chat_member.{_safe(change.chat.type)}"
    kind = {"kicked": SignalKind.BLOCKED, "member": SignalKind.OPTED_IN}.get(
        change.new_chat_member.status
    )
    if kind is None:
        return f"my_chat_member.{_safe(change.new_chat_member.status)}"
    return ContactSignal(kind, _address(change.sender), _instant(change.date))


def _content(message: Message) -> Content | str:
    """Return what the message says, or the name of the service note it is."""
    text = _clean(message.text or message.caption or "")
    if message.venue is not None:
        label = _clean(f"{message.venue.title}, {message.venue.address}".strip(", "))
        place = message.venue.location
        return Content(
            text=text,
            location=Location(
                latitude=place.latitude, longitude=place.longitude, label=label[:400]
            ),
        )
    if message.location is not None:
        place = message.location
        return Content(
            text=text, location=Location(latitude=place.latitude, longitude=place.longitude)
        )
    if message.contact is not None:
        return Content(text=_contact_lines(message.contact))
    if message.sticker is not None:
        return Content(text=_clean(message.sticker.emoji))
    if message.dice is not None:
        return Content(text=_clean(message.dice.emoji), unsupported="dice")
    if text or media_of(message):
        return Content(text=text)
    return _unshown(message)


def _unshown(message: Message) -> Content | str:
    """Keep what a customer sent in a form we cannot show; pass over the app's own notes."""
    names = [name for name in message.unread() if name not in _ENVELOPE]
    if not names:
        return "without_content"
    service = next((name for name in names if name in _SERVICE), None)
    return service or Content(unsupported=_safe(names[0]))


def _contact_lines(contact: Contact) -> str:
    name = f"{contact.first_name} {contact.last_name}".strip()
    return _clean("\n".join(line for line in (name, contact.phone_number) if line))


def _group_display(message: Message) -> dict[str, str]:
    """Return where in a group the answer belongs."""
    display = {"chat_id": str(message.chat.id), "reply_to": str(message.message_id)}
    if message.message_thread_id is not None:
        display["topic"] = str(message.message_thread_id)
    return display


def _address(user: User) -> Address:
    return Address(IdentityKind.TELEGRAM, str(user.id))


def _name(user: User) -> str:
    name = f"{user.first_name} {user.last_name}".strip() or user.username
    return " ".join(_clean(name).split())[:200]


def _language(user: User) -> str:
    return user.language_code if _LANGUAGE.match(user.language_code) else ""


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _clean(text: str) -> str:
    # No database keeps NUL in a text.
    return text.replace("\x00", "")


def _safe(name: str) -> str:
    """Return a field name fit for logs and metrics."""
    return name if _NAME.match(name) else "unknown"
