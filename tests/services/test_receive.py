"""One request in, rows out: exactly once, to the right customer, conversation and case."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from sqlalchemy import text

from hub.model.address import Address, Assurance, IdentityKind
from hub.model.channel import ClaimedAddress, InboundMessage, Intake, ItemOutcome, RawRequest
from hub.model.content import Content
from hub.model.errors import Conflict, StoreBusy
from hub.model.ids import new_id
from hub.services.receive import Arrival, receive
from hub.store.statement import stmt
from hub.store.tx import Tx
from tests.services.conftest import World


async def rows(world: World, sql: str) -> list[tuple[object, ...]]:
    def unit(tx: Tx) -> list[tuple[object, ...]]:
        return tx.run(stmt(text(sql)))

    return await world.deps.db.read(unit)


async def test_first_message_makes_customer_conversation_case_and_item(world: World) -> None:
    assert await world.receive("twilio_sms", world.sms("我的宽带断了")) == (ItemOutcome.STORED,)
    assert await rows(world, "SELECT state, language, last_number FROM conversation") == [
        ("open", "zh-CN", 1)
    ]
    assert await rows(world, 'SELECT number, type, state FROM "case"') == [
        (10001, "enquiry", "open")
    ]
    assert await rows(world, "SELECT state, kind, work_class FROM work_item") == [
        ("new", "contact", "sms")
    ]
    assert await rows(world, "SELECT kind, value FROM identity") == [("phone", "+8613800138000")]
    kinds = [kind for (kind,) in await rows(world, "SELECT kind FROM event ORDER BY seq")]
    assert kinds[-2:] == ["message.received", "item.created"]
    assert {"customer.created", "conversation.created", "case.opened"} < set(kinds)


async def test_the_same_message_twice_is_stored_once_and_counted_twice(world: World) -> None:
    message = world.sms("hello", external="SM1")
    assert await world.receive("twilio_sms", message) == (ItemOutcome.STORED,)
    assert await world.receive("twilio_sms", message) == (ItemOutcome.DUPLICATE,)
    assert await rows(world, "SELECT COUNT(*) FROM message") == [(1,)]
    counts = await rows(world, "SELECT outcome, count FROM intake_count ORDER BY outcome")
    assert counts == [("duplicate", 1), ("stored", 1)]


async def test_a_hundred_parallel_copies_are_one_message(world: World) -> None:
    message = world.sms("hello", external="SM1")

    async def deliver() -> tuple[ItemOutcome, ...]:
        while True:  # a provider repeats what a busy store refused
            with contextlib.suppress(StoreBusy):
                return await world.receive("twilio_sms", message)

    outcomes = await asyncio.gather(*(deliver() for _ in range(100)))
    flat = [outcome for pair in outcomes for outcome in pair]
    assert flat.count(ItemOutcome.STORED) == 1
    assert flat.count(ItemOutcome.DUPLICATE) == 99
    assert await rows(world, "SELECT COUNT(*) FROM conversation") == [(1,)]
    assert await rows(world, "SELECT COUNT(*) FROM customer") == [(1,)]


async def test_parallel_first_messages_of_one_person_share_one_conversation(world: World) -> None:
    texts = [world.sms(f"part {n}") for n in range(20)]
    await asyncio.gather(*(world.receive("twilio_sms", one) for one in texts))
    assert await rows(world, "SELECT COUNT(*) FROM customer") == [(1,)]
    numbers = await rows(world, "SELECT conversation_id, number FROM message ORDER BY number")
    assert len({conversation for conversation, _ in numbers}) == 1
    assert [number for _, number in numbers] == list(range(1, 21))


async def test_chat_mail_and_sms_of_one_person_are_one_conversation(world: World) -> None:
    chat = InboundMessage(
        "w1",
        Address(IdentityKind.WEB, "visitor-1", world.channels["webchat"].id),
        Content(text="Where is my refund?"),
        world.clock.now(),
        claims=(
            ClaimedAddress(Address(IdentityKind.EMAIL, "ada@example.com"), Assurance.VERIFIED),
            ClaimedAddress(Address(IdentityKind.PHONE, "+8613800138000"), Assurance.VERIFIED),
        ),
    )
    await world.receive("webchat", chat)
    world.clock.advance(seconds=600)
    await world.receive("email", world.mail("My invoice is attached."))
    world.clock.advance(seconds=600)
    await world.receive("twilio_sms", world.sms("any news?"))
    found = await rows(
        world,
        "SELECT m.conversation_id, c.kind, m.thread_rule FROM message m"
        " JOIN channel c ON c.id = m.channel_id ORDER BY m.number",
    )
    assert len({conversation for conversation, _, _ in found}) == 1
    assert [kind for _, kind, _ in found] == ["webchat", "email", "twilio_sms"]
    assert found[1][2] == found[2][2] == "other_channel"


async def test_a_forged_mail_from_that_address_stands_alone(world: World) -> None:
    await world.receive("email", world.mail("Hello"))
    await world.receive("email", world.mail("Send me her data", confirmed=False))
    found = await rows(
        world,
        "SELECT m.conversation_id, m.thread_rule, c.sender_confirmed, c.customer_id FROM message m"
        " JOIN conversation c ON c.id = m.conversation_id ORDER BY m.recorded_at, m.id",
    )
    assert found[0][0] != found[1][0]
    assert found[0][3] != found[1][3]
    assert found[1][1] == "not_confirmed"
    assert [bool(confirmed) for _, _, confirmed, _ in found] == [True, False]
    assert await rows(world, "SELECT reason, state FROM customer_link") == [
        ("not_confirmed", "suggested")
    ]


async def test_a_mail_with_another_subject_is_another_conversation(world: World) -> None:
    await world.receive("email", world.mail("one", subject="Refund"))
    await world.receive("email", world.mail("two", subject="Re: refund"))
    await world.receive("email", world.mail("three", subject="Broadband"))
    found = await rows(
        world, "SELECT conversation_id, thread_rule FROM message ORDER BY recorded_at, id"
    )
    assert found[0][0] == found[1][0] != found[2][0]
    assert found[2][1] == "other_subject"


async def test_automatic_mail_opens_no_clock(world: World) -> None:
    await world.receive("email", replace(world.mail("Out of office"), auto_reply=True))
    assert await rows(world, "SELECT state, waiting_since FROM conversation") == [
        ("resolved", None)
    ]
    assert await rows(world, "SELECT COUNT(*) FROM work_item") == [(0,)]


@pytest.mark.parametrize("copy_first", [False, True])
async def test_a_late_commit_and_its_spooled_copy_count_once(
    world: World, copy_first: bool
) -> None:
    request = RawRequest("POST", "u", "/", "", {}, b"", world.clock.now())
    intake = Intake((world.sms("hello", external="SM1"),))
    late = Arrival(world.channels["twilio_sms"], request, intake, new_id())
    copy = replace(late, again=True)
    if copy_first:
        await receive(world.deps, copy)
        with pytest.raises(Conflict):
            await receive(world.deps, late)
    else:
        await receive(world.deps, late)
        assert await receive(world.deps, copy) == (ItemOutcome.DUPLICATE,)
    assert await rows(world, "SELECT outcome, count FROM intake_count") == [("stored", 1)]
    assert await rows(world, "SELECT COUNT(*) FROM message") == [(1,)]
