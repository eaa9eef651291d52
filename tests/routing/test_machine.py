"""A machine that drives the router with virtual time and holds its invariants after every step.

The same commands go to a twin with the naive linear index; both must answer the same (I20, and
"the index equals the naive model"). Rows written from the results alone must rebuild the state.
"""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hub.model.ids import AgentId, CaseId, ConversationId, ItemId, QueueId
from hub.model.router_commands import (
    Accept,
    AgentReplied,
    Assign,
    Cancel,
    CaseChanged,
    Command,
    Complete,
    ConfigChanged,
    CustomerLeft,
    CustomerReturned,
    CustomerWrote,
    Decline,
    Escalate,
    ItemArrived,
    Opened,
    Outcome,
    OutcomeCode,
    Presence,
    PresenceMove,
    RulesPublished,
    SetOwner,
    Snooze,
    Take,
    TimerDue,
    TransferToAgent,
    TransferToQueue,
    WrapUpDone,
)  # fmt: skip
from hub.model.staff import Agent, Discipline, Membership, Queue, QueueMode
from hub.model.work import ItemKind, ItemState, WorkClass
from hub.routing.calendar import Calendar
from hub.routing.state import RouterState
from hub.routing.step import due_timers, next_due, step
from tests.routing.invariants import Tables, canonical, check_result, check_state
from tests.routing.linear import LinearIndex, LinearRanking
from tests.routing.world import BACK, FRONT, World, counter_ids

POOL, NIGHT = QueueId("pool"), QueueId("night")
AGENTS = [AgentId(name) for name in ("a1", "a2", "b1", "b2", "c1")]
CLASSES = [WorkClass.WEBCHAT, WorkClass.MESSAGING, WorkClass.EMAIL, WorkClass.VOICE, WorkClass.TASK]
TREE = yaml.safe_load("""
version: 1
rules:
  - id: urgent
    when: {combinator: and, rules: [{field: case.severity, operator: "=", value: 1}]}
    route:
      queue: front
      skills: {x: 3}
      min_tier: 1
      steps:
        - {at: 0, owner_wait: 20}
        - {at: 0, tiers: [1]}
        - {at: 60, tiers: [2], relax: {x: 1}}
        - {at: 120, offer: {mode: broadcast, k: 2}, notify: supervisor}
        - {at: 200, escalate: {min_tier: 3, reason: sla_risk}}
      max_wait: {after: 400, then: overflow}
  - id: pool
    when: {combinator: and, rules: [{field: case.type, operator: "=", value: transaction}]}
    route: {queue: pool, steps: [{at: 0, tiers: [1, 2, 3]}, {at: 90, mode: push}]}
  - id: night
    when: {combinator: and, rules: [{field: case.type, operator: "=", value: praise}]}
    route: {queue: night, steps: [{at: 0, tiers: [1]}]}
  - id: ring
    when: {combinator: and, rules: [{field: case.type, operator: "=", value: fault}]}
    route:
      queue: back
      steps: [{at: 0, tiers: [1, 2], offer: {mode: progressive, k: 3}}]
  - id: default
    when: always
    route:
      queue: front
      steps: [{at: 0, owner_if_free_now: true, tiers: [1]}, {at: 100, tiers: [1, 2]}]
""")


def make_world(index_type: Any = None) -> World:
    """Return five agents on four queues of unlike disciplines."""
    skills = {"a1": {"x": 4}, "a2": {"x": 1}, "b1": {}, "b2": {"x": 2}, "c1": {"x": 5}}
    agents = [Agent(agent, skills=skills[agent]) for agent in AGENTS]
    tiers = {"a1": 1, "a2": 1, "b1": 2, "b2": 2, "c1": 3}
    members = [Membership(a, FRONT, tiers[a], delay_s=40 if a == "a2" else 0) for a in AGENTS]
    members += [Membership(a, BACK, 1, auto_accept=a != "b1") for a in AGENTS[1:4]]
    members += [Membership(a, POOL, tiers[a]) for a in AGENTS[:3]]
    members += [Membership(AGENTS[0], NIGHT, 1)]
    queues = [
        Queue(FRONT, "front", overflow="back", max_len=12, fairness_n=3),
        Queue(BACK, "back", discipline=Discipline.STRICT),
        Queue(POOL, "pool", mode=QueueMode.GRAB, discipline=Discipline.FIFO, grab_limit=2),
        Queue(NIGHT, "night", discipline=Discipline.VIRTUAL, calendar="night"),
    ]
    night = Calendar("night", "UTC", dict.fromkeys(range(7), ((545, 560),)))
    world = World(agents, members, queues, TREE, calendars={"night": night})
    if index_type is not None:
        world.state = RouterState(world.config, counter_ids(), index_type, LinearRanking)
    return world


class RouterMachine(RuleBasedStateMachine):
    """Random commands; `pick` numbers choose among what exists."""

    def __init__(self) -> None:
        super().__init__()
        self.world = make_world()
        self.twin = make_world(LinearIndex)
        self.tables = Tables()
        self.arrived = 0

    def do(self, command: Command) -> Outcome:
        """Run a command on both, check the result, write the rows."""
        before = dict(self.world.state.items)
        asked: set[str] = set(self.world.state.offers)
        result = self.world.do(command)
        twin = step(self.twin.state, command, self.world.now)
        assert twin == result, "I20: the linear model decided otherwise"
        check_result(before, asked, self.world, result)
        self.tables.apply(result)
        if result.outcome.code is OutcomeCode.STALE:
            assert result.empty, "I12"
        moved = (TransferToQueue, CustomerWrote, ItemArrived)
        for change in result.items:
            old = before.get(change.item.id)
            if old is not None and old.vstart and not isinstance(command, moved):
                assert change.item.vstart == old.vstart, "I9"
        return result.outcome

    def some(self, pick: int, *states: ItemState) -> ItemId | None:
        """Return one of the live items in these states (any when none is named)."""
        found = sorted(
            i.id for i in self.world.state.items.values() if not states or i.state in states
        )
        return found[pick % len(found)] if found else None

    @rule(
        cls=st.sampled_from(CLASSES), severity=st.sampled_from([1, 3, 3]),
        level=st.sampled_from(["basic", "gold", "diamond"]),
        kind=st.sampled_from([None, "transaction", "praise", "fault"]),
        owner=st.sampled_from([None, None, *AGENTS]), reopened=st.booleans(),
        case=st.integers(1, 30),
    )  # fmt: skip
    def arrive(self, cls: WorkClass, severity: int, level: str, kind: str | None,
               owner: AgentId | None, reopened: bool, case: int) -> None:  # fmt: skip
        self.arrived += 1
        facts = {"case.type": kind} if kind else {}
        case_id = CaseId(f"case{case}")
        siblings = self.world.state.case_items.get(case_id)
        if siblings:  # one case has one owner
            owner = self.world.state.items[next(iter(siblings))].owner_agent_id
        self.do(ItemArrived(
            ItemId(f"i{self.arrived:04d}"), cls, case_id=case_id, facts=facts, severity=severity,
            conversation_id=ConversationId(f"conv{case}"), customer_level=level,
            kind=ItemKind.TASK if cls is WorkClass.TASK else ItemKind.CONTACT,
            owner_agent_id=owner, reopened=reopened and owner is not None,
        ))  # fmt: skip

    @rule(agent=st.sampled_from(AGENTS), move=st.sampled_from(
        [PresenceMove.SIGN_IN] * 6 + list(PresenceMove)))  # fmt: skip
    def presence(self, agent: AgentId, move: PresenceMove) -> None:
        self.do(Presence(agent, move, "lunch" if move is PresenceMove.SET_PAUSE else None))

    @rule(seconds=st.sampled_from([1, 9, 25, 31, 60, 125, 400, 1000]), beating=st.booleans())
    def advance(self, seconds: int, beating: bool) -> None:
        until = self.world.now + timedelta(seconds=seconds)
        beat = self.world.now
        while (due := next_due(self.world.state)) is not None and due <= until:
            if beating and due - beat > timedelta(seconds=10):
                beat = due
                for agent in AGENTS:
                    self.do(Presence(agent, PresenceMove.HEARTBEAT))
            self.world.now = max(self.world.now, due)
            for command in due_timers(self.world.state, self.world.now):
                self.do(command)
        self.world.now = until

    @rule(pick=st.integers(0, 99), yes=st.sampled_from([True, True, False]))
    def answer(self, pick: int, yes: bool) -> None:
        offers = sorted(o.id for o in self.world.state.offers.values() if o.live)
        if offers:
            offer = self.world.state.offers[offers[pick % len(offers)]]
            answer = Accept(offer.id, offer.agent_id) if yes else Decline(offer.id, offer.agent_id)
            assert self.do(answer).code is OutcomeCode.OK
            size = len(self.world.state.assignments)
            assert self.do(answer).code is not OutcomeCode.OK, "I13"
            assert len(self.world.state.assignments) == size

    @rule(pick=st.integers(0, 99), agent=st.sampled_from(AGENTS), how=st.integers(0, 2))
    def hand(self, pick: int, agent: AgentId, how: int) -> None:
        if (item_id := self.some(pick)) is not None:
            if how == 0:
                self.do(Take(item_id, agent))
            elif how == 1:
                self.do(Assign(item_id, agent, by=AGENTS[0]))
            else:
                self.do(Take(item_id, agent, from_handler=True))

    @rule(pick=st.integers(0, 99), queue=st.sampled_from([FRONT, BACK, POOL, NIGHT]),
          keep=st.sampled_from([None, True, False]))  # fmt: skip
    def transfer(self, pick: int, queue: QueueId, keep: bool | None) -> None:
        if (item_id := self.some(pick)) is not None:
            self.do(TransferToQueue(item_id, queue, keep_place=keep))

    @rule(pick=st.integers(0, 99), agent=st.sampled_from(AGENTS), owner=st.booleans())
    def transfer_direct(self, pick: int, agent: AgentId, owner: bool) -> None:
        if (item_id := self.some(pick, ItemState.ACTIVE)) is not None:
            self.do(TransferToAgent(item_id, agent, handover_owner=owner))

    @rule(pick=st.integers(0, 99), tier=st.integers(1, 3))
    def escalate(self, pick: int, tier: int) -> None:
        if (item_id := self.some(pick)) is not None:
            self.do(Escalate(item_id, tier, "manager"))

    @rule(pick=st.integers(0, 99), how=st.integers(0, 5))
    def tend(self, pick: int, how: int) -> None:
        item_id = self.some(pick, ItemState.ACTIVE)
        if item_id is None:
            return
        handler = self.world.state.items[item_id].handler_agent_id
        assert handler is not None
        later = self.world.now + timedelta(seconds=90)
        commands: list[Command] = [
            AgentReplied(item_id, handler), CustomerWrote(item_id), Opened(item_id, handler),
            Snooze(item_id, later, handler), AgentReplied(item_id, handler), CustomerWrote(item_id),
        ]  # fmt: skip
        self.do(commands[how])

    @rule(pick=st.integers(0, 99), how=st.integers(0, 6))
    def end(self, pick: int, how: int) -> None:
        if (item_id := self.some(pick)) is None:
            return
        handler = self.world.state.items[item_id].handler_agent_id
        if how == 0:
            self.do(Cancel(item_id, "spam"))
        elif how == 1:
            self.do(CustomerLeft(item_id))
        elif how == 2:
            self.do(CustomerReturned(item_id))
        elif how == 3:
            self.do(WrapUpDone(item_id))
        else:
            self.do(Complete(item_id, "solved", handler))

    @rule(pick=st.integers(0, 99), severity=st.sampled_from([1, 2, 3]), notice=st.booleans(),
          owner=st.sampled_from(AGENTS))  # fmt: skip
    def edit_case(self, pick: int, severity: int, notice: bool, owner: AgentId) -> None:
        if (item_id := self.some(pick)) is not None:
            case_id = self.world.state.items[item_id].case_id
            assert case_id is not None
            self.do(CaseChanged(case_id, severity=severity, fault_notice=notice))
            if notice:
                self.do(SetOwner(case_id, owner, "admin"))

    @rule(pick=st.integers(0, 99))
    def stale(self, pick: int) -> None:
        if (item_id := self.some(pick)) is not None:
            version = self.world.state.items[item_id].version + 7
            before = canonical(self.world.state)
            stale: list[Command] = [
                Cancel(item_id, "x", version=version), Take(item_id, AGENTS[0], version),
                Escalate(item_id, 3, "x", version=version),
            ]  # fmt: skip
            for command in stale:
                assert self.do(command).code is OutcomeCode.STALE
            assert canonical(self.world.state) == before, "I12"

    @rule(pick=st.integers(0, 99))
    def duplicates(self, pick: int) -> None:
        if (item_id := self.some(pick)) is not None:
            item = self.world.state.items[item_id]
            again = ItemArrived(item_id, item.work_class, item.kind)
            before = canonical(self.world.state)
            assert self.do(again).code is OutcomeCode.NO_CHANGE, "I13"
            for key in list(self.world.state.timers):
                self.do(TimerDue(*key))  # not due yet: nothing happens
            assert canonical(self.world.state) == before, "I13"

    @rule(pick=st.integers(0, 99))
    def replan(self, pick: int) -> None:
        item_id = self.some(pick, ItemState.QUEUED)
        replan = {item_id: {"case.type": "fault"}} if item_id else {}
        self.do(RulesPublished(1, replan))  # type: ignore[arg-type]

    @rule()
    def reconfigure(self) -> None:
        for world in (self.world, self.twin):
            world.state.configure(world.config)
        self.do(ConfigChanged())

    @rule()
    def crash(self) -> None:
        ids = self.world.state.new_id
        self.world.state = RouterState.from_rows(self.world.config, self.tables.rows(), ids)
        twin_ids = self.twin.state.new_id
        twin = RouterState(self.twin.config, twin_ids, LinearIndex, LinearRanking)
        self.twin.state = twin.refill(self.tables.rows())

    @invariant()
    def holds(self) -> None:
        check_state(self.world, self.tables)

    def teardown(self) -> None:
        for item_id in sorted(self.world.state.items):
            self.do(Cancel(item_id, "end"))
        for book in self.world.state.books.values():
            assert book.used() == 0, "I17"
        assert not self.world.state.assignments


def run(examples: int, steps: int) -> None:
    """Run the machine."""
    run_state_machine_as_test(
        RouterMachine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_invariants_hold() -> None:
    run(120, 45)


@pytest.mark.long
def test_invariants_hold_for_long() -> None:
    run(3000, 60)
