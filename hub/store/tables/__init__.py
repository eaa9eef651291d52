"""Every table of the hub. Importing this package registers them all on `SQLModel.metadata`."""

from hub.store.tables.columns import table
from hub.store.tables.desk import CannedReply, ConversationTag, Draft, ReadMark, Tag
from hub.store.tables.house import (
    Audit,
    ClientRequest,
    Counter,
    Event,
    IntakeCount,
    IntakeLog,
    Lease,
    SearchDoc,
    Setting,
)
from hub.store.tables.people import (
    Agent,
    AgentSession,
    ApiToken,
    Customer,
    CustomerLink,
    CustomerMerge,
    Identity,
    OneTimeLink,
    Organisation,
    OrgUnit,
)
from hub.store.tables.talk import (
    Attachment,
    Case,
    Channel,
    ChannelCursor,
    Conversation,
    ConversationChannel,
    Delivery,
    DeliveryAttempt,
    MediaToken,
    Mention,
    Message,
    MessageRevision,
    WidgetSession,
)
from hub.store.tables.work import (
    AgentLoad,
    AgentSkill,
    AgentState,
    Assignment,
    Calendar,
    Membership,
    Offer,
    Queue,
    RouterCommand,
    RuleSet,
    Skill,
    Timer,
    WorkItem,
)

__all__ = [
    "Agent", "AgentLoad", "AgentSession", "AgentSkill", "AgentState", "ApiToken", "Assignment",
    "Attachment", "Audit", "Calendar", "CannedReply", "Case", "Channel", "ChannelCursor",
    "ClientRequest", "Conversation", "ConversationChannel", "ConversationTag", "Counter",
    "Customer", "CustomerLink", "CustomerMerge", "Delivery", "DeliveryAttempt", "Draft", "Event",
    "Identity", "IntakeCount", "IntakeLog", "Lease", "MediaToken", "Membership", "Mention",
    "Message", "MessageRevision", "Offer", "OneTimeLink", "OrgUnit", "Organisation", "Queue",
    "ReadMark", "RouterCommand", "RuleSet", "SearchDoc", "Setting", "Skill", "Tag", "Timer",
    "WidgetSession", "WorkItem", "table",
]  # fmt: skip
