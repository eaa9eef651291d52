"""Routes with typed arguments: the thin layer between aiohttp and use cases.

    ROUTES = Routes("queues")

    @ROUTES.route("POST", "/api/v1/queues", status=201, allow=may_administer, creates=True)
    async def add_queue(ctx: Context, body: Annotated[NewQueue, Body]) -> QueueView: ...

Arguments after the context are `Annotated[type, Body | Path | Query]`; what does not fit answers
422 (a path segment: 404). The answer's type is its annotation: a pydantic type, None (204) or
`web.StreamResponse` (answered as it is; say `produces`). `creates=True` makes the route idempotent
by the body's `client_id`. Errors of ours become problem documents in the middleware.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from hub.api.bodies import read_json, require_text
from hub.api.context import Context, identify, require_same_site
from hub.api.idempotency import answered_once
from hub.api.problems import of_validation
from hub.model.errors import BadInput, NotAllowed, NotAuthenticated, NotFound
from hub.model.visibility import Viewer

Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)
Allow = Callable[[Viewer], bool]
ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""One of our ids, as an argument or field type."""


class Body:
    """Marks the argument read from the JSON body."""


class Path:
    """Marks an argument read from the path segment of its name."""


class Query:
    """Marks the argument (a model) read from the query string."""


Place = Literal["body", "path", "query"]
_PLACES: Mapping[type, Place] = {Body: "body", Path: "path", Query: "query"}


@dataclass(frozen=True, slots=True)
class Argument:
    """One typed argument of a handler."""

    name: str
    place: Place
    type: Any
    adapter: TypeAdapter[Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path; what OpenAPI is written from."""

    method: str
    path: str
    handler: Handler
    status: int
    summary: str
    tag: str
    public: bool
    allow: Allow | None
    creates: bool
    if_match: bool
    produces: str | None
    consumes: str | None
    arguments: tuple[Argument, ...]
    answer: TypeAdapter[Any] | None

    @property
    def name(self) -> str:
        """Method and path: the idempotency scope."""
        return f"{self.method} {self.path}"

    def argument(self, place: Place) -> Argument | None:
        """Return the first argument of a place."""
        return next((one for one in self.arguments if one.place == place), None)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Authenticate, parse, call the handler, show its result."""
        ctx = Context(request)
        await self._admit(ctx)
        values = {
            one.name: read_argument(request, one) for one in self.arguments if one.place != "body"
        }
        body = self.argument("body")
        if body is None:
            return await self._call(ctx, values)
        raw = await read_json(request)
        values[body.name] = checked(body.adapter, raw, "body")
        if self.creates:
            call = _Call(self, ctx, values)
            return await answered_once(ctx, self.name, raw, call)
        return await self._call(ctx, values)

    async def _admit(self, ctx: Context) -> None:
        if self.public:
            return
        login = ctx.login = await identify(ctx.request)
        if login is None:
            raise NotAuthenticated
        require_same_site(ctx.request, login)
        if self.allow is not None and not self.allow(login.viewer):
            raise NotAllowed

    async def _call(self, ctx: Context, values: Mapping[str, Any]) -> web.StreamResponse:
        result = await self.handler(ctx, **values)
        response = result if isinstance(result, web.StreamResponse) else self._show(ctx, result)
        if not response.prepared:
            response.headers.update(ctx.headers)
            if ctx.finish is not None:
                ctx.finish(response)
        return response

    def _show(self, ctx: Context, result: Any) -> web.Response:
        if self.answer is None:
            return web.Response(status=204)
        version = getattr(result, "version", None)
        if isinstance(version, int):
            ctx.headers.setdefault("ETag", f'"{version}"')
        return web.Response(
            status=ctx.status or self.status,
            body=self.answer.dump_json(result),
            content_type="application/json",
        )


@dataclass(frozen=True, slots=True)
class _Call:
    """The handler with its arguments, for the idempotency wrapper to call at most once."""

    route: Route
    ctx: Context
    values: Mapping[str, Any]

    async def __call__(self) -> web.StreamResponse:
        return await self.route._call(self.ctx, self.values)


class Routes:
    """The routes of one subject; `add_to` puts them into an application."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.routes: list[Route] = []

    def route(  # noqa: PLR0913 - all that a route is
        self,
        method: str,
        path: str,
        *,
        summary: str,
        status: int = 200,
        public: bool = False,
        allow: Allow | None = None,
        creates: bool = False,
        if_match: bool = False,
        produces: str | None = None,
        consumes: str | None = None,
    ) -> Callable[[H], H]:
        """Register a handler.

        Args:
            public: nobody needs to be logged in.
            allow: a predicate of `hub.model.visibility`; False answers 403.
            creates: the body has `client_id`; repeats give the stored answer.
            if_match: the handler calls `ctx.if_match()`.
            produces: content type of a handler that returns a response itself.
            consumes: content type of a body the handler reads itself.
        """

        def register(handler: H) -> H:
            arguments, answer = _signature(handler)
            self.routes.append(
                Route(
                    method=method, path=path, handler=handler, status=status, summary=summary,
                    tag=self.tag, public=public, allow=allow, creates=creates, if_match=if_match,
                    produces=produces, consumes=consumes, arguments=arguments, answer=answer,
                )
            )  # fmt: skip
            return handler

        return register

    def add_to(self, app: web.Application) -> None:
        """Add every route to an application."""
        for route in self.routes:
            app.router.add_route(route.method, route.path, route.serve)


class Wish(BaseModel):
    """Root of request bodies: a field that is not named is refused (mass assignment)."""

    model_config = ConfigDict(extra="forbid")


class Created(Wish):
    """Base of bodies of creating POSTs: `client_id` makes a repeat harmless."""

    client_id: Id | None = None


def _signature(handler: Handler) -> tuple[tuple[Argument, ...], TypeAdapter[Any] | None]:
    hints = get_type_hints(handler, include_extras=True)
    returns = hints.pop("return", None)
    arguments: list[Argument] = []
    for name in list(inspect.signature(handler).parameters)[1:]:
        hint = hints[name]
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        place = next((_PLACES[mark] for mark in marks if mark in _PLACES), None)
        if place is None:
            raise TypeError(f"{handler.__qualname__}: {name} is neither Body, Path nor Query")
        rest = tuple(mark for mark in marks if mark not in _PLACES)
        bare = get_args(hint)[0]
        kind: Any = Annotated[(bare, *rest)] if rest else bare
        arguments.append(Argument(name, place, kind, TypeAdapter(kind)))
    raw = returns is type(None) or returns is None
    if raw or (inspect.isclass(returns) and issubclass(returns, web.StreamResponse)):
        return tuple(arguments), None
    return tuple(arguments), TypeAdapter(returns)


def read_argument(request: web.Request, argument: Argument) -> Any:
    """Read a path or query argument.

    Raises:
        NotFound: a path segment that cannot be one.
        ValidationFailed: the query does not fit.
    """
    if argument.place == "path":
        try:
            segment = request.match_info[argument.name]
            require_text(segment)
            return argument.adapter.validate_python(segment)
        except (ValidationError, BadInput):
            raise NotFound from None
    return checked(argument.adapter, _query(request, argument.type), "query")


def checked(adapter: TypeAdapter[Any], value: Any, where: str) -> Any:
    """Validate what came in; raises ValidationFailed."""
    try:
        if where == "body":  # by way of JSON: an id or date is text, never a Python object
            return adapter.validate_json(orjson.dumps(value), strict=True)
        return adapter.validate_python(value)
    except ValidationError as error:
        raise of_validation(error, where) from None


def _query(request: web.Request, model: type[BaseModel]) -> dict[str, Any]:
    """Return the query as the model's fields: repeated ones as lists where a list is expected."""
    lists = {
        field.alias or name
        for name, field in model.model_fields.items()
        if _is_list(field.annotation)
    }
    found: dict[str, Any] = {}
    for key in dict.fromkeys(request.query):
        values = request.query.getall(key)
        for value in (key, *values):
            require_text(value)
        found[key] = values if key in lists or len(values) > 1 else values[0]
    return found


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in {list, tuple, set, frozenset} or any(
        _is_list(part) for part in get_args(annotation)
    )
