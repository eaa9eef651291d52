"""HTML mails to text with the quotes taken out that mail programs mark as such."""

from __future__ import annotations

import re

from hub.unify.content.html_tokens import VOID, Tag, TextWriter, tokens

_QUOTE_CLASS = re.compile(
    r"\b(?:gmail_quote|gmail_extra_quote|gmail_attr|yahoo_quoted|moz-cite-prefix|protonmail_quote|tutanota_quote"
    r"|zmail_extra|zmail_extra_hr|ms-outlook-mobile-reference-message|OutlookMessageHeader|ntes_qt"
    r"|ntes_quote|front-blockquote|wisestamp_quote|mail_quote|freebirdFormviewerViewFormCard_quote)\b",
    re.IGNORECASE,
)
_QUOTE_ID = re.compile(
    r"(?:divRplyFwdMsg|OLK_SRC_BODY_SECTION|isReplyContent|replySplit|divtagdefaultwrapper_quote"
    r"|appendonsend|mail-editor-reference-message-container|qqmail_quote|origbody|ntes-pcmail-quote"
    r"|reply-intro|forwarded-content|_rp_quoted)\Z",
    re.IGNORECASE,
)
# Everything behind these is the earlier mail, also when it is not inside the element.
_CUT_ID = re.compile(
    r"(?:divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|replySplit|isReplyContent)\Z", re.I
)
_CUT_CLASS = re.compile(r"\b(?:OutlookMessageHeader)\b", re.I)
_RULE = "_" * 32


def html_without_quotes(html: str) -> str:
    """Turn HTML into text without marked quotes; attribution lines may be left in it.

    A quote with words of the sender behind it is left out alone; so are their words kept. When all
    is quote (a forwarded mail), all is returned.
    """
    text = _read(html, quotes=False)
    return text if text.strip() else _read(html, quotes=True)


def _read(html: str, *, quotes: bool) -> str:
    writer = TextWriter()
    skipping, depth = "", 0
    for token in tokens(html):
        if isinstance(token, str):
            if not skipping:
                writer.text(token)
            continue
        if skipping:
            if token.name == skipping and not token.raw.endswith("/"):
                depth += -1 if token.closing else 1
                if depth <= 0:
                    skipping = ""
                    writer.block()
            continue
        if not quotes and not token.closing and _is_quote(token):
            if _is_cut(token):
                break
            if token.name not in VOID:
                writer.block()
                skipping, depth = token.name, 1
            continue
        if not token.closing and token.name == "hr":
            writer.block()
            writer.text(_RULE)
        writer.tag(token)
    return writer.value()


def _is_quote(tag: Tag) -> bool:
    if tag.name == "blockquote":
        return True
    if not tag.raw.strip():
        return False
    classes, own_id = tag.attribute("class"), tag.attribute("id")
    # "gmail_quote" also wraps forwarded mails; then the page has nothing else and is read again.
    return bool((classes and _QUOTE_CLASS.search(classes)) or (own_id and _QUOTE_ID.search(own_id)))


def _is_cut(tag: Tag) -> bool:
    return bool(_CUT_ID.search(tag.attribute("id")) or _CUT_CLASS.search(tag.attribute("class")))
