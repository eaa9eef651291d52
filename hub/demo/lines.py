"""How simulated customers reach the hub: one line per person and channel, over the simulators.

    line = switchboard.line(person, "telegram", heard)
    await line.say("Hello")            # `heard(text)` is called for every answer of the hub

SMS, Telegram and Slack are here; `web_line` speaks the widget's protocol, `mail_line` writes mails.
"""

from collections.abc import Callable
from typing import Protocol

from hub.demo.people import Person
from hub.demo.pictures import MadeFile
from hub.demo.sim_slack import SimMessage as SlackMessage
from hub.demo.sim_slack import SlackSim
from hub.demo.sim_telegram import TelegramSim
from hub.demo.sim_telegram_state import SentMessage
from hub.demo.sim_twilio import SimMedia, TwilioSim
from hub.demo.sim_twilio import SimMessage as TwilioMessage

Heard = Callable[[str], None]
"""Called with the text of each answer that reaches the person."""


class Line(Protocol):
    """A person's way to write on one channel, open as long as one talk lasts."""

    async def say(self, text: str) -> None:
        """Write a message."""

    async def send(self, file: MadeFile, text: str) -> None:
        """Send a file with a text."""

    async def correct(self, text: str) -> None:
        """Change the last message, or write again where a channel knows no edits."""

    async def types(self) -> None:
        """Show that the person types, where a channel carries that."""

    async def read(self) -> None:
        """Show that the answers were read, where a channel carries that."""

    async def close(self) -> None:
        """Stop listening."""


class Ears:
    """Who listens for answers, by the address they come to."""

    def __init__(self) -> None:
        self._listening: dict[str, Heard] = {}

    def listen(self, address: str, heard: Heard) -> None:
        """Hand answers for `address` to `heard`."""
        self._listening[address] = heard

    def forget(self, address: str) -> None:
        """Let nobody listen."""
        self._listening.pop(address, None)

    def told(self, address: str, text: str) -> None:
        """Pass an answer on; nobody may be there to hear it."""
        heard = self._listening.get(address)
        if heard is not None:
            heard(text)


class _Quiet:
    """What most channels do not carry."""

    def __init__(self, ears: Ears, address: str, heard: Heard) -> None:
        self._ears, self._address = ears, address
        ears.listen(address, heard)

    async def types(self) -> None:
        """Nobody is shown that."""

    async def read(self) -> None:
        """Nobody is shown that."""

    async def close(self) -> None:
        """Stop listening."""
        self._ears.forget(self._address)


class SmsLine(_Quiet):
    """A telephone."""

    def __init__(self, sim: TwilioSim, ears: Ears, person: Person, heard: Heard) -> None:
        super().__init__(ears, person.phone, heard)
        self._sim, self._from = sim, person.phone

    async def say(self, text: str) -> None:
        """Send an SMS."""
        await self._sim.customer_says(self._from, text)

    async def send(self, file: MadeFile, text: str) -> None:
        """Send an MMS."""
        media = [SimMedia(file.content_type, file.data, file.filename)]
        await self._sim.customer_says(self._from, text, media)

    async def correct(self, text: str) -> None:
        """Send it again with a star, as people do."""
        await self.say(f"*{text}")


class TelegramLine(_Quiet):
    """A Telegram account."""

    def __init__(self, sim: TelegramSim, ears: Ears, person: Person, heard: Heard) -> None:
        super().__init__(ears, str(person.telegram), heard)
        first, _, last = person.name.partition(" ")
        sim.customer(person.telegram, first, last, language=person.language)
        self._sim, self._id, self._last = sim, person.telegram, ""

    async def say(self, text: str) -> None:
        """Write to the bot."""
        self._last = (await self._sim.customer_says(self._id, text)).external_id

    async def send(self, file: MadeFile, text: str) -> None:
        """Send a photo or document with a caption."""
        await self._sim.customer_sends(
            self._id,
            "photo" if file.is_picture else "document",
            file.data,
            filename=file.filename,
            content_type=file.content_type,
            caption=text,
        )

    async def correct(self, text: str) -> None:
        """Edit the last text."""
        await self._sim.customer_edits(self._id, self._last, text)


class SlackLine(_Quiet):
    """A partner's direct messages to the app."""

    def __init__(self, sim: SlackSim, ears: Ears, person: Person, heard: Heard) -> None:
        super().__init__(ears, sim.workspace.direct(person.slack), heard)
        sim.workspace.add_user(person.slack, person.name)
        self._sim, self._user = sim, person.slack
        self._last: SlackMessage | None = None

    async def say(self, text: str) -> None:
        """Write a direct message."""
        self._last = await self._sim.dm(self._user, text)

    async def send(self, file: MadeFile, text: str) -> None:
        """Share a file."""
        shared = self._sim.file(self._user, file.filename, file.content_type, file.data)
        await self._sim.dm(self._user, text, files=(shared,))

    async def correct(self, text: str) -> None:
        """Edit the last message."""
        if self._last is not None:
            await self._sim.edit(self._last, text)


def connect(ears: Ears, twilio: TwilioSim, telegram: TelegramSim, slack: SlackSim) -> None:
    """Let the simulators tell the listeners what customers received."""

    async def by_sms(message: TwilioMessage) -> None:
        ears.told(message.to, message.body)

    async def by_telegram(message: SentMessage) -> None:
        ears.told(str(message.chat_id), message.text)

    async def by_slack(message: SlackMessage) -> None:
        ears.told(message.channel, message.text)

    twilio.on_sent = by_sms
    telegram.on_sent = by_telegram
    slack.on_sent = by_slack
