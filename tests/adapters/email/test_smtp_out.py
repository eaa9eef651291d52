"""Sending: what the cases' mails look like on the other side, and against a real aiosmtpd."""

import asyncio
import dataclasses
import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from hub.adapters import manifest
from hub.adapters.email.inbound import read_mail
from hub.adapters.email.references import verify_reference, was_sent_to
from hub.model.address import Assurance
from hub.model.channel import InboundMessage, RawRequest
from hub.model.clock import utc_now
from hub.model.errors import SendError
from tests.adapters.case_files import (
    CHANNEL_ID,
    Case,
    build_channel,
    new_context,
    part_of,
    raw_config,
    read_cases,
)
from tests.adapters.email import harness
from tests.adapters.scripted_http import ScriptedHttp

KEY = b"k" * 32
CASES = [case for case in read_cases("email", "out") if "mail" in case.data["expect"]]


def parsed(raw: bytes) -> EmailMessage:
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    return read


def build(config: dict[str, Any]) -> Any:
    return build_channel(manifest("email"), config, ScriptedHttp())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_arrives(case: Case) -> None:
    accepted = harness.SERVER.script.mails
    accepted.clear()
    await build(raw_config(harness, case)).send(part_of(case))
    [got] = accepted
    expect, mail = case.data["expect"]["mail"], parsed(got.raw)
    assert got.mail_from == expect.get("envelope_from", "support@shop.example")
    assert got.recipients == expect.get("to", ["ada@customer.example"])
    for name, value in expect.get("headers", {}).items():
        assert str(mail[name]) == value, name
    for name in expect.get("lacks", []):
        assert mail[name] is None, name
    for kind in ("plain", "html"):
        key = "text" if kind == "plain" else kind
        if key in expect:
            body = mail.get_body((kind,))
            assert body is not None
            assert body.get_content().replace("\r\n", "\n") == expect[key]
    if "files" in expect:
        found = [
            [one.get_filename(), one.get_content_type(), len(one.get_payload(decode=True) or b"")]
            for one in mail.iter_attachments()
        ]
        assert found == expect["files"]
    assert mail.defects == []
    assert all(len(line) <= 998 for line in got.raw.split(b"\r\n"))
    assert b"\n" not in got.raw.replace(b"\r\n", b"")


async def test_an_answer_to_what_we_sent_is_verified_and_finds_its_conversation() -> None:
    """There and back: our mail, answered by its recipient, by somebody in Cc, and forged."""
    [case] = [case for case in CASES if case.name == "answer"]
    receipt = await build(harness.CONFIG).send(part_of(case))
    reference = verify_reference(KEY, CHANNEL_ID, receipt.external_id)
    assert reference is not None
    assert was_sent_to(KEY, CHANNEL_ID, reference, "Ada@CUSTOMER.example")
    assert not was_sent_to(KEY, CHANNEL_ID, reference, "bob@customer.example")
    assert not was_sent_to(KEY, CHANNEL_ID, reference, "")
    found = {}
    for sender in ("ada@customer.example", "victim@elsewhere.example"):
        raw = f"From: {sender}\r\nIn-Reply-To: <{receipt.external_id}>\r\n\r\nHi".encode()
        request = RawRequest("PULL", "", "", "", {}, raw, utc_now())
        config = build(harness.CONFIG).config
        [item] = read_mail(config, new_context(ScriptedHttp()), request).items
        assert isinstance(item, InboundMessage)
        assert item.thread.conversation_id == part_of(case).conversation_id
        found[sender] = item.assurance
    assert found == {
        "ada@customer.example": Assurance.VERIFIED,
        "victim@elsewhere.example": Assurance.CLAIMED,
    }


async def test_an_answer_by_a_program_that_encodes_long_ids_is_understood() -> None:
    [case] = [case for case in CASES if case.name == "answer"]
    receipt = await build(harness.CONFIG).send(part_of(case))
    answer = EmailMessage()
    answer["From"] = "ada@customer.example"
    answer["In-Reply-To"] = answer["References"] = f"<{receipt.external_id}>"
    answer.set_content("Hi")
    assert b"=?" in answer.as_bytes()
    request = RawRequest("PULL", "", "", "", {}, answer.as_bytes(), utc_now())
    [item] = build(harness.CONFIG).parse(request).items
    assert item.thread.conversation_id == part_of(case).conversation_id
    assert item.assurance is Assurance.VERIFIED


async def test_an_automatic_mail_says_so_and_cannot_bounce_into_a_loop() -> None:
    [case] = [case for case in CASES if case.name == "answer"]
    accepted = harness.SERVER.script.mails
    accepted.clear()
    part = dataclasses.replace(part_of(case), automatic=True)
    await build(harness.CONFIG).send(part)
    [got] = accepted
    assert got.mail_from == ""
    assert parsed(got.raw)["Auto-Submitted"] == "auto-replied"


async def test_many_long_references_are_not_encoded() -> None:
    [case] = [case for case in CASES if case.name == "answer"]
    references = tuple(f"{n}.{'x' * 200}@customer.example" for n in range(80))
    harness.SERVER.script.mails.clear()
    await build(harness.CONFIG).send(dataclasses.replace(part_of(case), references=references))
    [got] = harness.SERVER.script.mails
    ids = str(parsed(got.raw)["References"]).split()
    assert len(ids) == 50
    assert ids[0] == f"<{references[0]}>"
    assert ids[-1] == "<m1@customer.example>"


async def test_a_refused_login_needs_a_person() -> None:
    [case] = [case for case in CASES if case.name == "answer"]
    smtp = {**harness.CONFIG["smtp"], "password": "wrong"}
    with pytest.raises(SendError) as caught:
        await build({**harness.CONFIG, "smtp": smtp}).send(part_of(case))
    assert (caught.value.code, caught.value.needs_auth) == ("auth_refused", True)


async def test_a_server_without_starttls_gets_neither_password_nor_mail() -> None:
    [case] = [case for case in CASES if case.name == "answer"]
    smtp = {**harness.CONFIG["smtp"], "security": "starttls"}
    with pytest.raises(SendError) as caught:
        await build({**harness.CONFIG, "smtp": smtp}).send(part_of(case))
    assert (caught.value.code, caught.value.maybe_sent) == ("security_not_offered", False)


class _Handler:
    def __init__(self) -> None:
        self.got: list[Envelope] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's
        self, server: Any, session: Any, envelope: Envelope
    ) -> str:
        self.got.append(envelope)
        return "250 2.0.0 OK"


def _right(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    good = isinstance(given, LoginPassword) and given.password == b"hunter2"
    return AuthResult(success=good, handled=good)


async def test_aiosmtpd_takes_our_mail_also_with_an_international_address() -> None:
    [case] = [case for case in CASES if case.name == "chinese"]
    handler = _Handler()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            handler, enable_SMTPUTF8=True, authenticator=_right, auth_require_tls=False,
            hostname="test", loop=asyncio.get_running_loop(),
        ),
        "127.0.0.1", 0,
    )  # fmt: skip
    async with server:
        smtp = {**harness.CONFIG["smtp"], "port": server.sockets[0].getsockname()[1]}
        channel = build({**harness.CONFIG, "smtp": smtp})
        part = part_of(case)
        await channel.send(part)
        to = dataclasses.replace(part.to, value="用户@customer.example")
        await channel.send(dataclasses.replace(part, to=to))
        report = await build({**harness.CONFIG, "smtp": smtp, "imap": None}).probe()
        assert report.ok
    assert [one.rcpt_tos for one in handler.got] == [
        ["ada@customer.example"],
        ["用户@customer.example"],
    ]
    content = handler.got[1].content
    assert isinstance(content, bytes)
    assert "用户@customer.example".encode() in content
