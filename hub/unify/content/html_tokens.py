"""HTML as a flat stream of tags and text, in linear time for any input.

A tree is not needed to read a mail, and tree builders have depth limits, recursion or quadratic
repairs. Browsers are more lenient than this; what is *shown* as HTML goes through
:func:`hub.unify.content.html.clean_html`, never through here.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from html import unescape
from typing import NamedTuple

_TAG = re.compile(
    # Possessive: a tag that does not end is given up at once instead of being read again.
    r"<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,40})((?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)>"
)
_SIMPLE = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,40})([^<>]*)>")
_ATTRIBUTE = re.compile(
    r"([a-zA-Z_:][-\w:.]{0,60})\s{0,20}=\s{0,20}(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))"
)
# Careful matching may read far for nothing; after that many failures only the simple form is tried.
_MAX_FAILURES = 100
MAX_TAGS = 60_000
_RAW_TEXT = frozenset({"script", "style", "title", "template", "noscript", "textarea", "xml"})
_DROPPED = frozenset({"script", "style", "title", "template", "xml"})


class Tag(NamedTuple):
    """A start or end tag; ``name`` in lower case, ``raw`` the attributes as written."""

    name: str
    closing: bool
    raw: str

    def attribute(self, name: str) -> str:
        """Return an attribute's value, ``""`` when absent."""
        for match in _ATTRIBUTE.finditer(self.raw[:20_000]):
            if match.group(1).lower() == name:
                return unescape(next((one for one in match.groups()[1:] if one), ""))
        return ""


def tokens(source: str) -> Iterator[Tag | str]:
    """Yield tags and decoded text; comments, declarations, styles and scripts are left out."""
    position, size, failures, count = 0, len(source), 0, 0
    missing: set[str] = set()
    while position < size:
        start = source.find("<", position)
        count += 1
        if count > MAX_TAGS:
            # Nobody reads a mail with that many tags: what is left counts as plain text.
            yield unescape(_SIMPLE.sub("", source[position:]))
            return
        if start < 0:
            yield unescape(source[position:])
            return
        if start > position:
            yield unescape(source[position:start])
        follower = source[start + 1 : start + 2]
        if follower in ("!", "?"):
            position = _after_declaration(source, start, missing)
            continue
        match = _TAG.match(source, start) if failures < _MAX_FAILURES else None
        if match is None:
            failures += 1
            match = _SIMPLE.match(source, start)
        if match is None:
            yield "<"
            position = start + 1
            continue
        tag = Tag(match.group(2).lower(), bool(match.group(1)), match.group(3))
        position = match.end()
        if tag.name in _RAW_TEXT and not tag.closing and not tag.raw.endswith("/"):
            position = yield from _raw_text(source, tag, position, missing)
            continue
        yield tag


def _after_declaration(source: str, start: int, missing: set[str]) -> int:
    """Return where a comment or declaration ends; an unclosed one is only its first character."""
    mark = "-->" if source.startswith("<!--", start) else ">"
    if mark not in missing:
        end = source.find(mark, start + 2)
        if end >= 0:
            return end + len(mark)
        missing.add(mark)
    return start + (4 if mark == "-->" else 2)


def _raw_text(source: str, tag: Tag, position: int, missing: set[str]) -> Generator[str, None, int]:
    """Handle an element whose content is not markup; returns the position after it."""
    if tag.name in missing:
        return position
    match = re.compile(rf"</{re.escape(tag.name)}\b[^<>]*>", re.IGNORECASE).search(source, position)
    if match is None:
        missing.add(tag.name)
        return position
    if tag.name not in _DROPPED:
        yield unescape(source[position : match.start()])
    return match.end()


BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "center", "dd", "div", "dl", "dt", "fieldset",
    "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main",
    "nav", "ol", "p", "pre", "section", "table", "tr", "ul", "body", "html",
})  # fmt: skip
VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr",
})  # fmt: skip
_WHITE = re.compile(r"[ \t\r\n\f]+")


class TextWriter:
    """Collect a token stream as plain text: block elements break lines, white space collapses."""

    def __init__(self) -> None:
        """Start with an empty text."""
        self._out: list[str] = []
        self._line: list[str] = []
        self._blank = 0
        self._pre = 0

    def text(self, data: str) -> None:
        """Append text."""
        if self._pre:
            first, *others = data.split("\n")
            self._line.append(first)
            for other in others:
                self.line_break()
                self._line.append(other)
            return
        data = _WHITE.sub(" ", data)
        if data.startswith(" ") and (not self._line or self._line[-1].endswith(" ")):
            data = data[1:]
        if data:
            self._line.append(data)

    def tag(self, tag: Tag) -> None:
        """Apply what a tag means for the layout."""
        if tag.name == "br":
            self.line_break()
        elif tag.name in BLOCKS:
            self.block()
            if tag.name == "pre":
                self._pre = max(self._pre + (-1 if tag.closing else 1), 0)
            elif tag.name == "p" or (tag.name == "hr" and not tag.closing):
                self._blank = max(self._blank, 1)
            elif tag.name == "li" and not tag.closing:
                self._line.append("- ")
        elif tag.name in ("td", "th") and tag.closing:
            self.text(" ")

    def block(self) -> None:
        """End the line when something stands on it."""
        if any(part.strip() for part in self._line):
            self.line_break()
        else:
            self._line.clear()

    def line_break(self) -> None:
        """End the line, also an empty one."""
        content = "".join(self._line).replace("\xa0", " ").rstrip()
        self._line.clear()
        if not content:
            self._blank += 1
            return
        if self._out and self._blank:
            self._out.extend([""] * min(self._blank, 2))
        self._blank = 0
        self._out.append(content if self._pre else content.lstrip(" "))

    def value(self) -> str:
        """Return the text so far."""
        self.block()
        return "\n".join(self._out)
