"""Routing rules: check, save as a draft, publish, go back."""

from typing import Annotated, Any

from pydantic import Field, JsonValue, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Created, Path, Routes, Wish
from hub.api.problems import FieldProblem, ValidationFailed
from hub.model.errors import NotFound
from hub.model.visibility import Role, Viewer, may_administer
from hub.routing.rules import RulesInvalid
from hub.services import rule_sets
from hub.services.views import View, at, when
from hub.store.queries.rows import Row, load_map

ROUTES = Routes("rules")

Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class RuleTree(Wish):
    """A rule set as written in `config/rules.yaml`, as JSON."""

    tree: dict[str, JsonValue]


class NewRules(Created):
    """A rule set to save as a draft."""

    tree: dict[str, JsonValue]
    note: Annotated[str, StringConstraints(max_length=300)] = ""


class Publication(Wish):
    """`replan`: waiting items are planned again by the new rules."""

    replan: bool = False


class RuleProblemView(View):
    """One mistake: where it stands in the tree, and what it is."""

    path: str
    code: str
    params: dict[str, str]


class RuleCheckView(View):
    """Every mistake; empty: it may be published."""

    problems: tuple[RuleProblemView, ...]


class RuleSetView(View):
    """A version of the rules. Published ones never change."""

    number: int
    state: str
    note: str
    created_by: str
    created_at: str
    published_at: str | None
    tree: dict[str, Any]


class RuleSetList(View):
    """Rule sets, newest first."""

    items: tuple[RuleSetView, ...]


def may_read_rules(viewer: Viewer) -> bool:
    """Tell whether `viewer` may see why work goes where it goes."""
    return may_administer(viewer) or bool(viewer.roles & {Role.SUPERVISOR, Role.AUDITOR})


@ROUTES.route("GET", "/api/v1/rules", allow=may_read_rules, summary="Rule sets, newest first")
async def list_rules(ctx: Context) -> RuleSetList:
    """List every version."""
    rows = await rule_sets.list_rule_sets(ctx.deps)
    return RuleSetList(items=tuple(_view(row) for row in rows))


@ROUTES.route("POST", "/api/v1/rules/check", allow=may_read_rules, summary="Check a rule set")
async def check_rules(ctx: Context, body: Annotated[RuleTree, Body]) -> RuleCheckView:
    """Return every mistake of a rule set as it stands before this installation."""
    problems = await rule_sets.check_tree(ctx.deps, body.tree)
    return RuleCheckView(
        problems=tuple(
            RuleProblemView(path=one.path, code=one.code, params=dict(one.params))
            for one in problems
        )
    )


@ROUTES.route(
    "POST", "/api/v1/rules", status=201, creates=True, allow=may_administer,
    summary="Save a draft of the rules",
)  # fmt: skip
async def add_rules(ctx: Context, body: Annotated[NewRules, Body]) -> RuleSetView:
    """Save a rule set; it takes effect when it is published."""
    try:
        number = await rule_sets.save_draft(ctx.deps, body.tree, by=ctx.actor, note=body.note)
    except RulesInvalid as error:
        raise _refused(error) from None
    return await _one(ctx, number)


@ROUTES.route(
    "POST", "/api/v1/rules/{number}/publish", allow=may_administer, summary="Put rules in force"
)
async def publish_rules(
    ctx: Context, number: Annotated[Version, Path], body: Annotated[Publication, Body]
) -> RuleSetView:
    """Put a draft in force."""
    try:
        await rule_sets.publish(ctx.deps, number, by=ctx.actor, replan=body.replan)
    except RulesInvalid as error:
        raise _refused(error) from None
    return await _one(ctx, number)


@ROUTES.route(
    "POST", "/api/v1/rules/{number}/rollback", status=201, allow=may_administer,
    summary="Go back to earlier rules",
)  # fmt: skip
async def roll_back_rules(
    ctx: Context, number: Annotated[Version, Path], body: Annotated[Publication, Body]
) -> RuleSetView:
    """Publish an earlier tree again, under a new number."""
    try:
        made = await rule_sets.rollback(ctx.deps, number, by=ctx.actor, replan=body.replan)
    except RulesInvalid as error:
        raise _refused(error) from None
    return await _one(ctx, made)


async def _one(ctx: Context, number: int) -> RuleSetView:
    for row in await rule_sets.list_rule_sets(ctx.deps):
        if row["version"] == number:
            return _view(row)
    raise NotFound("rules_not_found")


def _refused(error: RulesInvalid) -> ValidationFailed:
    fields = [FieldProblem(field=one.path, reason=one.code) for one in error.problems[:50]]
    return ValidationFailed("rules_invalid", fields=fields, **error.params)


def _view(row: Row) -> RuleSetView:
    return RuleSetView(
        number=row["version"],
        state=row["state"],
        note=row["note"],
        created_by=row["created_by"],
        created_at=at(row["created_at"]),
        published_at=when(row["published_at"]),
        tree=load_map(row["tree"]),
    )
