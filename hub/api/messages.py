"""Messages: the timeline, answers, notes, what a message said before, its HTML, sending again."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from hub.api.context import Context
from hub.api.http import Body, Created, Id, Path, Query, Routes
from hub.api.live import COMPANY
from hub.model.content import Choice
from hub.model.ids import new_id
from hub.services import drafts, inbox, notes, reading, reply, resend
from hub.services.inbox import parse_key
from hub.services.reading import RevisionView
from hub.services.views import MessageView, View

ROUTES = Routes("messages")

Text = Annotated[str, Field(max_length=reply.MAX_TEXT_CHARS)]
Ids = Annotated[tuple[Id, ...], Field(max_length=20)]
HTML_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)


class TimelineQuery(BaseModel):
    """`before` is the last answer's `before`: the page that ends there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: Annotated[str | None, Field(max_length=80)] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class Timeline(View):
    """Messages, oldest first; `before` leads to the earlier ones, None at the beginning."""

    items: tuple[MessageView, ...]
    before: str | None
    cursor: int


class CopyTo(BaseModel):
    """An address that gets a copy (mail)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    value: Annotated[str, Field(min_length=3, max_length=320)]


class NewMessage(Created):
    """An answer. Without `channel_id` it goes the way the customer's last message came."""

    text: Text = ""
    html: Annotated[str | None, Field(max_length=500_000)] = None
    subject: Annotated[str | None, Field(max_length=1_000)] = None
    channel_id: Id | None = None
    identity_id: Id | None = None
    cc: Annotated[tuple[CopyTo, ...], Field(max_length=20)] = ()
    attachments: Ids = ()
    choices: Annotated[tuple[Choice, ...], Field(max_length=20)] = ()
    take: bool = False


class NewNote(Created):
    """A private note; `mentions` are agents who are told and may see the conversation."""

    text: Annotated[str, Field(min_length=1, max_length=reply.MAX_TEXT_CHARS)]
    mentions: Ids = ()
    attachments: Ids = ()


class Revisions(View):
    """What a message said before, oldest first."""

    items: tuple[RevisionView, ...]


@ROUTES.route("GET", "/api/v1/conversations/{id}/messages", summary="Show a timeline")
async def list_messages(
    ctx: Context, id: Annotated[Id, Path], q: Annotated[TimelineQuery, Query]
) -> Timeline:
    """Show one page of messages."""
    cursor = ctx.head
    page = await inbox.timeline(ctx.deps, ctx.viewer, id, before=parse_key(q.before), limit=q.limit)
    return Timeline(items=page.items, before=page.before, cursor=cursor)


@ROUTES.route(
    "POST",
    "/api/v1/conversations/{id}/messages",
    summary="Answer the customer",
    status=201,
    creates=True,
)
async def add_message(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[NewMessage, Body]
) -> MessageView:
    """Store an answer and queue it; who is not the handler needs `take`."""
    author = await reading.author_of(ctx.deps, ctx.viewer)
    wish = reply.Reply(
        client_id=body.client_id or new_id(),
        text=body.text,
        html=body.html,
        subject=body.subject,
        channel_id=body.channel_id,
        identity_id=body.identity_id,
        cc=tuple(("email", one.value, "") for one in body.cc),
        attachments=body.attachments,
        choices=body.choices,
        take=body.take,
    )
    message_id = await reply.send_reply(ctx.deps, ctx.viewer, author, id, wish)
    await drafts.drop_draft(ctx.deps, ctx.viewer, id, "reply")
    return await reading.message_detail(ctx.deps, ctx.viewer, message_id)


@ROUTES.route(
    "POST",
    "/api/v1/conversations/{id}/notes",
    summary="Write a private note",
    status=201,
    creates=True,
)
async def add_note(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[NewNote, Body]
) -> MessageView:
    """Store a note; it reaches no channel."""
    author = await reading.author_of(ctx.deps, ctx.viewer)
    note = notes.Note(body.client_id or new_id(), body.text, body.mentions, body.attachments)
    message_id = await notes.write_note(ctx.deps, ctx.viewer, author, id, note)
    await drafts.drop_draft(ctx.deps, ctx.viewer, id, "note")
    return await reading.message_detail(ctx.deps, ctx.viewer, message_id)


@ROUTES.route("POST", "/api/v1/conversations/{id}/typing", summary="Say that you type", status=204)
async def type_in(ctx: Context, id: Annotated[Id, Path]) -> None:
    """Tell colleagues and the customer; for programs without a socket."""
    await reading.require_note_right(ctx.deps, ctx.viewer, id)
    author = await reading.author_of(ctx.deps, ctx.viewer)
    ctx.request.config_dict[COMPANY].agent_types(id, ctx.actor, author.name)


@ROUTES.route("GET", "/api/v1/messages/{id}", summary="Show a message")
async def show_message(ctx: Context, id: Annotated[Id, Path]) -> MessageView:
    """Show one message with its files and deliveries."""
    return await reading.message_detail(ctx.deps, ctx.viewer, id)


@ROUTES.route("GET", "/api/v1/messages/{id}/revisions", summary="Show what a message said before")
async def list_revisions(ctx: Context, id: Annotated[Id, Path]) -> Revisions:
    """Show edits and deletions; for supervisors of the queue."""
    return Revisions(items=await reading.revisions(ctx.deps, ctx.viewer, id))


@ROUTES.route(
    "GET", "/api/v1/messages/{id}/html", summary="Show a mail's cleaned HTML", produces="text/html"
)
async def show_html(ctx: Context, id: Annotated[Id, Path]) -> web.StreamResponse:
    """Give a page for a sandboxed frame; nothing in it runs or loads anything."""
    page = await reading.message_html(ctx.deps, ctx.viewer, id)
    headers = {"Content-Security-Policy": HTML_POLICY}
    return web.Response(text=page, content_type="text/html", headers=headers)


@ROUTES.route("POST", "/api/v1/deliveries/{id}/retry", summary="Send a delivery again", status=200)
async def retry_delivery(ctx: Context, id: Annotated[Id, Path]) -> MessageView:
    """Queue a failed or unknown delivery on a person's order."""
    message_id = await resend.send_again(ctx.deps, ctx.viewer, id)
    return await reading.message_detail(ctx.deps, ctx.viewer, message_id)
