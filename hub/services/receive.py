"""The way in: everything one verified request says, stored in one unit.

What was answered 2xx is stored exactly once per (channel, external id). The unit also raises the
counters, keeps the request in the intake log and moves the cursor of a fetching channel, so that
none of these can disagree with what was stored.
"""

from dataclasses import dataclass
from datetime import datetime

from hub.model.channel import (
    ContactSignal,
    InboundItem,
    InboundMessage,
    Intake,
    ItemOutcome,
    MessageChange,
    RawRequest,
    StatusReport,
)
from hub.model.ids import new_id
from hub.services.deps import ChannelInfo, Deps
from hub.services.filing import Setting
from hub.services.intake_record import encode_request, shown_headers
from hub.services.prepare import PreparedMessage, prepare_message
from hub.services.receive_changes import apply_change, apply_signal, apply_status
from hub.services.receive_message import store_message
from hub.store.crypto import place
from hub.store.queries import intake as intake_rows
from hub.store.tx import Tx
from hub.unify.address import canonical
from hub.unify.identity import Claim


@dataclass(frozen=True, slots=True)
class Arrival:
    """One verified and parsed request.

    Attributes:
        intake_id: of this request; a spooled copy carries the same, so that the two meet.
        cursor: of a fetching channel, stored in the same unit.
        again: a copy out of the spool or the log: the first may have been stored.
    """

    channel: ChannelInfo
    request: RawRequest
    intake: Intake
    intake_id: str
    cursor: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Ready:
    """An item with what was prepared for it outside the unit."""

    item: InboundItem
    message: PreparedMessage | None
    revision_id: str
    claims: tuple[Claim, ...]


async def receive(deps: Deps, arrival: Arrival) -> tuple[ItemOutcome, ...]:
    """Store all items of a request, in order, in one unit; return what became of each.

    Calling it again with the same `intake_id` changes nothing.

    Raises:
        StoreUnavailable: nothing was kept; the caller spools the request.
    """
    now = deps.clock.now()
    channel, kind = arrival.channel, deps.kinds[arrival.channel.kind]
    ready = [await _ready(deps, channel, item) for item in arrival.intake.items]
    record = deps.keyring.encrypt(
        encode_request(arrival.request, arrival.intake_id, whole=False),
        place("intake_log", "request", arrival.intake_id),
    )
    headers = shown_headers(arrival.request)

    def unit(tx: Tx) -> tuple[ItemOutcome, ...]:
        if arrival.again and intake_rows.was_logged(tx, arrival.intake_id):
            # The first attempt committed after its deadline; this is its spooled copy. The other
            # way round the row of the log is a duplicate, and nothing of the late unit is kept.
            return tuple(ItemOutcome.DUPLICATE for _ in ready)
        outcomes = tuple(_apply(tx, deps, channel, one, now) for one in ready)
        for outcome in set(outcomes):
            intake_rows.count(tx, now, channel.id, outcome.value, outcomes.count(outcome))
        ignored = len(arrival.intake.ignored)
        if ignored:
            intake_rows.count(tx, now, channel.id, ItemOutcome.IGNORED.value, ignored)
        if arrival.cursor is not None:
            intake_rows.set_cursor(tx, channel.id, arrival.cursor, now)
        intake_rows.log_intake(
            tx,
            id=arrival.intake_id,
            channel_id=channel.id,
            at=now,
            outcome=_summary(outcomes),
            code="",
            headers=headers,
            request=record,
        )
        tx.after_commit(lambda: deps.wake.notify("media"))
        return outcomes

    return await deps.db.run(unit, name=f"receive.{kind.kind}")


async def _ready(deps: Deps, channel: ChannelInfo, item: InboundItem) -> _Ready:
    now = deps.clock.now()
    region = channel.region or deps.organisation.region
    message: InboundMessage | None = None
    if isinstance(item, InboundMessage):
        message = item
    elif isinstance(item, MessageChange):
        message = item.as_message
    if message is None:
        return _Ready(item, None, new_id(), ())
    claims = tuple(
        Claim(canonical(claim.address, region=region), claim.assurance) for claim in message.claims
    )
    return _Ready(item, await prepare_message(deps, channel, message, now), new_id(), claims)


def _apply(tx: Tx, deps: Deps, channel: ChannelInfo, ready: _Ready, now: datetime) -> ItemOutcome:
    item = ready.item
    setting = Setting(channel, deps.kinds[channel.kind], ready.claims, deps.reopen_s)
    match item:
        case InboundMessage():
            assert ready.message is not None
            return store_message(tx, setting, ready.message)
        case MessageChange():
            return apply_change(tx, setting, item, ready.message, ready.revision_id)
        case StatusReport():
            return apply_status(tx, setting, item, now)
        case ContactSignal():
            region = channel.region or deps.organisation.region
            return apply_signal(tx, setting, item, canonical(item.sender, region=region), now)


def _summary(outcomes: tuple[ItemOutcome, ...]) -> str:
    """Return the most telling outcome of a request for the log."""
    for outcome in (ItemOutcome.STORED, ItemOutcome.DUPLICATE):
        if outcome in outcomes:
            return outcome.value
    return ItemOutcome.IGNORED.value


async def log_refused(
    deps: Deps, channel_id: str, request: RawRequest, code: str, outcome: str = "invalid"
) -> None:
    """Keep an unreadable request in the intake log, to be replayed once the parser is mended."""
    now, intake_id = deps.clock.now(), new_id()
    record = deps.keyring.encrypt(
        encode_request(request, intake_id, whole=False), place("intake_log", "request", intake_id)
    )
    headers = shown_headers(request)

    def unit(tx: Tx) -> None:
        intake_rows.count(tx, now, channel_id, outcome)
        intake_rows.log_intake(
            tx,
            id=intake_id,
            channel_id=channel_id,
            at=now,
            outcome=outcome,
            code=code,
            headers=headers,
            request=record,
        )

    await deps.db.run(unit, name="receive.refused")


async def count_refused(deps: Deps, counts: dict[tuple[str, str], int]) -> None:
    """Add up what was refused since the last time; forged requests leave only this."""
    now = deps.clock.now()

    def unit(tx: Tx) -> None:
        for (channel_id, outcome), number in counts.items():
            intake_rows.count(tx, now, channel_id, outcome, number)

    await deps.db.run(unit, name="receive.count")
