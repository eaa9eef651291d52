"""What visitors do, the same by HTTP and by socket: say, type, hold, read, move on."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from hub.api.http import ID_PATTERN
from hub.api.keys import DEPS, INGRESS
from hub.api.widget_access import Visit, limit
from hub.model.channel import RawRequest
from hub.model.errors import BadInput
from hub.services import widget_frames, widget_talk
from hub.services.widget_files import uploads
from hub.services.widget_talk import WidgetMessage

ClientId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]


class Saying(BaseModel):
    """One message of a visitor."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    client_id: ClientId
    text: Annotated[str, Field(max_length=100_000)] = ""
    chosen: Annotated[str, Field(max_length=200)] | None = None
    attachments: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    sent_at: AwareDatetime | None = None


class Said(BaseModel):
    """What became of a message; `message` is absent while it waits in the spool."""

    model_config = ConfigDict(frozen=True)

    client_id: str
    outcome: Literal["stored", "duplicate", "spooled"]
    message: WidgetMessage | None = None

    def wire(self) -> dict[str, object]:
        """Return it as it goes over the wire."""
        message = None if self.message is None else self.message.wire()
        return {"client_id": self.client_id, "outcome": self.outcome, "message": message}


async def say(request: web.Request, visit: Visit, saying: Saying) -> Said:
    """Store a message of a visitor, or keep it in the spool; the same client id is one message.

    Raises:
        TooMany: more than one a second for long.
        BadInput: `text_too_long`, `text_empty`, `too_many_files`.
        NotFound: `attachment_not_found`.
        StoreUnavailable: neither store nor spool took it.
    """
    deps, session, policy = request.config_dict[DEPS], visit.session, visit.desk.widget.policy
    await limit(request, f"say:{session.visitor_id}", rate_per_s=1.0, burst=20)
    if len(saying.text) > policy.max_text_chars:
        raise BadInput("text_too_long", limit=policy.max_text_chars)
    if len(saying.attachments) > policy.max_files:
        raise BadInput("too_many_files", limit=policy.max_files)
    if not (saying.text.replace("\0", "").strip() or saying.chosen or saying.attachments):
        raise BadInput("text_empty")
    raw = widget_frames.said(
        deps,
        session,
        saying.client_id,
        saying.text,
        chosen=saying.chosen or None,
        files=await uploads(deps, session, saying.attachments),
        sent_at=saying.sent_at,
    )
    outcome = await _hand_over(request, visit, raw)
    if outcome == "spooled":
        return Said(client_id=saying.client_id, outcome="spooled")
    message = await widget_talk.message_of(deps, session, saying.client_id)
    known: Literal["stored", "duplicate"] = "stored" if outcome == "stored" else "duplicate"
    return Said(client_id=saying.client_id, outcome=known, message=message)


async def hold(request: web.Request, visit: Visit, ids: tuple[str, ...]) -> None:
    """Note that a browser holds messages of ours."""
    deps = request.config_dict[DEPS]
    await limit(request, f"mark:{visit.session.visitor_id}", rate_per_s=5.0, burst=100)
    found = await widget_talk.deliveries_of(deps, visit.session, ids[:200])
    if found:
        deliveries = tuple(delivery for delivery, _ in found)[:200]
        await _hand_over(request, visit, widget_frames.delivered(deps, visit.session, deliveries))


async def look(request: web.Request, visit: Visit, message_id: str) -> None:
    """Note that the visitor has seen the talk up to a message of ours."""
    deps = request.config_dict[DEPS]
    await limit(request, f"mark:{visit.session.visitor_id}", rate_per_s=5.0, burst=100)
    found = await widget_talk.deliveries_of(deps, visit.session, (message_id,))
    if found:
        delivery, visitor_id = found[-1]
        raw = widget_frames.read(deps, visit.session, visitor_id, delivery)
        await _hand_over(request, visit, raw)


async def _hand_over(request: web.Request, visit: Visit, raw: RawRequest) -> str:
    """Pass a frame through the ingress like every other way in; returns its first outcome."""
    ingress = request.config_dict[INGRESS]
    answer = await ingress.accept(visit.session.channel_id, raw)
    return answer.body.decode().partition(",")[0]
