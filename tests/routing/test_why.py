"""Why is this waiting, why not me: reasons agree with what matching does."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.ids import AgentId, ItemId, QueueId
from hub.model.router_commands import Decline, Presence, PresenceMove
from hub.model.staff import Agent, Membership, Queue, QueueMode
from hub.model.work import ItemState, TimerKind, WorkClass
from hub.routing.why import Passed, Waiting, why_not, why_waiting
from tests.routing.invariants import could_take
from tests.routing.world import BACK, FRONT, World, rules_tree, small_world

ANN, BOB, EVE, ZOE = (AgentId(name) for name in ("ann", "bob", "eve", "zoe"))


def reasons(world: World, item_id: ItemId) -> dict[str, str]:
    found = why_waiting(world.state, item_id, world.now)
    assert found is not None
    return {one.agent_id: one.reason.value for one in found.candidates}


def test_nobody_on_duty_then_everybody_busy() -> None:
    world = small_world()
    item_id = world.arrive(WorkClass.VOICE)
    found = why_waiting(world.state, item_id, world.now)
    assert found is not None
    assert found.waiting is Waiting.NOBODY_ON_DUTY
    assert found.rule_id == "default"
    assert set(reasons(world, item_id).values()) == {"off_duty"}
    world.sign_in("ann")
    assert why_waiting(world.state, item_id, world.now).waiting is Waiting.BEING_ASKED  # type: ignore[union-attr]
    assert reasons(world, item_id)["ann"] == "asked"
    second = world.arrive(WorkClass.VOICE)
    found = why_waiting(world.state, second, world.now)
    assert found is not None
    assert found.waiting is Waiting.EVERYBODY_BUSY
    assert found.candidates[0].data == {"held": 1, "cap": 1}
    world.do(Presence(ANN, PresenceMove.SET_PAUSE, "lunch"))
    assert reasons(world, second)["ann"] == "paused"


def test_skills_tiers_and_what_happens_next() -> None:
    steps = [{"at": 0, "tiers": [1]}, {"at": 60, "tiers": [2]}]
    tree = rules_tree(steps, skills={"x": 3})
    agents = [Agent(ANN, skills={"x": 1}), Agent(EVE, skills={"x": 5})]
    world = World(agents, [Membership(ANN, FRONT, 1), Membership(EVE, FRONT, 2)], tree=tree)
    world.sign_in("ann", "eve")
    item_id = world.arrive()
    found = why_waiting(world.state, item_id, world.now)
    assert found is not None
    assert found.waiting is Waiting.NOBODY_QUALIFIED
    assert reasons(world, item_id) == {"ann": "skill_missing", "eve": "tier_not_open"}
    assert [kind for kind, _ in found.next_at] == [TimerKind.STEP]
    assert found.skills == (("x", 3),)
    world.beat(60, "ann", "eve")
    assert world.item(item_id).state is ItemState.OFFERED


def test_excluded_delayed_and_stranger() -> None:
    world = World([Agent(ANN), Agent(BOB)], [Membership(ANN, FRONT, delay_s=90)])
    world.sign_in("ann", "bob")
    item_id = world.arrive()
    assert reasons(world, item_id) == {"ann": "delayed"}
    assert why_not(world.state, world.item(item_id), BOB, world.now).reason is Passed.NOT_A_MEMBER
    world.beat(90, "ann")
    world.do(Decline(world.offer(item_id).id, ANN))
    assert reasons(world, item_id) == {"ann": "excluded"}
    assert why_waiting(world.state, item_id, world.now).waiting is Waiting.EVERYBODY_EXCLUDED  # type: ignore[union-attr]


def test_pool_and_gone() -> None:
    pool = Queue(FRONT, "front", mode=QueueMode.GRAB)
    world = World([Agent(ANN)], [Membership(ANN, FRONT)], [pool, Queue(BACK, "back")])
    world.sign_in("ann")
    item_id = world.arrive()
    found = why_waiting(world.state, item_id, world.now)
    assert found is not None
    assert (found.waiting, reasons(world, item_id)) == (Waiting.IN_POOL, {"ann": "in_pool"})
    assert why_waiting(world.state, ItemId("gone"), world.now) is None


@given(st.lists(st.tuples(st.sampled_from(["arrive", "beat", "pause", "ready", "accept", "decline",
       "in"]), st.integers(0, 3)), max_size=25))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_reason_stands_for_everybody_who_could_not_be_asked(acts) -> None:
    """Whoever has no reason could take the item; I6 says that no such item is left."""
    world = small_world()
    names = ["ann", "bob", "eve", "zoe"]
    for act, pick in acts:
        agent = AgentId(names[pick])
        offers = [o for o in world.state.offers.values() if o.live]
        if act == "arrive":
            kinds = [WorkClass.VOICE, WorkClass.WEBCHAT, WorkClass.EMAIL, WorkClass.MESSAGING]
            world.arrive(kinds[pick], queue_id=QueueId("back") if pick == 3 else None)
        elif act == "beat":
            world.beat(20 + 50 * pick, *names)
        elif act in ("accept", "decline") and offers:
            offer = offers[pick % len(offers)]
            if act == "accept":
                world.accept(offer.item_id)
            else:
                world.do(Decline(offer.id, offer.agent_id))
        elif act in ("pause", "ready", "in"):
            move = {"pause": PresenceMove.SET_PAUSE, "ready": PresenceMove.SET_READY,
                    "in": PresenceMove.SIGN_IN}[act]  # fmt: skip
            world.do(Presence(agent, move, "lunch" if act == "pause" else None))
        for item in world.state.items.values():
            if item.state is ItemState.QUEUED:
                for name in names:
                    free = why_not(world.state, item, AgentId(name), world.now)
                    member = AgentId(name) in world.state.members[item.queue_id]  # type: ignore[index]
                    able = member and could_take(world.state, item, AgentId(name), world.now)
                    assert (free.reason is Passed.NONE) == able
