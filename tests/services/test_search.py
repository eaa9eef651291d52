"""Search as agents use it: what is found, by whom, and what never is."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from hub.model.channel import ChangeKind, Intake, MessageChange, RawRequest
from hub.model.errors import BadInput
from hub.model.events import EventKind, LoggedEvent
from hub.model.ids import AgentId, QueueId, new_id
from hub.model.visibility import Role, Viewer
from hub.services import indexing
from hub.services.receive import Arrival, receive
from hub.services.search import SearchPage, search
from hub.services.snippets import pieces, snippet
from hub.store.lease import claim_lease
from hub.store.statement import stmt
from hub.store.tx import Tx
from tests.services.conftest import World

AUDITOR = Viewer(AgentId("aud"), frozenset({Role.AUDITOR}))


def agent(*queues: str, name: str = "ann") -> Viewer:
    return Viewer(
        AgentId(name), frozenset({Role.AGENT}), queue_ids=frozenset(QueueId(q) for q in queues)
    )


async def sql(world: World, statement: str) -> None:
    await world.deps.db.run(lambda tx: tx.execute(stmt(text(statement))))


async def events_after(world: Any, seq: int) -> list[LoggedEvent]:
    def unit(tx: Tx) -> list[LoggedEvent]:
        rows = tx.run(
            stmt(
                text(
                    "SELECT seq, kind, conversation_id, customer_id, message_id, data FROM event"
                    f" WHERE seq > {seq} ORDER BY seq"
                )
            )
        )

        return [
            LoggedEvent(
                r[0], EventKind(r[1]), datetime(2026, 1, 1, tzinfo=UTC), "", r[2], r[3], r[4],
                None, None, None, orjson.loads(r[5]),
            )
            for r in rows
        ]  # fmt: skip

    return await world.deps.db.read(unit)


async def index(world: World) -> None:
    """Do what the indexer does with everything it has not read."""
    now = world.clock.now()
    view = await world.deps.db.run(lambda tx: claim_lease(tx, indexing.LEASE, "test", now))
    events = await events_after(world, await indexing.load_cursor(world.deps))
    await indexing.index_events(world.deps, view.epoch, events)


async def find(world: World, query: str, viewer: Viewer = AUDITOR, **more) -> SearchPage:
    return await search(world.deps, viewer, query, **more)


async def test_two_and_one_chinese_characters_are_found_and_marked(world: World):
    await world.receive("twilio_sms", world.sms("你好，我想申请退款，谢谢"))
    await index(world)
    page = await find(world, "退款")
    assert [hit.kind for hit in page.items] == ["message"]
    hit = page.items[0]
    assert [hit.snippet[a:b] for a, b in hit.marks] == ["退款"]
    assert page.next is None
    assert len((await find(world, "款")).items) == 1
    assert (await find(world, "货款")).items == ()


async def test_customers_are_found_by_name_number_and_address(world: World):
    await world.receive("email", replace(world.mail("hi"), sender_name="Ada Lovelace"))
    await world.receive("twilio_sms", world.sms("x"))
    await index(world)
    for query in ("lovelace", "ada@example.com", "ADA"):
        page = await find(world, query, kinds=("customer",))
        assert [h.customer_name for h in page.items] == ["Ada Lovelace"], query
    for query in ("13800138000", "+8613800138000", "8000"):
        assert len((await find(world, query, kinds=("customer",))).items) == 1, query
    masked = (await find(world, "8000", kinds=("customer",))).items[0]
    assert "13800138000" not in masked.snippet  # an auditor sees numbers masked


async def test_a_case_is_found_by_its_number(world: World):
    await world.receive("twilio_sms", world.sms("hello"))
    await index(world)
    page = await find(world, "#10001")
    assert [(h.kind, h.number) for h in page.items] == [("case", 10001)]


async def test_what_is_not_to_be_seen_is_not_found(world: World):
    await world.receive("twilio_sms", world.sms("secretword", sender="+8613800138001"))
    await world.receive("twilio_sms", world.sms("secretword", sender="+8613800138002"))
    await index(world)
    await sql(
        world,
        "UPDATE conversation SET queue_id = 'q1' WHERE id = (SELECT MIN(id) FROM conversation)",
    )
    await sql(world, "UPDATE conversation SET queue_id = 'q2' WHERE queue_id IS NULL")
    one = await find(world, "secretword", agent("q1"))
    assert len(one.items) == 1
    assert len((await find(world, "secretword", agent("q1", "q2"))).items) == 2
    assert (await find(world, "secretword", agent())).items == ()
    assert len((await find(world, "8613", agent("q1"), kinds=("customer",))).items) == 1
    blind = Viewer(AgentId("adm"), frozenset({Role.ADMINISTRATOR}))
    assert (await find(world, "secretword", blind)).items == ()


async def test_pages_go_on_in_order_of_time(world: World):
    for number in range(7):
        world.clock.advance(seconds=1)
        await world.receive("twilio_sms", world.sms(f"refund {number}"))
    await index(world)
    shown: list[str] = []
    after = None
    while True:
        page = await find(world, "refund", after=after, limit=3)
        shown += [hit.snippet for hit in page.items]
        if page.next is None:
            break
        after = page.next
    assert shown == [f"refund {n}" for n in reversed(range(7))]
    with pytest.raises(BadInput):
        await find(world, "refund", after="x'; DROP")


async def test_deleted_and_redacted_messages_are_gone_at_once(world: World):
    message = world.sms("hideme please", external="SM9")
    await world.receive("twilio_sms", message)
    await index(world)
    assert len((await find(world, "hideme")).items) == 1
    channel = world.channels["twilio_sms"]
    change = MessageChange("SM9", ChangeKind.DELETED, "1", world.clock.now())
    request = RawRequest("POST", "http://hub", "/in/x", "", {}, b"d", world.clock.now())
    await receive(world.deps, Arrival(channel, request, Intake((change,)), new_id()))
    assert (await find(world, "hideme")).items == ()  # before the index knows
    await index(world)
    left = await world.deps.db.read(
        lambda tx: tx.one(stmt(text("SELECT COUNT(*) FROM search_doc WHERE kind = 'message'")))
    )
    assert left == (0,)


@pytest.mark.parametrize("unit", ["(", "退", "a* ", "' OR 1=1 --", '"', "\x00", "x" * 50 + " "])
async def test_a_megabyte_of_query_is_answered_quickly(world: World, unit: str):
    began = time.perf_counter()
    await find(world, unit * (1_000_000 // len(unit)))
    assert time.perf_counter() - began < 1.0


def test_a_snippet_is_cut_around_the_hit():
    long = "word " * 400 + "我想申请退款谢谢 " + "tail " * 400
    got = snippet(long, pieces("申请退款"))
    assert [got.text[a:b] for a, b in got.marks] == ["申请退款"]
    assert len(got.text) <= 170
    assert got.text.startswith("…")


def test_marks_count_as_browsers_do():
    got = snippet("😀😀 refund", pieces("REFUND"))
    (a, b) = got.marks[0]
    assert got.text.encode("utf-16-le")[2 * a : 2 * b].decode("utf-16-le") == "refund"


def test_width_case_and_accents_do_not_count():
    assert snippet("Ｒｅｆｕｎｄ Café", pieces("refund cafe")).marks == ((0, 6), (7, 11))
    assert snippet("und refund", pieces("und")).marks == ((0, 3),)
