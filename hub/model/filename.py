"""File names that came from outside, made safe to show, to save and to send on.

Names are normalised first and checked afterwards, because a check before the normalisation can be
walked around (full-width dots and slashes, zero-width marks between two dots). Stored files have
random names of their own; what this module returns is a label for people.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_CHARS = 120
MAX_NAME_BYTES = 200
_MAX_EXTENSION_CHARS = 12
_READ_CHARS = 4_096

_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
)
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')
_SPACES = re.compile(r"\s+")
# Invisible (Cf), control (Cc), surrogate (Cs), private use (Co) and unassigned (Cn) characters.
_DROPPED_CATEGORIES = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})


def clean_filename(name: str | None, *, default: str = "file") -> str:
    """Turn an untrusted file name into a safe one of at most 120 characters and 200 bytes.

    Directories, control characters, invisible and direction-changing marks are removed, characters
    that some file system refuses become ``_``, reserved device names get a ``_`` in front. The
    extension survives the shortening.

    Args:
        name: The name as received; ``None`` and names with nothing left give ``default``.
        default: What to call a file without a usable name.

    Returns:
        A name without ``/``, ``\\``, NUL or leading dots; never empty.
    """
    if not name:
        return default
    # Only the end counts (the extension) when somebody sends a megabyte as a name.
    text = unicodedata.normalize("NFC", name[-_READ_CHARS:])
    text = "".join(_visible(char) for char in text)
    text = text.replace("\\", "/").rsplit("/", 1)[-1]
    text = _FORBIDDEN.sub("_", text)
    text = _SPACES.sub(" ", text).strip(" .")
    if not text.strip("_. "):
        return default
    stem = text.split(".", 1)[0].strip().casefold()
    if stem in _RESERVED:
        text = "_" + text
    return _shorten(text)


def _visible(char: str) -> str:
    """Return the character, its plain form when that is a separator, or nothing."""
    if char in "\t\n\r":
        return " "
    if char.isascii():
        return char
    if unicodedata.category(char) in _DROPPED_CATEGORIES:
        return ""
    plain = unicodedata.normalize("NFKC", char)
    # Full-width and compatibility forms of separators and dots act like the plain ones.
    return plain if any(mark in plain for mark in "/\\.:") else char


def _shorten(text: str) -> str:
    """Cut the stem, not the extension, to the length limits."""
    stem, dot, extension = text.rpartition(".")
    if not dot or not stem or len(extension) > _MAX_EXTENSION_CHARS:
        stem, extension = text, ""
    tail = f".{extension}" if extension else ""
    stem = stem[: MAX_NAME_CHARS - len(tail)]
    room = MAX_NAME_BYTES - len(tail.encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .")
    return (stem or "file") + tail
