"""One part to one Slack conversation: text, buttons, files. At most one call shows.

Text and buttons are one `chat.postMessage`. Files are reserved and uploaded first, unseen, and
`files.completeUploadExternal` shares them all with the text in one message.
"""

import json

from pydantic import BaseModel, ConfigDict

from hub.adapters.slack import text as mrkdwn
from hub.adapters.slack.client import Nothing, PortWebClient, call, no_answer, refused
from hub.adapters.slack.config import METADATA_TYPE, SlackConfig, origin_of
from hub.model.channel import HttpFailure, HttpPort, OutgoingMedia, OutgoingPart, Receipt
from hub.model.content import Choice, Content
from hub.model.errors import SendError

_MAX_BUTTONS = 25  # of one actions block
_MAX_BLOCK_TEXT = 3_000
_MAX_LABEL = 75
_UPLOAD_TIMEOUT_S = 120.0


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Posted(_Answer):
    channel: str
    ts: str


class _Channel(_Answer):
    id: str


class _Opened(_Answer):
    channel: _Channel


class _Slot(_Answer):
    upload_url: str
    file_id: str


async def send(part: OutgoingPart, config: SlackConfig, http: HttpPort) -> Receipt:
    """Hand `part` over. Raises SendError."""
    token = config.bot_token.get_secret_value()
    client = PortWebClient(http, base_url=config.api_base, token=token)
    channel, thread_ts = _place(part)
    if not channel:
        fields = {"users": part.to.value}
        opened = await call(client, "conversations.open", fields, _Opened, visible=False)
        channel = opened.channel.id
    if part.media:
        return await _share(part, channel, thread_ts, client, config, http)
    fields = _message_fields(part, channel, thread_ts, config)
    posted = await call(client, "chat.postMessage", fields, _Posted, visible=True)
    return Receipt(external_id=posted.ts, provider_thread=_provider_thread(channel, thread_ts))


def _place(part: OutgoingPart) -> tuple[str, str]:
    """Return channel and thread to write to; no channel: a direct message is to be opened."""
    channel, _, thread_ts = part.provider_thread.partition(":")
    if channel and thread_ts:
        return channel, thread_ts
    return part.display.get("channel", ""), part.display.get("thread_ts", "")


def _provider_thread(channel: str, thread_ts: str) -> str:
    return f"{channel}:{thread_ts}" if thread_ts and not channel.startswith("D") else ""


def _message_fields(
    part: OutgoingPart, channel: str, thread_ts: str, config: SlackConfig
) -> dict[str, str]:
    text = _plain(part.content)
    if not text and not part.content.choices:
        raise SendError("empty_message")
    fields = {
        "channel": channel,
        "text": mrkdwn.escape(text),
        # An agent's asterisks are asterisks; links are still made clickable.
        "mrkdwn": "false",
        "unfurl_links": "false",
        "unfurl_media": "false",
        "metadata": json.dumps(
            {"event_type": METADATA_TYPE, "event_payload": {"delivery_id": part.delivery_id}}
        ),
    }
    if thread_ts:
        fields["thread_ts"] = thread_ts
    if part.content.choices:
        fields["blocks"] = _blocks(text, part.content.choices)
    if config.show_sender_name and part.sender_name:
        fields["username"] = part.sender_name[:80]
    return fields


async def _share(  # noqa: PLR0913 - where to, with what, through what
    part: OutgoingPart,
    channel: str,
    thread_ts: str,
    client: PortWebClient,
    config: SlackConfig,
    http: HttpPort,
) -> Receipt:
    files = [await _upload(media, client, config, http) for media in part.media]
    fields = {"files": json.dumps(files), "channel_id": channel}
    if thread_ts:
        fields["thread_ts"] = thread_ts
    text = _plain(part.content)
    if part.content.choices:
        # Slack ignores blocks beside an initial_comment.
        fields["blocks"] = _blocks(text, part.content.choices)
    elif text:
        fields["initial_comment"] = mrkdwn.escape(text)
    await call(client, "files.completeUploadExternal", fields, Nothing, visible=True)
    # Slack shares after its answer and names no message in it; the first file stands for it.
    return Receipt(
        external_id=f"file:{files[0]['id']}",
        provider_thread=_provider_thread(channel, thread_ts),
    )


async def _upload(
    media: OutgoingMedia, client: PortWebClient, config: SlackConfig, http: HttpPort
) -> dict[str, str]:
    """Reserve a place for one file, fill it, and return what completes it."""
    data = await media.read()
    if not data:
        raise SendError("empty_file")
    name = media.filename or "file"
    fields = {"filename": name, "length": str(len(data))}
    slot = await call(client, "files.getUploadURLExternal", fields, _Slot, visible=False)
    try:
        answer = await http.request(
            "POST",
            slot.upload_url,
            headers={"Content-Type": media.content_type or "application/octet-stream"},
            body=data,
            # The address came in an answer: only the configured host may be an inside one.
            trusted=origin_of(slot.upload_url) == config.origin(),
            timeout_s=_UPLOAD_TIMEOUT_S,
        )
    except HttpFailure as failure:
        raise no_answer(failure, visible=False) from failure
    if answer.status != 200:
        raise refused(answer.status, "", answer.headers, visible=False)
    return {"id": slot.file_id, "title": name}


def _plain(content: Content) -> str:
    """Return the text, with a place written out: Slack has no location message."""
    place = content.location
    if place is None:
        return content.text
    pin = f"https://www.openstreetmap.org/?mlat={place.latitude}&mlon={place.longitude}"
    return "\n".join(line for line in (content.text, place.label, pin) if line)


def _blocks(text: str, choices: tuple[Choice, ...]) -> str:
    """Return text and buttons as Block Kit JSON; the plain text stays for notifications."""
    blocks: list[dict[str, object]] = [
        {"type": "section", "text": _plain_text(text[at : at + _MAX_BLOCK_TEXT])}
        for at in range(0, len(text), _MAX_BLOCK_TEXT)
    ]
    buttons = [
        {
            "type": "button",
            "action_id": f"choice_{number}",
            "text": _plain_text(choice.label[:_MAX_LABEL] or choice.value[:_MAX_LABEL]),
            "value": choice.value,
        }
        for number, choice in enumerate(choices)
    ]
    blocks += [
        {"type": "actions", "elements": buttons[at : at + _MAX_BUTTONS]}
        for at in range(0, len(buttons), _MAX_BUTTONS)
    ]
    return json.dumps(blocks, ensure_ascii=False)


def _plain_text(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text, "emoji": False}
