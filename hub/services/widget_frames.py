"""What a visitor does, as the request the ingress takes: who it is comes from the session alone."""

from datetime import datetime

from pydantic import BaseModel

from hub.model.channel import RawRequest
from hub.model.widget import (
    DeliveredFrame,
    ReadFrame,
    SaidFrame,
    UploadedFile,
    VisitorFacts,
)
from hub.services.deps import Deps
from hub.services.widget import Session

PATH = "/widget/v1/live"


def said(  # noqa: PLR0913 - what a message is made of
    deps: Deps,
    session: Session,
    client_id: str,
    text: str,
    *,
    chosen: str | None = None,
    files: tuple[UploadedFile, ...] = (),
    sent_at: datetime | None = None,
) -> RawRequest:
    """Return the request of a message."""
    return _request(
        deps,
        SaidFrame(
            visitor=session.facts,
            client_id=client_id,
            text=text,
            chosen=chosen,
            attachments=files,
            sent_at=sent_at,
        ),
    )


def delivered(deps: Deps, session: Session, deliveries: tuple[str, ...]) -> RawRequest:
    """Return the request that says that deliveries arrived."""
    return _request(deps, DeliveredFrame(visitor=_who(session), deliveries=deliveries))


def read(deps: Deps, session: Session, visitor_id: str, delivery: str) -> RawRequest:
    """Return the request that says that the talk was seen up to a delivery.

    Args:
        visitor_id: to whom the delivery went; one of the session's visitors.
    """
    who = VisitorFacts(visitor_id=visitor_id, signed=session.signed)
    return _request(deps, ReadFrame(visitor=who, delivery=delivery))


def _who(session: Session) -> VisitorFacts:
    """Return the facts of a frame that says nothing: no more than who it is."""
    return VisitorFacts(visitor_id=session.visitor_id, signed=session.signed)


def _request(deps: Deps, frame: BaseModel) -> RawRequest:
    return RawRequest(
        method="SOCKET",
        url=f"{deps.public_url.rstrip('/')}{PATH}",
        path=PATH,
        query="",
        headers={"content-type": "application/json"},
        body=frame.model_dump_json().encode(),
        received_at=deps.clock.now(),
    )
