"""Search: what is found and what is not, the same on both databases."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.store import search
from hub.store.engine import Database, Tx
from hub.store.statement import stmt
from hub.store.tables import SearchDoc, table

DOC = table(SearchDoc)
FIND = stmt(select(DOC.c.ref).where(search.Hit(), DOC.c.kind == "message").order_by(DOC.c.ref))

TEXTS = {
    "01": "我想申请退款，谢谢",
    "02": "退货。款项已到账",
    "03": "Refund for order #10482, please!",
    "04": "Où est ma commande? Café crème",
    "05": "订单abc123还没有到",
    "06": "請問什麼時候發貨",
    "07": "ご注文はまだですか",
    "08": "100% sure: it's a_b 'quoted' \"double\" (x) & y | z * - ^ : NEAR/2",
}


def found(tx: Tx, query: str) -> list[str]:
    match = search.match_text(query, tx.dialect)
    return [] if match is None else [row[0] for row in tx.run(FIND, {"match": match})]


async def fill(db: Database) -> None:
    def unit(tx: Tx) -> None:
        for ref, text in TEXTS.items():
            search.index(tx, "message", ref, text, at=1, conversation=None)

    await db.run(unit)


CASES = [
    ("退款", ["01"]),
    ("货款", []),  # 退货。款项: no pair reaches over punctuation
    ("申请退款", ["01"]),
    ("请退款", ["01"]),
    ("款", ["01", "02"]),
    ("账", ["02"]),
    ("退", ["01", "02"]),
    ("refund", ["03"]),
    ("REFUND", ["03"]),
    ("ref", ["03"]),
    ("und", []),
    ("10482", ["03"]),
    ("#10482", ["03"]),
    ("order refund", ["03"]),
    ("refund 退款", []),
    ("cafe", ["04"]),
    ("CAFÉ", ["04"]),
    ("订单abc123", ["05"]),
    ("abc123还没", ["05"]),
    ("abc", ["05"]),
    ("發貨", ["06"]),
    ("注文", ["07"]),
    ("it's", ["08"]),
    ("a_b", ["08"]),
    ('"quoted"', ["08"]),
    ("near", ["08"]),
    ("", []),
    ("，。!", []),
]


async def test_what_is_found(db: Database):
    await fill(db)
    wrong = {}
    for query, expected in CASES:
        got = await db.read(lambda tx, query=query: found(tx, query))  # type: ignore[misc]
        if got != expected:
            wrong[query] = got
    assert wrong == {}


async def test_a_changed_text_is_found_by_its_new_words_only(db: Database):
    await fill(db)
    await db.run(lambda tx: search.index(tx, "message", "01", "已经发货", at=2))
    assert await db.read(lambda tx: found(tx, "退款")) == []
    assert await db.read(lambda tx: found(tx, "发货")) == ["01"]
    assert await db.run(lambda tx: search.unindex(tx, "message", "01"))
    assert not await db.run(lambda tx: search.unindex(tx, "message", "01"))
    assert await db.read(lambda tx: found(tx, "发货")) == []


async def test_a_text_without_words_is_not_indexed(db: Database):
    await db.run(lambda tx: search.index(tx, "message", "01", "。。 !!", at=1))
    assert not await db.run(lambda tx: search.unindex(tx, "message", "01"))


HOSTILE = ["'", '"', "\\", "a' | 'b", 'x" OR "y', "NEAR(a b)", "a:*", "(", "<->", "x0x", "-a", "a*"]


async def test_a_query_is_never_syntax(db: Database):
    await fill(db)
    for query in HOSTILE:
        await db.read(lambda tx, query=query: found(tx, query))  # type: ignore[misc]


@given(st.text(max_size=60))
def test_every_text_yields_clean_grams(text: str):
    words = search.grams(text)
    assert "  " not in words
    assert not set(words) & set("\"'\\*:()|&<>-")  # nothing that FTS5 or to_tsquery reads as syntax
    match = search.match_text(text, "sqlite")
    assert match is None or match.count('"') % 2 == 0


@given(st.text(alphabet="申请退款谢abc 。", min_size=1, max_size=20), st.data())
def test_every_part_of_a_run_is_among_its_grams(text: str, data: st.DataObject):
    words = f" {search.grams(text)} "
    start = data.draw(st.integers(0, len(text) - 1))
    part = text[start : start + 2]
    if len(part) == 2 and all("\u4e00" <= c <= "\u9fff" for c in part):
        assert f" {part} " in words
