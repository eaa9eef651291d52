"""What a waiting customer is told, and when (routing.md 2.9).

The 80 % quantile is rounded up into buckets; nobody is told a longer wait than before unless staff
went away, then once and with an apology. Whoever waited longer than announced is offered a
call-back and told no more numbers. How often the quantile was kept corrects the next one.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from hub.routing.estimate import P80_DEVIATIONS, Estimate
from hub.texts import TextKey

BUCKETS: tuple[tuple[float, TextKey], ...] = (
    (60, TextKey.WAIT_UNDER_1),
    (120, TextKey.WAIT_1_2),
    (300, TextKey.WAIT_2_5),
    (600, TextKey.WAIT_5_10),
    (900, TextKey.WAIT_10_15),
    (1800, TextKey.WAIT_15_30),
)
"""Upper ends in seconds; longer is `WAIT_OVER_30`."""
_REPEAT_S = 60.0
_AT_LEAST_S = 15.0
_TARGET_SHARE = 0.8
_MAX_DEVIATIONS = 4.0


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket a wait is rounded up into; the last one is open."""
    for number, (end_s, _) in enumerate(BUCKETS):
        if seconds < end_s:
            return number
    return len(BUCKETS)


def text_of(bucket: int) -> TextKey:
    """Return the sentence of a bucket."""
    return BUCKETS[bucket][1] if bucket < len(BUCKETS) else TextKey.WAIT_OVER_30


class Say(StrEnum):
    """What an announcement is."""

    WAIT = "wait"
    LONGER = "longer"
    """Staff went away: a higher number, with an apology and a call-back offer."""
    LATE = "late"
    """Waited longer than announced: a call-back offer and no more numbers."""
    NOBODY = "nobody"
    """Nobody is signed in: no number."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What was said last to one waiting customer.

    Attributes:
        at: when; `promised_at` is when what was said of the wait ends (None: open or no number).
        apologised: a higher number was said once; it is not said again.
    """

    say: Say
    at: datetime
    bucket: int | None
    position: int
    staff: float
    promised_at: datetime | None = None
    apologised: bool = False

    def texts(self) -> tuple[TextKey, ...]:
        """Return the sentences, in order. `WAITING_AHEAD` wants `ahead`: position less one."""
        if self.say is Say.LATE:
            return (TextKey.CALLBACK_OFFER,)
        if self.bucket is None:
            return (TextKey.WAIT_NOBODY, TextKey.CALLBACK_OFFER)
        place = {1: TextKey.WAITING_NEXT, 2: TextKey.WAITING_AHEAD_ONE}
        told = (place.get(self.position, TextKey.WAITING_AHEAD), text_of(self.bucket))
        if self.say is Say.LONGER:
            return (TextKey.WAIT_LONGER, *told, TextKey.CALLBACK_OFFER)
        return told


def announce(
    previous: Announced | None,
    estimate: Estimate,
    now: datetime,
    deviations: float = P80_DEVIATIONS,
) -> Announced | None:
    """Return what is to be said now, None for silence.

    Args:
        previous: what was said last; None on entering the queue.
        estimate: the item's present outlook.
        deviations: the calibrated factor of the quantile.
    """
    if previous is not None:
        if previous.say is Say.LATE or (now - previous.at).total_seconds() < _AT_LEAST_S:
            return None
        if previous.promised_at is not None and now >= previous.promised_at:
            return replace(previous, say=Say.LATE, at=now)
    wait = estimate.wait
    if wait is None:
        return _nobody(previous, estimate, now)
    if wait.mean_s == 0:
        return None
    fresh = Announced(
        Say.WAIT, now, bucket_of(wait.quantile_s(deviations)), estimate.position, estimate.slots
    )
    if previous is None or previous.bucket is None:
        return _promised(fresh)
    return _repeat(previous, fresh)


def _nobody(previous: Announced | None, estimate: Estimate, now: datetime) -> Announced | None:
    if previous is not None and previous.say is Say.NOBODY:
        return None
    apologised = previous is not None and previous.apologised
    return Announced(
        Say.NOBODY, now, None, estimate.position, estimate.slots, apologised=apologised
    )


def _repeat(previous: Announced, fresh: Announced) -> Announced | None:
    """Say the better of old and new; a longer wait only once, when staff went away."""
    assert previous.bucket is not None
    assert fresh.bucket is not None
    if fresh.bucket > previous.bucket:
        if fresh.staff < previous.staff and not previous.apologised:
            return _promised(replace(fresh, say=Say.LONGER, apologised=True))
        fresh = replace(fresh, bucket=previous.bucket)
    if fresh.staff >= previous.staff:
        fresh = replace(fresh, position=min(fresh.position, previous.position))
    moved = (fresh.bucket, fresh.position) != (previous.bucket, previous.position)
    if not moved and (fresh.at - previous.at).total_seconds() < _REPEAT_S:
        return None
    promised = _promised(replace(fresh, apologised=previous.apologised))
    if fresh.bucket == previous.bucket and previous.promised_at is not None:
        # The same words again do not put off what was promised with them.
        promised = replace(promised, promised_at=previous.promised_at)
    return promised


def _promised(said: Announced) -> Announced:
    if said.bucket is None or said.bucket >= len(BUCKETS):
        return said
    return replace(said, promised_at=said.at + timedelta(seconds=BUCKETS[said.bucket][0]))


@dataclass(slots=True)
class Calibration:
    """Keeps the quantile honest: moves its factor until 80 % of the waits stay under it.

    A quantile tracker: every wait that was longer pushes up four times as far as one that was
    not pushes down. One per queue.
    """

    deviations: float = P80_DEVIATIONS
    step: float = 0.05
    kept: int = 0
    count: int = 0

    def note(self, waited_s: float, announced_p80_s: float) -> None:
        """Learn from one wait that is over."""
        late = waited_s > announced_p80_s
        self.count += 1
        self.kept += not late
        moved = self.deviations + self.step * (late - (1 - _TARGET_SHARE))
        self.deviations = min(_MAX_DEVIATIONS, max(-_MAX_DEVIATIONS, moved))

    @property
    def coverage(self) -> float | None:
        """Share of waits within what was announced; None before the first."""
        return self.kept / self.count if self.count else None
