"""Plays the week before through the hub's own use cases, with a clock that is set for each moment.

Messages go through `receive`, answers through `reply`, work through the router's `step` and
`dispatch`: rows, numbers, events and timelines are what they would have been. Nothing is sent: the
deliveries are recorded as a sender would have done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from hub.demo.past import Kind, Moment, PastTalk
from hub.demo.people import COLLEAGUES, MAIL_DOMAIN
from hub.demo.pictures import MadeFile, make_file
from hub.demo.seed_company import SLACK_TEAM
from hub.model.address import Address, Assurance, IdentityKind
from hub.model.case import CaseType, Severity
from hub.model.channel import (
    ClaimedAddress,
    InboundItem,
    InboundMedia,
    InboundMessage,
    Intake,
    RawRequest,
    Receipt,
    StatusReport,
)
from hub.model.clock import ManualClock
from hub.model.content import Content
from hub.model.delivery import DeliveryState
from hub.model.ids import AgentId, DeliveryId, new_id
from hub.model.router_commands import (
    AgentReplied,
    Command,
    Complete,
    CustomerWrote,
    Outcome,
    Presence,
    PresenceMove,
    Take,
)
from hub.model.visibility import Viewer
from hub.model.work import WorkItem
from hub.routing.state import RouterState
from hub.routing.step import step
from hub.services import cases, deliver, dispatch, marks, people
from hub.services.access import find_viewer
from hub.services.deps import ChannelInfo, Deps
from hub.services.notes import Note, write_note
from hub.services.receive import Arrival, receive
from hub.services.reply import Author, Reply, send_reply
from hub.services.router_facts import arrivals_of
from hub.services.routing_config import load_config

HOLDER = "demo-history"
_REPORTS = {"twilio_sms": DeliveryState.DELIVERED, "webchat": DeliveryState.READ}


@dataclass(slots=True)
class _Open:
    """A talk under way."""

    conversation_id: str
    item: WorkItem


class History:
    """Plays moments in the order of time.

    Args:
        channels: kind to the channel it happens on.
    """

    def __init__(self, deps: Deps, channels: Mapping[str, ChannelInfo], start: datetime) -> None:
        self._clock = ManualClock(start)
        self._deps = replace(deps, clock=self._clock, router=self)
        self._channels = channels
        self._talks: dict[int, _Open] = {}
        self._agents: dict[str, Viewer] = {}
        self._state: RouterState
        self._epoch = 0

    async def play(self, moments: list[Moment]) -> None:
        """Play everything, then sign everybody out."""
        await self._open()
        for moment in moments:
            self._clock.set(moment.at)
            await self._play(moment)
        for viewer in self._agents.values():
            await self.submit(Presence(viewer.agent_id, PresenceMove.SIGN_OUT))

    async def finish(self, cursor: int) -> None:
        """Note that the router has nothing to do with events up to `cursor`."""
        await dispatch.write(self._deps, self._epoch, [], cursor=cursor)
        await dispatch.release(self._deps, HOLDER, self._epoch)

    async def _open(self) -> None:
        loaded = await load_config(self._deps)
        assert loaded is not None  # the company has queues
        self._state = RouterState(loaded.config)
        self._epoch = (await dispatch.claim(self._deps, HOLDER)).epoch
        emails = {one.email for one in COLLEAGUES if one.queues}
        for row in await people.list_agents(self._deps):
            if row["email"] in emails:
                viewer = await find_viewer(self._deps, row["id"])
                self._agents[row["email"]] = viewer
                await self.submit(Presence(viewer.agent_id, PresenceMove.SIGN_IN))
                # Nobody is offered anything: history says who took what.
                await self.submit(Presence(viewer.agent_id, PresenceMove.SET_PAUSE, "meeting"))

    async def _play(self, moment: Moment) -> None:
        talk = moment.talk
        match moment.kind:
            case Kind.WRITES:
                await self._writes(talk, moment.turn)
            case Kind.TAKES:
                await self.submit(Take(self._talks[talk.number].item.id, self._agent(talk)))
                await self._classifies(talk)
            case Kind.ANSWERS:
                await self._answers(talk, talk.dialogue.agent[moment.turn])
            case Kind.NOTES:
                note = Note(new_id(), talk.dialogue.note)
                viewer = self._agents[talk.agent.email]
                place = self._talks[talk.number].conversation_id
                await write_note(self._deps, viewer, _author(talk, viewer), place, note)
            case Kind.RESOLVES:
                item_id = self._talks.pop(talk.number).item.id
                done = Complete(
                    item_id, talk.dialogue.disposition, by=self._agent(talk), solve_case=True
                )
                await self.submit(done)

    def _agent(self, talk: PastTalk) -> AgentId:
        return self._agents[talk.agent.email].agent_id

    # --- the customer ---------------------------------------------------------------------------
    async def _writes(self, talk: PastTalk, turn: int) -> None:
        channel = self._channels[talk.way]
        await self._receive(channel, said_by(talk, turn, channel, self._clock.now()))
        known = self._talks.get(talk.number)
        if known is not None:
            await self.submit(CustomerWrote(known.item.id))
            return
        arrived = (await dispatch.load_live(self._deps)).new
        for arrival in await arrivals_of(self._deps, arrived):
            await self.submit(arrival)
        item = arrived[-1]
        self._talks[talk.number] = _Open(str(item.conversation_id), item)

    async def _receive(self, channel: ChannelInfo, item: InboundItem) -> None:
        now = self._clock.now()
        request = RawRequest("POST", "", "", "", {}, b"demo history", now)
        await receive(self._deps, Arrival(channel, request, Intake((item,)), new_id()))

    # --- the agent ------------------------------------------------------------------------------
    async def _classifies(self, talk: PastTalk) -> None:
        """Say what sort of matter it is."""
        known, viewer = self._talks[talk.number], self._agents[talk.agent.email]
        said = talk.dialogue
        case = await cases.show_case(self._deps, viewer, known.item.case_id)
        change = cases.CaseChange(
            CaseType(said.type), severity=Severity(said.severity), title=said.subject or None
        )
        await cases.change_case(self._deps, viewer, case.id, change, case.version)
        await marks.change_tags(self._deps, viewer, known.conversation_id, said.tags, ())

    async def _answers(self, talk: PastTalk, text: str) -> None:
        known, viewer = self._talks[talk.number], self._agents[talk.agent.email]
        reply = Reply(new_id(), text)
        await send_reply(self._deps, viewer, _author(talk, viewer), known.conversation_id, reply)
        await self.submit(AgentReplied(known.item.id, viewer.agent_id))
        channel = self._channels[talk.way]
        for due in await deliver.due(self._deps, [channel.id]):
            row = await deliver.claim(self._deps, due.id, HOLDER)
            if row is None:
                continue
            external = f"demo-{due.id}"
            await deliver.record_sent(self._deps, row, Receipt(external, DeliveryState.SENT))
            state = _REPORTS.get(talk.way)
            if state is not None:
                report = StatusReport(state, self._clock.now(), delivery_id=DeliveryId(due.id))
                await self._receive(channel, report)

    # --- the router -----------------------------------------------------------------------------
    async def submit(self, command: Command) -> Outcome:
        """Carry out a command as the router's worker would; use cases ask here too."""
        now = self._clock.now()
        result = step(self._state, command, now)
        if not result.empty:
            decision = dispatch.Decision(result, now, command)
            await dispatch.write(self._deps, self._epoch, [decision])
        return result.outcome


def said_by(talk: PastTalk, turn: int, channel: ChannelInfo, at: datetime) -> InboundMessage:
    """Return a line of a talk as the channel's adapter would have read it."""
    line = talk.dialogue.customer[turn]
    external = f"demo-{talk.number}-{turn}"
    content = Content(text=line.then or line.text)
    display: dict[str, str] = {}
    if talk.way == "email":
        external = f"demo-{talk.number}-{turn}@{MAIL_DOMAIN}"
        subject = talk.dialogue.subject or line.text[:40]
        content = Content(text=line.text, subject=subject if turn == 0 else f"Re: {subject}")
        display = {
            "message_id": external,
            "subject": subject,
        }
    elif talk.way == "slack":
        display = {"channel": "D" + talk.person.slack[1:]}
    file = make_file(line.file, talk.number) if line.file else None
    claims: tuple[ClaimedAddress, ...] = ()
    if talk.way == "webchat" and talk.person.account:
        claims = web_claims(talk, channel)
    return InboundMessage(
        external_id=external,
        sender=_sender(talk, channel),
        content=content,
        occurred_at=at,
        assurance=Assurance.VERIFIED if talk.way == "email" else Assurance.NETWORK,
        sender_name=talk.person.name,
        media=(_media(file),) if file else (),
        display=display,
        language=talk.person.language,
        claims=claims,
        level=talk.person.level if claims else "",
    )


def web_claims(talk: PastTalk, channel: ChannelInfo) -> tuple[ClaimedAddress, ...]:
    """Return what the shop's site signs of a visitor who is logged in there."""
    person = talk.person
    found = [Address(IdentityKind.WEB, f"account:{person.account}", channel.id)]
    if person.email:
        found.append(Address(IdentityKind.EMAIL, person.email))
    if person.phone:
        found.append(Address(IdentityKind.PHONE, person.phone))
    return tuple(ClaimedAddress(one, Assurance.VERIFIED) for one in found)


def _sender(talk: PastTalk, channel: ChannelInfo) -> Address:
    person = talk.person
    match talk.way:
        case "email":
            return Address(IdentityKind.EMAIL, person.email)
        case "twilio_sms":
            return Address(IdentityKind.PHONE, person.phone)
        case "telegram":
            return Address(IdentityKind.TELEGRAM, str(person.telegram))
        case "slack":
            return Address(IdentityKind.SLACK, person.slack, SLACK_TEAM)
    return Address(IdentityKind.WEB, f"demo-visitor-{talk.number}", channel.id)


def _media(file: MadeFile) -> InboundMedia:
    return InboundMedia(
        "image" if file.is_picture else "file",
        filename=file.filename,
        content_type=file.content_type,
        size_bytes=len(file.data),
        data=file.data,
    )


def _author(talk: PastTalk, viewer: Viewer) -> Author:
    return Author("agent", viewer.agent_id, talk.agent.name)
