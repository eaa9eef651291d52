"""Putting talk in order: move a message, split, merge, redact, block a sender."""

from typing import Annotated

from pydantic import StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Id, Path, Routes, Wish
from hub.model.visibility import STAFF, Viewer
from hub.services import block, join, move, redact
from hub.services.views import View

ROUTES = Routes("moves")

Reason = Annotated[str, StringConstraints(max_length=300)]


class Moving(Wish):
    """Where a message goes; left out: into a conversation of its own."""

    to: Id | None = None


class Splitting(Wish):
    """The first message of the new conversation."""

    from_message: Id


class Merging(Wish):
    """The conversation that shall stand for both."""

    into: Id


class Blocking(Wish):
    """Why somebody is kept out or let in."""

    reason: Reason = ""


class Redacting(Wish):
    """Why a message is taken away; kept in the audit table."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class MovedView(View):
    """Where things are now; `source_version` is what If-Match takes for where they were."""

    conversation_id: str
    number: int
    source_version: int


class ConversationRef(View):
    """The conversation to look at now."""

    conversation_id: str


class VersionView(View):
    """The conversation's version after the change."""

    version: int


def works(viewer: Viewer) -> bool:
    """Tell whether `viewer` is a person who works with customers."""
    return viewer.active and bool(viewer.roles & STAFF)


@ROUTES.route(
    "POST", "/api/v1/messages/{id}/move", if_match=True, allow=works, summary="Move a message"
)
async def move_message(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Moving, Body]
) -> MovedView:
    """Move a message to other talk of the customer; If-Match is of the conversation it is in."""
    done = await move.move_message(ctx.deps, ctx.viewer, id, body.to, ctx.if_match())
    return MovedView(
        conversation_id=done.conversation_id,
        number=done.number,
        source_version=done.source_version,
    )


@ROUTES.route(
    "POST", "/api/v1/conversations/{id}/split", if_match=True, allow=works,
    summary="Split a conversation",
)  # fmt: skip
async def split_conversation(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Splitting, Body]
) -> MovedView:
    """Move a message and all after it into a new conversation with a case of its own."""
    done = await move.split_conversation(
        ctx.deps, ctx.viewer, id, body.from_message, ctx.if_match()
    )
    return MovedView(
        conversation_id=done.conversation_id,
        number=done.number,
        source_version=done.source_version,
    )


@ROUTES.route(
    "POST", "/api/v1/conversations/{id}/merge", if_match=True, allow=works,
    summary="Merge a conversation into another",
)  # fmt: skip
async def merge_conversation(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Merging, Body]
) -> ConversationRef:
    """Merge a conversation into another of the same customer."""
    root = await join.merge_conversations(ctx.deps, ctx.viewer, id, body.into, ctx.if_match())
    return ConversationRef(conversation_id=root)


@ROUTES.route(
    "POST", "/api/v1/conversations/{id}/unmerge", if_match=True, allow=works,
    summary="Undo a conversation's merge",
)  # fmt: skip
async def unmerge_conversation(ctx: Context, id: Annotated[Id, Path]) -> ConversationRef:
    """Part a conversation from the one it was merged into; the latest merge first."""
    done = await join.undo_conversation_merge(ctx.deps, ctx.viewer, id, ctx.if_match())
    return ConversationRef(conversation_id=done)


@ROUTES.route(
    "POST", "/api/v1/messages/{id}/redact", allow=works, summary="Take away what a message says"
)
async def redact_message(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Redacting, Body]
) -> None:
    """Redact a message everywhere; for supervisors of its queue."""
    await redact.redact_message(ctx.deps, ctx.viewer, id, body.reason)


@ROUTES.route(
    "POST", "/api/v1/conversations/{id}/block-sender", if_match=True, allow=works,
    summary="Block who wrote",
)  # fmt: skip
async def block_sender(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Blocking, Body]
) -> VersionView:
    """Block the sender of the last message and put the conversation among the spam."""
    version = await block.block_sender(ctx.deps, ctx.viewer, id, ctx.if_match(), reason=body.reason)
    return VersionView(version=version)


@ROUTES.route(
    "POST", "/api/v1/conversations/{id}/unblock-sender", if_match=True, allow=works,
    summary="Let who wrote in again",
)  # fmt: skip
async def unblock_sender(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Blocking, Body]
) -> VersionView:
    """Unblock the sender; the conversation is open work again."""
    version = await block.unblock_sender(
        ctx.deps, ctx.viewer, id, ctx.if_match(), reason=body.reason
    )
    return VersionView(version=version)
