"""The line of a text that shows why it was found: cut around the first hit, hits marked.

Pure. Marks are offsets into the snippet in UTF-16 code units, as browsers count, never HTML. A text
is searched as the index sees it: width, case and accents do not count.
"""

import re
import unicodedata
from dataclasses import dataclass

BEFORE = 40
LENGTH = 160
_MAX_SCAN = 50_000
_MAX_MARKS = 20
_PIECE = re.compile(r"[^\W_]+")
_WIDE = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a text. `marks` are (start, end) pairs in UTF-16 code units, in order."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()


def pieces(query: str) -> tuple[str, ...]:
    """Return the words and runs of a query, folded; what is to be marked."""
    return tuple(dict.fromkeys(m[0] for m in _PIECE.finditer(_folded(query[:500]))))[:16]


def snippet(text: str, wanted: tuple[str, ...]) -> Snippet:
    """Return the part of `text` around the first hit with the hits in it marked.

    Only the first 50,000 characters are looked at; without a hit there the text's beginning is
    returned unmarked.
    """
    source = " ".join(text[:_MAX_SCAN].split())
    folded, places = _fold_with_places(source)
    hits = _hits(folded, wanted)
    first = places[hits[0][0]] if hits else 0
    start = max(0, first - BEFORE)
    end = min(len(source), start + LENGTH)
    shown = source[start:end]
    lead = "…" if start else ""
    tail = "…" if end < len(source) else ""
    marks: list[tuple[int, int]] = []
    for low, high in hits:
        a, b = places[low], places[high - 1] + 1
        if a >= start and b <= end and len(marks) < _MAX_MARKS:
            marks.append((len(lead) + _units(source[start:a]), len(lead) + _units(source[start:b])))
    return Snippet(f"{lead}{shown}{tail}", tuple(marks))


def _hits(folded: str, wanted: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return where the pieces stand, in order, none inside another."""
    found: list[tuple[int, int]] = []
    for piece in wanted:
        at = folded.find(piece)
        while at >= 0 and len(found) < 200:
            # A word is found by its beginning, Chinese anywhere.
            if _WIDE.match(piece) or at == 0 or not folded[at - 1].isalnum() or _wide(folded, at):
                found.append((at, at + len(piece)))
            at = folded.find(piece, at + len(piece))
    out: list[tuple[int, int]] = []
    for low, high in sorted(found):
        if not out or low >= out[-1][1]:
            out.append((low, high))
    return out


def _wide(folded: str, at: int) -> bool:
    return _WIDE.match(folded[at - 1]) is not None


def _fold_with_places(source: str) -> tuple[str, list[int]]:
    """Return the folded text and, for each of its characters, where it stood in the source."""
    if source.isascii():
        return source.casefold(), list(range(len(source)))
    letters: list[str] = []
    places: list[int] = []
    for at, char in enumerate(source):
        for one in _folded(char):
            letters.append(one)
            places.append(at)
    return "".join(letters), places


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii() or _WIDE.search(folded):
        return folded
    parts = unicodedata.normalize("NFD", folded)
    return "".join(c for c in parts if not unicodedata.combining(c))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
