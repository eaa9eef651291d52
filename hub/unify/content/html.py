"""HTML of mails: cleaned for showing, turned into text for reading and searching."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from html import escape

import nh3

from hub.unify.content.html_tokens import VOID, Tag, TextWriter, tokens

MAX_HTML_CHARS = 1_000_000
MAX_CLEAN_TAGS = 60_000
# The parser behind nh3 is quadratic in character references and in depth.
MAX_ENTITIES = 60_000
MAX_DEPTH = 400

_TAGS = {
    "a", "abbr", "address", "b", "big", "blockquote", "br", "caption", "center", "cite", "code",
    "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em", "figcaption",
    "figure", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li",
    "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "summary",
    "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
}  # fmt: skip
_BOX = {"align", "valign", "bgcolor", "width", "height", "dir", "lang", "title", "style"}
_ATTRIBUTES = {
    "*": {"align", "dir", "lang", "title", "style"},
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height", "align", "border", "style"},
    "font": {"color", "size", "face"},
    "table": _BOX | {"border", "cellpadding", "cellspacing"},
    "td": _BOX | {"colspan", "rowspan"},
    "th": _BOX | {"colspan", "rowspan"},
    "tr": _BOX,
    "col": {"span", "width"},
    "ol": {"start", "type"},
    "li": {"value"},
}
# No property that takes an address (background, list-style, content, cursor, filter …) or that
# could place text over the hub's own screen (position, z-index).
_STYLES = {
    "color", "background-color", "font-family", "font-size", "font-style", "font-weight",
    "text-align", "text-decoration", "text-indent", "vertical-align", "white-space", "line-height",
    "width", "max-width", "height", "margin", "margin-left", "margin-right", "margin-top",
    "margin-bottom", "padding", "padding-left", "padding-right", "padding-top", "padding-bottom",
    "border", "border-left", "border-right", "border-top", "border-bottom", "border-color",
    "border-style", "border-width", "border-collapse", "border-spacing", "border-radius",
}  # fmt: skip
_DANGEROUS_STYLE = re.compile(r"url|expression|image|import|javascript|attr\(|[\\@]", re.IGNORECASE)
_OPEN_OR_CLOSE = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,30})")


def clean_html(
    html: str, *, allow_remote_images: bool = False, cid_urls: Mapping[str, str] | None = None
) -> str:
    """Make received HTML safe to show in a sandboxed frame.

    Scripts, forms, frames, SVG, event handlers and every style that can load something are gone.
    Embedded images (``cid:``) get the address from ``cid_urls`` or keep their ``cid:``. Images from
    other hosts tell their sender when a mail is read: unless allowed, their address moves to
    ``data-blocked-src``.

    Args:
        html: As received, at most 1 million characters are read.
        allow_remote_images: Keep ``http`` and ``https`` images.
        cid_urls: Content id without brackets to the address the hub serves the file at. Only
            relative addresses and ``https`` work.

    Returns:
        Clean HTML. Mails nested or tagged beyond reason come back as escaped text.
    """
    html = html[:MAX_HTML_CHARS]
    if not _is_reasonable(html):
        return f"<pre>{escape(html_to_text(html))}</pre>"
    # The mark cannot be guessed, so no mail can contain it and smuggle attributes in.
    mark = f"https://{secrets.token_hex(16)}.invalid/"
    cleaned = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags={"script", "style", "title", "template", "noscript", "textarea"},
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute_filter(mark, allow_remote_images, cid_urls or {}),
        strip_comments=True,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        filter_style_properties=_STYLES,
    )
    cleaned = cleaned.replace(f' src="{mark}blocked/', ' data-blocked-src="')
    return cleaned.replace(mark + "cid/", "")


def _attribute_filter(
    mark: str, allow_remote_images: bool, cid_urls: Mapping[str, str]
) -> Callable[[str, str, str], str | None]:
    """Make the judge of single attributes; marked addresses are rewritten after the cleaning."""

    def keep(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "style":
            return None if _DANGEROUS_STYLE.search(value) else value
        if tag != "img" or attribute != "src":
            return value
        address = value.strip()
        scheme = address.split(":", 1)[0].lower()
        if scheme == "cid":
            target = cid_urls.get(address[4:].strip("<>"))
            return f"{mark}cid/{target}" if target else address
        if scheme in ("http", "https") or address.startswith("//"):
            return address if allow_remote_images else f"{mark}blocked/{address}"
        return None

    return keep


def _is_reasonable(html: str) -> bool:
    """Say whether a tree may be built: neither too deep nor too much in it."""
    if html.count("&") > MAX_ENTITIES:
        return False
    depth = count = 0
    for match in _OPEN_OR_CLOSE.finditer(html):
        count += 1
        name = match.group(2).lower()
        if name in VOID or name in ("p", "li", "td", "tr", "option"):
            continue
        depth = max(depth - 1, 0) if match.group(1) else depth + 1
        if depth > MAX_DEPTH or count > MAX_CLEAN_TAGS:
            return False
    return True


def html_to_text(html: str) -> str:
    """Turn HTML into plain text with its line structure; linear, any depth.

    Args:
        html: As received or cleaned; at most 1 million characters are read.
    """
    writer = TextWriter()
    for token in tokens(html[:MAX_HTML_CHARS]):
        if isinstance(token, Tag):
            writer.tag(token)
        else:
            writer.text(token)
    return writer.value().strip("\n")
