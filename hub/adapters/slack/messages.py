"""From Slack's message objects to the hub's items."""

import json
from dataclasses import dataclass
from datetime import datetime

from hub.adapters.slack import text as mrkdwn
from hub.adapters.slack.config import SlackConfig
from hub.adapters.slack.payload import (
    Action,
    BlockActions,
    Message,
    MessageEvent,
    Profile,
    SlackFile,
)
from hub.model.address import Address, IdentityKind
from hub.model.channel import (
    ChangeKind,
    InboundMedia,
    InboundMessage,
    MessageChange,
    ThreadHint,
)
from hub.model.clock import from_micros
from hub.model.content import Content, MediaKind
from hub.model.filename import clean_filename

SLACKBOT = "USLACKBOT"
_MAX_FILES = 100
_MAX_REF = 4_000
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the message events of one workspace.

    Attributes:
        team: the workspace the event was sent for; the scope of its users' addresses.
        own_users: users that are this app.
    """

    team: str
    own_users: tuple[str, ...]
    config: SlackConfig

    def read(self, event: MessageEvent) -> InboundMessage | MessageChange | str:
        """Return the item an event stands for, or the name under which it is ignored."""
        refused = self._refused(event)
        if refused:
            return refused
        if event.subtype == "message_changed":
            return self._changed(event)
        if event.subtype == "message_deleted":
            return self._deleted(event)
        found = self._message(event, event.channel, direct=_direct(event))
        return f"{event.type}.no_sender" if found is None else found

    def _refused(self, event: MessageEvent) -> str:
        """Return why an event is none of this channel's business; empty when it is."""
        told = (event, event.message, event.previous_message)
        if any(m is not None and self._from_app(m) for m in told):
            return "message.from_app"
        if _direct(event):
            return "" if self.config.direct_messages else "message.direct_off"
        if self.config.channel_mode == "off":
            return "message.channels_off"
        if self.config.channel_ids and event.channel not in self.config.channel_ids:
            return "message.other_channel"
        if self.config.channel_mode == "mentions" and not self._calls_us(event):
            return "message.not_mentioned"
        return ""

    def _from_app(self, message: Message) -> bool:
        return (
            message.bot_id is not None
            or message.subtype == "bot_message"
            or message.user == SLACKBOT
            or (message.user is not None and message.user in self.own_users)
        )

    def _calls_us(self, event: MessageEvent) -> bool:
        """Tell whether a channel message is for the app: mentioned, or in a thread it began."""
        if event.type == "app_mention":
            return True
        told = [m for m in (event, event.message, event.previous_message) if m is not None]
        return any(
            (m.parent_user_id or "") == user or mrkdwn.mentions(m.text or "", user)
            for m in told
            for user in self.own_users
        )

    def _changed(self, event: MessageEvent) -> MessageChange | str:
        now, before = event.message, event.previous_message
        if now is None or now.ts is None:
            return "message.changed_nothing"
        if now.subtype == "tombstone":
            # What is left of a deleted message that has answers.
            return self._gone(event, now.ts, before)
        if before is not None and _same(now, before):
            # A link preview came, an answer was counted: not the customer's doing.
            return "message.unfurled"
        as_message = self._message(now, event.channel, direct=_direct(event))
        if as_message is None:
            return "message.no_sender"
        # The event's own moment: `edited.ts` has whole seconds, in which two edits may fall.
        revision = event.event_ts or event.ts or (now.edited.ts if now.edited else now.ts)
        return MessageChange(
            external_id=as_message.external_id,
            kind=ChangeKind.EDITED,
            revision=revision,
            occurred_at=moment(revision),
            as_message=as_message,
        )

    def _deleted(self, event: MessageEvent) -> MessageChange | str:
        ts = event.deleted_ts or (event.previous_message.ts if event.previous_message else None)
        return self._gone(event, ts, event.previous_message) if ts else "message.deleted_nothing"

    def _gone(self, event: MessageEvent, ts: str, before: Message | None) -> MessageChange:
        revision = event.event_ts or event.ts or ts
        as_message = None
        if before is not None and before.ts == ts:
            as_message = self._message(before, event.channel, direct=_direct(event))
        return MessageChange(
            external_id=self._key(event.channel, ts),
            kind=ChangeKind.DELETED,
            revision=revision,
            occurred_at=moment(revision),
            as_message=as_message,
        )

    def _message(self, message: Message, channel: str, *, direct: bool) -> InboundMessage | None:
        if message.user is None or message.ts is None:
            return None
        files = (message.files or [])[:_MAX_FILES]
        return InboundMessage(
            external_id=self._key(channel, message.ts),
            sender=Address(IdentityKind.SLACK, message.user, self.team),
            content=self._content(message, files),
            occurred_at=moment(message.ts),
            sender_name=_name_of(message.user_profile),
            media=tuple(m for m in map(media_of, files) if m is not None),
            thread=_thread(channel, message.thread_ts or message.ts, direct=direct),
            display=_display(channel, message, direct=direct),
        )

    def _content(self, message: Message, files: list[SlackFile]) -> Content:
        own = next((u for u in self.own_users if mrkdwn.mentions(message.text or "", u)), "")
        raw = message.text or _forwarded(message)
        emoji = mrkdwn.emoji_of(message.blocks)
        lines = [mrkdwn.to_plain(raw, own_user=own, emoji=emoji)] if raw else []
        # A document that lives elsewhere opens for a person who has the link, seldom for us.
        lines += [mrkdwn.clean(f.permalink or f.url_private or "") for f in files if f.is_external]
        text = "\n".join(line for line in lines if line)
        return Content(text=text, unsupported=None if text or files else "message")

    def _key(self, channel: str, ts: str) -> str:
        return f"{self.team}:{channel}:{ts}"


def press(
    pressed: BlockActions, action: Action, number: int, *, team: str, channel: str
) -> InboundMessage | None:
    """Return the message a press stands for; None when it carries no value (a link button)."""
    option = action.selected_option
    value = option.value if option else action.value
    if not value or len(value) > 200:
        return None
    label = option.text.text if option else (action.text.text if action.text else "")
    container = pressed.container
    of_message = pressed.message.thread_ts if pressed.message else None
    thread_ts = container.thread_ts or of_message
    direct = channel.startswith("D")
    root = thread_ts or container.message_ts or action.action_ts
    display = {"channel": channel}
    if thread_ts or not direct:
        display["thread_ts"] = root
    return InboundMessage(
        external_id=f"{team}:{channel}:{action.action_ts}:{number}",
        sender=Address(IdentityKind.SLACK, pressed.user.id, team),
        content=Content(text=mrkdwn.clean(label) or value, chosen=mrkdwn.clean(value)),
        occurred_at=moment(action.action_ts),
        sender_name=mrkdwn.clean(pressed.user.name or "")[:_MAX_NAME],
        thread=_thread(channel, root, direct=direct),
        display=display,
    )


def moment(ts: str) -> datetime:
    """Return the instant of a Slack timestamp (seconds, a dot, up to six digits)."""
    seconds, _, fraction = ts.partition(".")
    return from_micros(int(seconds) * 1_000_000 + int(fraction.ljust(6, "0")))


def media_of(file: SlackFile) -> InboundMedia | None:
    """Return a file as the hub names it; None for one that was deleted or is hidden.

    The ref is a small JSON object: `id`, and `url` with `token` (Slack keeps the file and wants
    the bot token) or without (it lives elsewhere). Without `url` it must be asked for by id.
    """
    if file.mode in {"tombstone", "hidden_by_limit"}:
        return None
    url = file.url_private_download or file.url_private or ""
    ref: dict[str, str | bool] = {"id": file.id}
    if url and len(url) <= _MAX_REF and file.file_access != "check_file_info":
        ref |= {"url": url, "token": not file.is_external}
    declared = mrkdwn.clean(file.mimetype or "")[:100].lower()
    return InboundMedia(
        kind=_media_kind(file),
        ref=json.dumps(ref, separators=(",", ":")),
        filename=clean_filename(mrkdwn.clean(file.name or file.title or "")),
        content_type=declared if "/" in declared else "application/octet-stream",
        size_bytes=file.size,
    )


def _media_kind(file: SlackFile) -> MediaKind:
    if file.subtype == "slack_audio":
        return "voice"
    match (file.mimetype or "").partition("/")[0].lower():
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "file"


def _direct(event: MessageEvent) -> bool:
    """Tell whether a message was written to the app alone (a group of people is a channel)."""
    return event.channel_type == "im" or (not event.channel_type and event.channel.startswith("D"))


def _name_of(profile: Profile | None) -> str:
    """Return the writer's name, which Slack tells for people of other workspaces only."""
    if profile is None:
        return ""
    return mrkdwn.clean(profile.display_name or profile.real_name or "")[:_MAX_NAME]


def _thread(channel: str, root: str, *, direct: bool) -> ThreadHint:
    return ThreadHint() if direct else ThreadHint(provider_thread=f"{channel}:{root}")


def _display(channel: str, message: Message, *, direct: bool) -> dict[str, str]:
    """Return where an answer goes: in a channel always into the thread, so that it stays quiet."""
    root = message.thread_ts or ("" if direct else message.ts or "")
    return {"channel": channel, "thread_ts": root} if root else {"channel": channel}


def _same(now: Message, before: Message) -> bool:
    files = [[f.id for f in m.files or []] for m in (now, before)]
    return (now.text or "") == (before.text or "") and files[0] == files[1]


def _forwarded(message: Message) -> str:
    """Return what a message without a text of its own passes on."""
    passed = (a.text or a.fallback or "" for a in (message.attachments or [])[:20])
    return "\n".join(text for text in passed if text)
