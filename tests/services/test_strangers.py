"""Whoever writes from outside stays outside: copies, forged senders, agents' addresses."""

import json
from dataclasses import replace

import pytest

from hub.model.address import Address, IdentityKind
from hub.model.channel import InboundMessage, ItemOutcome
from hub.model.clock import to_micros
from hub.model.content import Content
from hub.model.ids import new_id
from hub.services.outgoing import load_part
from hub.services.ways import choose_way
from hub.store.queries import conversations
from hub.store.queries.rows import insert_row
from hub.store.tables import Agent, OrgUnit
from hub.store.tx import Tx
from tests.services.conftest import World
from tests.services.test_receive import rows
from tests.services.test_reply import answer, claimed, conversation_of

BOB = "bob@elsewhere.example"


async def ada_talks(world: World) -> str:
    """Let Ada write what nobody else may read; return her conversation."""
    await world.receive("email", world.mail("My card is 4711", subject="Refund"))
    return str((await rows(world, "SELECT id FROM conversation"))[0][0])


async def owners(world: World) -> dict[str, tuple[object, object]]:
    """Return text -> (conversation, customer of the identity it came from)."""
    found = await rows(
        world,
        "SELECT m.content, m.conversation_id, i.customer_id FROM message m"
        " JOIN identity i ON i.id = m.identity_id WHERE m.direction = 'in'",
    )
    return {json.loads(str(content))["text"]: (talk, owner) for content, talk, owner in found}


@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_stranger_in_copy_gains_no_history(world: World, confirmed: bool) -> None:
    """Bob got a copy, so his answer holds a reference that verifies. It makes him nobody else."""
    talk = await ada_talks(world)
    copied = world.mail("Me too", BOB, "Re: Refund", confirmed=confirmed, answers=talk)
    await world.receive("email", copied)
    later = world.mail("What did she write?", BOB, "Refund", confirmed=confirmed)
    await world.receive("email", later)
    chat = InboundMessage(
        new_id(), Address(IdentityKind.WEB, "v", world.channels["webchat"].id),
        Content(text="I am Bob"), world.clock.now(),
    )  # fmt: skip
    await world.receive("webchat", chat)
    found = await owners(world)
    assert found["Me too"][0] == talk
    assert found["Me too"][1] != found["My card is 4711"][1]
    assert found["What did she write?"][0] != talk
    assert found["I am Bob"][0] not in {talk, found["What did she write?"][0]}
    assert await rows(world, "SELECT COUNT(*) FROM customer_merge") == [(0,)]
    held = await rows(world, "SELECT id, customer_id FROM conversation")
    assert (talk, found["My card is 4711"][1]) in held
    await world.receive("email", world.mail("Thank you", subject="Re: Refund"))
    assert (await owners(world))["Thank you"] == found["My card is 4711"]


async def test_what_is_sent_holds_only_what_was_written(world: World) -> None:
    """Whoever an answer goes to, it quotes nothing of the talk before it."""
    conversation = await conversation_of(world)
    await world.receive("twilio_sms", world.sms("my card is 4711"))
    await answer(world, conversation, "Hi")
    part = await load_part(world.deps, await claimed(world), has_webhook=True)
    assert "4711" not in repr(part)
    assert part.content.text == "Hi"


@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_mail_from_an_agents_address_is_a_customers(world: World, confirmed: bool) -> None:
    talk = await ada_talks(world)

    def unit(tx: Tx) -> None:
        insert_row(tx, OrgUnit, id="u", name="u", path="u")
        now = to_micros(world.clock.now())
        insert_row(
            tx, Agent, id=new_id(), email="zoe@hub.test", name="Zoe", unit_id="u", created_at=now
        )

    await world.deps.db.run(unit)
    for number, answers in enumerate((None, talk)):
        mail = world.mail(
            f"Refund it at once {number}", "zoe@hub.test", confirmed=confirmed, answers=answers
        )
        mail = replace(mail, sender_name="Zoe")
        assert await world.receive("email", mail) == (ItemOutcome.STORED,)
    found = await rows(world, "SELECT direction, author_kind, author_id FROM message")
    assert {(direction, kind) for direction, kind, _ in found} == {("in", "customer")}
    assert await rows(world, "SELECT COUNT(*) FROM delivery") == [(0,)]
    assert await rows(world, "SELECT id FROM conversation WHERE state = 'waiting'") == []


async def test_the_same_external_id_on_another_channel_is_another_message(world: World) -> None:
    await world.receive("twilio_sms", world.sms("one", external="X1"))
    mail = replace(world.mail("two"), external_id="X1")
    assert await world.receive("email", mail) == (ItemOutcome.STORED,)
    assert await rows(world, "SELECT COUNT(*) FROM message") == [(2,)]


async def test_rows_of_attack_texts_are_only_texts(world: World) -> None:
    """Injection by what customers write: it is stored and found as it was written."""
    texts = ["'; DROP TABLE message; --", '{"$ne": 1}', "%' OR 1=1 --", "\\x00'||version()||'"]
    for one in texts:
        await world.receive("twilio_sms", world.sms(one))
    found = await rows(world, "SELECT content FROM message")
    assert {json.loads(str(content))["text"] for (content,) in found} == set(texts)


async def test_an_answer_goes_to_the_customer_and_not_to_who_wrote_last(world: World) -> None:
    """Bob's mail is the newest of the conversation; it is still Ada's."""
    talk = await ada_talks(world)
    world.clock.advance(seconds=60)
    await world.receive("email", world.mail("Me too", BOB, "Re: Refund", answers=talk))

    def choose(tx: Tx) -> str:
        conversation = conversations.conversation(tx, talk)
        assert conversation is not None
        return str(choose_way(tx, conversation, None, None).identity["value"])

    assert await world.deps.db.read(choose) == "ada@example.com"
