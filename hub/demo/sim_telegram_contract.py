"""Checks the hub's calls against a machine-readable description of the Bot API."""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict


class _Field(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    required: bool = False


class _Method(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    fields: tuple[_Field, ...] = ()


class BotApiContract:
    """The methods of the Bot API with the names of their parameters."""

    def __init__(self, methods: Mapping[str, _Method]) -> None:
        self._methods = {name.lower(): method for name, method in methods.items()}

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read `{"methods": {name: {"fields": [{"name", "required"}]}}}`; None without a file."""
        if not path.is_file():
            return None
        described = json.loads(path.read_text("utf-8"))["methods"]
        return cls({name: _Method.model_validate(told) for name, told in described.items()})

    def problems(self, method: str, given: Set[str]) -> list[str]:
        """Return what a call with these parameters does wrong."""
        described = self._methods.get(method.lower())
        if described is None:
            return [f"{method}: no such method"]
        known = {field.name for field in described.fields}
        needed = {field.name for field in described.fields if field.required}
        return [f"{method}: unknown parameter {name}" for name in sorted(given - known)] + [
            f"{method}: missing parameter {name}" for name in sorted(needed - given)
        ]
