"""What the router tells Prometheus: waiting work, the oldest of it, agents, ended offers."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from hub.model.events import EventKind, NewEvent
from hub.model.staff import Duty
from hub.model.work import ItemState
from hub.routing.state import RouterState
from hub.services import metrics

_ENDED = {
    EventKind.OFFER_ACCEPTED: "accepted",
    EventKind.OFFER_DECLINED: "declined",
    EventKind.OFFER_EXPIRED: "expired",
    EventKind.OFFER_RESCINDED: "rescinded",
}
_WAITING = frozenset({ItemState.QUEUED, ItemState.OFFERED, ItemState.CLOSED_HOURS})


def count_offers(events: Iterable[NewEvent]) -> None:
    """Count how offers ended."""
    for event in events:
        outcome = _ENDED.get(event.kind)
        if outcome is not None:
            metrics.OFFERS.labels(outcome).inc()


def measure(state: RouterState, now: datetime) -> None:
    """Set the gauges of what waits and who works. O(live items + agents)."""
    waiting: Counter[tuple[str, str]] = Counter()
    oldest: dict[str, float] = {}
    for item in state.items.values():
        if item.state not in _WAITING or item.queue_id is None:
            continue
        queue = state.config.queues.get(item.queue_id)
        name = queue.name if queue else item.queue_id
        waiting[name, str(item.min_tier)] += 1
        age_s = (now - (item.vstart or item.created_at)).total_seconds()
        oldest[name] = max(oldest.get(name, 0.0), age_s)
    metrics.WAITING.clear()
    metrics.OLDEST_WAITING.clear()
    for (name, tier), count in waiting.items():
        metrics.WAITING.labels(name, tier).set(count)
    for name, age_s in oldest.items():
        metrics.OLDEST_WAITING.labels(name).set(age_s)
    agents: Counter[str] = Counter()
    for presence in state.presence.values():
        on = presence.duty is Duty.ON
        agents[presence.readiness.value if on else presence.duty.value] += 1
    metrics.AGENTS.clear()
    for name, count in agents.items():
        metrics.AGENTS.labels(name).set(count)


def forget() -> None:
    """Take the gauges away: another process leads and sets them."""
    for gauge in (metrics.WAITING, metrics.OLDEST_WAITING, metrics.AGENTS):
        gauge.clear()
