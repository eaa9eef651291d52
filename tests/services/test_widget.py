"""A visitor's session and talk on both databases."""

from typing import Any

import pytest
from sqlalchemy import text

from hub.model.address import Address, Assurance, IdentityKind
from hub.model.channel import ClaimedAddress, InboundMedia, InboundMessage
from hub.model.content import Content
from hub.model.errors import NotAuthenticated, NotFound
from hub.model.ids import new_id
from hub.model.widget import SignedIdentity, WidgetPolicy
from hub.services import widget_files, widget_prune, widget_talk
from hub.services.reply import Author, Reply, write_reply
from hub.services.widget import Opening, Session, note_page, open_session, session_of
from hub.store.queries import conversations
from hub.store.statement import stmt
from tests.services.conftest import World

POLICY = WidgetPolicy(extensions=frozenset({"txt", "png"}))


async def start(
    world: World, token: str = "", subject: str = "", **more: str
) -> tuple[Session, str]:
    identity = SignedIdentity(subject) if subject else None
    opening = Opening(world.channels["webchat"].id, identity, **more)
    session, kept, _ = await open_session(world.deps, opening, token)
    return session, kept


async def say(world: World, session: Session, words: str, *files: str) -> str:
    client_id = new_id()
    channel_id = session.channel_id
    account = Address(IdentityKind.WEB, f"account:{session.subject}", channel_id)
    claims = (ClaimedAddress(account, Assurance.VERIFIED),) if session.subject else ()
    message = InboundMessage(
        f"{session.visitor_id}:{client_id}",
        Address(IdentityKind.WEB, session.visitor_id, channel_id),
        Content(text=words),
        world.clock.now(),
        media=tuple(InboundMedia("file", upload_id=file) for file in files),
        claims=claims,
    )
    await world.receive("webchat", message)
    return client_id


async def answer(world: World, thread: str, words: str, state: str = "sent") -> str:
    message_id = new_id()

    def unit(tx: Any) -> None:
        row = conversations.conversation(tx, thread)
        assert row is not None
        author = Author("agent", None, "Li")
        reply = Reply(new_id(), words)
        write_reply(tx, world.deps, row, author, reply, message_id, world.clock.now())
        tx.execute(
            stmt(text("UPDATE delivery SET state = :state WHERE message_id = :id")),
            {"state": state, "id": message_id},
        )

    await world.deps.db.run(unit)
    return message_id


async def head(world: World) -> int:
    top = stmt(text("SELECT MAX(seq) FROM event"))
    row = await world.deps.db.read(lambda tx: tx.one(top))
    assert row is not None
    return int(row[0])


async def test_a_talk_from_its_start_to_its_files(world: World) -> None:
    session, token = await start(
        world, name="Ada", email="ada@example.com", page="https://a.example"
    )
    assert (await session_of(world.deps, token)).facts.email_verified is False
    kept = await widget_files.keep_upload(world.deps, session, POLICY, "a.txt", b"hello")
    assert [one.id for one in await widget_files.uploads(world.deps, session, [kept.id])] == [
        kept.id
    ]
    client_id = await say(world, session, "你好", kept.id)
    own = await widget_talk.message_of(world.deps, session, client_id)
    assert own is not None
    assert [file.id for file in own.attachments] == [kept.id]
    before = await head(world)
    world.clock.advance(seconds=1)
    sent = await answer(world, own.thread, "hello")
    queued = await answer(world, own.thread, "not out yet", "queued")
    page = await widget_talk.history(world.deps, session)
    assert [(one.author, one.text) for one in page.messages] == [
        ("visitor", "你好"),
        ("agent", "hello"),
    ]
    changes = await widget_talk.changes(world.deps, session, 0, await head(world))
    assert [one.text for one in changes.messages] == ["你好"]  # sent was set behind the log's back
    assert (await widget_talk.changes(world.deps, session, before, before)).messages == ()
    found = await widget_talk.deliveries_of(world.deps, session, [sent, queued, own.id, "x"])
    assert [visitor for _, visitor in found] == [session.visitor_id]
    standing = await widget_talk.standing(world.deps, session)
    assert (standing.threads, standing.agent) == ((own.thread,), None)
    assert standing.seen == {own.thread: 3}
    assert (await widget_files.file_of(world.deps, session, kept.id))["filename"] == "a.txt"
    assert await widget_talk.handlers_of(world.deps, [own.thread]) == {}
    assert await widget_talk.seen_of(world.deps, [own.thread]) == {}
    await note_page(world.deps, session, "https://b.example")
    assert (await session_of(world.deps, token)).facts.page == "https://b.example"


async def test_another_visitor_finds_nothing(world: World) -> None:
    ada, _ = await start(world)
    eve, token = await start(world)
    kept = await widget_files.keep_upload(world.deps, ada, POLICY, "a.txt", b"hello")
    client_id = await say(world, ada, "mine", kept.id)
    own = await widget_talk.message_of(world.deps, ada, client_id)
    assert own is not None
    sent = await answer(world, own.thread, "yours")
    assert await widget_talk.message_of(world.deps, eve, client_id) is None
    assert (await widget_talk.history(world.deps, eve)).messages == ()
    assert (await widget_talk.changes(world.deps, eve, 0, await head(world))).messages == ()
    assert await widget_talk.deliveries_of(world.deps, eve, [sent]) == ()
    for lookup in (widget_files.file_of(world.deps, eve, kept.id),
                   widget_files.uploads(world.deps, eve, [kept.id])):  # fmt: skip
        with pytest.raises(NotFound):
            await lookup
    assert await world.deps.db.read(lambda tx: widget_talk.hydrate(tx, [])) == []
    addressed = await widget_talk.hydrated(world.deps, [sent, own.id])
    assert {one.visitor_id for one in addressed} == {ada.visitor_id}
    with pytest.raises(NotAuthenticated):
        await session_of(world.deps, token[:-1] + ("A" if token[-1] != "A" else "B"))


async def test_accounts_share_and_end(world: World) -> None:
    phone, _ = await start(world, subject="ada")
    await say(world, phone, "from the phone")
    desk, token = await start(world, subject="ada")
    assert set(desk.visitors) == {phone.visitor_id, desk.visitor_id}
    assert [one.text for one in (await widget_talk.history(world.deps, desk)).messages] == [
        "from the phone"
    ]
    await say(world, desk, "from the desk")
    page = await widget_talk.history(world.deps, desk)
    assert len({one.thread for one in page.messages}) == 1
    addressed = await widget_talk.hydrated(world.deps, [one.id for one in page.messages])
    assert {one.subject for one in addressed} == {"ada"}
    bob, other = await start(world, token, subject="bob")
    assert (other == token, bob.visitors) == (False, (bob.visitor_id,))
    await widget_files.keep_upload(world.deps, bob, POLICY, "a.txt", b"hello")
    assert await widget_prune.prune(world.deps) == 0
    world.clock.advance(seconds=500 * 86_400)
    with pytest.raises(NotAuthenticated):
        await session_of(world.deps, token)
    assert await widget_prune.prune(world.deps) == 4
