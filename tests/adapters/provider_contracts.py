"""Checks outgoing calls against the providers' published API descriptions, when they are there.

They lie beside the project (`../shared/contracts`), never in it; without them nothing is checked.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from tests.adapters.scripted_http import Call

FOLDER = Path(__file__).parents[3] / "shared" / "contracts"
FILES = {
    "twilio_sms": "twilio_api_v2010.json",
    "telegram": "telegram_bot_api.json",
    "slack": "slack_web_api.json",
}


@cache
def contract(kind: str) -> dict[str, Any] | None:
    """Return the API description of one kind, None when it is not there."""
    path = FOLDER / FILES.get(kind, "-")
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def violations(kind: str, call: Call) -> list[str]:
    """Return what the call does that its provider's description does not allow."""
    described = contract(kind)
    if described is None:
        return []
    path = "/" + call.url.split("://", 1)[-1].partition("/")[2].partition("?")[0]
    fields = {**call.params, **(call.json() or call.form_fields())}
    if "methods" in described:
        return list(_telegram(described, path, fields))
    if "swagger" in described:
        return list(_slack(described, path, call, fields))
    return list(_openapi(described, path, call, fields))


def _telegram(described: dict[str, Any], path: str, fields: dict[str, Any]) -> Iterator[str]:
    found = re.fullmatch(r".*/bot[^/]+/(\w+)", path)
    if not found:
        return
    methods = {name.lower(): method for name, method in described["methods"].items()}
    method = methods.get(found[1].lower())
    if method is None:
        yield f"no method {found[1]}"
        return
    known = {field["name"]: field for field in method.get("fields", [])}
    # Files of a media group come under names of the caller's choice (attach://name).
    attached = {name for name, value in fields.items() if isinstance(value, dict)}
    yield from (f"unknown field {n}" for n in fields if n not in known and n not in attached)
    yield from (
        f"missing field {n}" for n, f in known.items() if f.get("required") and n not in fields
    )


def _slack(
    described: dict[str, Any], path: str, call: Call, fields: dict[str, Any]
) -> Iterator[str]:
    found = re.fullmatch(r"(?:.*/api)?(/[a-zA-Z]+(?:\.[a-zA-Z0-9]+)+)", path)
    operations = described["paths"].get(found[1]) if found else None
    operation = (operations or {}).get(call.method.lower())
    if operation is None:
        return  # the description is older than some methods (files.getUploadURLExternal)
    known = {item["name"]: item for item in operation.get("parameters", [])}
    # Younger than the description, documented at docs.slack.dev/reference/methods/chat.postMessage
    younger = {"metadata", "markdown_text", "token"}
    yield from (f"unknown field {name}" for name in fields if name not in known.keys() | younger)
    for name, item in known.items():
        if item.get("required") and name != "token" and name not in fields:
            yield f"missing field {name}"


def _openapi(
    described: dict[str, Any], path: str, call: Call, fields: dict[str, Any]
) -> Iterator[str]:
    operation = _operation(described, path, call.method.lower())
    if operation is None:
        yield f"no operation {call.method} {path}"
        return
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
    queries = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "query"}
    known = {**{name: p["schema"] for name, p in queries.items()}, **schema.get("properties", {})}
    yield from (f"missing field {n}" for n in schema.get("required", []) if n not in fields)
    for name, value in fields.items():
        if name not in known:
            yield f"unknown field {name}"
            continue
        rule = {**known[name], "components": described["components"]}
        yield from _form_value(rule, name, value)


def _operation(described: dict[str, Any], path: str, method: str) -> dict[str, Any] | None:
    for template, item in described["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        # Fixed paths before templates would matter only if both matched one call of ours.
        if re.fullmatch(f".*{pattern}", path) and method in item:
            for parameter in item[method].get("parameters", []):
                if parameter["in"] == "path":
                    _check_path_value(template, path, parameter)
            found: dict[str, Any] = item[method]
            return found
    return None


def _check_path_value(template: str, path: str, parameter: dict[str, Any]) -> None:
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
    found = re.fullmatch(f".*{pattern}", path)
    assert found
    rule = parameter["schema"].get("pattern")
    assert rule is None or re.fullmatch(rule, found[parameter["name"]]), parameter["name"]


def _form_value(rule: dict[str, Any], name: str, value: Any) -> Iterator[str]:
    """Check one form value: forms carry text, so numbers and booleans are read first."""
    kind = rule.get("type")
    if kind == "array":
        value = value if isinstance(value, list) else [value]
    elif kind == "integer":
        value = int(value) if str(value).lstrip("-").isdigit() else value
    elif kind == "boolean":
        value = {"true": True, "false": False}.get(str(value).lower(), value)
    try:
        jsonschema.validate(value, rule)
    except jsonschema.ValidationError as error:
        yield f"{name}: {error.message}"
