"""The router's core in memory: full steps per second, matching decisions, growth with the queue.

    python benchmarks/bench_router.py [--waiting 10000] [--agents 2000] [--steps 3000] [--profile]
                                      [--long] [--out FILE]

A step is everything one command leads to: rows, timers, events, offers. A decision is only the
choice of the best waiting item for an agent who became free. Times are the process's own CPU time.
Issue 3 d wants 20,000 decisions/s at 10,000 waiting and 2,000 agents, growing no faster than log n
from 1,000 to 100,000 (--long).
"""

import argparse
import cProfile
import json
import pstats
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from math import log
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from hub.model.ids import AgentId, ItemId, QueueId
from hub.model.router_commands import Accept, Command, Complete, ItemArrived, Presence, PresenceMove
from hub.model.staff import Agent, Membership, Queue
from hub.model.work import WorkClass
from hub.routing.capacity import DEFAULTS
from hub.routing.changes import StepResult
from hub.routing.config import RouterConfig
from hub.routing.matching import best_item
from hub.routing.recorder import Step
from hub.routing.rules import RuleWorld, load_rules
from hub.routing.state import RouterState
from hub.routing.step import step
from tests.routing.world import START

LEVELS = ("basic", "silver", "gold", "diamond")


class Center:
    """Twenty queues, agents in four each, everybody on a call, the rest waiting."""

    def __init__(self, waiting: int, agents: int) -> None:
        queues = {QueueId(f"q{n:02d}"): Queue(QueueId(f"q{n:02d}")) for n in range(20)}
        names = list(queues)
        staff = [Agent(AgentId(f"a{n:05d}"), skills={f"s{n // 20 % 5}": 3}) for n in range(agents)]
        members = [
            Membership(agent.id, names[(n * 7 + k * 5) % 20], 1)
            for n, agent in enumerate(staff)
            for k in range(4)
        ]
        route = {"queue": names[0], "steps": [{"at": 0, "tiers": [1]}, {"at": 300, "tiers": [2]}]}
        rules = [{"id": "default", "when": "always", "route": route}]
        calls = {cls: replace(rule, wrapup_s=0.0) for cls, rule in DEFAULTS.items()}
        config = RouterConfig(
            agents={agent.id: agent for agent in staff}, queues=queues,
            memberships=tuple(members), capacity=calls,
            rules=load_rules({"version": 1, "rules": rules}, RuleWorld(queues)),
            suspect_s=1e8,
        )  # fmt: skip
        numbers = count(1)
        self.now = START
        self.state = RouterState(config, lambda: f"{next(numbers):09d}")
        self.queues, self.staff = names, staff
        self.arrived = count(1)
        for agent in staff:
            self.do(Presence(agent.id, PresenceMove.SIGN_IN))
        for _ in range(agents):
            for offer in self.arrive().offers:
                self.do(Accept(offer.id, offer.agent_id))
        for offer in list(self.state.offers.values()):
            if offer.live:
                self.do(Accept(offer.id, offer.agent_id))
        while len(self.state.index) < waiting:
            self.arrive()
        while len(self.state.index) > waiting:
            self.arrive()

    def do(self, command: Command) -> StepResult:
        self.now += timedelta(milliseconds=3)
        return step(self.state, command, self.now)

    def arrive(self) -> StepResult:
        number = next(self.arrived)
        return self.do(
            ItemArrived(
                ItemId(f"i{number:09d}"), WorkClass.VOICE, queue_id=self.queues[number % 20],
                severity=1 + number // 3 % 3, customer_level=LEVELS[number // 7 % 4],
                req_skills={f"s{number // 20 % 5}": 2} if number // 20 % 2 else {},
            )
        )  # fmt: skip

    def turn(self) -> int:
        """Let the next agent finish, accept what comes of it, let one customer arrive."""
        held = next(iter(self.state.handlers), None)
        steps = 1
        self.arrive()
        if held is not None:
            item = self.state.items[held]
            result = self.do(Complete(item.id, "solved", item.handler_agent_id))
            steps += 1
            for offer in result.offers:
                if offer.live:
                    self.do(Accept(offer.id, offer.agent_id))
                    steps += 1
        return steps


def full_steps(center: Center, wanted: int) -> tuple[float, float]:
    """Return steps per second, and the p99 of one turn's time per step in milliseconds."""
    taken: list[float] = []
    done = 0
    began = time.process_time()
    while done < wanted:
        at = time.process_time()
        steps = center.turn()
        done += steps
        taken.append((time.process_time() - at) / steps)
    return done / (time.process_time() - began), 1000 * sorted(taken)[int(len(taken) * 0.99)]


def decisions(center: Center, wanted: int) -> float:
    """Return how often per second the best item for a free agent is chosen."""
    state = center.state
    people = center.staff[:200]
    for work_class in (WorkClass.VOICE,):
        state.free[work_class].update(dict.fromkeys(agent.id for agent in people))
    books = {agent.id: state.books[agent.id] for agent in people}
    for agent in people:
        state.books[agent.id] = type(books[agent.id])(100, state.config.capacity)
    current = Step(state, center.now)
    began = time.process_time()
    for number in range(wanted):
        best_item(current, people[number % len(people)].id)
    taken = time.process_time() - began
    for agent in people:
        state.books[agent.id] = books[agent.id]
        state.refresh_free(agent.id)
    return wanted / taken


def profiled(work: Callable[[], Any]) -> None:
    profile = cProfile.Profile()
    profile.runcall(work)
    pstats.Stats(profile).sort_stats("tottime").print_stats(28)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--agents", type=int, default=2_000)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--long", action="store_true", help="also 1,000 and 100,000 waiting")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sizes = [1_000, options.waiting, 100_000] if options.long else [1_000, options.waiting]
    found: dict[str, Any] = {"agents": options.agents, "sizes": {}}
    for waiting in dict.fromkeys(sizes):
        center = Center(waiting, options.agents)
        per_s, p99 = full_steps(center, options.steps)
        found["sizes"][waiting] = {
            "steps_per_s": round(per_s), "step_p99_ms": round(p99, 3),
            "decisions_per_s": round(decisions(center, options.steps)),
        }  # fmt: skip
        if options.profile and waiting == options.waiting:
            profiled(lambda one=center: full_steps(one, options.steps))  # type: ignore[misc]
    first, last = min(found["sizes"]), max(found["sizes"])
    slower = found["sizes"][first]["steps_per_s"] / found["sizes"][last]["steps_per_s"]
    found["growth"] = round(slower, 2)
    found["log_growth"] = round(log(last) / log(first), 2)
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
