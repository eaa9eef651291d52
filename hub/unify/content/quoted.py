"""The part of a mail that its sender wrote now, without the messages quoted in it.

Works line by line in linear time. What is cut away is always kept by the caller: a wrong cut is an
inconvenience, a lost word of a customer is not acceptable. Therefore, when in doubt, text stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hub.unify.content.html_quotes import html_without_quotes
from hub.unify.content.quote_marks import (
    RULE,
    ends_like_attribution,
    header_field,
    is_attribution,
    is_closing,
    is_device_line,
    is_sender_line,
    is_short_attribution,
    mid_line_attribution,
    separator_kind,
)

MAX_CHARS = 200_000
MAX_LINES = 10_000
_LOOK_BACK = 5
# Each look at a possible attribution costs some 0.3 ms at worst.
_MAX_ATTEMPTS = 1_000
_HEADER_LINES = 10
_SIGNATURE_LINES = 15
_FOOTER_LINES = 8
_WRAP_CHARS = 65
_QUOTED = re.compile(r"\s{0,3}(?:[A-Za-z]{1,3})?>")
_STARTER_ONLY = re.compile(r"\s*(?:On|Am|Le|El|Il|Em|Op|På|Den|Dne|W dniu)\s*\Z")
_SENTENCE_END = re.compile(r"[.!?。！？]\Z")
_ORPHAN_END = re.compile(r">\s{0,2}[^\s>]{2,20}(?: [^\s>]{2,20})?\s?[:：]\Z")
_LINK = re.compile(r"<?\(?https?://[^\s<>()]{1,2000}\)?>?")
_DIGIT_OR_MAIL = re.compile(r"[\d@]")
_WORD = re.compile(r"\w")
_DELIMITER = re.compile(r"\s{0,3}(?:--|—|–)\s*\Z")
_FOOTER_RULE = re.compile(r"\s{0,3}_{2,80}\s*\Z")
_ANNOUNCED = re.compile(
    r"[:：]\s*\Z|\b(?:below|siehe unten|unten|ci-dessous|abajo|sotto)\b"
    r"|下面|以下|如下|见下|附上|请看|請看|下列",
    re.IGNORECASE,
)


def visible_text(text: str) -> str:
    """Return what the sender of a plain-text mail wrote now.

    Quotes with an attribution line ("On … wrote:", 写道, …), header blocks of forwarded or answered
    mails, trailing ``>`` lines and signatures behind ``--`` go. Answers between quoted lines stay
    together with the lines they answer. A forwarded mail stays when the sender announces it or
    wrote nothing else.

    Args:
        text: The body; only the first 200,000 characters and 10,000 lines are read.
    """
    text = text[:MAX_CHARS].replace("\r\n", "\n").replace("\r", "\n")
    whole = text.strip()
    lines = [line.rstrip() for line in text.split("\n")[:MAX_LINES]]
    kept = _without_quotes(lines)
    if not any(line.strip() for line in kept):
        # Nothing but a forwarded or quoted mail: then that is the message.
        return _joined(_without_ending(whole.split("\n")))
    return _joined(_without_ending(kept))


def visible_html(html: str) -> str:
    """Return what the sender of an HTML mail wrote now, as plain text.

    Quotes are found by the marks of mail programs (``gmail_quote``, ``blockquote``, …) first and by
    :func:`visible_text` in what is left.

    Args:
        html: As received; only the first 200,000 characters are read.
    """
    return visible_text(html_without_quotes(html[:MAX_CHARS]))


@dataclass(slots=True)
class _Run:
    """Neighbouring lines of one kind: ``text``, ``quote`` or ``answered`` (a marked quote)."""

    kind: str
    lines: list[str]


def _without_quotes(lines: list[str]) -> list[str]:
    runs: list[_Run] = []
    index = attempts = 0
    while index < len(lines):
        line = lines[index]
        cut = _cut(lines, index, runs)
        if cut == "keep":
            runs.append(_Run("text", lines[index:]))
        if cut:
            break
        if _QUOTED.match(line) and not _ends_wrapped_address(line, runs):
            end = _quote_end(lines, index)
            attributed = _last_kind(runs) == "mark" or _starts_attributed(lines, index, end)
            kind = "answered" if attributed else "quote"
            runs.append(_Run(kind, lines[index:end]))
            index = end
            continue
        if attempts < _MAX_ATTEMPTS and (
            ends_like_attribution(line) or _QUOTED.match(_next_filled(lines, index + 1))
        ):
            attempts += 1
            taken = _attribution(lines, index, runs)
            if taken == "cut":
                break
            if taken == "mark":
                runs.append(_Run("mark", []))
                index += 1
                continue
        _append(runs, line)
        index += 1
    return _chosen(runs)


def _ends_wrapped_address(line: str, runs: list[_Run]) -> bool:
    """Say whether ``> wrote:`` is the end of an address broken over lines, not a quoted line."""
    if not _ORPHAN_END.match(line) or not runs or runs[-1].kind != "text":
        return False
    return any(one.strip().startswith("<") for one in runs[-1].lines[-3:])


def _append(runs: list[_Run], line: str) -> None:
    if runs and runs[-1].kind == "mark" and not line.strip():
        return
    if runs and runs[-1].kind == "text":
        runs[-1].lines.append(line)
    else:
        runs.append(_Run("text", [line]))


def _last_kind(runs: list[_Run]) -> str:
    return runs[-1].kind if runs else ""


def _chosen(runs: list[_Run]) -> list[str]:
    """Choose which runs stay.

    One marked quote with text around it goes. Several quotes with text between them are an answer
    point by point: they stay, except the last one.
    """
    runs = [run for run in runs if run.kind != "mark" and any(x.strip() for x in run.lines)]
    blocks = sum(run.kind != "text" for run in runs)
    if blocks and runs[-1].kind == "text" and not _without_ending(runs[-1].lines, keep=0):
        runs.pop()  # only a signature stands below the quote
    while runs and runs[-1].kind != "text" and (len(runs) > 1 or runs[0].kind == "answered"):
        runs.pop()
    drop_answered = blocks == 1
    out: list[str] = []
    for run in runs:
        if run.kind != "answered" or not drop_answered:
            out.extend(run.lines)
    return out


def _quote_end(lines: list[str], start: int) -> int:
    """Return the end of a block of quoted lines with the blank lines and broken links in it."""
    index = end = start
    while index < len(lines):
        line = lines[index]
        if _QUOTED.match(line):
            end = index = index + 1
        elif not line.strip() or not _WORD.search(_LINK.sub("", line)):
            index += 1
            if index - end > 4:
                break
        elif _is_overflow(lines, index):
            index += 1
        else:
            break
    return end


def _is_overflow(lines: list[str], index: int) -> bool:
    """Say whether a line is the end of the quoted line above, broken off without its mark."""
    above, below = lines[index - 1], lines[index + 1 : index + 2]
    return (
        _QUOTED.match(above) is not None
        and len(above) >= _WRAP_CHARS
        and bool(below)
        and _QUOTED.match(below[0]) is not None
    )


def _starts_attributed(lines: list[str], start: int, end: int) -> bool:
    """Say whether a quoted block begins with its own attribution ("> On … wrote:")."""
    joined = ""
    for line in lines[start : min(end, start + 4)]:
        joined = f"{joined} {line.lstrip(' >')}".strip()
        if is_attribution(joined, quote_follows=True) and joined[-1:] in ":：":
            return True
    return False


def _next_filled(lines: list[str], index: int) -> str:
    for line in lines[index : index + 4]:
        if line.strip():
            return line
    return ""


def _attribution(lines: list[str], index: int, runs: list[_Run]) -> str:
    """Look whether an attribution ends on this line; take its earlier lines out of ``runs``.

    Returns:
        ``"mark"`` when quoted lines follow, ``"cut"`` when the quote is all the rest, ``""`` when
        the line is text.
    """
    quote_follows = _QUOTED.match(_next_filled(lines, index + 1)) is not None
    found = "mark" if quote_follows else "cut"
    text = runs[-1].lines if runs and runs[-1].kind == "text" else []
    candidates = _joined_backwards(lines[index].strip(), text)
    if not _DIGIT_OR_MAIL.search(candidates[-1]):
        candidates = []
    for test in (is_attribution, is_sender_line):
        for back, joined in enumerate(candidates):
            if test(joined, quote_follows=quote_follows):
                del text[len(text) - back :]
                if text and _STARTER_ONLY.match(text[-1]):
                    text.pop()
                return found
    start = mid_line_attribution(lines[index])
    if start is not None:
        _append(runs, lines[index][:start].rstrip())
        return found
    return "mark" if quote_follows and is_short_attribution(lines[index].strip()) else ""


def _joined_backwards(line: str, text: list[str]) -> list[str]:
    """Return the line alone, with the one before, with the two before … as one line each."""
    joined = [line]
    for before in reversed(text[-_LOOK_BACK:]):
        before = before.strip()
        if _SENTENCE_END.search(before) or (not before and not joined[-1].startswith("<")):
            break
        joined.append(f"{before} {joined[-1]}".strip())
    return joined


def _cut(lines: list[str], index: int, runs: list[_Run]) -> str:
    """Judge the line as the beginning of an earlier mail.

    Returns:
        ``"cut"`` when all the rest is one, ``"keep"`` when it is one that the sender announces (a
        forwarded mail belongs to the message then), ``""`` when it is not.
    """
    line = lines[index]
    kind = separator_kind(line)
    if kind == "unknown":
        kind = "original" if _header_block(lines, index + 1) else None
    if kind is None:
        if not _header_block(lines, index):
            return ""
        kind = "original"
    own = runs[-1].lines if runs else []
    last = _filled_end(own)
    if kind == "forwarded" and last and _ANNOUNCED.search(own[last - 1]):
        return "keep"
    if runs and runs[-1].kind == "text":
        del runs[-1].lines[_filled_end(runs[-1].lines) :]
    return "cut"


def _filled_end(lines: list[str]) -> int:
    """Return the length without blank lines and drawn rules at the end."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or RULE.match(lines[end - 1])):
        end -= 1
    return end


def _header_block(lines: list[str], start: int) -> bool:
    """Say whether a block of mail headers stands here (at most one blank line before it)."""
    if start < len(lines) and not lines[start].strip():
        start += 1
    if start >= len(lines) or header_field(lines[start]) is None:
        return False
    roles: dict[str, str] = {}
    misses = 0
    for line in lines[start : start + _HEADER_LINES]:
        field = header_field(line)
        if field:
            roles.setdefault(*field)
            misses = 0
        elif line.strip():
            misses += 1
            if roles and "@" in line:
                roles["from"] = roles.get("from", "") + line
            if misses > 1:
                break
    if "from" not in roles or len(roles) < 3:
        return False
    # "From: Beijing, To: Shanghai, Date: 5 March" is a wish to travel, not a mail.
    return "subject" in roles or "@" in roles["from"] + roles.get("to", "")


def _without_ending(lines: list[str], *, keep: int = 1) -> list[str]:
    """Drop signatures: behind ``--``, list footers, device lines, closing formula and name.

    Args:
        lines: The text.
        keep: How many lines at least stay in front of a signature.
    """
    lines = _trimmed(lines)
    filled = 0
    for index in range(len(lines) - 1, keep - 1, -1):
        is_footer = filled <= _FOOTER_LINES and _FOOTER_RULE.match(lines[index])
        if _DELIMITER.match(lines[index]) or is_footer:
            lines = _trimmed(lines[:index])
            break
        filled += bool(lines[index].strip())
        if filled > _SIGNATURE_LINES:
            break
    while len(lines) > 1 and is_device_line(lines[-1]):
        lines = _trimmed(lines[:-1])
    for index in range(len(lines) - 1, max(len(lines) - 5, 0), -1):
        if is_closing(lines[index]) and all(len(one) <= 40 for one in lines[index + 1 :]):
            return _trimmed(lines[:index])
    return lines


def _trimmed(lines: list[str]) -> list[str]:
    start, end = 0, len(lines)
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return lines[start:end]


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).strip()
