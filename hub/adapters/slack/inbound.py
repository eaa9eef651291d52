"""The one parser: a verified body, from a webhook or a socket, becomes an Intake. Pure.

Keys: a message is `team:channel:ts` however often and by whichever event it is told; a press is
`team:channel:action_ts:n`. So retries (`X-Slack-Retry-Num`), and `message` beside `app_mention` for
the same text, meet in the hub's duplicate check.
"""

import json
import re
from typing import TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, ValidationError

from hub.adapters.slack import messages
from hub.adapters.slack.config import METADATA_TYPE, SlackConfig
from hub.adapters.slack.payload import (
    Authorization,
    BlockActions,
    Callback,
    Head,
    MessageCallback,
    MetadataCallback,
    UrlVerification,
)
from hub.model.channel import InboundItem, Intake, RawRequest, RawResponse, StatusReport
from hub.model.delivery import DeliveryState
from hub.model.errors import PayloadInvalid
from hub.model.ids import DeliveryId, is_id

_Shape = TypeVar("_Shape", bound=BaseModel)

_SUBTYPES = frozenset({
    None, "file_share", "thread_broadcast", "me_message", "message_changed", "message_deleted",
})  # fmt: skip
_MESSAGE_EVENTS = frozenset({"message", "app_mention"})
METADATA_POSTED = "message_metadata_posted"


def parse(request: RawRequest, config: SlackConfig) -> Intake:
    """Read one body of Slack's: JSON, or a form with JSON in `payload` (interactivity).

    Raises:
        PayloadInvalid: not JSON, or a known event that lacks what its documentation promises.
    """
    body = _json_text(request)
    if body is None:
        return Intake(ignored=("ssl_check",))
    try:
        data: object = json.loads(body)
        head = _shape(Head, data)
        return _dispatch(head.type, data, config)
    except (ValueError, RecursionError) as error:
        # Too long a number and too deep a nesting are Slack's payload no more than broken JSON is.
        raise PayloadInvalid(reason="not_json") from error


def _dispatch(kind: str, data: object, config: SlackConfig) -> Intake:
    if kind == "url_verification":
        challenge = _shape(UrlVerification, data).challenge
        answer = RawResponse(body=challenge.encode("utf-8", "replace"))
        return Intake(challenge=answer)
    if kind == "event_callback":
        return _event(data, config)
    if kind == "block_actions":
        return _presses(_shape(BlockActions, data), config)
    return _ignored(kind)


def _event(data: object, config: SlackConfig) -> Intake:
    callback = _shape(Callback, data)
    kind, subtype = callback.event.type, callback.event.subtype
    if kind not in _MESSAGE_EVENTS and kind != METADATA_POSTED:
        return _ignored(kind)
    if subtype not in _SUBTYPES:
        return _ignored(f"{kind}.{subtype}")
    if config.team_id and callback.team_id != config.team_id:
        return _ignored("other_team")
    if kind == METADATA_POSTED:
        return _posted(_shape(MetadataCallback, data), _own_users(callback.authorizations, config))
    told = _shape(MessageCallback, data)
    reader = messages.Reader(
        team=told.team_id, own_users=_own_users(told.authorizations, config), config=config
    )
    found = reader.read(told.event)
    return _ignored(found) if isinstance(found, str) else Intake(items=(found,))


def _posted(told: MetadataCallback, own_users: tuple[str, ...]) -> Intake:
    """Read the word on a message of ours: it stands there, whatever became of our call."""
    posted = told.event
    delivery_id = posted.metadata.event_payload.delivery_id
    ours = posted.user_id in own_users and posted.metadata.event_type == METADATA_TYPE
    if not ours or not is_id(delivery_id):
        return _ignored(f"{METADATA_POSTED}.other")
    report = StatusReport(
        state=DeliveryState.SENT,
        occurred_at=messages.moment(posted.message_ts),
        delivery_id=DeliveryId(delivery_id),
    )
    return Intake(items=(report,))


def _presses(pressed: BlockActions, config: SlackConfig) -> Intake:
    team = (pressed.team.id if pressed.team else None) or pressed.user.team_id
    channel = (pressed.channel.id if pressed.channel else None) or pressed.container.channel_id
    if team is None or channel is None:
        # A press on an app home or in a dialog of somebody else's making: no conversation.
        return _ignored("block_actions.no_channel")
    if config.team_id and team != config.team_id:
        return _ignored("other_team")
    items: list[InboundItem] = []
    ignored: list[str] = []
    for number, action in enumerate(pressed.actions):
        item = messages.press(pressed, action, number, team=team, channel=channel)
        if item is None:
            ignored.append(_name(f"block_actions.{action.type}"))
        else:
            items.append(item)
    return Intake(items=tuple(items), ignored=tuple(dict.fromkeys(ignored)))


def _own_users(told: list[Authorization] | None, config: SlackConfig) -> tuple[str, ...]:
    users = [config.bot_user_id, *(a.user_id or "" for a in told or () if a.is_bot)]
    return tuple(dict.fromkeys(user for user in users if user))


def _json_text(request: RawRequest) -> str | None:
    """Return the JSON of the body; None for Slack's certificate check, which has none."""
    try:
        text = request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadInvalid(reason="not_utf8") from error
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "SOCKET" or kind != "application/x-www-form-urlencoded":
        return text
    try:
        form = parse_qs(text, keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise PayloadInvalid(reason="form") from error
    if "payload" in form:
        return form["payload"][0]
    if "ssl_check" in form:
        return None
    raise PayloadInvalid(reason="no_payload")


def _shape(model: type[_Shape], data: object) -> _Shape:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PayloadInvalid(reason="shape", field=where[:200]) from error


def _ignored(name: str) -> Intake:
    return Intake(ignored=(_name(name),))


def _name(raw: str) -> str:
    """Make an event's name fit for a log line and a metric."""
    return re.sub(r"[^A-Za-z0-9_.:-]", "_", raw)[:100] or "unnamed"
