"""What goes wrong on the way in, as `application/problem+json`: a code and facts, never prose."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from hub.model.errors import BadInput, HubError, NotFound, Param, TooMany

PROBLEM_TYPE = "application/problem+json"
_LISTED = 20
_WORD = 80


class FieldProblem(BaseModel):
    """One wrong field: where it stands (dotted) and what is wrong with it."""

    model_config = ConfigDict(extra="forbid")

    field: str
    reason: str


class Problem(BaseModel):
    """Every error answer. `params` are what a sentence can be made from."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    code: str
    params: dict[str, str | int | float | bool | None]
    errors: list[FieldProblem] = []


class ValidationFailed(BadInput):
    """The request can be read but a field is wrong; `fields` says which."""

    status: ClassVar[int] = 422
    default_code: ClassVar[str] = "validation_failed"

    def __init__(
        self, code: str | None = None, /, fields: Sequence[FieldProblem] = (), **params: Param
    ) -> None:
        super().__init__(code, **params)
        self.fields = tuple(fields)


class MediaTypeRefused(BadInput):
    """The body is not of a type this route reads."""

    status: ClassVar[int] = 415
    default_code: ClassVar[str] = "media_type_refused"


class MethodRefused(BadInput):
    """The path exists, the method does not."""

    status: ClassVar[int] = 405
    default_code: ClassVar[str] = "method_refused"


class PreconditionMissing(BadInput):
    """A change that must say which version it is made to does not."""

    status: ClassVar[int] = 428
    default_code: ClassVar[str] = "if_match_missing"


def of_validation(error: ValidationError, where: str) -> ValidationFailed:
    """Turn pydantic's findings into ours; the input itself is not repeated."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    fields = [
        FieldProblem(
            field=".".join(str(part)[:_WORD] for part in (where, *one["loc"])),
            reason=one["type"],
        )
        for one in found[:_LISTED]
    ]
    first = fields[0]
    return ValidationFailed(fields=fields, field=first.field, reason=first.reason)


def problem_of(error: HubError) -> web.Response:
    """Return the answer for an error of ours."""
    fields = error.fields if isinstance(error, ValidationFailed) else ()
    headers: dict[str, str] = {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(max(1, round(float(error.params.get("retry_after_s") or 1))))
    return answer(error.status, error.code, error.params, fields, headers)


def problem_of_http(error: web.HTTPException) -> web.Response:
    """Return the answer for what aiohttp itself refuses."""
    if isinstance(error, web.HTTPNotFound):
        return problem_of(NotFound())
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return answer(
            405, MethodRefused.default_code, {"method": error.method[:20]}, (), {"Allow": allowed}
        )
    codes = {413: "too_large", 400: "bad_request", 415: "media_type_refused"}
    return answer(error.status, codes.get(error.status, f"http_{error.status}"), {})


def answer(
    status: int,
    code: str,
    params: Mapping[str, Param],
    fields: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Make a problem document."""
    document: dict[str, Any] = {
        "type": f"urn:hub:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "params": dict(params),
    }
    if fields:
        document["errors"] = [field.model_dump() for field in fields]
    return web.Response(
        status=status, body=orjson.dumps(document), content_type=PROBLEM_TYPE, headers=headers
    )
