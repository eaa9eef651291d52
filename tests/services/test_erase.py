"""Redaction, export and erasure: what was said is really gone, and nothing of anybody else's."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from hub.model.channel import Intake, RawRequest
from hub.model.errors import BadInput, NotAllowed, NotFound
from hub.model.ids import AgentId, new_id
from hub.model.router_commands import Cancel
from hub.model.visibility import Role, Viewer
from hub.services import erase, export, inbox, redact
from hub.services.receive import Arrival, receive
from hub.store.files import new_key
from hub.store.queries.rows import insert_row
from hub.store.tables import Attachment, ClientRequest, Draft, MessageRevision
from tests.services.conftest import World
from tests.services.test_customers import ANN, AUDITOR, BOSS, QUEUE, rows, sql
from tests.services.test_search import find, index

ADMIN = Viewer(AgentId("adm"), frozenset({Role.ADMINISTRATOR}))
SECRETS = ("zanzibarword", "柠檬蛋糕", "eve@hidden.example", "Evelyn Nightshade", "revisedaway",
           "draftedsecret", "answeredsecret", "subjectsecret")  # fmt: skip


async def arrive(world: World, kind: str, message, body: bytes) -> None:
    request = RawRequest("POST", "http://hub/in/x", "/in/x", "", {}, body, world.clock.now())
    arrival = Arrival(world.channels[kind], request, Intake((message,)), new_id())
    await receive(world.deps, arrival)


async def a_customer_with_everything(world: World) -> tuple[str, str, str]:
    """Return customer, message and the key of a file of theirs; others stand beside them."""
    await world.receive("twilio_sms", world.sms("unrelated", sender="+8613800138777"))
    world.clock.advance(seconds=600)
    mail = replace(
        world.mail("zanzibarword 柠檬蛋糕", "eve@hidden.example", "subjectsecret"),
        sender_name="Evelyn Nightshade",
    )
    await arrive(world, "email", mail, b"From: Eve <EVE@hidden.example>\r\n\r\nzanzibarword")
    await sql(world, f"UPDATE conversation SET queue_id = '{QUEUE}'")
    message, conversation = (
        await rows(world, "SELECT id, conversation_id FROM message ORDER BY recorded_at DESC")
    )[0]
    customer = (
        await rows(world, f"SELECT customer_id FROM conversation WHERE id = '{conversation}'")
    )[0][0]
    key = new_key()
    await world.deps.files.put(key, b"a picture")

    def unit(tx):
        insert_row(tx, Attachment, id=new_id(), message_id=message, kind="image",
                   filename="zanzibarword.png", content_type="image/png", state="stored",
                   storage_key=key, created_at=1)  # fmt: skip
        insert_row(tx, MessageRevision, id=new_id(), message_id=message, revision="1",
                   kind="edited", content='{"text":"revisedaway"}', at=1)  # fmt: skip
        insert_row(tx, Draft, agent_id="ann", conversation_id=conversation, kind="reply",
                   body='"draftedsecret"', updated_at=1)  # fmt: skip
        insert_row(tx, ClientRequest, actor="ann", route="r", client_id=new_id(), body_hash="",
                   answer=json.dumps({"message": message, "conversation_id": conversation,
                                      "text": "answeredsecret"}), at=1)  # fmt: skip

    await world.deps.db.run(unit)
    await index(world)
    return customer, message, key


async def test_an_erased_customer_leaves_no_byte(world: World, any_url: str):
    customer, _message, key = await a_customer_with_everything(world)
    with pytest.raises(NotAllowed):
        await erase.erase_customer(world.deps, ANN, customer, "asked")
    with pytest.raises(BadInput):
        await erase.erase_customer(world.deps, BOSS, customer, " ")
    done = await erase.erase_customer(world.deps, BOSS, customer, "asked by mail")
    assert (done.customers, done.conversations, done.messages, done.files) == (1, 1, 1, 1)
    assert done.requests == 1
    assert isinstance(world.deps.router.commands[-1], Cancel)  # type: ignore[attr-defined]
    assert not await world.deps.files.exists(key)
    for table in ("message", "conversation", "customer", "identity", "intake_log"):
        assert await rows(world, f"SELECT COUNT(*) FROM {table}") == [(1,)], table
    for table in ("draft", "message_revision", "attachment", "client_request"):
        assert await rows(world, f"SELECT COUNT(*) FROM {table}") == [(0,)], table
    assert (await find(world, "zanzibarword")).items == ()
    assert len((await find(world, "unrelated")).items) == 1
    with pytest.raises(NotFound):
        await erase.erase_customer(world.deps, ADMIN, customer, "again")
    if any_url.startswith("sqlite"):
        await world.deps.db.close()
        file = Path(any_url.removeprefix("sqlite:///"))
        bytes_ = b"".join(p.read_bytes() for p in file.parent.glob("hub.db*"))
        left = [one for one in (*SECRETS, "柠檬", "evelyn") if one.encode() in bytes_]
        assert left == []
        assert b"unrelated" in bytes_


async def test_a_merged_family_is_erased_as_one(world: World):
    customer, _, _ = await a_customer_with_everything(world)
    other = (await rows(world, f"SELECT id FROM customer WHERE id <> '{customer}'"))[0][0]
    await sql(world, f"UPDATE customer SET merged_into = '{customer}' WHERE id = '{other}'")
    done = await erase.erase_customer(world.deps, ADMIN, other, "asked")
    assert (done.customers, done.conversations) == (2, 2)
    for table in ("message", "conversation", "customer", "identity", "intake_log", "search_doc"):
        assert await rows(world, f"SELECT COUNT(*) FROM {table}") == [(0,)], table


async def test_a_redacted_message_says_nothing_any_more(world: World):
    customer, message, key = await a_customer_with_everything(world)
    with pytest.raises(NotAllowed):
        await redact.redact_message(world.deps, ANN, message, "card number")
    for _ in range(2):  # a repeat goes on where an interrupted one stopped
        await redact.redact_message(world.deps, BOSS, message, "card number")
    assert not await world.deps.files.exists(key)
    row = (await rows(world, f"SELECT content, redacted_at FROM message WHERE id = '{message}'"))[0]
    assert row[0] == "{}"
    assert row[1] is not None
    assert await rows(world, "SELECT COUNT(*) FROM message_revision") == [(0,)]
    assert await rows(world, "SELECT COUNT(*) FROM client_request") == [(0,)]
    assert await rows(world, "SELECT COUNT(*) FROM intake_log") == [(1,)]  # the other customer's
    head = await rows(
        world, f"SELECT preview, subject FROM conversation WHERE customer_id = '{customer}'"
    )
    assert head == [("", "")]
    assert (await find(world, "zanzibarword")).items == ()
    await index(world)
    conversation = (
        await rows(world, f"SELECT conversation_id FROM message WHERE id = '{message}'")
    )[0][0]
    page = await inbox.timeline(world.deps, BOSS, conversation)
    assert page.items[0].text == ""
    assert page.items[0].redacted_at is not None
    assert page.items[0].attachments == ()


async def test_an_export_holds_everything_and_is_for_supervisors(world: World):
    customer, message, _ = await a_customer_with_everything(world)
    with pytest.raises(NotAllowed):
        await export.begin_export(world.deps, ANN, customer)
    stream = await export.begin_export(world.deps, BOSS, customer)
    archive = zipfile.ZipFile(io.BytesIO(b"".join([part async for part in stream])))
    assert archive.testzip() is None
    names = archive.namelist()
    about = json.loads(archive.read("customer.json"))
    assert about["identities"][0]["value"] == "eve@hidden.example"
    talk = json.loads(archive.read(next(n for n in names if n.startswith("conversations/"))))
    assert talk["messages"][0]["id"] == message
    assert talk["messages"][0]["revisions"][0]["content"]["text"] == "revisedaway"
    file = next(n for n in names if n.startswith("files/"))
    assert archive.read(file) == b"a picture"
    masked = await export.begin_export(world.deps, AUDITOR, customer)
    archive = zipfile.ZipFile(io.BytesIO(b"".join([part async for part in masked])))
    assert "eve@hidden.example" not in archive.read("customer.json").decode()
