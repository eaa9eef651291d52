"""Simulated customers: they begin to write, answer when they are answered, and thank at the end.

Nothing here touches the database or a service: customers are outside the hub and come in by the
same doors as real ones.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog

from hub.demo.dialogues import Dialogue, fitting
from hub.demo.dialogues import Line as Turn
from hub.demo.lines import Heard, Line
from hub.demo.past import stranger
from hub.demo.people import PEOPLE, Person
from hub.demo.pictures import make_file

log = structlog.get_logger(__name__)

KINDS = ("webchat", "twilio_sms", "telegram", "email", "slack")
_WEIGHTS = (35, 20, 20, 15, 10)

OpenLine = Callable[[Person, str, Dialogue, Heard], Awaitable[Line]]
"""Opens a person's line on a channel kind for one matter."""

FIRST_STRANGER = 400
"""Behind those of the history: nobody is two people."""

_AGAIN = {
    "en": "It is me again, now from another device. ",
    "zh-CN": "还是我，换个渠道联系你们。",
}
_NUDGE = {"en": "Hello? Is anybody there?", "zh-CN": "您好，请问有人在吗？"}


@dataclass(frozen=True, slots=True)
class Pace:
    """How lively it is; seconds, each a range.

    Attributes:
        first_s: when the first talk of every channel begins.
        every_s: between new talks after that.
        think_s: before an answer is answered.
        nudge_s: of silence, and a customer asks whether anybody is there.
        leave_s: of silence after that, and the customer gives up.
        linger_s: a talk that came to its end stays open for a last word.
        most_open: talks at once.
        second_way: share of people with two ways who change over in the middle.
    """

    first_s: tuple[float, float] = (0.5, 8.0)
    every_s: tuple[float, float] = (20.0, 40.0)
    think_s: tuple[float, float] = (4.0, 12.0)
    nudge_s: tuple[float, float] = (900.0, 2700.0)
    leave_s: float = 10_800.0
    linger_s: float = 90.0
    most_open: int = 40
    second_way: float = 0.4

    def times(self, factor: float) -> "Pace":
        """Return a pace so many times as lively; patience stays what it is."""
        every, think = self.every_s, self.think_s
        return replace(
            self,
            every_s=(every[0] / factor, every[1] / factor),
            think_s=(think[0] / factor, think[1] / factor),
        )


@dataclass(slots=True)
class Customers:
    """Everybody who writes while the demo runs."""

    open_line: OpenLine
    pace: Pace = field(default_factory=Pace)
    seed: int = 1
    _busy: set[str] = field(default_factory=set)
    _talks: set["asyncio.Task[None]"] = field(default_factory=set)
    _strangers: int = 0
    _dice: random.Random = field(default_factory=random.Random)

    @property
    def talking(self) -> int:
        """How many talks are open."""
        return len(self._talks)

    async def run(self, stop: asyncio.Event) -> None:
        """Let people write until `stop`."""
        self._dice.seed(self.seed)
        try:
            low, high = self.pace.first_s
            for number, kind in enumerate(KINDS):
                self._begin(kind, after_s=low + (high - low) * number / len(KINDS))
            while not await _stopped(stop, self._dice.uniform(*self.pace.every_s)):
                if len(self._talks) < self.pace.most_open:
                    self._begin(self._dice.choices(KINDS, _WEIGHTS)[0])
        finally:
            for talk in list(self._talks):
                talk.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)

    def _begin(self, kind: str, after_s: float = 0.0) -> None:
        person = self._somebody(kind)
        if person is None:
            return
        said = self._dice.choice(fitting(kind, person.language))
        talk = Talk(person, kind, said, self.open_line, self.pace, self._dice.random())
        self._busy.add(person.name)
        task = asyncio.create_task(self._live(talk, after_s))
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    def _somebody(self, kind: str) -> Person | None:
        """Return somebody who writes on this channel and has nothing else to talk about now."""
        free = [one for one in PEOPLE if kind in one.ways and one.name not in self._busy]
        if free and (kind == "slack" or self._dice.random() < 0.6):
            return self._dice.choice(free)
        if kind == "slack":
            return None
        self._strangers += 1
        return stranger(self._dice, FIRST_STRANGER + self._strangers, kind)

    async def _live(self, talk: "Talk", after_s: float) -> None:
        await asyncio.sleep(after_s)
        try:
            await talk.run()
        except Exception as error:
            # One customer whose browser crashed must not end the demo.
            log.warning("demo.talk_ended", way=talk.way, error=type(error).__name__)
            log.debug("demo.talk_ended", exc_info=True)
        finally:
            self._busy.discard(talk.person.name)


class Talk:
    """One person's matter, from the first message to the thanks."""

    def __init__(  # noqa: PLR0913 - a person, a matter, a way
        self,
        person: Person,
        way: str,
        said: Dialogue,
        open_line: OpenLine,
        pace: Pace,
        seed: float,
    ) -> None:
        self.person, self.way = person, way
        self._said, self._open_line, self._pace = said, open_line, pace
        self._dice = random.Random(seed)  # noqa: S311 - a story, not a secret
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._lines: dict[str, Line] = {}

    async def run(self) -> None:
        """Write, wait for answers, answer them."""
        change_at = self._change_over()
        try:
            for number, turn in enumerate(self._said.customer):
                if number and not await self._answered():
                    return
                prefix = ""
                if number and number == change_at:
                    self.way = self._dice.choice([w for w in self.person.ways if w != self.way])
                    prefix = _AGAIN[self._said.language]
                await self._say(await self._line(), turn, prefix)
            while await self._hears(self._pace.linger_s):
                await self._read()  # a last goodbye is read, and needs no answer
        finally:
            for line in self._lines.values():
                await line.close()

    def _change_over(self) -> int:
        """Return the turn at which the person goes on by another channel, 0 for never."""
        turns = len(self._said.customer)
        changes = len(self.person.ways) > 1 and self._dice.random() < self._pace.second_way
        return self._dice.randint(1, turns - 1) if changes and turns > 2 else 0

    async def _line(self) -> Line:
        if self.way not in self._lines:
            self._lines[self.way] = await self._open_line(
                self.person, self.way, self._said, self._answers.put_nowait
            )
        return self._lines[self.way]

    async def _say(self, line: Line, turn: Turn, prefix: str) -> None:
        await line.types()
        await asyncio.sleep(self._dice.uniform(0.5, 2.5))
        text = prefix + turn.text
        if turn.file:
            await line.send(make_file(turn.file, self._dice.randrange(10_000)), text)
        else:
            await line.say(text)
        if turn.then:
            await asyncio.sleep(self._dice.uniform(3.0, 6.0))
            await line.correct(prefix + turn.then)

    async def _answered(self) -> bool:
        """Wait for an answer, and a little longer for what follows it; False: nobody came."""
        if not await self._hears(self._dice.uniform(*self._pace.nudge_s)):
            line = await self._line()
            if self.way in {"webchat", "telegram"}:
                await line.say(_NUDGE[self._said.language])
            if not await self._hears(self._pace.leave_s):
                return False
        while await self._hears(self._dice.uniform(*self._pace.think_s)):
            pass
        await self._read()
        return True

    async def _read(self) -> None:
        for line in self._lines.values():
            await line.read()

    async def _hears(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._answers.get()
        except TimeoutError:
            return False
        return True


async def _stopped(stop: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await stop.wait()
    except TimeoutError:
        return False
    return True
