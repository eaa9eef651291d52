"""Fetching the files customers shared.

Slack's own files want the bot token, which goes to files.slack.com and to the configured API host
and nowhere else, whatever a payload says. Files that live elsewhere are fetched like any link.
"""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from hub.adapters.slack.client import PortWebClient, call
from hub.adapters.slack.config import SlackConfig, origin_of
from hub.adapters.slack.payload import SlackFile
from hub.model.channel import FetchedMedia, HttpFailure, HttpPort
from hub.model.errors import SendError, TooLarge
from hub.model.filename import clean_filename

FILE_ORIGINS = frozenset({("https", "files.slack.com", 443)})
_TIMEOUT_S = 60.0


class MediaRef(BaseModel):
    """What `messages.media_of` wrote; `id` may be asked for when there is no `url`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    url: str = ""
    token: bool = False


class _Info(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    file: SlackFile


async def fetch(ref: str, *, max_bytes: int, config: SlackConfig, http: HttpPort) -> FetchedMedia:
    """Fetch one file.

    Raises:
        HttpFailure: no answer, or the target is refused.
        SendError: Slack or the server said no.
        TooLarge: more than `max_bytes`.
    """
    try:
        wanted = MediaRef.model_validate_json(ref)
    except ValidationError as error:
        raise SendError("media_ref_invalid") from error
    if not wanted.url:
        wanted = await _look_up(wanted, config, http)
    origin = origin_of(wanted.url)
    configured = origin is not None and origin == config.origin()
    at_slack = wanted.token and (configured or origin in FILE_ORIGINS)
    token = config.bot_token.get_secret_value()
    try:
        answer = await http.request(
            "GET",
            wanted.url,
            headers={"Authorization": f"Bearer {token}"} if at_slack else {},
            trusted=at_slack and configured,
            timeout_s=_TIMEOUT_S,
            max_bytes=max_bytes,
            # Slack redirects to a login page when the token is not good enough.
            follow_redirects=0 if at_slack else 3,
        )
    except HttpFailure as failure:
        if failure.code == "too_large":
            raise TooLarge("media_too_large", limit=max_bytes) from failure
        raise
    if answer.status != 200:
        raise _not_given(answer.status, at_slack=at_slack)
    name = urlsplit(wanted.url).path.rpartition("/")[2]
    return FetchedMedia(
        data=answer.body,
        content_type=answer.headers.get("content-type", "application/octet-stream"),
        filename=clean_filename(name),
    )


async def _look_up(wanted: MediaRef, config: SlackConfig, http: HttpPort) -> MediaRef:
    """Ask for a file of another workspace (Slack Connect), of which the event gave the id only."""
    token = config.bot_token.get_secret_value()
    client = PortWebClient(http, base_url=config.api_base, token=token)
    found = (await call(client, "files.info", {"file": wanted.id}, _Info, visible=False)).file
    url = found.url_private_download or found.url_private
    if not url:
        raise SendError("media_gone")
    return MediaRef(id=wanted.id, url=url, token=not found.is_external)


def _not_given(status: int, *, at_slack: bool) -> SendError:
    said = f"http_{status}"
    if at_slack and (300 <= status < 400 or status in {401, 403}):
        return SendError("auth_refused", provider_code=said, needs_auth=True)
    if status in {404, 410}:
        return SendError("media_gone", provider_code=said)
    retryable = status == 429 or status >= 500
    return SendError("media_refused", retryable=retryable, provider_code=said)
