"""Moving messages, splitting and merging talk: what follows, what stays, what the router hears."""

import pytest

from hub.model.errors import Conflict, NotFound, VersionMismatch
from hub.model.router_commands import Cancel
from hub.services import inbox, join, move
from tests.services.conftest import World
from tests.services.test_customers import ANN, QUEUE, STRANGER, rows, sql


async def talks(world: World) -> list[tuple[str, int]]:
    """Return two mail conversations of one person as (id, version), oldest first."""
    await world.receive("email", world.mail("one", subject="Refund"))
    world.clock.advance(seconds=5)
    await world.receive("email", world.mail("two", subject="Re: Refund"))
    world.clock.advance(seconds=5)
    await world.receive("email", world.mail("three", subject="Broadband"))
    await sql(world, f"UPDATE conversation SET queue_id = '{QUEUE}'")
    return await heads(world)


async def heads(world: World) -> list[tuple[str, int]]:
    return [
        (a, b)
        for a, b in await rows(world, "SELECT id, version FROM conversation ORDER BY created_at")
    ]


async def texts(world: World, conversation: str) -> list[str]:
    page = await inbox.timeline(world.deps, ANN, conversation)
    return [m.text for m in page.items if m.direction != "system"]


async def message(world: World, text: str) -> str:
    found = await rows(world, f"SELECT id FROM message WHERE content LIKE '%\"{text}\"%'")
    return found[0][0]


async def version(world: World, conversation: str) -> int:
    return (await rows(world, f"SELECT version FROM conversation WHERE id = '{conversation}'"))[0][
        0
    ]


async def test_a_message_moves_with_the_next_number(world: World):
    (first, v), (second, _) = await talks(world)
    two = await message(world, "two")
    with pytest.raises(NotFound):
        await move.move_message(world.deps, STRANGER, two, second, v)
    with pytest.raises(VersionMismatch):
        await move.move_message(world.deps, ANN, two, second, v + 1)
    moved = await move.move_message(world.deps, ANN, two, second, v)
    assert (moved.conversation_id, moved.number) == (second, 2)
    assert await texts(world, first) == ["one"]
    assert await texts(world, second) == ["two", "three"]  # by time
    last = await rows(world, f"SELECT last_number, preview FROM conversation WHERE id = '{first}'")
    assert last[0][0] >= 2  # the number is never given again
    assert last[0][1] == "one"
    facts = await rows(world, "SELECT conversation_id FROM event WHERE kind = 'message.moved'")
    assert facts == [(second,)]


async def test_moving_the_only_message_closes_what_is_empty(world: World):
    (first, _), (second, v) = await talks(world)
    three = await message(world, "three")
    await move.move_message(world.deps, ANN, three, first, v)
    state = await rows(world, f"SELECT state FROM conversation WHERE id = '{second}'")
    assert state == [("closed",)]
    cancel = world.deps.router.commands[-1]  # type: ignore[attr-defined]
    assert isinstance(cancel, Cancel)
    assert cancel.reason == "moved"
    cases = await rows(world, f"SELECT COUNT(*) FROM \"case\" WHERE conversation_id = '{first}'")
    assert cases == [(2,)]
    assert await texts(world, first) == ["one", "two", "three"]


async def test_a_message_moves_into_talk_of_its_own(world: World):
    (_first, v), _ = await talks(world)
    moved = await move.move_message(world.deps, ANN, await message(world, "two"), None, v)
    assert await texts(world, moved.conversation_id) == ["two"]
    made = await rows(
        world,
        "SELECT c.state, w.state, k.state FROM conversation c"
        ' JOIN work_item w ON w.id = c.item_id JOIN "case" k ON k.id = c.case_id'
        f" WHERE c.id = '{moved.conversation_id}'",
    )
    assert made == [("open", "new", "open")]


async def test_other_peoples_talk_is_no_place_to_move_to(world: World):
    (_, v), _ = await talks(world)
    await world.receive("twilio_sms", world.sms("stranger"))
    await sql(world, f"UPDATE conversation SET queue_id = '{QUEUE}'")
    other = (await rows(world, "SELECT conversation_id FROM message WHERE identity_id IN"
                        " (SELECT id FROM identity WHERE kind = 'phone')"))[0][0]  # fmt: skip
    with pytest.raises(Conflict) as refused:
        await move.move_message(world.deps, ANN, await message(world, "two"), other, v)
    assert refused.value.code == "other_customer"


async def test_a_split_takes_everything_from_a_message_on(world: World):
    (first, v), _ = await talks(world)
    with pytest.raises(Conflict) as refused:
        await move.split_conversation(world.deps, ANN, first, await message(world, "one"), v)
    assert refused.value.code == "nothing_left"
    world.clock.advance(seconds=5)
    await world.receive("email", world.mail("four", subject="refund"))
    v = await version(world, first)
    made = await move.split_conversation(world.deps, ANN, first, await message(world, "two"), v)
    assert await texts(world, first) == ["one"]
    assert await texts(world, made.conversation_id) == ["two", "four"]
    row = await rows(
        world,
        f"SELECT previous_id, preview FROM conversation WHERE id = '{made.conversation_id}'",
    )
    assert row == [(first, "four")]
    numbers = await rows(world, "SELECT conversation_id, number FROM message")
    assert len(numbers) == len(set(numbers))


async def test_a_merge_is_a_pointer_and_new_mail_finds_the_root(world: World):
    (first, v), (second, _) = await talks(world)
    root = await join.merge_conversations(world.deps, ANN, first, second, v)
    assert root == second
    assert await texts(world, second) == ["one", "two", "three"]
    cancel = world.deps.router.commands[-1]  # type: ignore[attr-defined]
    assert (type(cancel), cancel.reason) == (Cancel, "merged")
    await sql(world, f"UPDATE work_item SET closed_at = 1 WHERE conversation_id = '{first}'")
    # An answer to a keyed reference of the merged conversation reaches the root.
    await world.receive("email", world.mail("four", subject="Refund", answers=first))
    placed = await rows(
        world, f"SELECT conversation_id FROM message WHERE id = '{await message(world, 'four')}'"
    )
    assert placed == [(second,)]
    cases = await rows(world, f"SELECT COUNT(*) FROM \"case\" WHERE conversation_id = '{second}'")
    assert cases == [(2,)]
    listed = await inbox.list_conversations(
        world.deps, ANN, inbox.ListRequest(inbox.ListView.QUEUE, queue_id=QUEUE)
    )
    assert [c.id for c in listed.items] == [second]
    with pytest.raises(Conflict) as again:
        await join.merge_conversations(world.deps, ANN, second, first, await version(world, second))
    assert again.value.code == "already_merged"


async def test_an_undone_merge_leaves_no_trace_but_what_came_meanwhile(world: World):
    (first, v), (second, _) = await talks(world)
    owned = await rows(world, 'SELECT id, conversation_id FROM "case" ORDER BY id')
    await join.merge_conversations(world.deps, ANN, first, second, v)
    await sql(world, f"UPDATE work_item SET closed_at = 1 WHERE conversation_id = '{first}'")
    v = await version(world, first)
    await join.undo_conversation_merge(world.deps, ANN, first, v)
    assert await texts(world, first) == ["one", "two"]
    assert await texts(world, second) == ["three"]
    assert await rows(world, 'SELECT id, conversation_id FROM "case" ORDER BY id') == owned
    live = await rows(
        world,
        f"SELECT state FROM work_item WHERE conversation_id = '{first}' AND closed_at IS NULL",
    )
    assert live == [("new",)]
    with pytest.raises(Conflict) as again:
        await join.undo_conversation_merge(world.deps, ANN, first, await version(world, first))
    assert again.value.code == "not_merged"


async def test_chained_merges_show_one_timeline_and_come_apart_latest_first(world: World):
    (first, v), (second, v2) = await talks(world)
    await world.receive("email", world.mail("five", subject="Invoice"))
    await sql(world, f"UPDATE conversation SET queue_id = '{QUEUE}'")
    third = (await heads(world))[2][0]
    await join.merge_conversations(world.deps, ANN, first, second, v)
    v2 = await version(world, second)
    await join.merge_conversations(world.deps, ANN, second, third, v2)
    assert await texts(world, third) == ["one", "two", "three", "five"]
    with pytest.raises(Conflict) as early:
        await join.undo_conversation_merge(world.deps, ANN, first, await version(world, first))
    assert early.value.code == "merged_since"
