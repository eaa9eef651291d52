"""The shape of a rule set: one tree, written as YAML or JSON, read with pydantic.

Only the shape is judged here (types, ranges, unknown keys); `rules` judges what it speaks of.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from hub.model.ids import QueueId
from hub.model.work import OfferMode, Plan, PlanStep
from hub.routing.conditions import Group, Problem

Tier = Annotated[int, Field(ge=0, le=3)]
Level = Annotated[int, Field(ge=1, le=5)]
Seconds = Annotated[float, Field(ge=0, le=90 * 86_400)]
MaxWaitThen = Literal["callback_or_voicemail", "voicemail", "overflow", "escalate", "notify"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class OfferSpec(_Part):
    """How offers are made from a step on."""

    mode: Literal["single", "broadcast", "progressive"]
    k: int = Field(default=1, ge=1, le=20)
    every: Annotated[float, Field(gt=0, le=3600)] = 10.0


class EscalateSpec(_Part):
    """Raise the lowest tier at a step."""

    min_tier: Tier
    reason: str = Field(min_length=1, max_length=40)


class StepSpec(_Part):
    """One step; `at` counts from the beginning of the plan, in seconds."""

    at: Seconds
    owner_if_free_now: bool = False
    owner_wait: Seconds | None = None
    tiers: tuple[Tier, ...] = ()
    narrow: bool = False
    relax: dict[str, Annotated[int, Field(ge=0, le=5)]] = Field(default_factory=dict)
    offer: OfferSpec | None = None
    notify: Literal["supervisor"] | None = None
    escalate: EscalateSpec | None = None
    mode: Literal["push"] | None = None
    borrow: tuple[str, ...] = ()


class MaxWaitSpec(_Part):
    """What happens to an item that waited `after` seconds."""

    after: Annotated[float, Field(gt=0, le=90 * 86_400)]
    then: MaxWaitThen


class RouteSpec(_Part):
    """Where a matching item goes and how it is offered there."""

    queue: str = Field(min_length=1)
    skills: dict[str, Level] = Field(default_factory=dict)
    min_tier: Tier = 0
    sla: str | None = None
    steps: tuple[StepSpec, ...] = Field(min_length=1)
    max_wait: MaxWaitSpec | None = None


class SetSpec(_Part):
    """What an enriching rule adds. `severity` is a proposal: a person's choice stands."""

    min_tier: Tier | None = None
    severity: Literal[1, 2, 3] | None = None
    skills: dict[str, Level] = Field(default_factory=dict)
    sla: str | None = None


def _when_tag(value: Any) -> str:
    return "always" if value == "always" else "group"


class RuleSpec(_Part):
    """One rule. `continue: true` enriches and goes on; otherwise it must route."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    when: Annotated[
        Annotated[Group, Tag("group")] | Annotated[Literal["always"], Tag("always")],
        Discriminator(_when_tag),
    ]
    go_on: bool = Field(default=False, alias="continue")
    set: SetSpec | None = None
    route: RouteSpec | None = None
    note: str | None = Field(default=None, max_length=500)


class RuleSetSpec(_Part):
    """A whole rule set; immutable once published."""

    version: int = Field(ge=1)
    rules: tuple[RuleSpec, ...] = Field(min_length=1, max_length=1000)


_TAGS = frozenset({"group", "atom", "always"})


def read_shape(tree: Any) -> tuple[RuleSetSpec | None, list[Problem]]:
    """Return the parsed set, or None and every mistake of shape with its path."""
    try:
        return RuleSetSpec.model_validate(tree), []
    except ValidationError as error:
        return None, [
            Problem(_path(item["loc"]), str(item["type"]), _params(item.get("ctx")))
            for item in error.errors(include_url=False, include_input=False)
        ]


def _path(loc: tuple[int | str, ...]) -> str:
    """Return `rules[2].when.rules[0].field` of a pydantic location."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in _TAGS:
            text += f".{part}" if text else part
    return text


def _params(context: dict[str, Any] | None) -> tuple[tuple[str, str], ...]:
    return tuple((key, str(value)) for key, value in (context or {}).items())


def step_of(spec: StepSpec, queues: dict[str, QueueId]) -> PlanStep:
    """Return the plan's step of a checked step; `queues` maps name or id to id."""
    wait = spec.owner_wait if spec.owner_wait is not None else None
    return PlanStep(
        at_s=spec.at,
        tiers=spec.tiers,
        narrow=spec.narrow,
        relax=dict(spec.relax),
        owner_wait_s=0.0 if spec.owner_if_free_now and wait is None else wait,
        offer_mode=OfferMode(spec.offer.mode) if spec.offer else None,
        offer_k=spec.offer.k if spec.offer else 1,
        offer_every_s=spec.offer.every if spec.offer else 10.0,
        notify=spec.notify,
        escalate_tier=spec.escalate.min_tier if spec.escalate else None,
        escalate_reason=spec.escalate.reason if spec.escalate else None,
        push=spec.mode == "push",
        borrow=tuple(queues[name] for name in spec.borrow),
    )


def plan_of(rule_id: str, version: int, route: RouteSpec, queues: dict[str, QueueId]) -> Plan:
    """Return the plan a checked route makes."""
    return Plan(
        rule_id=rule_id,
        rules_version=version,
        steps=tuple(step_of(step, queues) for step in route.steps),
        max_wait_s=route.max_wait.after if route.max_wait else None,
        max_wait_then=route.max_wait.then if route.max_wait else None,
    )
