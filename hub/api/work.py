"""Work: offers and their answers, presence, and what people do with a conversation's work."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Id, Path, Routes, Wish
from hub.model.errors import BadInput
from hub.model.router_commands import Outcome, PresenceMove
from hub.model.visibility import STAFF, Viewer
from hub.services import offers, resolve
from hub.services import why as reasons
from hub.services.views import View
from hub.services.why import WhyView
from hub.services.work_views import AgentView, OfferView

ROUTES = Routes("work")

Word = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Reason = Annotated[str, StringConstraints(max_length=200)]
Version = Annotated[int, Field(ge=0, le=2**40)]


def works(viewer: Viewer) -> bool:
    """Tell whether `viewer` is somebody who is given work."""
    return viewer.active and bool(viewer.roles & STAFF)


class OutcomeView(View):
    """How the router carried an order out."""

    code: str
    item_id: str | None
    version: int | None
    offer_id: str | None


class Offers(View):
    """What the asking person is asked to take."""

    items: tuple[OfferView, ...]
    cursor: int


class Acceptance(Wish):
    """`epoch` is the item's version the offer was made under, where known."""

    epoch: Version | None = None


class Refusal(Wish):
    """Why an offer is declined."""

    reason: Literal["decline", "busy"] = "decline"


class PresenceWish(Wish):
    """A move on one's own axes of presence; `reason` names the pause."""

    move: Literal["sign_in", "sign_out", "set_ready", "set_pause"]
    reason: Word | None = None


class Taking(Wish):
    """`from_handler`: also from a colleague who works on it."""

    from_handler: bool = False


class Assignment(Wish):
    """To whom a supervisor gives the work."""

    agent_id: Id
    version: Version | None = None


class Transfer(Wish):
    """To a queue, or to a colleague who is asked first; exactly one of the two."""

    queue_id: Id | None = None
    agent_id: Id | None = None
    handover_owner: bool = False
    reason: Reason | None = None
    version: Version | None = None


class Escalation(Wish):
    """To which tier the work goes up, and to which queue if to another one."""

    min_tier: Annotated[int, Field(ge=1, le=3)]
    reason: Reason = "asked"
    queue_id: Id | None = None
    version: Version | None = None


class Snoozing(Wish):
    """Until when the conversation is put aside."""

    until: AwareDatetime
    version: Version | None = None


class Resolution(Wish):
    """How the work ended; `solve_case`: the matter is solved as well."""

    disposition: Word = "resolved"
    solve_case: bool = True
    version: Version | None = None


class Reopening(Wish):
    """`take_over`: the asking person gets the work if they are signed in."""

    take_over: bool = False


class Reopened(View):
    """The new work item."""

    item_id: str


def _view(outcome: Outcome) -> OutcomeView:
    return OutcomeView(
        code=outcome.code.value,
        item_id=outcome.item_id,
        version=outcome.version,
        offer_id=outcome.offer_id,
    )


@ROUTES.route("GET", "/api/v1/offers", allow=works, summary="What you are asked to take")
async def list_offers(ctx: Context) -> Offers:
    """List one's live offers."""
    cursor = ctx.head
    return Offers(items=await offers.list_offers(ctx.deps, ctx.viewer), cursor=cursor)


@ROUTES.route("POST", "/api/v1/offers/{id}/accept", allow=works, summary="Take an offer")
async def accept_offer(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Acceptance, Body]
) -> OutcomeView:
    """Accept; 409 when it is gone."""
    return _view(await offers.accept(ctx.deps, ctx.viewer, id, body.epoch))


@ROUTES.route("POST", "/api/v1/offers/{id}/decline", allow=works, summary="Decline an offer")
async def decline_offer(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Refusal, Body]
) -> OutcomeView:
    """Decline; 409 when it is gone."""
    return _view(await offers.decline(ctx.deps, ctx.viewer, id, body.reason))


@ROUTES.route("GET", "/api/v1/me/presence", summary="Your presence and load")
async def show_presence(ctx: Context) -> AgentView:
    """Show oneself as colleagues do."""
    return await offers.presence(ctx.deps, ctx.viewer)


@ROUTES.route("POST", "/api/v1/me/presence", allow=works, summary="Sign in, out, be ready, pause")
async def move_presence(ctx: Context, body: Annotated[PresenceWish, Body]) -> AgentView:
    """Make a move of presence."""
    return await offers.move_presence(ctx.deps, ctx.viewer, PresenceMove(body.move), body.reason)


@ROUTES.route("POST", "/api/v1/items/{id}/wrap-up-done", allow=works, summary="End your wrap-up")
async def end_wrap_up(ctx: Context, id: Annotated[Id, Path]) -> OutcomeView:
    """Be free before the wrap-up's time."""
    return _view(await offers.end_wrap_up(ctx.deps, ctx.viewer, id))


@ROUTES.route("GET", "/api/v1/items/{id}/why", summary="Why this waits, why you are not asked")
async def why(ctx: Context, id: Annotated[Id, Path]) -> WhyView:
    """Show the rule, the open tiers, the score's terms and who was passed over why."""
    return await reasons.why(ctx.deps, ctx.viewer, id)


@ROUTES.route("POST", "/api/v1/conversations/{id}/take", allow=works, summary="Take the work")
async def take(ctx: Context, id: Annotated[Id, Path], body: Annotated[Taking, Body]) -> OutcomeView:
    """Pick the work for oneself."""
    return _view(await resolve.take(ctx.deps, ctx.viewer, id, from_handler=body.from_handler))


@ROUTES.route(
    "POST", "/api/v1/conversations/{id}/assign", allow=works, summary="Give the work to somebody"
)
async def assign(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Assignment, Body]
) -> OutcomeView:
    """Give the work to an agent; for supervisors of its queue."""
    return _view(
        await resolve.assign(ctx.deps, ctx.viewer, id, body.agent_id, version=body.version)
    )


@ROUTES.route(
    "POST", "/api/v1/conversations/{id}/transfer", allow=works, summary="Hand the work on"
)
async def transfer(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Transfer, Body]
) -> OutcomeView:
    """Send the work to a queue or offer it to a colleague."""
    if (body.queue_id is None) == (body.agent_id is None):
        raise BadInput("transfer_target", expected="queue_id or agent_id")
    if body.queue_id is not None:
        return _view(
            await resolve.transfer_to_queue(
                ctx.deps, ctx.viewer, id, body.queue_id, reason=body.reason, version=body.version
            )
        )
    assert body.agent_id is not None  # exactly one of the two
    return _view(
        await resolve.transfer_to_agent(
            ctx.deps, ctx.viewer, id, body.agent_id, handover_owner=body.handover_owner,
            reason=body.reason, version=body.version,
        )
    )  # fmt: skip


@ROUTES.route(
    "POST", "/api/v1/conversations/{id}/escalate", allow=works, summary="Raise the staff tier"
)
async def escalate(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Escalation, Body]
) -> OutcomeView:
    """Hand the work to a higher tier."""
    return _view(
        await resolve.escalate(
            ctx.deps, ctx.viewer, id, body.min_tier, reason=body.reason,
            queue_id=body.queue_id, version=body.version,
        )
    )  # fmt: skip


@ROUTES.route("POST", "/api/v1/conversations/{id}/snooze", allow=works, summary="Put aside")
async def snooze(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Snoozing, Body]
) -> OutcomeView:
    """Put a conversation aside until an instant or the customer's next word."""
    until: datetime = body.until
    return _view(await resolve.snooze(ctx.deps, ctx.viewer, id, until, version=body.version))


@ROUTES.route("POST", "/api/v1/conversations/{id}/unsnooze", allow=works, summary="Take up again")
async def unsnooze(ctx: Context, id: Annotated[Id, Path]) -> OutcomeView:
    """Take a conversation up again before its time."""
    return _view(await resolve.unsnooze(ctx.deps, ctx.viewer, id))


@ROUTES.route("POST", "/api/v1/conversations/{id}/resolve", allow=works, summary="End the work")
async def resolve_conversation(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Resolution, Body]
) -> OutcomeView:
    """Resolve, and solve the case unless told otherwise."""
    return _view(
        await resolve.resolve(
            ctx.deps, ctx.viewer, id, disposition=body.disposition, solve_case=body.solve_case,
            version=body.version,
        )
    )  # fmt: skip


@ROUTES.route("POST", "/api/v1/conversations/{id}/reopen", allow=works, summary="Open again")
async def reopen(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[Reopening, Body]
) -> Reopened:
    """Open a resolved conversation again."""
    item_id = await resolve.reopen(ctx.deps, ctx.viewer, id, take_over=body.take_over)
    return Reopened(item_id=item_id)
