"""A scenario file into what `routing.simulate` plays.

    name: monday            # hours, seconds and people of a made-up day
    hours: 8
    within_s: 20
    agents: 12              # or a list of {name, queues, skills, from_h, to_h}
    streams:
      - {name: calls, class: voice, per_half_hour: [60, 90, 70], handle_s: 240, patience_s: 300}

`queues` and `rules` are as in the hub's own rule files; without them there is one queue, and
everybody on tier 1 serves it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.model.errors import BadInput
from hub.model.ids import AgentId, QueueId
from hub.model.staff import Agent, Discipline, Membership, Queue
from hub.model.work import WorkClass
from hub.routing.config import RouterConfig
from hub.routing.rules import RulesInvalid, RuleWorld, load_rules
from hub.routing.simulate import Report, Scenario, Stream

_DEFAULT_QUEUE = "support"
_SPEC = ConfigDict(extra="forbid", frozen=True)
Positive = Annotated[float, Field(gt=0, le=1e7)]


class AgentSpec(BaseModel):
    """One agent; hours count from the beginning."""

    model_config = _SPEC
    name: str
    queues: dict[str, Annotated[int, Field(ge=0, le=3)]] = Field(default_factory=dict)
    skills: dict[str, int] = Field(default_factory=dict)
    from_h: float = 0.0
    to_h: float | None = None


class QueueSpec(BaseModel):
    """One queue."""

    model_config = _SPEC
    name: str
    discipline: Discipline = Discipline.SLA_RATIO
    fairness_n: Annotated[int, Field(ge=0)] = 10
    overflow: str = "keep"
    max_len: int | None = None


class StreamSpec(BaseModel):
    """One kind of demand."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    name: str
    work_class: Annotated[WorkClass, Field(alias="class")]
    per_half_hour: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]
    handle_s: Positive
    patience_s: Positive | None = None
    severity: Literal[1, 2, 3] = 3
    customer_level: str = "basic"
    facts: dict[str, str | int | float | bool | None] = Field(default_factory=dict)


class ScenarioSpec(BaseModel):
    """A scenario file."""

    model_config = _SPEC
    name: str = "scenario"
    hours: Annotated[float, Field(gt=0, le=24 * 60)] = 8.0
    within_s: Positive = 20.0
    wrapup_s: Annotated[float, Field(ge=0)] | None = None
    answer_s: Annotated[float, Field(ge=0)] = 2.0
    agents: Annotated[int, Field(ge=1, le=5000)] | tuple[AgentSpec, ...]
    queues: tuple[QueueSpec, ...] = (QueueSpec(name=_DEFAULT_QUEUE),)
    rules: list[dict[str, Any]] | None = None
    streams: Annotated[tuple[StreamSpec, ...], Field(min_length=1)]


def read_scenario(tree: Any) -> ScenarioSpec:
    """Read and check a file's tree. Raises BadInput `scenario_invalid` with the place."""
    try:
        return ScenarioSpec.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput("scenario_invalid", path=place, reason=first["msg"]) from error


def scenario_of(
    spec: ScenarioSpec, *, discipline: Discipline | None = None, agents: int | None = None
) -> Scenario:
    """Return the scenario, or a variant: another discipline, or so many equal agents.

    Raises:
        BadInput: `scenario_invalid`: the rules are refused, or an agent names an unknown queue.
    """
    queues = {
        QueueId(one.name): Queue(
            QueueId(one.name), one.name, discipline or one.discipline, overflow=one.overflow,
            max_len=one.max_len, fairness_n=one.fairness_n,
        )
        for one in spec.queues
    }  # fmt: skip
    wanted = agents if agents is not None else spec.agents
    people = _equal(wanted, spec) if isinstance(wanted, int) else wanted
    unknown = {name for one in people for name in one.queues} - {str(key) for key in queues}
    if unknown:
        raise BadInput("scenario_invalid", path="agents", reason=f"no queue {min(unknown)}")
    rules = spec.rules or [{
        "id": "default", "when": "always",
        "route": {"queue": spec.queues[0].name, "steps": [{"at": 0, "tiers": [0, 1, 2, 3]}]},
    }]  # fmt: skip
    try:
        ready = load_rules({"version": 1, "rules": rules}, RuleWorld(queues))
    except RulesInvalid as error:
        first = error.problems[0]
        raise BadInput("scenario_invalid", path=first.path, reason=first.code) from error
    config = RouterConfig(
        agents={AgentId(one.name): Agent(AgentId(one.name), skills=one.skills) for one in people},
        queues=queues,
        memberships=tuple(
            Membership(AgentId(one.name), QueueId(queue), tier)
            for one in people for queue, tier in one.queues.items()
        ),
        rules=ready,
    )  # fmt: skip
    hours = {
        AgentId(one.name): (one.from_h * 3600, spec.hours * 7200 + 86_400 if one.to_h is None
                            else one.to_h * 3600)
        for one in people if one.from_h or one.to_h is not None
    }  # fmt: skip
    name = " ".join([spec.name, *([discipline.value] if discipline else []),
                     *([f"{agents} agents"] if agents is not None else [])])  # fmt: skip
    return Scenario(
        name, config, tuple(_stream(one) for one in spec.streams), spec.hours * 3600,
        spec.within_s, hours, spec.wrapup_s, spec.answer_s,
    )  # fmt: skip


def _equal(number: int, spec: ScenarioSpec) -> tuple[AgentSpec, ...]:
    queues = {one.name: 1 for one in spec.queues}
    return tuple(AgentSpec(name=f"agent{n:04d}", queues=queues) for n in range(1, number + 1))


def _stream(spec: StreamSpec) -> Stream:
    return Stream(
        spec.name, spec.work_class, spec.per_half_hour, spec.handle_s, spec.patience_s,
        spec.severity, spec.customer_level, facts=spec.facts,
    )  # fmt: skip


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as plain values."""
    figures = ("arrivals", "answered_in_time", "waited", "abandoned", "mean_wait_s",
               "longest_wait_s")  # fmt: skip
    return {
        "scenario": report.scenario,
        "seeds": report.seeds,
        "streams": {
            line.stream: {
                name: {"mean": found.mean, "plus_minus": found.half_width}
                for name in figures
                if (found := getattr(line, name)) is not None
            }
            for line in report.lines
        },
    }
