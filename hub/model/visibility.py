"""Who may see and do what: one pure function, which the store mirrors in one SQL predicate.

The rule (surface.md): an agent sees conversations whose live or last work item is in a queue they
are a member of, or that they own, handle, handled in the last 30 days or are mentioned in; a
supervisor those of the queues of their unit and below; an auditor all, read-only; an administrator
alone sees configuration and no content. Whoever sees one conversation of a customer sees the
customer and the whole history, except conversations of queues marked `restricted`.

`sight_of` turns roles into the few values both sides need: the SQL predicate is built from a
`Sight`, and `may_see` judges one conversation by the same `Sight`. A test compares the two.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from hub.model.errors import Conflict, NotAllowed, NotFound
from hub.model.ids import AgentId, QueueId

HANDLED_RECENTLY = timedelta(days=30)
"""How long whoever handled a conversation goes on seeing it."""


class Role(StrEnum):
    """What somebody is; a set per person or token."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    INTEGRATION = "integration"


class Scope(StrEnum):
    """What an integration's token may do; people have none."""

    READ = "conversations:read"
    WRITE = "conversations:write"  # replies and notes; includes no reading
    CUSTOMERS = "customers:write"
    CONFIGURE = "configuration:write"


STAFF = frozenset({Role.AGENT, Role.SUPERVISOR})


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. Made anew from the store for every request and every pushed event.

    Attributes:
        agent_id: of the person, or of the row that stands for a token.
        queue_ids: queues they are a member of; for an integration, those its token names.
        unit_queue_ids: for a supervisor, the queues of their unit of the organisation and below.
        scopes: of an integration's token.
        active: a deactivated person or revoked token sees nothing.
    """

    agent_id: AgentId
    roles: frozenset[Role]
    queue_ids: frozenset[QueueId] = frozenset()
    unit_queue_ids: frozenset[QueueId] = frozenset()
    scopes: frozenset[str] = frozenset()
    active: bool = True


@dataclass(frozen=True, slots=True)
class ConversationFacts:
    """What visibility depends on.

    Attributes:
        queue_id: of the live, else of the last work item; None before any was routed.
        owners: of the conversation's cases.
        handler: of the live item.
        handled_recently: who handled an item of it within `HANDLED_RECENTLY`.
        mentioned: who is named in a note.
        restricted: the mark of that queue.
        sees_another_of_customer: the viewer sees some conversation of the same customer (merged
            customers count as one) directly, that is not by this fact.
    """

    queue_id: QueueId | None = None
    owners: frozenset[AgentId] = frozenset()
    handler: AgentId | None = None
    handled_recently: frozenset[AgentId] = frozenset()
    mentioned: frozenset[AgentId] = frozenset()
    restricted: bool = False
    sees_another_of_customer: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """A viewer's roles as values a query can be built from.

    Attributes:
        everything: no further condition (auditor).
        queue_ids: the item's queue is one of these.
        personal: the viewer's id where owning, handling, handled and mentioned count.
        history: seeing one conversation of a customer opens the unrestricted others.
        unrestricted: everything whose queue is not restricted (integrations that name no queue).
    """

    everything: bool = False
    queue_ids: frozenset[QueueId] = frozenset()
    personal: AgentId | None = None
    history: bool = False
    unrestricted: bool = False

    @property
    def blind(self) -> bool:
        """Tell whether nothing at all is seen, whatever the rows say."""
        return not (self.everything or self.unrestricted or self.queue_ids or self.personal)


@dataclass(frozen=True, slots=True)
class Powers:
    """What a viewer may do beside seeing; for the web client, which hides the rest."""

    reply: bool = False
    note: bool = False
    supervise: bool = False
    administer: bool = False
    audit: bool = False
    queue_ids: frozenset[QueueId] = field(default_factory=frozenset)


def sight_of(viewer: Viewer) -> Sight:
    """Return what `viewer` sees, as values; roles add up, none takes away."""
    if not viewer.active:
        return Sight()
    roles = viewer.roles
    if Role.AUDITOR in roles:
        return Sight(everything=True, history=True)
    queue_ids: frozenset[QueueId] = frozenset()
    personal: AgentId | None = None
    if Role.AGENT in roles:
        queue_ids |= viewer.queue_ids
    if Role.SUPERVISOR in roles:
        queue_ids |= viewer.unit_queue_ids
    if roles & STAFF:
        personal = viewer.agent_id
    unrestricted = False
    if Role.INTEGRATION in roles and Scope.READ in viewer.scopes:
        queue_ids |= viewer.queue_ids
        unrestricted = not viewer.queue_ids
    # A token bound to queues is bound to them: only people follow a customer's whole history.
    return Sight(False, queue_ids, personal, bool(roles & STAFF), unrestricted)


def sees_directly(viewer: Viewer, facts: ConversationFacts) -> bool:
    """Tell whether `viewer` sees a conversation for its own sake, not by the customer's history."""
    sight = sight_of(viewer)
    if sight.everything or (sight.unrestricted and not facts.restricted):
        return True
    if facts.queue_id is not None and facts.queue_id in sight.queue_ids:
        return True
    me = sight.personal
    if me is None:
        return False
    return (
        me == facts.handler
        or me in facts.owners
        or me in facts.handled_recently
        or me in facts.mentioned
    )


def may_see(viewer: Viewer, facts: ConversationFacts) -> bool:
    """Tell whether `viewer` may read a conversation: its messages, notes, files and customer."""
    if sees_directly(viewer, facts):
        return True
    return sight_of(viewer).history and facts.sees_another_of_customer and not facts.restricted


def may_note(viewer: Viewer, facts: ConversationFacts) -> bool:
    """Tell whether `viewer` may write a private note, change tags, type, class or severity.

    What an auditor sees is for reading, also when they are an agent besides.
    """
    if not may_see(replace(viewer, roles=viewer.roles - {Role.AUDITOR}), facts):
        return False
    if viewer.roles & STAFF:
        return True
    return Role.INTEGRATION in viewer.roles and Scope.WRITE in viewer.scopes


def may_reply(viewer: Viewer, facts: ConversationFacts) -> bool:
    """Tell whether `viewer` may write to the customer once they hold (or take) the conversation."""
    return may_note(viewer, facts)


def must_take(viewer: Viewer, facts: ConversationFacts) -> bool:
    """Tell whether a reply needs `take: true` first: the viewer is not the handler.

    An integration answers beside the handler (automatic progress reports), it takes nothing.
    """
    return bool(viewer.roles & STAFF) and facts.handler != viewer.agent_id


def require_sight(viewer: Viewer, facts: ConversationFacts) -> None:
    """Raise NotFound unless `viewer` may see the conversation: what is hidden does not exist."""
    if not may_see(viewer, facts):
        raise NotFound


def require_reply(viewer: Viewer, facts: ConversationFacts, *, take: bool) -> None:
    """Raise unless `viewer` may reply now.

    Raises:
        NotFound: they may not see the conversation.
        NotAllowed: they may only read (auditor, token without the scope).
        Conflict: code `not_handler`, param `handler` (None when nobody holds it), without `take`.
    """
    require_sight(viewer, facts)
    if not may_reply(viewer, facts):
        raise NotAllowed
    if not take and must_take(viewer, facts):
        raise Conflict("not_handler", handler=facts.handler)


def require_note(viewer: Viewer, facts: ConversationFacts) -> None:
    """Raise NotFound when hidden, NotAllowed when `viewer` may only read."""
    require_sight(viewer, facts)
    if not may_note(viewer, facts):
        raise NotAllowed


def may_supervise(viewer: Viewer, queue_id: QueueId | None) -> bool:
    """Tell whether `viewer` supervises that queue: moves others' work, redacts, unmerges customers.

    Supervisors also look at what a customer deleted.
    """
    return (
        viewer.active
        and Role.SUPERVISOR in viewer.roles
        and queue_id is not None
        and queue_id in viewer.unit_queue_ids
    )


def may_administer(viewer: Viewer) -> bool:
    """Tell whether `viewer` may read and change configuration: channels, queues, people, rules."""
    if not viewer.active:
        return False
    if Role.ADMINISTRATOR in viewer.roles:
        return True
    return Role.INTEGRATION in viewer.roles and Scope.CONFIGURE in viewer.scopes


def may_edit_customers(viewer: Viewer) -> bool:
    """Tell whether `viewer` may change customers they see (names, links, merges)."""
    if not viewer.active:
        return False
    if viewer.roles & STAFF:
        return True
    return Role.INTEGRATION in viewer.roles and Scope.CUSTOMERS in viewer.scopes


def may_audit(viewer: Viewer) -> bool:
    """Tell whether `viewer` may read the audit log."""
    return viewer.active and Role.AUDITOR in viewer.roles


def sees_numbers(viewer: Viewer, unmasked: frozenset[Role] = STAFF) -> bool:
    """Tell whether addresses are shown whole to `viewer`; others get `unify.address.masked`."""
    return viewer.active and bool(viewer.roles & unmasked)


def powers_of(viewer: Viewer) -> Powers:
    """Return what `viewer` may do somewhere, for the web client; each use is judged again."""
    if not viewer.active:
        return Powers()
    writes = bool(viewer.roles & STAFF) or (
        Role.INTEGRATION in viewer.roles and Scope.WRITE in viewer.scopes
    )
    return Powers(
        reply=writes,
        note=writes,
        supervise=Role.SUPERVISOR in viewer.roles,
        administer=may_administer(viewer),
        audit=may_audit(viewer),
        queue_ids=sight_of(viewer).queue_ids,
    )
