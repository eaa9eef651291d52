"""Customers: their record, their history, addresses, merges, export and erasure."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Created, Id, Path, Query, Routes, Wish
from hub.api.looks import SCREEN_HEADER
from hub.model.address import IdentityKind
from hub.model.visibility import may_edit_customers
from hub.services import customers, erase, export, merge
from hub.services.customers import CustomerChange
from hub.services.inbox import ConversationPage, parse_key
from hub.services.views import CustomerView, View

ROUTES = Routes("customers")

Short = Annotated[str, StringConstraints(max_length=60)]
Reason = Annotated[str, StringConstraints(max_length=300)]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Attribute = Annotated[str, StringConstraints(max_length=1000)] | int | float | bool | None


class HistoryQuery(BaseModel):
    """Where a list goes on: `after` is the last answer's `next`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[str | None, Field(max_length=80)] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class CustomerPatch(Wish):
    """What is left out stays; an attribute of null is removed."""

    name: Annotated[str, StringConstraints(max_length=300)] | None = None
    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{0,20}$")] | None = None
    zone: Short | None = None
    level: Annotated[str, StringConstraints(min_length=1, max_length=20)] | None = None
    care_group: Annotated[str, StringConstraints(max_length=40)] | None = None
    attributes: Annotated[dict[AttributeName, Attribute], Field(max_length=100)] | None = None


class NewIdentity(Created):
    """An address somebody of ours vouches for."""

    kind: IdentityKind
    value: Annotated[str, StringConstraints(min_length=1, max_length=320)]
    scope: Annotated[str, StringConstraints(max_length=100)] = ""


class OptOut(Wish):
    """Whether an address wants no messages."""

    opted_out: bool
    reason: Reason = ""


class Merging(Wish):
    """The customer that shall stand for both."""

    into: Id
    reason: Reason = ""


class Why(Wish):
    """Why something is done; kept in the audit table."""

    reason: Reason = ""


class Accepting(Wish):
    """Which of the two shall stand for both; left out: the older one."""

    into: Id | None = None
    reason: Reason = ""


class Erasing(Wish):
    """`confirm` repeats the customer's id: this cannot be undone."""

    confirm: Id
    reason: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class ErasedView(View):
    """How much was taken away."""

    customers: int
    conversations: int
    messages: int
    files: int
    requests: int


@ROUTES.route("GET", "/api/v1/customers/{id}", summary="Show a customer")
async def show_customer(ctx: Context, id: Annotated[Id, Path]) -> CustomerView:
    """Show a customer with addresses and suggestions; of a merged one, who stands for it."""
    screen = ctx.request.headers.get(SCREEN_HEADER, "")[:60]
    return await customers.show_customer(ctx.deps, ctx.viewer, id, screen=screen)


@ROUTES.route("GET", "/api/v1/customers/{id}/conversations", summary="Show a customer's history")
async def show_history(
    ctx: Context, id: Annotated[Id, Path], q: Annotated[HistoryQuery, Query]
) -> ConversationPage:
    """List the customer's conversations that you may see, newest first."""
    after = parse_key(q.after)
    return await customers.customer_history(ctx.deps, ctx.viewer, id, after=after, limit=q.limit)


@ROUTES.route(
    "PATCH", "/api/v1/customers/{id}", if_match=True, allow=may_edit_customers,
    summary="Change a customer",
)  # fmt: skip
async def change_customer(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[CustomerPatch, Body]
) -> CustomerView:
    """Change a customer's record."""
    change = CustomerChange(**body.model_dump())
    return await customers.change_customer(ctx.deps, ctx.viewer, id, change, ctx.if_match())


@ROUTES.route(
    "POST", "/api/v1/customers/{id}/identities", status=201, creates=True,
    allow=may_edit_customers, summary="Add an address",
)  # fmt: skip
async def add_identity(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[NewIdentity, Body]
) -> CustomerView:
    """Add an address, or confirm one that was only claimed; 409 when somebody else holds it."""
    return await customers.add_identity(
        ctx.deps, ctx.viewer, id, body.kind, body.value, scope=body.scope
    )


@ROUTES.route(
    "POST", "/api/v1/identities/{id}/opt-out", allow=may_edit_customers,
    summary="Note whether an address wants messages",
)  # fmt: skip
async def opt_out(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[OptOut, Body]
) -> CustomerView:
    """Opt an address out or in again."""
    return await customers.set_opted_out(
        ctx.deps, ctx.viewer, id, opted_out=body.opted_out, reason=body.reason
    )


@ROUTES.route(
    "POST", "/api/v1/customers/{id}/merge", allow=may_edit_customers, summary="Merge a customer"
)
async def merge_customer(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Merging, Body]
) -> CustomerView:
    """Merge a customer into another; both are one from now on, and can be parted again."""
    return await merge.merge_customers(ctx.deps, ctx.viewer, id, body.into, reason=body.reason)


@ROUTES.route(
    "POST", "/api/v1/customers/{id}/unmerge", allow=may_edit_customers, summary="Undo a merge"
)
async def unmerge_customer(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Why, Body]
) -> CustomerView:
    """Part a customer from the one it was merged into; the latest merge first."""
    return await merge.undo_merge(ctx.deps, ctx.viewer, id, reason=body.reason)


@ROUTES.route(
    "POST", "/api/v1/suggestions/{id}/accept", allow=may_edit_customers,
    summary="Merge two customers who were suggested",
)  # fmt: skip
async def accept_suggestion(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Accepting, Body]
) -> CustomerView:
    """Accept a suggestion."""
    return await merge.accept_suggestion(
        ctx.deps, ctx.viewer, id, into_id=body.into, reason=body.reason
    )


@ROUTES.route(
    "POST", "/api/v1/suggestions/{id}/reject", allow=may_edit_customers,
    summary="Say that two customers are not one",
)  # fmt: skip
async def reject_suggestion(ctx: Context, id: Annotated[Id, Path]) -> None:
    """Reject a suggestion; it does not come back."""
    await merge.reject_suggestion(ctx.deps, ctx.viewer, id)


@ROUTES.route(
    "GET", "/api/v1/customers/{id}/export", allow=export.may_export,
    summary="Everything held of a customer", produces="application/zip",
)  # fmt: skip
async def export_customer(ctx: Context, id: Annotated[Id, Path]) -> web.StreamResponse:
    """Stream a ZIP with the record, every conversation and every file."""
    parts = await export.begin_export(ctx.deps, ctx.viewer, id)
    headers: dict[str, Any] = {
        "Content-Disposition": f'attachment; filename="customer-{id}.zip"',
        "Cache-Control": "no-store",
    }
    response = web.StreamResponse(headers=headers)
    response.content_type = "application/zip"
    await response.prepare(ctx.request)
    async for part in parts:
        if part:
            await response.write(part)
    await response.write_eof()
    return response


@ROUTES.route(
    "POST", "/api/v1/customers/{id}/erase", allow=erase.may_erase, summary="Erase a customer"
)
async def erase_customer(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Erasing, Body]
) -> ErasedView:
    """Erase a customer with everybody merged into it, for good."""
    erase.require_confirmed(id, body.confirm)
    done = await erase.erase_customer(ctx.deps, ctx.viewer, id, body.reason)
    return ErasedView(
        customers=done.customers,
        conversations=done.conversations,
        messages=done.messages,
        files=done.files,
        requests=done.requests,
    )
