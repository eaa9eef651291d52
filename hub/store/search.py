"""Full-text search that finds two-character Chinese words, the same on both databases.

Neither FTS5 nor PostgreSQL splits Chinese, so the hub does: runs of Chinese, Japanese and Korean
characters become overlapping pairs, other words are folded. `grams("申请退款 OK")` gives
"申请 请退 退款 款 ok"; the last character of a run stands alone too, so that one character is found
as the beginning of a gram. FTS5 is external content over `search_doc`, PostgreSQL has a GIN index
over `to_tsvector('simple', grams)`.

Written by the log's follower, never in the unit that changed the text. A row's id begins with its
instant (`first_id`), so that both databases give the newest hits first without sorting all of them.
What is no message carries a word of its own (`kind_mark`), so that few are found among many.
"""

import re
import unicodedata
import zlib
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement

from hub.store.statement import DialectName, Value, stmt
from hub.store.tables import SearchDoc, table
from hub.store.tx import Tx

OWN_OBJECTS = ("search_fts", "ix_search_doc_grams")
"""Prefixes of what `install` makes; Alembic leaves them alone."""

_CJK = (
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(rf"[{_CJK}]")
_TOKEN = re.compile(rf"(?P<run>[{_CJK}]+)|(?P<word>[^\W_{_CJK}]+)")
# Between two runs that only punctuation parts, so that no pair reaches over it.
_GAP = "x0x"
_MAX_CHARS = 200_000
_MAX_TERMS = 16
_MAX_WORD = 64
_IDS_PER_MICRO = 1024

_DOC = table(SearchDoc)
_ROW = ("kind", "ref", "conversation_id", "customer_id", "queue_id", "at", "grams")
_NAMES = ", ".join(f'"{name}"' for name in ("id", *_ROW))
_PLACES = ", ".join(f":{name}" for name in ("id", *_ROW))
# Only names of this module are put in; values are parameters.
_ADD = stmt(
    text(
        f"INSERT INTO search_doc ({_NAMES}) VALUES ({_PLACES})"  # noqa: S608
        " ON CONFLICT (id) DO NOTHING RETURNING id"
    ),
    name="search.add",
)
_FIND = stmt(
    select(_DOC.c.id, _DOC.c.grams).where(
        _DOC.c.kind == bindparam("kind"), _DOC.c.ref == bindparam("ref")
    ),
    name="search.find",
)
_REMOVE = stmt(delete(_DOC).where(_DOC.c.id == bindparam("id")), name="search.remove")
_FTS_ADD = stmt(text("INSERT INTO search_fts(rowid, grams) VALUES (:id, :grams)"))
_FTS_REMOVE = stmt(
    text("INSERT INTO search_fts(search_fts, rowid, grams) VALUES ('delete', :id, :grams)")
)


def grams(source: str) -> str:
    """Return what is indexed of a text: tokens parted by single spaces, in the text's order.

    Only the first 200,000 characters count.
    """
    tokens: list[str] = []
    for run, word in _tokens(source[:_MAX_CHARS]):
        if run:
            if tokens and _is_cjk(tokens[-1][0]):
                tokens.append(_GAP)
            tokens += _pairs(run)
            tokens.append(run[-1])
        else:
            tokens.append(word)
    return " ".join(tokens)


def match_text(query: str, dialect: DialectName) -> str | None:
    """Return what `Hit`'s parameter takes for a person's query; None when nothing can match.

    Words parted by spaces must all be there; what stands together must follow one another. The last
    token of each word also matches as a beginning.
    """
    phrases = [terms for chunk in query[:500].split() if (terms := _phrase(chunk))][:_MAX_TERMS]
    if not phrases:
        return None
    # Tokens are letters and digits only (see _TOKEN), so quoting them is safe.
    if dialect == "sqlite":
        return " AND ".join(
            f'"{" ".join(terms)}"{" *" if _open_end(terms[-1]) else ""}' for terms in phrases
        )
    return " & ".join(f"({' <-> '.join(_quoted(terms))})" for terms in phrases)


def _quoted(terms: list[str]) -> list[str]:
    """Return a phrase's tokens for to_tsquery, the last one as a beginning where one may be."""
    end = ":*" if _open_end(terms[-1]) else ""
    return [*(f"'{term}'" for term in terms[:-1]), f"'{terms[-1]}'{end}"]


def _open_end(term: str) -> bool:
    """Tell whether longer tokens may begin with it; none begins with a whole pair."""
    return not (len(term) == 2 and _is_cjk(term[0]))


def only_kind(match: str, kind: str, dialect: DialectName) -> str:
    """Return a match text that finds things of one kind other than "message" only."""
    mark = kind_mark(kind)
    return f'"{mark}" AND {match}' if dialect == "sqlite" else f"'{mark}' & {match}"


def kind_mark(kind: str) -> str:
    """Return the word that stands in the index of every thing of a kind but messages."""
    return f"x0{kind}"


def first_id(at: int) -> int:
    """Return the lowest id of a row of that instant (microseconds); ids grow with time."""
    return at * _IDS_PER_MICRO


class Hit(ColumnElement[bool]):
    """A condition on `search_doc`: the row matches. For `where()` beside the visibility predicate.

    Its parameter (named at creation) is what `match_text` gave.
    """

    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, parameter: str = "match") -> None:
        self.wanted = bindparam(parameter, type_=sa.Text())


@compiles(Hit, "sqlite")
def _hit_on_sqlite(element: Hit, compiler: SQLCompiler, **kw: Any) -> str:
    match = compiler.process(element.wanted, **kw)  # the parameter's placeholder, no value
    return f"search_doc.id IN (SELECT rowid FROM search_fts WHERE search_fts MATCH {match})"  # noqa: S608


@compiles(Hit, "postgresql")
def _hit_on_postgresql(element: Hit, compiler: SQLCompiler, **kw: Any) -> str:
    match = compiler.process(element.wanted, **kw)
    return f"to_tsvector('simple', search_doc.grams) @@ to_tsquery('simple', {match})"


def index(  # noqa: PLR0913 - the columns of search_doc
    tx: Tx,
    kind: str,
    ref: str,
    source: str,
    *,
    at: int,
    conversation: str | None = None,
    customer: str | None = None,
    queue: str | None = None,
) -> None:
    """Put a thing's text into the index in place of what stood there; an empty one is removed.

    Args:
        tx: a writing transaction.
        kind: "message", "customer", "case" …
        ref: the thing's id.
        source: its text; not stored, only its grams.
        at: its instant in microseconds, to sort by.
        conversation: for the visibility predicate.
        customer: likewise.
        queue: likewise.
    """
    unindex(tx, kind, ref)
    words = grams(source)
    if not words:
        return
    if kind != "message":
        words = f"{kind_mark(kind)} {words}"
    values: dict[str, Value] = {
        "kind": kind, "ref": ref, "conversation_id": conversation, "customer_id": customer,
        "queue_id": queue, "at": at, "grams": words,
    }  # fmt: skip
    id_ = first_id(at) + zlib.crc32(ref.encode()) % _IDS_PER_MICRO
    while tx.one(_ADD, {**values, "id": id_}) is None:
        id_ += 1  # taken by another thing of the same microsecond
    if tx.dialect == "sqlite":
        tx.execute(_FTS_ADD, {"id": id_, "grams": words})


def unindex(tx: Tx, kind: str, ref: str) -> bool:
    """Take a thing out of the index; False when it was not there."""
    row = tx.one(_FIND, {"kind": kind, "ref": ref})
    if row is None:
        return False
    if tx.dialect == "sqlite":
        # External content: FTS5 must be given the very text it indexed, before the row goes.
        tx.execute(_FTS_REMOVE, {"id": row[0], "grams": row[1]})
    tx.execute(_REMOVE, {"id": row[0]})
    return True


def install(connection: sa.Connection) -> None:
    """Make what search needs beside its table, when it is not there; `migrate` does this."""
    if not sa.inspect(connection).has_table("search_doc"):
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "CREATE VIRTUAL TABLE IF NOT EXISTS search_fts USING fts5(grams,"
            " content='search_doc', content_rowid='id',"
            " tokenize='unicode61 remove_diacritics 0')"
        )
    else:
        connection.exec_driver_sql(
            "CREATE INDEX IF NOT EXISTS ix_search_doc_grams ON search_doc"
            " USING gin (to_tsvector('simple', grams))"
        )


def _tokens(source: str) -> list[tuple[str, str]]:
    """Return (run, "") and ("", word) in order, folded."""
    folded = unicodedata.normalize("NFKC", source).casefold()
    return [
        (match["run"] or "", _plain(match["word"]) if match["word"] else "")
        for match in _TOKEN.finditer(folded)
        if match["run"] or _plain(match["word"])
    ]


def _plain(word: str) -> str:
    """Return a word without accents, cut where nobody types any more."""
    if word.isascii():
        return word[:_MAX_WORD]
    parts = unicodedata.normalize("NFD", word)
    return "".join(c for c in parts if c.isalnum())[:_MAX_WORD]


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


def _is_cjk(character: str) -> bool:
    return _RUN.match(character) is not None


def _phrase(chunk: str) -> list[str]:
    """Return a chunk's tokens as they stand in the index, without its last run's lone character."""
    tokens = grams(chunk).split(" ")
    if len(tokens) > 1 and len(tokens[-1]) == 1 and len(tokens[-2]) == 2 and _is_cjk(tokens[-1]):
        tokens.pop()
    return tokens if tokens != [""] else []
