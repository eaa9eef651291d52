"""The OpenAPI 3.1 document, written from the routes' types."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from hub.api.context import CSRF_HEADER
from hub.api.http import Argument, Place, Route
from hub.api.problems import PROBLEM_TYPE, Problem

_REF = "#/components/schemas/{model}"
_VERSION = r'^(W/)?"[0-9]{1,15}"$'
_Key = tuple[str, Place | str]


def document(routes: Iterable[Route], version: str, server: str) -> dict[str, Any]:
    """Return the whole document.

    Args:
        routes: in the order they are listed.
        version: of the hub.
        server: HUB_PUBLIC_URL.
    """
    listed = [route for route in routes if not route.path.startswith("/in/")]
    schemas, components = _schemas(listed)
    paths: dict[str, Any] = {}
    for number, route in enumerate(listed):
        operation = _operation(number, route, schemas)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "omni-hub", "version": version},
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in listed)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "hub_session"},
                "token": {"type": "http", "scheme": "bearer"},
            },
            "responses": {"Problem": _content(PROBLEM_TYPE, schemas[("problem", "serialization")])},
        },
    }


def _schemas(routes: Sequence[Route]) -> tuple[dict[tuple[str, str], Any], dict[str, Any]]:
    """Return the schema of every argument and answer by (key, mode), and the components."""
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        ("problem", "serialization", TypeAdapter(Problem))
    ]
    for number, route in enumerate(routes):
        inputs += [(f"{number}:{one.name}", "validation", one.adapter) for one in route.arguments]
        if route.answer is not None:
            inputs.append((f"{number}:answer", "serialization", route.answer))
    found, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    return dict(found.items()), dict(definitions.get("$defs", {}))


def _operation(number: int, route: Route, schemas: dict[tuple[str, str], Any]) -> dict[str, Any]:
    def schema(one: Argument) -> Any:
        return schemas[(f"{number}:{one.name}", "validation")]

    operation: dict[str, Any] = {
        "tags": [route.tag],
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "responses": _responses(number, route, schemas),
        "security": [{}] if route.public else [{"session": []}, {"token": []}],
    }
    parameters = [
        {"name": one.name, "in": "path", "required": True, "schema": schema(one)}
        for one in route.arguments
        if one.place == "path"
    ]
    for one in route.arguments:
        if one.place == "query":
            parameters += _query(one)
    if route.if_match:
        parameters.append(_header("If-Match", '"VERSION" as in the ETag', pattern=_VERSION))
    if not route.public and route.method not in {"GET", "HEAD"}:
        parameters.append(_header(CSRF_HEADER, "with a session cookie only", required=False))
    if parameters:
        operation["parameters"] = parameters
    body = route.argument("body")
    if body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema(body)}},
        }
    elif route.consumes is not None:
        binary = {"type": "string", "contentMediaType": route.consumes}
        operation["requestBody"] = {
            "required": True,
            "content": {route.consumes: {"schema": binary}},
        }
    return operation


def _query(argument: Argument) -> list[dict[str, Any]]:
    """Return the parameters of a query model; its schema is written out, not referred to."""
    whole = argument.adapter.json_schema(ref_template=_REF)
    required = set(whole.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in whole.get("properties", {}).items()
    ]


def _responses(number: int, route: Route, schemas: dict[tuple[str, str], Any]) -> dict[str, Any]:
    good: dict[str, Any]
    if route.answer is not None:
        good = _content("application/json", schemas[(f"{number}:answer", "serialization")])
        status = str(route.status)
    elif route.produces is not None:
        good = _content(route.produces, {})
        status = str(route.status)
    else:
        good, status = {"description": "done"}, "204"
    found = {status: good, "default": {"$ref": "#/components/responses/Problem"}}
    if route.creates:
        found["200"] = {**good, "description": "the stored answer to the same client_id"}
    return found


def _content(media_type: str, schema: Any) -> dict[str, Any]:
    return {"description": "answer", "content": {media_type: {"schema": schema}}}


def _header(
    name: str, description: str, *, required: bool = True, pattern: str | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern},
    }
