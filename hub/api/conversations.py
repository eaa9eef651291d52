"""One conversation: what belongs to it, how far it is read, its tags."""

from typing import Annotated

from pydantic import Field, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Created, Id, Path, Routes, Wish
from hub.api.looks import looked
from hub.model.ids import new_id
from hub.services import inbox, marks, reading
from hub.services.inbox import ConversationDetail
from hub.services.reply import MAX_TEXT_CHARS, Reply
from hub.services.start import Start, may_start
from hub.services.start import start_conversation as begin
from hub.services.views import ConversationView, MessageView, View

ROUTES = Routes("conversations")

TagName = Annotated[str, StringConstraints(min_length=1, max_length=60)]


class Detail(View):
    """A conversation, up to where the asking person has read it, and the feed's cursor."""

    detail: ConversationDetail
    read: int
    cursor: int


class Patch(Wish):
    """What people change of a conversation's head."""

    subject: Annotated[str, StringConstraints(max_length=300)]


class NewConversation(Created):
    """A first message from us, to a known address or one typed in (phone, mail)."""

    channel_id: Id
    identity_id: Id | None = None
    address: Annotated[str, StringConstraints(min_length=3, max_length=320)] | None = None
    name: Annotated[str, StringConstraints(max_length=300)] = ""
    queue_id: Id | None = None
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS)] = ""
    html: Annotated[str, StringConstraints(max_length=500_000)] | None = None
    subject: Annotated[str, StringConstraints(max_length=1_000)] | None = None
    attachments: Annotated[tuple[Id, ...], Field(max_length=20)] = ()


class Started(View):
    """The conversation that was begun, and its first message."""

    conversation: ConversationView
    message: MessageView


class Reading(Wish):
    """Up to which message's number a person has read; `unread` lets it go back."""

    number: Annotated[int, Field(ge=0, le=1_000_000_000)]
    unread: bool = False


class ReadMarkView(View):
    """How far the asking person has read."""

    number: int


class Tagging(Wish):
    """Tags by name."""

    add: Annotated[tuple[TagName, ...], Field(max_length=50)] = ()
    remove: Annotated[tuple[TagName, ...], Field(max_length=50)] = ()


@ROUTES.route("GET", "/api/v1/conversations/{id}", summary="Show a conversation")
async def show_conversation(ctx: Context, id: Annotated[Id, Path]) -> Detail:
    """Show the head, the cases and the ways to answer."""
    cursor = ctx.head
    detail = await inbox.conversation_detail(ctx.deps, ctx.viewer, id)
    read = await marks.read_marks(ctx.deps, ctx.actor, [id])
    ctx.reply_version(detail.conversation.version)
    looked(ctx, "conversation.looked", f"conversation:{id}")
    return Detail(detail=detail, read=read.get(id, 0), cursor=cursor)


@ROUTES.route(
    "POST",
    "/api/v1/conversations",
    status=201,
    creates=True,
    allow=may_start,
    summary="Write to a customer first",
)
async def start_conversation(ctx: Context, body: Annotated[NewConversation, Body]) -> Started:
    """Begin a conversation where the channel allows it; the author owns its case."""
    author = await reading.author_of(ctx.deps, ctx.viewer)
    reply = Reply(
        client_id=body.client_id or new_id(),
        text=body.text,
        html=body.html,
        subject=body.subject,
        attachments=body.attachments,
    )
    wish = Start(body.channel_id, reply, body.identity_id, body.address, body.name, body.queue_id)
    id_, message_id = await begin(ctx.deps, ctx.viewer, author, wish)
    detail = await inbox.conversation_detail(ctx.deps, ctx.viewer, id_)
    message = await reading.message_detail(ctx.deps, ctx.viewer, message_id)
    return Started(conversation=detail.conversation, message=message)


@ROUTES.route("PATCH", "/api/v1/conversations/{id}", if_match=True, summary="Change the subject")
async def change_conversation(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Patch, Body]
) -> ConversationView:
    """Set the subject colleagues see."""
    return await marks.change_subject(ctx.deps, ctx.viewer, id, body.subject, ctx.if_match())


@ROUTES.route("POST", "/api/v1/conversations/{id}/read", summary="Note how far you have read")
async def read_conversation(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Reading, Body]
) -> ReadMarkView:
    """Set the asking person's mark."""
    number = await marks.mark_read(ctx.deps, ctx.viewer, id, body.number, unread=body.unread)
    return ReadMarkView(number=number)


@ROUTES.route("POST", "/api/v1/conversations/{id}/tags", summary="Put tags on and take them off")
async def tag_conversation(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Tagging, Body]
) -> ConversationView:
    """Change tags; what is on already stays on."""
    return await marks.change_tags(ctx.deps, ctx.viewer, id, body.add, body.remove)
