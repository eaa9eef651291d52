"""What the widget is shown: its configuration, how its talk stands, what changed."""

from typing import Any

from aiohttp import web

from hub.api.keys import DEPS
from hub.api.widget_access import Desk, Visit
from hub.api.widget_feed import FEED
from hub.model.clock import iso
from hub.services import widget_talk
from hub.services.widget import Session


async def snapshot(request: web.Request, visit: Visit) -> dict[str, Any]:
    """Return all that a starting widget needs."""
    deps, feed, session = request.config_dict[DEPS], request.config_dict[FEED], visit.session
    cursor = feed.head  # before the data: what comes in between is told again, never missed
    history = await widget_talk.history(deps, session)
    standing = await widget_talk.standing(deps, session)
    return {
        "session_id": session.id,
        "visitor_id": session.visitor_id,
        "expires_at": iso(session.expires_at),
        "signed": session.signed,
        "language": session.language,
        "config": config_of(request, visit.desk),
        "cursor": cursor,
        "messages": [one.wire() for one in history.messages],
        "before": history.before,
        "agent": agent_of(standing.agent),
        "seen": feed.seen_list(standing.seen),
        **feed.presence(session.channel_id),
    }


def agent_of(name: str | None) -> dict[str, str] | None:
    """Return who answers, as the widget reads it."""
    return None if name is None else {"name": name}


def config_of(request: web.Request, desk: Desk) -> dict[str, Any]:
    """Return what a page may know before anybody has said anything."""
    policy, deps = desk.widget.policy, request.config_dict[DEPS]
    return {
        "channel_id": desk.live.info.id,
        "title": policy.title,
        "colour": policy.colour,
        "position": policy.position,
        "languages": list(policy.languages),
        "greeting": dict(policy.greeting),
        "welcome": dict(policy.welcome),
        **request.config_dict[FEED].presence(desk.live.info.id),
        "prechat": [one.model_dump() for one in policy.prechat],
        "away_form": False,
        "rating": False,
        "transcript": False,
        "files": {
            "max_bytes": min(policy.max_file_bytes, deps.max_upload_bytes),
            "extensions": sorted(policy.extensions),
            "per_message": policy.max_files,
        },
        "max_text_chars": policy.max_text_chars,
        "socket": True,
    }


async def changes_since(request: web.Request, session: Session, after: int) -> dict[str, Any]:
    """Return what changed since a cursor; the last page and `reset` when that is too long ago."""
    deps, feed = request.config_dict[DEPS], request.config_dict[FEED]
    head = feed.head
    standing = await widget_talk.standing(deps, session)
    seen = feed.seen_list(standing.seen)
    if feed.too_old(after):
        page = await widget_talk.history(deps, session)
        messages = [one.wire() for one in page.messages]
        return {"messages": messages, "before": page.before, "cursor": head, "more": False,
                "reset": True, "seen": seen}  # fmt: skip
    found = await widget_talk.changes(deps, session, after, head)
    messages = [one.wire() for one in found.messages]
    return {"messages": messages, "cursor": found.cursor, "more": found.more, "reset": False,
            "seen": seen}  # fmt: skip
