"""``format=flowed`` (RFC 3676): lines that were only wrapped become one paragraph again."""

from __future__ import annotations

_MAX_QUOTE_DEPTH = 50


def unflow(text: str, *, delsp: bool = False) -> str:
    """Join flowed lines; quoted lines join only with lines of the same quote depth.

    Args:
        text: The decoded body.
        delsp: The ``DelSp=Yes`` parameter: the space at the break was added by the sender.
    """
    out: list[str] = []
    pieces: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        depth, content = _unquote(line)
        if content.startswith(" "):
            content = content[1:]
        signature = content == "-- "
        if pieces and (depth != open_depth or signature):
            _close(out, pieces, open_depth)
        pieces.append(content)
        open_depth = depth
        if signature or not content.endswith(" "):
            _close(out, pieces, open_depth)
        elif delsp:
            pieces[-1] = content[:-1]
    if pieces:
        _close(out, pieces, open_depth)
    return "\n".join(out)


def _close(out: list[str], pieces: list[str], depth: int) -> None:
    content = "".join(pieces)
    out.append(">" * depth + " " + content if depth else content)
    pieces.clear()


def _unquote(line: str) -> tuple[int, str]:
    head = line[:_MAX_QUOTE_DEPTH]
    depth = len(head) - len(head.lstrip(">"))
    return depth, line[depth:]
