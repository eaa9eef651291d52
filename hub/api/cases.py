"""Cases: the matters customers have, found by the number people read out."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Id, Path, Query, Routes, Wish
from hub.model.case import CaseType, Severity
from hub.services import cases
from hub.services.cases import CaseChange
from hub.services.views import CaseView

ROUTES = Routes("cases")


class CaseNumber(BaseModel):
    """The number people read out, without `#`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: Annotated[int, Field(ge=1, le=2**31)]


class CasePatch(Wish):
    """What is left out stays."""

    type: CaseType | None = None
    class_code: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{0,60}$")] | None = None
    severity: Annotated[int, Field(ge=1, le=3)] | None = None
    title: Annotated[str, StringConstraints(max_length=300)] | None = None


@ROUTES.route("GET", "/api/v1/cases", summary="Find a case by its number")
async def find_case(ctx: Context, q: Annotated[CaseNumber, Query]) -> CaseView:
    """Show the case with a number."""
    return await cases.show_case(ctx.deps, ctx.viewer, number=q.number)


@ROUTES.route("GET", "/api/v1/cases/{id}", summary="Show a case")
async def show_case(ctx: Context, id: Annotated[Id, Path]) -> CaseView:
    """Show one case."""
    return await cases.show_case(ctx.deps, ctx.viewer, id)


@ROUTES.route("PATCH", "/api/v1/cases/{id}", if_match=True, summary="Change a case")
async def change_case(
    ctx: Context, id: Annotated[Id, Path], body: Annotated[CasePatch, Body]
) -> CaseView:
    """Change type, class, severity or title; a person's severity stands above the rules'."""
    severity = Severity(body.severity) if body.severity is not None else None
    change = CaseChange(body.type, body.class_code, severity, body.title)
    return await cases.change_case(ctx.deps, ctx.viewer, id, change, ctx.if_match())
