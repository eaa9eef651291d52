"""What the unit of `receive` carries from step to step while it files one message."""

from dataclasses import dataclass

from hub.model.conversation import ConversationBrief, ConversationState
from hub.model.ids import ConversationId
from hub.services.deps import ChannelInfo, KindFacts
from hub.services.identify import Sender
from hub.services.prepare import PreparedMessage
from hub.store.tx import Tx
from hub.unify.identity import Claim
from hub.unify.threading import ThreadDecision


@dataclass(frozen=True, slots=True)
class Setting:
    """What the unit knows beside the message."""

    channel: ChannelInfo
    kind: KindFacts
    claims: tuple[Claim, ...]
    reopen_s: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the message goes: a conversation and whether it was made for it."""

    conversation_id: ConversationId
    new: bool
    decision: ThreadDecision
    state: ConversationState
    brief: ConversationBrief | None


@dataclass(frozen=True, slots=True)
class Filing:
    """One message on its way into its place."""

    tx: Tx
    setting: Setting
    prepared: PreparedMessage
    sender: Sender
    place: Place

    @property
    def conversation_id(self) -> ConversationId:
        """The conversation it goes into."""
        return self.place.conversation_id
