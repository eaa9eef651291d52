"""What the outside sees of people and work: agents with presence, items, offers."""

from hub.services.views import View, when
from hub.store.queries.rows import Row, load_list, load_map


class AgentView(View):
    """A colleague, with presence."""

    id: str
    name: str
    display_name: str
    kind: str
    roles: tuple[str, ...]
    active: bool
    duty: str
    readiness: str
    link: str
    pause_reason: str | None
    since: str | None
    used: int
    capacity: int
    by_class: dict[str, int]


class ItemView(View):
    """A work item as people see it."""

    id: str
    kind: str
    work_class: str
    state: str
    version: int
    conversation_id: str | None
    customer_id: str | None
    case_id: str | None
    queue_id: str | None
    handler_agent_id: str | None
    severity: int
    created_at: str
    due_at: str | None
    closed_at: str | None


class OfferView(View):
    """An offer to an agent; `expires_at` is on the server's clock (see `hello`)."""

    id: str
    item_id: str
    agent_id: str
    state: str
    mode: str
    created_at: str
    expires_at: str
    work_class: str
    conversation_id: str | None
    queue_id: str | None
    waiting_since: str | None
    severity: int


def agent_view(row: Row) -> AgentView:
    """Make the view of an agent row joined with its state and load (either may be missing)."""
    return AgentView(
        id=row["id"],
        name=row["name"],
        display_name=row["display_name"] or row["name"],
        kind=row["kind"],
        roles=tuple(str(r) for r in load_list(row["roles"])),
        active=bool(row["active"]),
        duty=row["duty"] or "off",
        readiness=row["readiness"] or "ready",
        link=row["link"] or "up",
        pause_reason=row["pause_reason"],
        since=when(row["since"]),
        used=row["used"] or 0,
        capacity=row["capacity"],
        by_class={str(k): int(v) for k, v in load_map(row["by_class"]).items()},
    )
