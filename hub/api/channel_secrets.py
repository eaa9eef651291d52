"""Secrets of channel configurations go in and never out; dots sent back leave them as they are."""

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel, SecretBytes, SecretStr

VEIL = "•••"


def veiled(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with dots for every secret that is set, at any depth.

    Args:
        model: the kind's configuration, whose `SecretStr` fields are the secrets.
        values: as saved (JSON).
    """
    shown: dict[str, Any] = {}
    for name, value in values.items():
        field = model.model_fields.get(name)
        annotation = None if field is None else field.annotation
        if field is None or _holds(annotation, SecretStr) or _holds(annotation, SecretBytes):
            # A name the kind does not know (any more) may well have been a secret.
            shown[name] = VEIL if value else value
            continue
        inner = _model_in(annotation)
        shown[name] = veiled(inner, value) if inner and isinstance(value, dict) else value
    return shown


def merged(saved: bytes, wish: Mapping[str, Any]) -> bytes:
    """Return the configuration wished for (JSON), with secrets that came back as dots as saved."""
    return orjson.dumps(_merge(orjson.loads(saved), wish))


def _merge(before: Any, wish: Any) -> Any:
    if wish == VEIL:
        return before
    if isinstance(wish, Mapping):
        old = before if isinstance(before, dict) else {}
        return {name: _merge(old.get(name), value) for name, value in wish.items()}
    return wish


def _holds(annotation: Any, wanted: type) -> bool:
    parts = getattr(annotation, "__args__", ())
    return annotation is wanted or any(_holds(part, wanted) for part in parts)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    parts = getattr(annotation, "__args__", ())
    return next((found for part in parts if (found := _model_in(part))), None)
