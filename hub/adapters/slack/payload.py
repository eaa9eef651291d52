"""The shapes Slack sends: one model per payload, unknown fields ignored.

Sources: docs.slack.dev/apis/events-api, /reference/events/message, /reference/interaction-payloads
(read 2026-11). Identifiers and timestamps are checked by pattern, because they become part of keys.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SlackId = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,40}$")]
Stamp = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,10}\.[0-9]{1,6}$")]
EventName = Annotated[str, StringConstraints(max_length=200)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Head(_Shape):
    """What every payload has: the name of its type."""

    type: EventName


class UrlVerification(_Shape):
    """Slack tries a new request URL; the challenge must be echoed."""

    challenge: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Authorization(_Shape):
    """For whom Slack sends the event: our own installation."""

    user_id: str | None = None
    is_bot: bool = False


class EventHead(_Shape):
    """Name of the event inside a callback."""

    type: EventName
    subtype: EventName | None = None


class Callback(_Shape):
    """The wrapper of every event, before anybody looks at the event itself."""

    team_id: SlackId | None = None
    event: EventHead
    authorizations: list[Authorization] | None = None


class SlackFile(_Shape):
    """A file object. Slack Connect gives only the id (`file_access: check_file_info`)."""

    id: SlackId
    name: str | None = None
    title: str | None = None
    mimetype: str | None = None
    size: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    mode: str | None = None
    subtype: str | None = None
    is_external: bool = False
    file_access: str | None = None
    url_private: str | None = None
    url_private_download: str | None = None
    permalink: str | None = None


class Edited(_Shape):
    """When a message was last edited by a person."""

    ts: Stamp


class Attachment(_Shape):
    """A forwarded message or a link preview."""

    is_share: bool = False
    fallback: str | None = None
    text: str | None = None
    author_name: str | None = None


class Profile(_Shape):
    """Names of the writer; present for people of other workspaces."""

    display_name: str | None = None
    real_name: str | None = None


class Message(_Shape):
    """A message as it stands in an event or inside a change."""

    ts: Stamp | None = None
    user: SlackId | None = None
    user_profile: Profile | None = None
    bot_id: SlackId | None = None
    subtype: str | None = None
    text: str | None = None
    thread_ts: Stamp | None = None
    parent_user_id: str | None = None
    files: list[SlackFile] | None = None
    attachments: list[Attachment] | None = None
    edited: Edited | None = None
    # Only emoji are looked up in here (text.emoji_of); any shape is allowed.
    blocks: object = None


class MessageEvent(Message):
    """`message` and `app_mention`, changes included."""

    type: EventName
    channel: SlackId
    channel_type: str | None = None
    event_ts: Stamp | None = None
    deleted_ts: Stamp | None = None
    message: Message | None = None
    previous_message: Message | None = None


class MessageCallback(_Shape):
    """A callback whose event is a message."""

    team_id: SlackId
    event: MessageEvent
    authorizations: list[Authorization] | None = None


class MetadataPayload(_Shape):
    """What we put into the metadata of our messages."""

    delivery_id: Annotated[str, StringConstraints(max_length=100)] = ""


class Metadata(_Shape):
    """Data an app hung on a message, for programs."""

    event_type: EventName
    event_payload: MetadataPayload


class MetadataPosted(_Shape):
    """`message_metadata_posted`: a message with metadata stands in a conversation."""

    user_id: SlackId
    metadata: Metadata
    message_ts: Stamp


class MetadataCallback(_Shape):
    """A callback about posted metadata."""

    team_id: SlackId
    event: MetadataPosted


class _Named(_Shape):
    id: SlackId


class ActingUser(_Named):
    """Who pressed."""

    name: str | None = None
    team_id: SlackId | None = None


class OptionText(_Shape):
    """The label of a button or option."""

    text: str = ""


class Option(_Shape):
    """An entry of a select menu."""

    value: str = ""
    text: OptionText = OptionText()


class Action(_Shape):
    """One press or pick."""

    type: str = ""
    action_id: str = ""
    action_ts: Stamp
    value: str | None = None
    text: OptionText | None = None
    selected_option: Option | None = None


class Container(_Shape):
    """Where the pressed element stands."""

    message_ts: Stamp | None = None
    channel_id: SlackId | None = None
    thread_ts: Stamp | None = None


class BlockActions(_Shape):
    """`block_actions`: somebody pressed a button of ours."""

    user: ActingUser
    team: _Named | None = None
    channel: _Named | None = None
    container: Container = Container()
    message: Message | None = None
    actions: Annotated[list[Action], Field(max_length=100)]
