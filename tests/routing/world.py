"""A small call centre for tests: agents, queues, rules, a virtual clock and one router state."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hub.model.ids import AgentId, CaseId, ConversationId, ItemId, QueueId
from hub.model.router_commands import Accept, Command, ItemArrived, Presence, PresenceMove
from hub.model.staff import Agent, Membership, Queue
from hub.model.work import Offer, WorkClass, WorkItem
from hub.routing.calendar import Calendar
from hub.routing.changes import StepResult
from hub.routing.config import RouterConfig
from hub.routing.rules import RuleSet, RuleWorld, load_rules
from hub.routing.state import RouterState
from hub.routing.step import due_timers, next_due, step

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FRONT = QueueId("front")
BACK = QueueId("back")

STEPS = [{"at": 0, "tiers": [1]}, {"at": 300, "tiers": [1, 2]}, {"at": 900, "tiers": [1, 2, 3]}]


def rules_tree(steps: list[dict[str, Any]] | None = None, **route: Any) -> dict[str, Any]:
    """Return a set with one default rule to the front queue."""
    target = {"queue": "front", "steps": steps or STEPS, **route}
    return {"version": 1, "rules": [{"id": "default", "when": "always", "route": target}]}


def make_rules(
    queues: Mapping[QueueId, Queue],
    tree: dict[str, Any] | None = None,
    calendars: Mapping[str, Calendar] | None = None,
) -> RuleSet:
    """Return the compiled set."""
    return load_rules(tree or rules_tree(), RuleWorld(queues, calendars or {}))


def counter_ids() -> Callable[[], str]:
    """Return a source of small ids that sort in order of making."""
    numbers = count(1)
    return lambda: f"id{next(numbers):06d}"


class World:
    """One router and its clock. `log` keeps every result."""

    def __init__(
        self,
        agents: list[Agent],
        memberships: list[Membership],
        queues: list[Queue] | None = None,
        tree: dict[str, Any] | None = None,
        **config: Any,
    ) -> None:
        found = {
            queue.id: queue for queue in queues or [Queue(FRONT, "front"), Queue(BACK, "back")]
        }
        self.config = RouterConfig(
            agents={agent.id: agent for agent in agents},
            queues=found,
            memberships=tuple(memberships),
            rules=make_rules(found, tree, config.get("calendars")),
            **config,
        )
        self.now = START
        self.state = RouterState(self.config, counter_ids())
        self.log: list[StepResult] = []
        self._numbers = count(1)

    def do(self, command: Command) -> StepResult:
        """Run one command now."""
        result = step(self.state, command, self.now)
        self.log.append(result)
        return result

    def advance(self, seconds: float) -> None:
        """Move the clock and fire every timer at its own instant."""
        until = self.now + timedelta(seconds=seconds)
        while (due := next_due(self.state)) is not None and due <= until:
            self.now = max(self.now, due)
            for command in due_timers(self.state, self.now):
                self.do(command)
        self.now = until

    def beat(self, seconds: float, *agents: str) -> None:
        """Move the clock while these agents' sockets answer."""
        left = seconds
        while left > 0:
            self.advance(min(15, left))
            left -= 15
            for agent in agents:
                self.do(Presence(AgentId(agent), PresenceMove.HEARTBEAT))

    def sign_in(self, *agents: str) -> None:
        """Bring agents on duty."""
        for agent in agents:
            self.do(Presence(AgentId(agent), PresenceMove.SIGN_IN))

    def arrive(self, work_class: WorkClass = WorkClass.WEBCHAT, **facts: Any) -> ItemId:
        """Let a customer come; returns the item's id."""
        number = next(self._numbers)
        values: dict[str, Any] = {
            "case_id": CaseId(f"case{number:04d}"),
            "conversation_id": ConversationId(f"conv{number:04d}"),
            **facts,
        }
        item_id = ItemId(f"item{number:04d}")
        self.do(ItemArrived(item_id, work_class, **values))
        return item_id

    def item(self, item_id: ItemId) -> WorkItem:
        """Return a live item."""
        return self.state.items[item_id]

    def offer(self, item_id: ItemId) -> Offer:
        """Return the only live offer of an item."""
        (offer,) = self.state.live_offers(item_id)
        return offer

    def accept(self, item_id: ItemId) -> StepResult:
        """Let whoever is asked accept."""
        offer = self.offer(item_id)
        return self.do(Accept(offer.id, offer.agent_id))


def small_world(**config: Any) -> World:
    """Return two agents on tier 1, one on 2, one on 3, all in the front queue."""
    agents = [Agent(AgentId(name)) for name in ("ann", "bob", "eve", "zoe")]
    tiers = {"ann": 1, "bob": 1, "eve": 2, "zoe": 3}
    members = [Membership(AgentId(a), FRONT, tier) for a, tier in tiers.items()]
    members.append(Membership(AgentId("eve"), BACK, 1))
    return World(agents, members, **config)
