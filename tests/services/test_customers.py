"""Customers: what is shown to whom, changes, addresses, merges and their undo, blocking."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from hub.model.address import Address, Assurance, IdentityKind
from hub.model.channel import ClaimedAddress
from hub.model.errors import BadInput, Conflict, NotAllowed, NotFound, VersionMismatch
from hub.model.ids import AgentId, QueueId
from hub.model.router_commands import Cancel
from hub.model.visibility import Role, Viewer
from hub.services import block, customers, merge
from hub.services.customers import CustomerChange
from hub.store.statement import stmt
from tests.services.conftest import World

QUEUE = QueueId("q1")
ANN = Viewer(AgentId("ann"), frozenset({Role.AGENT}), queue_ids=frozenset({QUEUE}))
BOB = Viewer(AgentId("bob"), frozenset({Role.AGENT}), queue_ids=frozenset({QUEUE}))
STRANGER = Viewer(AgentId("zoe"), frozenset({Role.AGENT}), queue_ids=frozenset({QueueId("q9")}))
BOSS = Viewer(AgentId("sue"), frozenset({Role.SUPERVISOR}), unit_queue_ids=frozenset({QUEUE}))
AUDITOR = Viewer(AgentId("aud"), frozenset({Role.AUDITOR}))


async def rows(world: World, statement: str) -> list:
    return await world.deps.db.read(lambda tx: tx.run(stmt(text(statement))))


async def sql(world: World, statement: str) -> None:
    await world.deps.db.run(lambda tx: tx.execute(stmt(text(statement))))


async def two_people(world: World) -> tuple[str, str]:
    """Return the customers of a mail and of an SMS, both in the queue."""
    await world.receive("email", replace(world.mail("hi"), sender_name="Ada"))
    world.clock.advance(seconds=5)
    await world.receive("twilio_sms", world.sms("hello"))
    await sql(world, f"UPDATE conversation SET queue_id = '{QUEUE}'")
    found = await rows(world, "SELECT id FROM customer ORDER BY created_at")
    return found[0][0], found[1][0]


async def test_the_view_is_for_those_who_see_a_conversation_and_is_audited(world: World):
    ada, _ = await two_people(world)
    view = await customers.show_customer(world.deps, ANN, ada)
    assert (view.name, [i.value for i in view.identities]) == ("Ada", ["ada@example.com"])
    with pytest.raises(NotFound):
        await customers.show_customer(world.deps, STRANGER, ada)
    masked = await customers.show_customer(world.deps, AUDITOR, ada)
    assert masked.identities[0].value == "a***@example.com"
    assert await rows(world, "SELECT actor, action, target FROM audit ORDER BY id") == [
        ("ann", "customer.read", f"customer:{ada}"),
        ("aud", "customer.read", f"customer:{ada}"),
    ]


async def test_a_change_needs_the_version_and_says_what_changed(world: World):
    ada, _ = await two_people(world)
    version = (await customers.show_customer(world.deps, ANN, ada)).version
    change = CustomerChange(level="gold", zone="Asia/Shanghai", attributes={"vip": True})
    view = await customers.change_customer(world.deps, ANN, ada, change, version)
    assert (view.level, view.zone, view.attributes) == ("gold", "Asia/Shanghai", {"vip": True})
    with pytest.raises(VersionMismatch):
        await customers.change_customer(world.deps, ANN, ada, change, version)
    bad = CustomerChange(zone="Moon/Base")
    with pytest.raises(BadInput):
        await customers.change_customer(world.deps, ANN, ada, bad, view.version)
    with pytest.raises(NotAllowed):
        await customers.change_customer(world.deps, AUDITOR, ada, change, view.version)
    facts = await rows(world, "SELECT data FROM event WHERE kind = 'customer.changed'")
    assert len(facts) == 1
    assert "Shanghai" not in facts[0][0]
    assert [type(c).__name__ for c in world.deps.router.commands] == ["CaseChanged"]  # type: ignore[attr-defined]


async def test_an_agent_vouches_for_an_address_nobody_holds(world: World):
    ada, sms = await two_people(world)
    view = await customers.add_identity(world.deps, ANN, ada, IdentityKind.PHONE, "139 0013 9000")
    added = next(i for i in view.identities if i.kind == "phone")
    assert (added.value, added.verified_how) == ("+8613900139000", "agent")
    with pytest.raises(Conflict) as held:
        await customers.add_identity(world.deps, ANN, ada, IdentityKind.PHONE, "13800138000")
    assert (held.value.code, held.value.params["customer"]) == ("identity_held", sms)
    view = await customers.show_customer(world.deps, ANN, ada)
    assert [s.other_id for s in view.suggestions] == [sms]


async def test_opting_out_is_noted_once(world: World):
    ada, _ = await two_people(world)
    identity = (await customers.show_customer(world.deps, ANN, ada)).identities[0].id
    for _ in range(2):
        view = await customers.set_opted_out(world.deps, ANN, identity, opted_out=True)
    assert view.identities[0].opted_out_at is not None
    view = await customers.set_opted_out(world.deps, ANN, identity, opted_out=False)
    assert view.identities[0].opted_out_at is None
    events = await rows(world, "SELECT COUNT(*) FROM event WHERE kind = 'identity.changed'")
    assert events == [(2,)]


async def test_a_merge_is_a_pointer_and_undone_by_clearing_it(world: World):
    ada, sms = await two_people(world)
    before = await rows(world, "SELECT id, customer_id FROM conversation ORDER BY id")
    view = await merge.merge_customers(world.deps, ANN, sms, ada)
    assert (view.id, view.merged_ids, len(view.identities)) == (ada, (sms,), 2)
    assert (await customers.show_customer(world.deps, ANN, sms)).id == ada
    page = await customers.customer_history(world.deps, ANN, sms)
    assert len(page.items) == 2
    with pytest.raises(Conflict) as again:
        await merge.merge_customers(world.deps, ANN, ada, sms)
    assert again.value.code == "already_merged"
    # Later messages keep the identity's own customer.
    world.clock.advance(seconds=60)
    await world.receive("twilio_sms", world.sms("more"))
    assert await rows(world, "SELECT id, customer_id FROM conversation ORDER BY id") == before
    with pytest.raises(NotAllowed):
        await merge.undo_merge(world.deps, BOB, sms)
    alone = await merge.undo_merge(world.deps, BOSS, sms)
    assert (alone.id, alone.merged_ids) == (sms, ())
    assert (await customers.show_customer(world.deps, ANN, ada)).merged_ids == ()
    assert await rows(world, "SELECT id, customer_id FROM conversation ORDER BY id") == before
    kinds = await rows(
        world, "SELECT kind FROM event WHERE kind LIKE 'customer.%merged' ORDER BY seq"
    )
    assert kinds == [("customer.merged",), ("customer.unmerged",)]


async def test_chained_merges_are_undone_latest_first(world: World):
    ada, sms = await two_people(world)
    await world.receive("twilio_sms", world.sms("third", sender="+8613800138003"))
    await sql(world, f"UPDATE conversation SET queue_id = '{QUEUE}'")
    third = (await rows(world, "SELECT id FROM customer ORDER BY id DESC LIMIT 1"))[0][0]
    await merge.merge_customers(world.deps, ANN, third, sms)
    await merge.merge_customers(world.deps, ANN, third, ada)  # resolves to sms into ada
    assert set((await customers.show_customer(world.deps, ANN, third)).merged_ids) == {sms, third}
    with pytest.raises(Conflict) as later:
        await merge.undo_merge(world.deps, ANN, third)
    assert (later.value.code, later.value.params) == ("merged_since", {"customer": sms})
    await merge.undo_merge(world.deps, ANN, sms)
    await merge.undo_merge(world.deps, ANN, third)
    with pytest.raises(NotFound):
        await merge.undo_merge(world.deps, ANN, third)


async def test_suggestions_are_accepted_or_rejected_once(world: World):
    ada, sms = await two_people(world)
    with pytest.raises(Conflict):
        await customers.add_identity(world.deps, ANN, ada, IdentityKind.PHONE, "13800138000")
    link = (await customers.show_customer(world.deps, ANN, ada)).suggestions[0].id
    with pytest.raises(NotFound):
        await merge.accept_suggestion(world.deps, STRANGER, link)
    view = await merge.accept_suggestion(world.deps, ANN, link)
    assert (view.id, view.merged_ids, view.suggestions) == (ada, (sms,), ())
    with pytest.raises(Conflict) as twice:
        await merge.reject_suggestion(world.deps, ANN, link)
    assert twice.value.code == "already_decided"


async def test_a_claim_becomes_a_suggestion_that_can_be_rejected(world: World):
    ada, _ = await two_people(world)
    claim = ClaimedAddress(Address(IdentityKind.EMAIL, "ada@example.com"), Assurance.CLAIMED)
    sender = replace(world.sms("me", sender="+8613800138009"), claims=(claim,))
    await world.receive("twilio_sms", sender)
    await sql(world, f"UPDATE conversation SET queue_id = '{QUEUE}'")
    view = await customers.show_customer(world.deps, ANN, ada)
    assert [s.reason for s in view.suggestions] == ["claims_email"]
    await merge.reject_suggestion(world.deps, ANN, view.suggestions[0].id)
    assert (await customers.show_customer(world.deps, ANN, ada)).suggestions == ()


async def test_a_blocked_sender_is_spam_and_comes_back(world: World):
    _, sms = await two_people(world)
    talk, version = (
        await rows(world, f"SELECT id, version FROM conversation WHERE customer_id = '{sms}'")
    )[0]
    with pytest.raises(VersionMismatch):
        await block.block_sender(world.deps, ANN, talk, version + 1)
    version = await block.block_sender(world.deps, ANN, talk, version)
    assert isinstance(world.deps.router.commands[-1], Cancel)  # type: ignore[attr-defined]
    await sql(world, "UPDATE work_item SET closed_at = 1, state = 'cancelled'")  # as the router
    world.clock.advance(seconds=60)
    await world.receive("twilio_sms", world.sms("buy now"))
    spam = await rows(world, f"SELECT spam FROM conversation WHERE customer_id = '{sms}'")
    assert all(bool(one) for (one,) in spam)
    assert await rows(world, "SELECT COUNT(*) FROM work_item WHERE closed_at IS NULL") == [(0,)]
    version = (await rows(world, f"SELECT version FROM conversation WHERE id = '{talk}'"))[0][0]
    await block.unblock_sender(world.deps, ANN, talk, version)
    found = await rows(world, f"SELECT spam, state FROM conversation WHERE id = '{talk}'")
    assert [(bool(s), state) for s, state in found] == [(False, "open")]
    assert await rows(world, "SELECT state FROM work_item WHERE closed_at IS NULL") == [("new",)]
