"""Signals of the house as the widget's frames: place in the queue, presence."""

from typing import Any

from hub.model.clock import iso
from hub.services.signals import DeskPresence, QueuePlace
from hub.texts import LANGUAGES, TextKey, ahead_key, say, wait_key
from hub.unify.language import known_language


def presence_frame(signal: DeskPresence) -> dict[str, Any]:
    """Return whether somebody answers, and else when."""
    opens_at = None if signal.opens_at is None else iso(signal.opens_at)
    return {"open": signal.open, "opens_at": opens_at}


def queue_frame(signal: QueuePlace, language: str) -> dict[str, Any]:
    """Return a visitor's place with the sentence in their language."""
    if signal.ahead is None:
        return {"type": "queue", "position": None, "wait": None, "text": ""}
    tongue = known_language(language) or LANGUAGES[0]
    key = _wait(signal)
    sentences = [say(ahead_key(signal.ahead), tongue, ahead=signal.ahead)]
    if key is not None:
        sentences.append(say(key, tongue))
    return {
        "type": "queue",
        "position": signal.ahead,
        "wait": None if key is None else key.value.removeprefix("wait_"),
        "text": " ".join(sentences),
    }


def _wait(signal: QueuePlace) -> TextKey | None:
    if signal.nobody:
        return TextKey.WAIT_NOBODY
    return None if signal.minutes is None else wait_key(signal.minutes)
