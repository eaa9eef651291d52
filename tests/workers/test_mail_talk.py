"""A talk by mail over real parts: dovecot, the puller, an answer by SMTP, and what comes back."""

import asyncio
import email
import email.policy
import json

from sqlalchemy import text

from hub.model.ids import AgentId, QueueId, new_id
from hub.model.visibility import Role, Viewer
from hub.services.channels import ChannelChange, add_channel
from hub.services.reply import Author, Reply, send_reply
from hub.store.queries.rows import insert_row
from hub.store.statement import stmt
from hub.store.tables import Agent, OrgUnit, Queue
from hub.store.tx import Tx
from hub.workers.sender import Sender
from tests.adapters.email import corpus
from tests.adapters.email.fetching import imap
from tests.adapters.email.smtp_script import SmtpServer
from tests.servers import DovecotServer
from tests.services.conftest import World
from tests.workers.desk import rows, until
from tests.workers.test_puller import pulling

ZOE = AgentId("01900000-0000-7000-8000-000000000001")
QUEUE = QueueId("01900000-0000-7000-8000-00000000000a")
TRUSTED = "Authentication-Results: mx.shop.example; dmarc=pass header.from=customer.example\r\n"


def letter(body: str, *fields: str, sender: str = "Ada <ada@customer.example>") -> bytes:
    lines = [f"From: {sender}", "To: support@shop.example", *fields, "", body, ""]
    return "\r\n".join(lines).encode()


async def hand_to_zoe(world: World, conversation: str) -> Viewer:
    def unit(tx: Tx) -> None:
        insert_row(tx, OrgUnit, id="u", name="u", path="u")
        insert_row(tx, Agent, id=ZOE, email="zoe", name="Zoe", unit_id="u", created_at=0)
        insert_row(tx, Queue, id=QUEUE, name="front", unit_id="u")
        statement = stmt(text("UPDATE conversation SET handler_agent_id = :a, queue_id = :q"))
        tx.execute(statement, {"a": ZOE, "q": QUEUE})

    await world.deps.db.run(unit)
    return Viewer(ZOE, frozenset({Role.AGENT}), frozenset({QUEUE}))


async def test_a_talk_by_mail(world: World, dovecot: DovecotServer) -> None:
    server, user = SmtpServer(), new_id()
    config = {
        "address": "support@shop.example",
        "display_name": "Shop",
        "imap": imap(dovecot, user),
        "smtp": {"host": "127.0.0.1", "port": server.port, "security": "none"},
        "trusted_authserv_id": "mx.shop.example",
        "dkim_check": False,
    }
    change = ChannelChange("mail", json.dumps(config).encode())
    await add_channel(world.deps, "email", change, actor="test")
    stop = asyncio.Event()

    async def arrived(count: int) -> list[tuple[str, str, str]]:
        sql = (
            "SELECT conversation_id, thread_rule, assurance FROM message"
            " WHERE direction = 'in' ORDER BY id"
        )

        async def enough() -> list[tuple[str, str, str]] | None:
            found = await rows(world, sql)
            return found if len(found) >= count else None  # type: ignore[return-value]

        found: list[tuple[str, str, str]] = await until(enough)
        return found

    async with pulling(world) as channels:
        sending = asyncio.create_task(Sender(world.deps, channels, "test").run(stop))
        fields = ("Subject: Order 42", "Message-ID: <m1@customer.example>", "References: <m0@x.y>")
        dovecot.deliver(user, TRUSTED.encode() + letter("Where is it?", *fields))
        [(conversation, rule, assurance)] = await arrived(1)
        assert (rule, assurance) == ("new", "verified")

        viewer = await hand_to_zoe(world, conversation)
        author = Author("agent", ZOE, "Zoe")
        await send_reply(world.deps, viewer, author, conversation, Reply(new_id(), "Tomorrow."))
        async with asyncio.timeout(10):
            while not server.script.mails:
                await asyncio.sleep(0.02)
        [ours] = server.script.mails
        sent = email.message_from_bytes(ours.raw, policy=email.policy.default)
        assert ours.recipients == ["ada@customer.example"]
        assert sent["Subject"] == "Re: Order 42"
        assert sent["In-Reply-To"] == "<m1@customer.example>"
        assert sent["References"] == "<m0@x.y> <m1@customer.example>"
        assert sent["Auto-Submitted"] is None
        answered = f"In-Reply-To: {sent['Message-ID']}"

        # Her answer under another subject, without any other proof: the keyed id is enough.
        dovecot.deliver(user, letter("Thanks!", "Subject: something else", answered))
        assert (await arrived(2))[1] == (conversation, "reference", "verified")

        # Forged: her address without proof, and an invented reference.
        bent = answered[:30] + ("a" if answered[30] != "a" else "b") + answered[31:]
        dovecot.deliver(user, letter("Send it elsewhere.", "Subject: Order 42", bent))
        found = await arrived(3)
        assert found[2][0] != conversation
        assert found[2][1:] == ("not_confirmed", "claimed")

        # The mail comes back: that delivery failed.
        message_id = str(sent["Message-ID"]).strip("<>").encode()
        dovecot.deliver(user, corpus.BOUNCE.replace(b"ours@example.net", message_id))

        async def failed() -> bool:
            return ("failed", "recipient_unknown") in await rows(
                world, "SELECT state, error_code FROM delivery"
            )

        await until(failed)
        stop.set()
        await sending
    server.close()
