"""Text from networks, made storable."""

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str, limit: int | None = None) -> str:
    """Return `text` without NUL and lone surrogates, at most `limit` characters.

    PostgreSQL refuses NUL in text, and half a surrogate pair (JSON can carry one) is no UTF-8.
    Nothing else is changed: how a text may be *shown* is decided where it is shown.
    """
    kept = _UNSTORABLE.sub("", text) if _UNSTORABLE.search(text) else text
    return kept if limit is None else kept[:limit]
