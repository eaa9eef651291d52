"""By which way an answer goes: a channel and one of the customer's addresses, and why not."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.model.clock import from_micros
from hub.model.errors import Conflict
from hub.services.deps import KindFacts
from hub.store.queries import conversations, customers
from hub.store.queries.rows import Row, dicts, one_dict
from hub.store.tx import Tx

_SAME = {"short_code": "phone"}


@dataclass(frozen=True, slots=True)
class Way:
    """A channel and an address to answer by."""

    channel: Row
    identity: Row
    last_inbound_at: int | None


def choose_way(tx: Tx, conversation: Row, channel_id: str | None, identity_id: str | None) -> Way:
    """Return the way an answer takes: the one asked for, else that of the customer's last message.

    Somebody else may have written as well (a stranger in a mail's Cc who answered it): they are
    answered only when asked for by name, or what was meant for the customer would go to them.

    Raises:
        Conflict: `no_way`: there is no such way for this customer.
    """
    ways = dicts(tx, conversations.WAYS, {"id": conversation["id"]})
    ways.sort(key=lambda way: way["inbound_at"] or 0, reverse=True)
    if len({way["identity_id"] for way in ways}) > 1 and identity_id is None:
        ways = [way for way in ways if _is_customers(tx, way["identity_id"], conversation)] or ways
    for way in ways:
        if channel_id in (None, way["channel_id"]) and identity_id in (None, way["identity_id"]):
            return _way(tx, way["channel_id"], way["identity_id"], way["inbound_at"])
    if channel_id is None or identity_id is None:
        raise Conflict("no_way")
    # Another of the customer's addresses: a way this conversation did not take so far.
    if not _is_customers(tx, identity_id, conversation):
        raise Conflict("no_way")
    return _way(tx, channel_id, identity_id, None)


def _is_customers(tx: Tx, identity_id: str, conversation: Row) -> bool:
    """Tell whether an address belongs to the conversation's customer, merges followed."""
    identity = one_dict(tx, customers.IDENTITY, {"id": identity_id})
    if identity is None:
        return False
    root = customers.root_of(tx, conversation["customer_id"])
    return customers.root_of(tx, identity["customer_id"]) == root


def _way(tx: Tx, channel_id: str, identity_id: str, inbound_at: int | None) -> Way:
    channel = one_dict(tx, conversations.CHANNEL_HEAD, {"id": channel_id})
    identity = one_dict(tx, customers.IDENTITY, {"id": identity_id})
    if channel is None or identity is None:
        raise Conflict("no_way")
    return Way(channel, identity, inbound_at)


def same_network(identity_kind: str, kind: KindFacts) -> bool:
    """Tell whether a kind of channel can reach a kind of address."""
    return _SAME.get(identity_kind, identity_kind) == kind.identity_kind


def check_way(way: Way, kind: KindFacts, now: datetime) -> None:
    """Raise Conflict with the reason when nothing may be sent by this way now."""
    identity, capabilities = way.identity, kind.capabilities
    elsewhere = identity["kind"] == "web" and identity["scope"] != way.channel["id"]
    if elsewhere or not same_network(identity["kind"], kind):
        raise Conflict("wrong_network", kind=identity["kind"])
    if way.channel["state"] != "active":
        raise Conflict("channel_unavailable", state=way.channel["state"])
    if way.identity["opted_out_at"] is not None:
        raise Conflict("opted_out")
    hours = capabilities.reply_window_h
    if hours is not None:
        last = way.last_inbound_at
        if last is None or from_micros(last) + timedelta(hours=hours) < now:
            raise Conflict("window_closed", hours=hours)
    if way.last_inbound_at is None and not capabilities.can_start:
        raise Conflict("cannot_start")
