"""Slack's mrkdwn to plain text and back.

On the way in, references (`<@U1>`, `<#C1|general>`, `<https://x|label>`), emoji names and the three
entities become what a person reads; `*bold*` and `_italic_` marks stay as typed. On the way out the
three characters Slack gives a meaning are escaped, so that no agent's text can mention a channel.
Every function is linear in its input.
"""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"<([^<>\s][^<>\n]{0,8000})>")
_EMOJI = re.compile(r":([a-z0-9_+'-]{1,100})(?:::(skin-tone-[2-6]))?:")
_SKIN = {f"skin-tone-{n}": chr(0x1F3F9 + n) for n in range(2, 7)}
_MAX_EMOJI = 500
_MAX_NODES = 20_000
MAX_TEXT = 1_000_000


def to_plain(text: str, *, own_user: str = "", emoji: Mapping[str, str] | None = None) -> str:
    """Return `text` as a person reads it.

    Args:
        text: mrkdwn as Slack sends it, entities escaped.
        own_user: our own bot user; a mention of it at the very beginning is how people call the
            app and is left out.
        emoji: characters per emoji name, from `emoji_of`.
    """
    if own_user:
        text = re.sub(rf"\A\s*<@{re.escape(own_user)}(?:\|[^<>\n]{{0,200}})?>[\s,:]*", "", text)
    plain = _REFERENCE.sub(_reference, text)
    if emoji:
        plain = _EMOJI.sub(lambda match: _emoji(match, emoji), plain)
    plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return clean(plain)


def mentions(text: str, user: str) -> bool:
    """Tell whether mrkdwn `text` mentions `user`."""
    return bool(user) and (f"<@{user}>" in text or f"<@{user}|" in text)


def clean(text: str) -> str:
    """Drop what no store can keep: NUL and halves of surrogate pairs; cut at a million."""
    text = text[:MAX_TEXT].replace("\x00", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def escape(text: str) -> str:
    """Escape `&`, `<` and `>` for text we send (docs.slack.dev, Formatting message text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def emoji_of(blocks: object) -> dict[str, str]:
    """Return the characters of the standard emoji named in rich text blocks.

    The text of a message only holds names (`:wave:`); the blocks beside it also hold the code
    points. Anything unexpected is passed over.
    """
    found: dict[str, str] = {}
    stack: list[object] = [blocks]
    for _ in range(_MAX_NODES):
        if not stack or len(found) >= _MAX_EMOJI:
            break
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict):
            stack.append(node.get("elements"))
            name, points = node.get("name"), node.get("unicode")
            if node.get("type") == "emoji" and isinstance(name, str) and isinstance(points, str):
                character = _character(points)
                if character:
                    found[name] = character
    return found


def _character(points: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{2,6}(?:-[0-9a-fA-F]{2,6}){0,15}", points):
        return ""
    numbers = [int(part, 16) for part in points.split("-")]
    if any(n > 0x10FFFF or 0xD800 <= n <= 0xDFFF for n in numbers):
        return ""
    return "".join(map(chr, numbers))


def _emoji(match: re.Match[str], known: Mapping[str, str]) -> str:
    name, skin = match.group(1), match.group(2)
    character = known.get(name)
    if character is None:
        return match.group(0)
    # With a skin tone the block's code points already carry it.
    tone = _SKIN.get(skin or "", "")
    return character if not tone or tone in character else character + tone


def _reference(match: re.Match[str]) -> str:
    target, _, label = match.group(1).partition("|")
    mark, rest = target[:1], target[1:]
    if mark == "@":
        return f"@{label.lstrip('@') or rest}"
    if mark == "#":
        return f"#{label.lstrip('#') or rest}"
    if mark == "!":
        return _special(rest, label)
    return _link(target, label)


def _special(name: str, label: str) -> str:
    if name.startswith("date^"):
        return label or name.split("^", 2)[1]
    if label:
        return label
    head = name.split("^", 1)
    return "@" + (head[1] if len(head) > 1 else head[0])


def _link(target: str, label: str) -> str:
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]{0,20}:", target):
        return label or target
    shown = target
    for scheme in ("mailto:", "tel:"):
        if target.lower().startswith(scheme):
            shown = target[len(scheme) :]
    if not label or label in {target, shown}:
        return shown
    bare = shown.split("://", 1)[-1].rstrip("/")
    if label.rstrip("/") == bare:
        return shown
    return f"{label} ({shown})"
