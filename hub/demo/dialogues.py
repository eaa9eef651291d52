"""The scripted matters of `dialogues.yaml`: what customers say, turn by turn."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, field_validator

FILE = Path(__file__).with_name("dialogues.yaml")
_NAMES = {"sms": "twilio_sms"}


class Line(BaseModel):
    """One message of a customer.

    Attributes:
        file: kind of file sent with it.
        then: what the text is corrected to a moment later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    file: str = ""
    then: str = ""


class Dialogue(BaseModel):
    """One matter in one language; `ways` empty: on every channel but Slack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    language: str
    type: str
    severity: int
    subject: str
    tags: tuple[str, ...]
    disposition: str
    customer: tuple[Line, ...]
    agent: tuple[str, ...]
    note: str = ""
    ways: tuple[str, ...] = ()

    @field_validator("customer", mode="before")
    @classmethod
    def _plain_text_is_a_line(cls, value: Any) -> Any:
        return [{"text": one} if isinstance(one, str) else one for one in value]

    @field_validator("ways")
    @classmethod
    def _kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_NAMES.get(one, one) for one in value)

    def fits(self, way: str, language: str) -> bool:
        """Tell whether somebody would say this on a channel of kind `way`."""
        kinds = self.ways or ("webchat", "email", "twilio_sms", "telegram")
        return self.language == language and way in kinds


@cache
def dialogues() -> Sequence[Dialogue]:
    """Return every dialogue, in the file's order."""
    found = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(Dialogue.model_validate(one) for one in found)


def fitting(way: str, language: str) -> list[Dialogue]:
    """Return what a person of this language may say on a channel kind; never empty."""
    found = [one for one in dialogues() if one.fits(way, language)]
    return found or [one for one in dialogues() if one.fits(way, "en")]
