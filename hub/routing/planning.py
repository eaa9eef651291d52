"""From `new` to waiting: rules, promises, opening hours, overflow.

No item is ever dropped here: a closed or full queue keeps it, sends it on, or asks for something
outside (a call-back offer, a voicemail) while it waits.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from hub.model.events import EventKind
from hub.model.ids import ItemId, QueueId
from hub.model.router_commands import Fact, ItemArrived, Outcome, OutcomeCode, RulesPublished
from hub.model.staff import Queue
from hub.model.work import (
    ItemKind,
    ItemState,
    Plan,
    PlanStep,
    TimerKind,
    WorkClass,
    WorkItem,
)
from hub.routing.calendar import ALWAYS
from hub.routing.changes import DecisionTrace
from hub.routing.conditions import Scene
from hub.routing.eligibility import BUILT_IN_STEPS
from hub.routing.queueing import enter_queue, sla_target, start_sla_clock
from hub.routing.recorder import ITEM_TIMERS, Step
from hub.routing.rules import OVERFLOW_WORDS, RuleMatch

_ONE_LIVE = frozenset({ItemKind.CONTACT, ItemKind.CALL, ItemKind.CALLBACK})


def arrive(step: Step, command: ItemArrived) -> Outcome:
    """Take in a new item: plan it, start its clocks, let it wait."""
    known = step.state.items.get(command.item_id)
    if known is not None and known.state is not ItemState.NEW:
        return Outcome(OutcomeCode.NO_CHANGE, known.id, known.version)
    rival = _live_rival(step, command)
    if rival is not None:
        return Outcome(OutcomeCode.CONTACT_EXISTS, rival.id, rival.version)
    if command.queue_id is not None and command.queue_id not in step.state.config.queues:
        return Outcome(OutcomeCode.UNKNOWN_QUEUE, command.item_id)
    item = _new_item(command, step.now)
    if known is not None:
        item = replace(item, version=known.version, created_at=known.created_at)
    item = step.put_item(item)
    item = plan_item(step, item, command.facts, queue_id=command.queue_id)
    if command.reopened and item.plan is not None:
        item = step.put_item(item, plan=_owner_first(step, item, item.plan))
    service_type = command.facts.get("case.type")
    kind = service_type if isinstance(service_type, str) else None
    item = start_sla_clock(step, item, sla_target(step.state, item, kind))
    item = admit(step, item)
    return Outcome(OutcomeCode.OK, item.id, item.version)


def _live_rival(step: Step, command: ItemArrived) -> WorkItem | None:
    """Return the live item of the same conversation and kind; there may only be one."""
    if command.kind not in _ONE_LIVE or command.conversation_id is None:
        return None
    for item in step.state.conversation_items(command.conversation_id):
        if item.kind is command.kind and item.id != command.item_id:
            return item
    return None


def _new_item(command: ItemArrived, now: datetime) -> WorkItem:
    return WorkItem(
        id=command.item_id, kind=command.kind, work_class=command.work_class,
        state=ItemState.NEW, created_at=command.created_at or now, case_id=command.case_id,
        conversation_id=command.conversation_id, customer_id=command.customer_id,
        parent_item_id=command.parent_item_id, owner_agent_id=command.owner_agent_id,
        severity=command.severity, customer_level=command.customer_level,
        fault_notice=command.fault_notice, reopens=command.reopens, vstart=command.vstart,
        req_skills=dict(command.req_skills), barred=command.barred, follow_up_at=command.due_at,
    )  # fmt: skip


def plan_item(
    step: Step, item: WorkItem, facts: Mapping[str, Fact], *, queue_id: QueueId | None = None
) -> WorkItem:
    """Write the plan into the item: of the named queue, else of the first rule that matches."""
    if queue_id is not None:
        return plan_for_queue(step, item, step.state.config.queues[queue_id])
    match = step.state.config.rules.match(_scene(step, item, facts))
    if match.severity is not None and match.severity != item.severity:
        step.effect("propose_severity", item=item, severity=match.severity)
    _trace(step, item, match)
    queue = step.state.config.queues[match.queue_id]
    step.event(EventKind.ITEM_PLANNED, item=item, rule=match.rule_id, queue_id=match.queue_id)
    return step.put_item(
        item, state=ItemState.PLANNED, queue_id=match.queue_id, plan=match.plan, step_no=-1,
        plan_started_at=None, req_skills={**item.req_skills, **match.skills},
        min_tier=max(item.min_tier, match.min_tier), sla_policy=match.sla or queue.sla_policy,
        severity=match.severity or item.severity, units=_units(item, queue),
    )  # fmt: skip


def plan_for_queue(step: Step, item: WorkItem, queue: Queue) -> WorkItem:
    """Write the plan of a queue's own steps into the item (transfer, dispatched task)."""
    rules = step.state.config.rules
    plan = Plan(f"queue:{queue.id}", rules.version, queue.steps or BUILT_IN_STEPS)
    step.event(EventKind.ITEM_PLANNED, item=item, queue_id=queue.id, rule=plan.rule_id)
    return step.put_item(
        item, state=ItemState.PLANNED, queue_id=queue.id, plan=plan, step_no=-1,
        plan_started_at=None, sla_policy=item.sla_policy or queue.sla_policy,
        units=_units(item, queue),
    )  # fmt: skip


def _units(item: WorkItem, queue: Queue) -> int | None:
    return queue.task_units if item.work_class is WorkClass.TASK else item.units


def _scene(step: Step, item: WorkItem, facts: Mapping[str, Fact]) -> Scene:
    """Return what the rules see: the caller's facts and what routing itself knows."""
    known: dict[str, Fact] = {
        "case.severity": item.severity,
        "customer.level": item.customer_level,
        "case.has_owner": item.owner_agent_id is not None,
        "case.reopens": item.reopens,
        "item.kind": item.kind.value,
        "item.work_class": item.work_class.value,
        "item.transfers": item.transfers,
        "item.reopened": item.reopens > 0,
    }
    calendars = {**step.state.config.calendars, ALWAYS.name: ALWAYS}
    return Scene({**known, **facts}, step.now, calendars)


def _trace(step: Step, item: WorkItem, match: RuleMatch) -> None:
    passed = tuple(
        f"{rule}: {atom.field} {atom.operator} {atom.result}"
        for rule, atoms in match.passed
        for atom in atoms
    )
    step.trace(
        DecisionTrace(
            kind="plan",
            item_id=item.id,
            at=step.now,
            rule_id=match.rule_id,
            queue_id=match.queue_id,
            passed=passed,
            terms={"enriched_by": " ".join(match.enriched_by)},
        )
    )


def _owner_first(step: Step, item: WorkItem, plan: Plan) -> Plan:
    """Put the owner's step before a plan: a reopened case first asks who knows it."""
    wait_s = step.state.config.capacity[item.work_class].owner_wait_s
    return replace(plan, steps=(PlanStep(at_s=0, owner_wait_s=wait_s), *plan.steps))


def admit(step: Step, item: WorkItem) -> WorkItem:
    """Let a planned item wait in its queue, or do what closed hours or a full queue ask for."""
    queue = step.state.config.queues[item.queue_id]  # type: ignore[index]
    calendar = step.state.config.calendar(queue.calendar)
    if not calendar.is_open(step.now):
        return _wait_for_opening(step, item, calendar.next_opening(step.now))
    full = queue.max_len is not None
    if full and step.state.queue_lengths.get(queue.id, 0) >= (queue.max_len or 0):
        return overflow(step, item, queue)
    return enter_queue(step, item)


def _wait_for_opening(step: Step, item: WorkItem, opening: datetime | None) -> WorkItem:
    """Keep the item until the queue opens; its place counts from now."""
    item = step.put_item(
        item, move=True, state=ItemState.CLOSED_HOURS, vstart=item.vstart or step.now,
        handler_agent_id=None,
    )  # fmt: skip
    step.event(EventKind.ITEM_WAITED, item=item, reason="closed_hours")
    step.effect("closed_hours_reply", item=item)
    if opening is not None:
        step.set_timer(TimerKind.OPENING, item.id, opening)
    else:
        step.effect("notify_supervisor", item=item, reason="calendar_never_opens")
    return item


def overflow(step: Step, item: WorkItem, queue: Queue) -> WorkItem:
    """Do what the full queue's overflow says; the item keeps its place wherever it goes."""
    step.event(EventKind.ITEM_WAITED, item=item, reason="overflow", to=queue.overflow)
    if queue.overflow == "callback":
        step.effect("offer_callback", item=item)
    elif queue.overflow == "voicemail":
        step.effect("take_voicemail", item=item)
    elif queue.overflow not in OVERFLOW_WORDS:
        target = step.state.config.queues.get(QueueId(queue.overflow))
        if target is not None:
            item = plan_for_queue(step, item, target)
            return admit(step, item)
    step.effect("notify_supervisor", item=item, reason="overflow")
    return enter_queue(step, item)


def open_queue(step: Step, item_id: ItemId) -> Outcome:
    """Let an item that waited for opening hours into its queue."""
    item = step.state.items.get(item_id)
    if item is None or item.state is not ItemState.CLOSED_HOURS:
        return Outcome(OutcomeCode.NO_CHANGE, item_id)
    item = admit(step, item)
    return Outcome(OutcomeCode.OK, item.id, item.version)


def publish_rules(step: Step, command: RulesPublished) -> Outcome:
    """Plan the named waiting items anew under the present rules; the others keep their plan."""
    for item_id, facts in command.replan.items():
        item = step.state.items.get(item_id)
        if item is None or item.state not in (ItemState.QUEUED, ItemState.CLOSED_HOURS):
            continue
        step.cancel_timers(ITEM_TIMERS, item.id)
        admit(step, plan_item(step, item, facts))
    step.event(EventKind.RULES_PUBLISHED, version=command.version)
    return Outcome(OutcomeCode.OK)
