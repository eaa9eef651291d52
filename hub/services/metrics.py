"""The hub's numbers for Prometheus; the names of surface.md are fixed."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"hub_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"hub_{name}", text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str) -> Histogram:
    return Histogram(f"hub_{name}", text, labels, registry=REGISTRY, buckets=_FAST)


MESSAGES = _counter("messages_total", "Messages stored.", "direction", "kind")
INTAKE = _counter("intake_total", "What came in, by what became of it.", "kind", "outcome")
DELIVERIES = _counter("deliveries_total", "Moves of deliveries.", "kind", "state")
INBOUND_SECONDS = _histogram("inbound_seconds", "Request in to commit.")
SCREEN_SECONDS = _histogram("screen_seconds", "Request in to the agents' sockets.")
WAITING = _gauge("waiting", "Items that wait.", "queue", "tier")
OLDEST_WAITING = _gauge("oldest_waiting_seconds", "Age of the oldest waiting item.", "queue")
MATCH_SECONDS = _histogram("match_seconds", "One matching round of the router.")
OFFERS = _counter("offers_total", "Offers by how they ended.", "outcome")
AGENTS = _gauge("agents", "Agents by presence.", "state")
LIVE_SOCKETS = _gauge("live_sockets", "Open WebSockets.", "audience")
SPOOL_ITEMS = _gauge("spool_items", "Verified requests that wait for the store.")
TIMER_LAG = _gauge("timer_lag_seconds", "How late the last timer fired.")
LOOP_LAG = _gauge("loop_lag_seconds", "How late the event loop is.")
LOOP_RESTARTS = _counter("loop_restarts_total", "Loops that died and were started again.", "loop")
HTTP_SECONDS = _histogram("http_seconds", "Requests served.", "method", "route", "status")


def exposition() -> bytes:
    """Return every metric in Prometheus' text format."""
    return generate_latest(REGISTRY)
