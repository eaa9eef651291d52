"""The organisation's row and programs' tokens: for administrators."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, JsonValue, StringConstraints

from hub.api.context import Context
from hub.api.http import Body, Created, Id, Path, Routes, Wish
from hub.api.session import is_person
from hub.model.visibility import Scope, Viewer, may_administer
from hub.services import organisation, tokens
from hub.services.access import QUEUE_SCOPE
from hub.services.views import View, at, when
from hub.store.queries.rows import Row, load_list, load_map

ROUTES = Routes("configuration")

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]

Tongue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")]


class OrganisationView(View):
    """Whose hub this is."""

    name: str
    zone: str
    language: str
    demo: bool
    settings: dict[str, Any]
    version: int


class OrganisationChange(Wish):
    """What is left out stays; `settings` is replaced as a whole."""

    name: Text | None = None
    zone: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = None
    language: Tongue | None = None
    settings: dict[str, JsonValue] | None = None


class NewToken(Created):
    """A program's access; bound to queues when it names some."""

    name: Text
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=4)]
    queue_ids: Annotated[tuple[Id, ...], Field(max_length=200)] = ()
    expires_at: AwareDatetime | None = None


class TokenView(View):
    """A token, without its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    queue_ids: tuple[str, ...]
    created_at: str
    expires_at: str | None
    used_at: str | None
    revoked_at: str | None


class NewTokenView(TokenView):
    """A token just made; `secret` is shown this once."""

    secret: str


class TokenList(View):
    """Tokens, oldest first."""

    items: tuple[TokenView, ...]


def may_make_tokens(viewer: Viewer) -> bool:
    """Tell whether `viewer` may give programs access: a person who administers, no token."""
    return is_person(viewer) and may_administer(viewer)


@ROUTES.route("GET", "/api/v1/organisation", summary="Whose hub this is")
async def show_organisation(ctx: Context) -> OrganisationView:
    """Show name, zone, language and settings."""
    return _organisation(await organisation.organisation_row(ctx.deps))


@ROUTES.route(
    "PATCH", "/api/v1/organisation", allow=may_administer, if_match=True,
    summary="Change the organisation",
)  # fmt: skip
async def change_organisation(
    ctx: Context, body: Annotated[OrganisationChange, Body]
) -> OrganisationView:
    """Change the organisation."""
    version = ctx.if_match()
    before = _organisation(await organisation.organisation_row(ctx.deps))
    now = before.model_dump(include={"name", "zone", "language", "settings"})
    change = organisation.OrganisationChange(**{**now, **body.model_dump(exclude_none=True)})
    row = await organisation.change_organisation(
        ctx.deps, change, if_version=version, actor=ctx.actor
    )
    return _organisation(row)


@ROUTES.route("GET", "/api/v1/tokens", allow=may_make_tokens, summary="API tokens")
async def list_tokens(ctx: Context) -> TokenList:
    """List tokens; secrets are nowhere to be had."""
    rows = await tokens.list_tokens(ctx.deps)
    return TokenList(items=tuple(TokenView(**_token(row)) for row in rows))


@ROUTES.route(
    "POST", "/api/v1/tokens", status=201, allow=may_make_tokens, summary="Make an API token"
)
async def add_token(ctx: Context, body: Annotated[NewToken, Body]) -> NewTokenView:
    """Make a token. A repeat is not replayed: a stored answer would keep the secret."""
    expires: datetime | None = body.expires_at
    row, secret = await tokens.create_token(
        ctx.deps, body.name, frozenset(body.scopes), body.queue_ids, expires, actor=ctx.actor
    )
    return NewTokenView(**_token(row), secret=secret)


@ROUTES.route("DELETE", "/api/v1/tokens/{id}", allow=may_make_tokens, summary="Revoke a token")
async def revoke_token(ctx: Context, id: Annotated[Id, Path]) -> None:
    """End a token at once."""
    await tokens.revoke_token(ctx.deps, id, actor=ctx.actor)


def _organisation(row: Row) -> OrganisationView:
    return OrganisationView(
        name=row["name"],
        zone=row["zone"],
        language=row["language"],
        demo=bool(row["demo"]),
        settings=load_map(row["settings"]),
        version=row["version"],
    )


def _token(row: Row) -> dict[str, Any]:
    entries = [str(one) for one in load_list(row["scopes"])]
    return {
        "id": row["id"],
        "name": row["name"],
        "scopes": tuple(one for one in entries if not one.startswith(QUEUE_SCOPE)),
        "queue_ids": tuple(
            one.removeprefix(QUEUE_SCOPE) for one in entries if one.startswith(QUEUE_SCOPE)
        ),
        "created_at": at(row["created_at"]),
        "expires_at": when(row["expires_at"]),
        "used_at": when(row["used_at"]),
        "revoked_at": when(row["revoked_at"]),
    }
