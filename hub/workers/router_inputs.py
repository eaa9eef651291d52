"""What a round of the router acts on, and whoever waits for the outcome."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from hub.model.errors import Conflict
from hub.model.events import LoggedEvent
from hub.model.router_commands import Command, Outcome, TimerDue


class NotLeading(Exception):
    """The order was not carried out here: another process leads."""


@dataclass(slots=True, eq=False)
class Order:
    """A command and whoever waits for its outcome: a future here, or a row of another process."""

    command: Command
    future: "asyncio.Future[Outcome] | None" = None
    command_id: str | None = None

    def answer(self, outcome: Outcome) -> None:
        """Hand the outcome to who waits in this process."""
        if self.future is not None and not self.future.done():
            self.future.set_result(outcome)

    def fail(self, error: Exception) -> None:
        """Hand an error to who waits in this process."""
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to act on: an event of the log, an order, or a due timer."""

    event: LoggedEvent | None = None
    order: Order | None = None
    timer: TimerDue | None = None
    command: Command | None = None

    def key(self) -> str:
        """Return what failures of this input are counted under."""
        if self.event is not None:
            return f"event:{self.event.seq}"
        if self.timer is not None:
            return f"timer:{self.timer.kind}:{self.timer.subject_id}"
        return f"command:{getattr(self.command, 'item_id', '')}"

    @property
    def waiting(self) -> Order:
        """The order of an input that is one."""
        assert self.order is not None
        return self.order


def fail_all(inputs: Iterable[Input], error: BaseException) -> None:
    """Tell whoever waits in this process; orders of rows are taken up again by the next leader."""
    lost = isinstance(error, Conflict) or not isinstance(error, Exception)
    for one in inputs:
        if one.order is not None:
            one.order.fail(NotLeading() if lost else error)  # type: ignore[arg-type]
