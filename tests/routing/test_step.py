"""The main moves of the router, one by one."""

from datetime import timedelta

from hub.model.ids import AgentId, ItemId
from hub.model.router_commands import (
    Accept,
    AgentReplied,
    Assign,
    Cancel,
    Complete,
    CustomerLeft,
    CustomerWrote,
    Decline,
    Escalate,
    ItemArrived,
    Opened,
    OutcomeCode,
    Presence,
    PresenceMove,
    Snooze,
    Take,
    TransferToAgent,
    TransferToQueue,
)  # fmt: skip
from hub.model.staff import Agent, AgentKind, Duty, Membership, Queue, QueueMode, Readiness
from hub.model.work import ItemState, OfferMode, OfferState, Pause, TimerKind, WorkClass
from hub.routing.calendar import Calendar
from hub.routing.eligibility import opening_of
from tests.routing.world import BACK, FRONT, START, World, rules_tree, small_world

ANN, BOB, EVE, ZOE = (AgentId(name) for name in ("ann", "bob", "eve", "zoe"))


def test_webchat_is_offered_and_accepted_by_hand() -> None:
    world = small_world()
    world.sign_in("ann")
    item_id = world.arrive()
    offer = world.offer(item_id)
    assert offer.agent_id == ANN
    assert world.item(item_id).state is ItemState.OFFERED
    result = world.do(Accept(offer.id, ANN))
    assert result.outcome.code is OutcomeCode.OK
    item = world.item(item_id)
    assert (item.state, item.handler_agent_id, item.owner_agent_id) == (ItemState.ACTIVE, ANN, ANN)
    assert [owner.agent_id for owner in result.owners] == [ANN]
    assert world.state.books[ANN].used() == 30


def test_messaging_is_accepted_automatically_without_an_owner() -> None:
    world = small_world()
    world.sign_in("ann")
    item_id = world.arrive(WorkClass.MESSAGING)
    item = world.item(item_id)
    assert (item.state, item.owner_agent_id, item.opened_at) == (ItemState.ACTIVE, None, None)
    world.do(AgentReplied(item_id, ANN))
    assert world.item(item_id).owner_agent_id == ANN
    assert world.item(item_id).pause is Pause.WAITING
    assert (TimerKind.SLA_BREACH, item_id) not in world.state.timers


def test_second_accept_is_told_who_was_first() -> None:
    world = small_world(
        tree=rules_tree([{"at": 0, "tiers": [1], "offer": {"mode": "broadcast", "k": 2}}])
    )
    world.sign_in("ann", "bob")
    item_id = world.arrive()
    first, second = world.state.live_offers(item_id)
    world.do(Accept(first.id, first.agent_id))
    late = world.do(Accept(second.id, second.agent_id)).outcome
    assert (late.code, late.holder) == (OutcomeCode.ALREADY_TAKEN, first.agent_id)
    assert world.do(Accept(first.id, first.agent_id)).outcome.code is OutcomeCode.NO_CHANGE


def test_decline_excludes_for_a_minute_and_keeps_the_place() -> None:
    world = small_world()
    world.sign_in("ann", "bob")
    item_id = world.arrive()
    vstart = world.item(item_id).vstart
    first = world.offer(item_id)
    world.do(Decline(first.id, first.agent_id))
    second = world.offer(item_id)
    assert second.agent_id != first.agent_id
    assert world.item(item_id).vstart == vstart
    world.do(Decline(second.id, second.agent_id))
    assert world.item(item_id).state is ItemState.QUEUED
    world.beat(61, "ann", "bob")
    assert world.item(item_id).state is ItemState.OFFERED


def test_only_staffed_agent_is_asked_again_after_half_the_exclusion() -> None:
    world = small_world()
    world.sign_in("ann")
    item_id = world.arrive()
    world.do(Decline(world.offer(item_id).id, ANN))
    world.beat(29, "ann")
    assert world.item(item_id).state is ItemState.QUEUED
    world.beat(2, "ann")
    assert world.offer(item_id).agent_id == ANN


def test_expired_offers_make_an_agent_not_responding() -> None:
    world = small_world()
    world.sign_in("ann")
    item_id = world.arrive()
    world.beat(31, "ann")
    assert world.state.presence_of(ANN).misses == 1
    world.beat(60, "ann")
    assert world.state.presence_of(ANN).readiness is Readiness.NOT_RESPONDING
    assert world.item(item_id).state is ItemState.QUEUED
    assert world.state.books[ANN].used() == 0
    world.do(Presence(ANN, PresenceMove.SET_READY))
    assert world.offer(item_id).agent_id == ANN


def test_steps_open_tiers_by_absolute_time() -> None:
    world = small_world()
    world.sign_in("ann", "eve")
    held = [world.arrive() for _ in range(3)]
    for item_id in held:
        world.accept(item_id)
    waiting = world.arrive()
    assert world.item(waiting).state is ItemState.QUEUED
    world.beat(299, "ann", "eve")
    assert world.item(waiting).state is ItemState.QUEUED
    world.beat(2, "ann", "eve")
    assert world.offer(waiting).agent_id == EVE


def test_step_without_staff_is_skipped_at_once() -> None:
    world = small_world()
    world.sign_in("zoe")
    item_id = world.arrive()
    assert world.offer(item_id).agent_id == ZOE


def test_last_agent_of_a_tier_leaving_opens_the_next() -> None:
    world = small_world()
    world.sign_in("ann", "eve")
    for _ in range(3):
        world.accept(world.arrive())
    waiting = world.arrive()
    world.do(Presence(ANN, PresenceMove.SIGN_OUT))
    assert world.offer(waiting).agent_id == EVE
    assert world.state.presence_of(ANN).duty is Duty.DRAINING


def test_pause_rescinds_without_a_miss() -> None:
    world = small_world()
    world.sign_in("ann", "bob")
    item_id = world.arrive()
    asked = world.offer(item_id).agent_id
    result = world.do(Presence(asked, PresenceMove.SET_PAUSE, "lunch"))
    assert next(o.state for o in result.offers) is OfferState.RESCINDED
    assert world.state.presence_of(asked).misses == 0
    assert world.offer(item_id).agent_id != asked


def test_lost_sockets_give_conversations_back() -> None:
    world = small_world()
    world.sign_in("ann", "bob")
    item_id = world.arrive(WorkClass.MESSAGING)
    handler = world.item(item_id).handler_agent_id
    assert handler is not None
    other = BOB if handler == ANN else ANN
    world.do(AgentReplied(item_id, handler))
    world.do(CustomerWrote(item_id))
    world.beat(160, other)
    assert world.state.presence_of(handler).duty is Duty.OFF
    item = world.item(item_id)
    assert (item.handler_agent_id, item.owner_agent_id) == (other, handler)


def test_not_opened_automatic_work_is_taken_back() -> None:
    world = small_world()
    world.sign_in("ann", "bob")
    item_id = world.arrive(WorkClass.MESSAGING)
    first = world.item(item_id).handler_agent_id
    world.beat(301, "ann", "bob")
    assert world.item(item_id).handler_agent_id != first
    world.do(Opened(item_id, world.item(item_id).handler_agent_id or ANN))
    second = world.item(item_id).handler_agent_id
    world.beat(400, "ann", "bob")
    assert world.item(item_id).handler_agent_id == second


def test_customer_reply_may_overcommit_and_stops_offers() -> None:
    world = small_world()
    world.sign_in("ann")
    chats = [world.arrive(WorkClass.MESSAGING) for _ in range(5)]
    for chat in chats:
        world.do(AgentReplied(chat, ANN))
    world.beat(901, "ann")
    assert world.state.books[ANN].used() == 0
    more = [world.arrive(WorkClass.MESSAGING) for _ in range(5)]
    assert all(world.item(m).handler_agent_id == ANN for m in more)
    world.do(CustomerWrote(chats[0]))
    assert world.item(chats[0]).overcommitted
    # A call would interrupt text and so fit, but nothing is offered while something is too much.
    call = world.arrive(WorkClass.VOICE)
    assert world.item(call).state is ItemState.QUEUED
    world.do(Cancel(call, "test"))
    for item_id in more[:1]:
        world.do(Complete(item_id, "solved", ANN))
    assert not world.item(chats[0]).overcommitted


def test_snooze_frees_units_and_wakes() -> None:
    world = small_world()
    world.sign_in("ann")
    item_id = world.arrive()
    world.accept(item_id)
    world.do(Snooze(item_id, world.now + timedelta(hours=1), ANN))
    assert world.state.books[ANN].used() == 10
    world.beat(3601, "ann")
    assert world.item(item_id).pause is Pause.NONE
    assert world.state.books[ANN].used() == 30


def test_transfer_keeps_place_and_owner() -> None:
    world = small_world()
    world.sign_in("ann", "eve")
    item_id = world.arrive()
    world.accept(item_id)
    vstart = world.item(item_id).vstart
    world.beat(30, "ann", "eve")
    result = world.do(TransferToQueue(item_id, BACK, ANN, version=world.item(item_id).version))
    assert result.outcome.ok
    assert world.offer(item_id).agent_id == EVE
    world.accept(item_id)
    item = world.item(item_id)
    assert (item.vstart, item.owner_agent_id, item.handler_agent_id) == (vstart, ANN, EVE)
    assert world.do(TransferToQueue(item_id, FRONT, ANN)).outcome.code is OutcomeCode.NOT_HANDLER


def test_direct_offer_changes_nothing_until_accepted() -> None:
    world = small_world()
    world.sign_in("ann", "bob")
    item_id = world.arrive()
    world.accept(item_id)
    handler = world.item(item_id).handler_agent_id
    assert handler is not None
    other = BOB if handler == ANN else ANN
    world.do(TransferToAgent(item_id, other, handler))
    offer = world.offer(item_id)
    assert offer.mode is OfferMode.DIRECT
    refused = world.do(Decline(offer.id, other))
    assert [e.kind for e in refused.effects] == ["tell_transferor"]
    assert world.item(item_id).handler_agent_id == handler
    world.do(TransferToAgent(item_id, other, handler, handover_owner=True))
    world.accept(item_id)
    assert world.item(item_id).handler_agent_id == other
    assert world.item(item_id).owner_agent_id == other
    assert world.state.books[handler].used() == 0


def test_escalation_raises_tier_and_head() -> None:
    world = small_world()
    world.sign_in("ann", "eve", "zoe")
    item_id = world.arrive()
    world.accept(item_id)
    world.do(Escalate(item_id, 3, "asked_for_manager", ANN))
    assert world.offer(item_id).agent_id == ZOE
    item = world.item(item_id)
    assert (item.min_tier, item.head_boost, item.owner_agent_id) == (3, 0.5, ANN)


def test_stale_version_changes_nothing() -> None:
    world = small_world()
    world.sign_in("ann")
    item_id = world.arrive()
    result = world.do(Cancel(item_id, "spam", version=99))
    assert result.outcome.code is OutcomeCode.STALE
    assert result.empty


def test_take_and_assign() -> None:
    world = small_world()
    world.sign_in("ann")
    item_id = world.arrive()
    assert world.do(Take(item_id, BOB)).outcome.code is OutcomeCode.NOT_ROUTABLE
    world.sign_in("bob")
    taken = world.do(Take(item_id, BOB)).outcome
    assert (taken.code, taken.holder) == (OutcomeCode.ALREADY_TAKEN, ANN)
    world.do(Assign(item_id, BOB, by=ZOE))
    assert world.item(item_id).handler_agent_id == BOB
    assert world.state.books[ANN].used() == 0
    assert world.do(Take(item_id, ANN)).outcome.holder == BOB


def test_done_frees_units_and_closes_the_offer() -> None:
    world = small_world()
    world.sign_in("ann")
    item_id = world.arrive()
    world.accept(item_id)
    result = world.do(Complete(item_id, "solved", ANN))
    assert result.items[0].item.state is ItemState.DONE
    assert [offer.state for offer in result.offers] == [OfferState.CLOSED]
    assert world.state.timers.keys() == {(TimerKind.LINK_SUSPECT, "ann")}
    left = (world.state.items, world.state.offers, world.state.assignments)
    assert not any(left)


def test_reopened_item_waits_for_its_busy_owner() -> None:
    world = small_world()
    world.sign_in("ann", "bob")
    owner = ANN
    full = [world.arrive() for _ in range(6)]
    for item_id in full:
        world.accept(item_id)
    held = world.arrive(WorkClass.MESSAGING, owner_agent_id=owner, reopened=True, reopens=1)
    assert world.item(held).owner_wait_until is not None
    done = next(i for i in full if world.item(i).handler_agent_id == owner)
    world.do(Complete(done, "solved", owner))
    assert world.item(held).handler_agent_id == owner


def test_owner_hold_ends_when_the_owner_pauses() -> None:
    world = small_world()
    world.sign_in("ann", "bob")
    for _ in range(6):
        world.accept(world.arrive())
    held = world.arrive(owner_agent_id=ANN, reopened=True)
    assert world.item(held).owner_wait_until is not None
    world.do(Presence(ANN, PresenceMove.SET_PAUSE, "lunch"))
    assert world.item(held).owner_wait_until is None


def test_closed_queue_waits_for_opening() -> None:
    day = Calendar("office", "UTC", dict.fromkeys(range(5), ((600, 1080),)))
    queues = [Queue(FRONT, "front", calendar="office")]
    world = World([Agent(ANN)], [Membership(ANN, FRONT)], queues, calendars={"office": day})
    world.sign_in("ann")
    result_id = world.arrive()
    assert world.item(result_id).state is ItemState.CLOSED_HOURS
    world.beat(3600, "ann")
    assert world.item(result_id).state is ItemState.OFFERED
    assert world.item(result_id).vstart == START


def test_full_queue_overflows_to_another_with_place() -> None:
    queues = [Queue(FRONT, "front", max_len=1, overflow="back"), Queue(BACK, "back")]
    world = World([Agent(ANN)], [Membership(ANN, FRONT)], queues)
    world.arrive()
    second = world.arrive()
    assert world.item(second).queue_id == BACK


def test_pool_is_grabbed_in_order() -> None:
    pool = Queue(FRONT, "front", mode=QueueMode.GRAB, grab_limit=1, grab_first_n=1)
    world = World([Agent(ANN)], [Membership(ANN, FRONT)], [pool])
    world.sign_in("ann")
    first, second = world.arrive(), world.arrive()
    assert world.item(first).state is ItemState.QUEUED
    assert world.do(Take(second, ANN)).outcome.code is OutcomeCode.LIMIT_REACHED
    assert world.do(Take(first, ANN)).outcome.ok
    assert world.do(Take(second, ANN)).outcome.code is OutcomeCode.LIMIT_REACHED


def test_bot_is_asked_first_and_accepts_by_itself() -> None:
    bot = Agent(AgentId("bot"), AgentKind.BOT, capacity=10_000)
    steps = [{"at": 0, "tiers": [0]}, {"at": 60, "tiers": [0, 1]}]
    world = World(
        [bot, Agent(ANN)], [Membership(bot.id, FRONT, 0), Membership(ANN, FRONT, 1)],
        tree=rules_tree(steps),
    )  # fmt: skip
    world.sign_in("ann", "bot")
    item_id = world.arrive()
    assert world.item(item_id).handler_agent_id == "bot"
    assert world.item(item_id).owner_agent_id is None


def test_customer_who_leaves_frees_the_agent() -> None:
    world = small_world()
    world.sign_in("ann")
    item_id = world.arrive()
    world.do(CustomerLeft(item_id))
    assert item_id not in world.state.items
    assert world.state.books[ANN].used() == 0


def test_one_live_contact_per_conversation() -> None:
    world = small_world()
    first = world.arrive()
    conversation = world.item(first).conversation_id
    again = world.do(ItemArrived(ItemId("x"), WorkClass.WEBCHAT, conversation_id=conversation))
    assert again.outcome.code is OutcomeCode.CONTACT_EXISTS
    assert again.empty


def test_progressive_offers_add_one_agent_at_a_time() -> None:
    tree = rules_tree([{"at": 0, "tiers": [1, 2], "offer": {"mode": "progressive", "k": 3}}])
    world = small_world(tree=tree)
    world.sign_in("ann", "bob", "eve")
    item_id = world.arrive()
    assert len(world.state.live_offers(item_id)) == 1
    world.advance(10)
    assert len(world.state.live_offers(item_id)) == 2
    world.advance(10)
    assert len(world.state.live_offers(item_id)) == 3


def test_eligibility_only_grows_unless_a_step_narrows() -> None:
    steps = [
        {"at": 0, "tiers": [1]},
        {"at": 60, "tiers": [2]},
        {"at": 120, "tiers": [3], "narrow": True},
    ]
    world = small_world(tree=rules_tree(steps))
    world.sign_in("ann", "bob", "eve", "zoe")
    for agent in ("ann", "bob", "eve", "zoe"):
        for _ in range(3):
            waiting = world.arrive()
            world.do(Assign(waiting, AgentId(agent), by=ZOE))
    item_id = world.arrive()
    seen = []
    for _ in range(3):
        seen.append(set(opening_of(world.item(item_id)).tiers))
        world.beat(60, "ann", "bob", "eve", "zoe")
    assert seen == [{1}, {1, 2}, {3}]


def test_delayed_member_is_asked_when_the_item_is_old_enough() -> None:
    world = World([Agent(ANN)], [Membership(ANN, FRONT, delay_s=45)])
    world.sign_in("ann")
    item_id = world.arrive()
    world.beat(44, "ann")
    assert world.item(item_id).state is ItemState.QUEUED
    world.beat(2, "ann")
    assert world.offer(item_id).agent_id == ANN
