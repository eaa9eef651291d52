"""Answers out: who may give them, by which way, and the life of their deliveries."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from hub.model.address import Address, IdentityKind
from hub.model.channel import (
    ContactSignal,
    InboundItem,
    Intake,
    RawRequest,
    Receipt,
    SignalKind,
    StatusReport,
)
from hub.model.clock import to_micros
from hub.model.delivery import DeliveryState
from hub.model.errors import (
    BadInput,
    Conflict,
    NotAllowed,
    NotFound,
    RouterPending,
    SendError,
)
from hub.model.ids import AgentId, DeliveryId, QueueId, new_id
from hub.model.router_commands import Command, Outcome
from hub.model.visibility import Role, Viewer
from hub.services import deliver
from hub.services.notes import Note, write_note
from hub.services.receive import Arrival, receive
from hub.services.reply import Author, Reply, send_reply
from hub.store.queries.rows import insert_row
from hub.store.statement import stmt
from hub.store.tables import Agent, OrgUnit, Queue
from hub.store.tx import Tx
from tests.services.conftest import World
from tests.services.test_receive import rows

ZOE = AgentId("01900000-0000-7000-8000-000000000001")
BO = AgentId("01900000-0000-7000-8000-000000000002")
QUEUE = QueueId("01900000-0000-7000-8000-00000000000a")


def viewer(agent: AgentId = ZOE, *roles: Role) -> Viewer:
    return Viewer(agent, frozenset(roles or (Role.AGENT,)), frozenset({QUEUE}))


async def conversation_of(world: World) -> str:
    """Store an SMS, put it into the queue with Zoe as handler, return its conversation."""
    await world.receive("twilio_sms", world.sms("hello"))
    now = to_micros(world.clock.now())

    def unit(tx: Tx) -> str:
        insert_row(tx, OrgUnit, id="u", name="u", path="u")
        for agent in (ZOE, BO):
            insert_row(tx, Agent, id=agent, email=agent, name=agent, unit_id="u", created_at=now)
        insert_row(tx, Queue, id=QUEUE, name="front", unit_id="u")
        tx.execute(
            stmt(text("UPDATE conversation SET handler_agent_id = :a, queue_id = :q")),
            {"a": ZOE, "q": QUEUE},
        )
        return str(tx.run(stmt(text("SELECT id FROM conversation")))[0][0])

    return await world.deps.db.run(unit)


async def answer(world: World, conversation: str, words: str = "Hi", **more: object) -> str:
    reply = Reply(new_id(), words, **more)  # type: ignore[arg-type]
    return await send_reply(world.deps, viewer(), Author("agent", ZOE, "Zoe"), conversation, reply)


async def tell(world: World, *items: InboundItem) -> None:
    """Let the SMS provider say something."""
    request = RawRequest("POST", "u", "/", "", {}, b"", world.clock.now())
    await receive(
        world.deps,
        Arrival(world.channels["twilio_sms"], request, Intake(items), new_id()),
    )


async def claimed(world: World) -> dict[str, object]:
    """Claim the one due delivery."""
    due = await deliver.due(world.deps, [c.id for c in world.channels.values()])
    row = await deliver.claim(world.deps, due[0].id, "test")
    assert row is not None
    return row


async def state(world: World) -> str:
    return str((await rows(world, "SELECT state FROM delivery"))[0][0])


async def test_an_answer_is_a_message_and_a_queued_delivery(world: World) -> None:
    conversation = await conversation_of(world)
    message = await answer(world, conversation)
    assert await rows(world, "SELECT message_id, state, part_no FROM delivery") == [
        (message, "queued", 0)
    ]
    assert await rows(world, "SELECT state, waiting_since, last_number FROM conversation") == [
        ("waiting", None, 2)
    ]


async def test_the_same_client_id_is_the_same_message(world: World) -> None:
    conversation = await conversation_of(world)
    reply = Reply(new_id(), "Hi")
    author = Author("agent", ZOE, "Zoe")
    first = await send_reply(world.deps, viewer(), author, conversation, reply)
    assert await send_reply(world.deps, viewer(), author, conversation, reply) == first
    assert await rows(world, "SELECT COUNT(*) FROM delivery") == [(1,)]


async def test_who_does_not_handle_it_is_told_who_does(world: World) -> None:
    conversation = await conversation_of(world)
    with pytest.raises(Conflict) as refused:
        await send_reply(
            world.deps, viewer(BO), Author("agent", BO), conversation, Reply(new_id(), "Hi")
        )
    assert refused.value.code == "not_handler"
    assert refused.value.params["handler"] == ZOE


async def test_an_auditor_reads_and_a_stranger_sees_nothing(world: World) -> None:
    conversation = await conversation_of(world)
    reply = Reply(new_id(), "Hi")
    with pytest.raises(NotAllowed):
        await send_reply(
            world.deps, viewer(BO, Role.AUDITOR), Author("agent", BO), conversation, reply
        )
    stranger = Viewer(BO, frozenset({Role.AGENT}))
    with pytest.raises(NotFound):
        await send_reply(world.deps, stranger, Author("agent", BO), conversation, reply)


async def test_nothing_is_sent_to_who_opted_out(world: World) -> None:
    conversation = await conversation_of(world)
    phone = Address(IdentityKind.PHONE, "+8613800138000")
    await tell(world, ContactSignal(SignalKind.OPTED_OUT, phone, world.clock.now()))
    with pytest.raises(Conflict, match="opted_out"):
        await answer(world, conversation)
    await tell(world, ContactSignal(SignalKind.OPTED_IN, phone, world.clock.now()))
    await answer(world, conversation)


async def test_a_long_answer_is_several_deliveries_sent_in_order(world: World) -> None:
    conversation = await conversation_of(world)
    await answer(world, conversation, "word " * 700)
    assert len(await rows(world, "SELECT id FROM delivery")) == 3
    row = await claimed(world)
    assert row["part_no"] == 0
    assert await deliver.due(world.deps, [world.channels["twilio_sms"].id]) == []
    await deliver.record_sent(world.deps, row, Receipt("SM1"))
    assert (await claimed(world))["part_no"] == 1


async def test_a_certain_failure_is_tried_again_later(world: World) -> None:
    await answer(world, await conversation_of(world))
    row = await claimed(world)
    failed = SendError("rate_limited", retryable=True, retry_after_s=30)
    assert await deliver.record_failure(world.deps, row, failed, live=False) is DeliveryState.QUEUED
    assert await deliver.due(world.deps, [world.channels["twilio_sms"].id]) == []
    world.clock.advance(seconds=31)
    assert (await claimed(world))["attempt"] == 2


async def test_what_may_have_been_sent_is_never_sent_again_by_itself(world: World) -> None:
    await answer(world, await conversation_of(world))
    row = await claimed(world)
    await deliver.record_failure(world.deps, row, SendError("timeout", maybe_sent=True), live=False)
    world.clock.advance(seconds=100_000)
    assert await state(world) == "unknown"
    assert await deliver.due(world.deps, [world.channels["twilio_sms"].id]) == []
    report = StatusReport(
        DeliveryState.DELIVERED, world.clock.now(), delivery_id=DeliveryId(str(row["id"]))
    )
    await tell(world, report)
    assert await state(world) == "delivered"


async def test_a_claim_that_runs_out_is_unknown(world: World) -> None:
    await answer(world, await conversation_of(world))
    await claimed(world)
    world.clock.advance(seconds=deliver.CLAIM_S + 1)
    assert await deliver.sweep_lapsed(world.deps) == 1
    assert await state(world) == "unknown"


async def test_a_report_faster_than_our_own_answer_counts(world: World) -> None:
    await answer(world, await conversation_of(world))
    row = await claimed(world)
    report = StatusReport(
        DeliveryState.DELIVERED, world.clock.now(), delivery_id=DeliveryId(str(row["id"]))
    )
    await tell(world, report)
    await deliver.record_sent(world.deps, row, Receipt("SM1"))
    assert await rows(world, "SELECT state, external_id FROM delivery") == [("delivered", "SM1")]


async def test_another_channels_report_moves_nothing(world: World) -> None:
    await answer(world, await conversation_of(world))
    row = await claimed(world)
    await deliver.record_sent(world.deps, row, Receipt("SM1"))
    report = StatusReport(
        DeliveryState.FAILED, world.clock.now(), delivery_id=DeliveryId(str(row["id"]))
    )
    request = RawRequest("POST", "u", "/", "", {}, b"", world.clock.now())
    await receive(
        world.deps, Arrival(world.channels["email"], request, Intake((report,)), new_id())
    )
    assert await state(world) == "sent"


async def test_a_person_sends_an_unknown_one_again(world: World) -> None:
    await answer(world, await conversation_of(world))
    row = await claimed(world)
    with pytest.raises(Conflict):
        await deliver.send_again(world.deps, str(row["id"]), ZOE)
    await deliver.record_failure(world.deps, row, SendError("timeout", maybe_sent=True), live=False)
    await deliver.send_again(world.deps, str(row["id"]), ZOE)
    assert await state(world) == "queued"


async def test_a_note_reaches_no_channel(world: World) -> None:
    conversation = await conversation_of(world)
    note = Note(new_id(), "@Bo look", mentions=(BO,))
    await write_note(world.deps, viewer(), Author("agent", ZOE), conversation, note)
    assert await rows(world, "SELECT COUNT(*) FROM delivery") == [(0,)]
    assert await rows(world, "SELECT agent_id FROM mention") == [(BO,)]
    assert await rows(world, "SELECT direction FROM message ORDER BY number") == [
        ("in",),
        ("note",),
    ]


def test_back_off_grows_and_chat_gives_up() -> None:
    from tests.services.conftest import START

    row = {"attempt": 1, "created_at": to_micros(START)}
    error = SendError("x", retryable=True)
    assert deliver.after_failure(row, error, START, live=False, spread=0.0) == (
        DeliveryState.QUEUED,
        2.0,
    )
    late = START + timedelta(seconds=299)
    assert deliver.after_failure({**row, "attempt": 3}, error, late, live=True, spread=0.0) == (
        DeliveryState.FAILED,
        0.0,
    )
    assert (
        deliver.after_failure({**row, "attempt": 7}, error, START, live=False, spread=0.0)[0]
        is DeliveryState.FAILED
    )


async def test_a_signature_goes_under_mails_and_not_under_texts(world: World) -> None:
    author = Author("agent", ZOE, "Zoe", signature="Zoe Wang\nService centre")
    conversation = await conversation_of(world)
    await send_reply(world.deps, viewer(), author, conversation, Reply(new_id(), "Hi"))
    await world.receive("email", world.mail("Where is it?"))
    mail = str(
        (await rows(world, "SELECT id FROM conversation ORDER BY created_at DESC, id DESC"))[0][0]
    )

    def take(tx: Tx) -> None:
        tx.execute(
            stmt(text("UPDATE conversation SET handler_agent_id = :a WHERE id = :id")),
            {"a": ZOE, "id": mail},
        )

    await world.deps.db.run(take)
    await send_reply(world.deps, viewer(), author, mail, Reply(new_id(), "Here it is."))
    sent = [str(part) for (part,) in await rows(world, "SELECT part FROM delivery ORDER BY id")]
    assert "Zoe Wang" not in sent[0]
    assert "Here it is.\\n\\n-- \\nZoe Wang\\nService centre" in sent[1]
    stored = await rows(world, "SELECT content FROM message WHERE direction = 'out'")
    assert not any("Zoe Wang" in str(content) for (content,) in stored)


async def test_an_answer_never_crosses_into_another_network(world: World) -> None:
    conversation = await conversation_of(world)
    identity = str((await rows(world, "SELECT id FROM identity"))[0][0])
    for kind in ("email", "webchat"):
        with pytest.raises(Conflict) as refused:
            await answer(
                world, conversation, channel_id=world.channels[kind].id, identity_id=identity
            )
        assert (refused.value.code, refused.value.params) == ("wrong_network", {"kind": "phone"})
    assert await rows(world, "SELECT COUNT(*) FROM delivery") == [(0,)]


async def test_a_copy_goes_to_addresses_only(world: World) -> None:
    conversation = await conversation_of(world)
    for typed in ("nope", "a@b.example\r\nBcc: eve@evil.example"):
        with pytest.raises(BadInput) as refused:
            await answer(world, conversation, cc=(("email", typed, ""),))
        assert refused.value.code == "address_invalid"
    await answer(world, conversation, cc=(("email", " Bo@Shop.Example ", ""),))
    part = json.loads(str((await rows(world, "SELECT part FROM delivery"))[0][0]))
    assert part["cc"] == [["email", "bo@shop.example", ""]]


class SilentRouter:
    """A router that does not answer in time, as while a new leader starts."""

    async def submit(self, command: Command) -> Outcome:
        """Take the order and say nothing."""
        raise RouterPending


async def test_an_answer_whose_taking_over_hangs_was_not_accepted(world: World) -> None:
    conversation = await conversation_of(world)
    item = (await rows(world, "SELECT item_id FROM conversation"))[0][0]
    assert item is not None
    world.deps.router = SilentRouter()
    reply = Reply(new_id(), "Hi", take=True)
    with pytest.raises(Conflict, match="router_pending"):
        await send_reply(world.deps, viewer(BO), Author("agent", BO), conversation, reply)
    assert await rows(world, "SELECT COUNT(*) FROM delivery") == [(0,)]
