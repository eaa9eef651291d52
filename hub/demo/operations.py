"""The operation log of a simulated provider: what the conservation checks count."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hub.model.clock import utc_now


class OpKind(StrEnum):
    """Which way an operation goes, seen from the hub."""

    INBOUND = "inbound"  # a customer's doing, handed to the hub
    OUTBOUND = "outbound"  # a call of the hub that a customer would notice
    STATUS = "status"  # the provider's word on an earlier outbound one


class OpOutcome(StrEnum):
    """How an operation ended, as the provider knows it."""

    PENDING = "pending"  # still being handed over
    OK = "ok"  # acknowledged by the hub; or accepted by the provider and answered
    FAILED = "failed"  # refused, certainly
    UNKNOWN = "unknown"  # no answer was heard, or none was given


@dataclass(slots=True)
class Operation:
    """One operation.

    Attributes:
        external_id: as the hub's adapter names the item; empty where it names none.
        summary: what it was (`message`, `edit`, `sendPhoto`), never what was said.
        statuses: HTTP status of every attempt, 0 where no answer came.
    """

    id: int
    kind: OpKind
    external_id: str
    summary: str
    at: datetime
    outcome: OpOutcome = OpOutcome.PENDING
    statuses: list[int] = field(default_factory=list)


class OperationLog:
    """All operations of one simulator, in the order they began. One event loop only."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._waiting: list[asyncio.Future[None]] = []

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __len__(self) -> int:
        return len(self.operations)

    def begin(self, kind: OpKind, external_id: str, summary: str) -> Operation:
        """Note that something begins."""
        operation = Operation(len(self.operations) + 1, kind, external_id, summary, utc_now())
        self.operations.append(operation)
        self.changed()
        return operation

    def attempt(self, operation: Operation, status: int) -> None:
        """Note one attempt's HTTP status, 0 for none."""
        operation.statuses.append(status)
        self.changed()

    def finish(self, operation: Operation, outcome: OpOutcome) -> None:
        """Note how it ended. An operation that ended well stays so."""
        if operation.outcome is not OpOutcome.OK:
            operation.outcome = outcome
        self.changed()

    def of(self, kind: OpKind, outcome: OpOutcome | None = None) -> list[Operation]:
        """Return the operations of one kind, of one outcome if named."""
        return [
            one
            for one in self.operations
            if one.kind is kind and (outcome is None or one.outcome is outcome)
        ]

    def changed(self) -> None:
        """Wake whoever waits in `until`."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until `holds()`; looked at after every change. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                future = asyncio.get_running_loop().create_future()
                self._waiting.append(future)
                await future
