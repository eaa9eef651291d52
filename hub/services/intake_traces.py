"""Finding a person's or a message's requests in the intake log, whose bodies are sealed.

No column links a request with its messages, so the log is read, opened and compared: a request is
meant when it holds the sender's address, and for one message also came shortly before it was
recorded or names its external id. When none of those just before a message does (a mail over the
size that is kept, an address in another spelling), all of the last five seconds before it go: this
log serves diagnosis and replay, and rather loses a stranger's request than keeps erased words.
"""

from dataclasses import dataclass
from urllib.parse import unquote_plus

from hub.model.errors import HubError
from hub.services.deps import Deps
from hub.services.intake_record import decode_request
from hub.store.crypto import place
from hub.store.engine import Lane
from hub.store.queries import erasure
from hub.store.queries.rows import Row
from hub.store.tx import Tx

BEFORE_US = 120_000_000
TIGHT_US = 5_000_000
SLACK_US = 1_000_000
_SHORTEST = 6


@dataclass(frozen=True, slots=True)
class Trace:
    """What to look for on one channel.

    Attributes:
        senders: addresses as they may stand in a request.
        moments: when messages were recorded (microseconds).
        external: ids the network gave them.
        everything: also what the sender wrote at other times.
    """

    channel_id: str
    senders: tuple[str, ...]
    moments: tuple[int, ...]
    external: tuple[str, ...] = ()
    everything: bool = False


def sender_marks(identities: list[Row]) -> tuple[str, ...]:
    """Return how addresses stand in requests: numbers without their plus sign, all lower case."""
    return tuple({str(row["value"]).lstrip("+").casefold() for row in identities})


async def forget_requests(deps: Deps, trace: Trace) -> int:
    """Delete the kept requests that are meant; return how many."""
    first = min(trace.moments, default=0) - BEFORE_US
    after = (0 if trace.everything else first, "")
    wanted: list[str] = []
    tight: dict[int, list[str]] = {moment: [] for moment in trace.moments}
    met: set[int] = set()
    while True:
        rows = await _page(deps, trace.channel_id, after)
        if not rows:
            break
        after = (rows[-1][1], rows[-1][0])
        for id_, at, sealed in rows:
            near = _near(trace, at)
            for moment in near:
                if moment - at <= TIGHT_US:
                    tight[moment].append(id_)
            if _meant(deps, trace, id_, sealed, near=bool(near)):
                wanted.append(id_)
                met.update(near)
    for moment, ids in tight.items():
        if moment not in met:
            wanted += ids
    for start in range(0, len(wanted), 200):
        await _drop(deps, wanted[start : start + 200])
    return len(wanted)


async def _page(
    deps: Deps, channel_id: str, after: tuple[int, str]
) -> list[tuple[str, int, bytes]]:
    def unit(tx: Tx) -> list[tuple[str, int, bytes]]:
        return erasure.log_page(tx, channel_id, after)

    return await deps.db.read(unit, lane=Lane.BACKGROUND)


async def _drop(deps: Deps, ids: list[str]) -> None:
    def unit(tx: Tx) -> None:
        erasure.drop_log(tx, ids)

    await deps.db.run(unit, lane=Lane.BACKGROUND, name="intake.forget")


def _near(trace: Trace, at: int) -> list[int]:
    return [moment for moment in trace.moments if -SLACK_US <= moment - at <= BEFORE_US]


def _meant(deps: Deps, trace: Trace, id_: str, sealed: bytes, *, near: bool) -> bool:
    try:
        opened = decode_request(deps.keyring.decrypt(sealed, place("intake_log", "request", id_)))
    except (HubError, ValueError, KeyError):
        return near
    if opened is None:
        return False
    body = opened[0].body.decode("utf-8", "replace") + opened[0].query
    said = f"{body}\n{unquote_plus(body)}".casefold()
    if not any(mark in said for mark in trace.senders):
        return False
    parts = (part for one in trace.external for part in one.casefold().split(":"))
    named = any(part in said for part in parts if len(part) >= _SHORTEST)
    return trace.everything or near or named
