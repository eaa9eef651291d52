"""Which conversation a message belongs to: the rules of house.md, in their order.

1. A reference of ours that verifies, or the provider's own thread: that conversation; when it is
   closed, a new one with `previous_id`.
2. Else the customer's conversations not closed, newest first, on the same channel row; mail only
   when its subject is that of the conversation's last mail.
3. Else those touched on other channels within 72 h, with the same exception for mail, unless a
   channel row is marked `separate`.
4. Else a new one.

A mail whose sender is not confirmed never joins by rules 2 and 3: it stands alone, with the
conversation it would have joined as a suggestion. The rule that decided is stored on the message
and shown, so every one has a code of its own (`ThreadRule`).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.model.conversation import ConversationBrief
from hub.model.ids import ChannelId, ConversationId, CustomerId

OTHER_CHANNEL_WINDOW = timedelta(hours=72)


class ThreadRule(StrEnum):
    """Why a message stands where it stands; stored on the message and shown to agents."""

    REFERENCE = "reference"
    """Joined: it answers a message of ours of this conversation (keyed reference)."""
    REFERENCE_CONTINUED = "reference_continued"
    """Joined: it answers a closed conversation, and this one already goes on from that."""
    REFERENCE_CLOSED = "reference_closed"
    """New: it answers a closed conversation, named as `previous_id`."""
    PROVIDER_THREAD = "provider_thread"
    """Joined: the provider says it belongs to a thread of this conversation."""
    PROVIDER_THREAD_CLOSED = "provider_thread_closed"
    """New: the provider's thread belongs to a closed conversation, named as `previous_id`."""
    SAME_CHANNEL = "same_channel"
    """Joined: the customer's newest conversation on this channel row that is not closed."""
    OTHER_CHANNEL = "other_channel"
    """Joined: the customer's newest conversation touched on another channel within 72 hours."""
    NOT_CONFIRMED = "not_confirmed"
    """New, alone: whether the mail is from its sender's address is not confirmed."""
    OTHER_SUBJECT = "other_subject"
    """New: only the mail's subject kept it from joining a conversation."""
    SEPARATE = "separate"
    """New: only a channel row's mark `separate` kept it from joining a conversation."""
    AFTER_CLOSED = "after_closed"
    """New: the conversation it would have joined is closed, named as `previous_id`."""
    NEW = "new"
    """New: the customer has no conversation it could join."""


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """What threading needs to know of one inbound message.

    Attributes:
        customer_id: who wrote, resolved to the root of merged customers; None for a new customer.
        channel_id: the channel row it came in by.
        separate: that row's mark.
        at: when we recorded it (our clock, not the provider's).
        reference_id: the conversation a keyed reference of ours names; verified by the adapter.
        provider_thread: the provider's own thread id on this row; empty without one.
        is_mail: the exception for subjects holds.
        subject_key: `subject_key` of the mail's subject; empty without one.
        confirmed: false for a mail whose sender is not confirmed.
    """

    customer_id: CustomerId | None
    channel_id: ChannelId
    at: datetime
    separate: bool = False
    reference_id: ConversationId | None = None
    provider_thread: str = ""
    is_mail: bool = False
    subject_key: str = ""
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class ThreadDecision:
    """Where the message goes.

    Attributes:
        conversation_id: to join; None: start a new conversation.
        previous_id: of the new conversation.
        suggested_id: the conversation an unconfirmed mail would have joined.
    """

    conversation_id: ConversationId | None
    rule: ThreadRule
    previous_id: ConversationId | None = None
    suggested_id: ConversationId | None = None


def choose_thread(candidates: Sequence[ConversationBrief], facts: ThreadFacts) -> ThreadDecision:
    """Return the conversation a message joins, or that it starts one, and by which rule.

    Args:
        candidates: in any order: the conversation `reference_id` names, those that hold
            `provider_thread` on this channel row (whoever's they are), and the customer's,
            closed ones included as far back as `previous_id` shall reach. Of merged
            conversations both sides, so that the pointer can be followed.
    """
    known = {brief.id: brief for brief in candidates}
    named = _by_reference(known, facts) or _by_provider_thread(known, facts)
    if named is not None:
        return named
    decision = _by_customer(list(known.values()), facts)
    if facts.confirmed:
        return decision
    return ThreadDecision(None, ThreadRule.NOT_CONFIRMED, suggested_id=decision.conversation_id)


def _by_reference(
    known: Mapping[ConversationId, ConversationBrief], facts: ThreadFacts
) -> ThreadDecision | None:
    """Rule 1, first half. A reference to a conversation that is gone (erased) decides nothing."""
    brief = known.get(facts.reference_id) if facts.reference_id else None
    if brief is None:
        return None
    brief = _merge_root(known, brief)
    if not brief.closed_at_instant(facts.at):
        return ThreadDecision(brief.id, ThreadRule.REFERENCE)
    # Two answers to one old mail shall not open two conversations.
    for later in _newest_first(known.values()):
        if not later.closed_at_instant(facts.at) and brief.id in _ancestors(known, later):
            return ThreadDecision(later.id, ThreadRule.REFERENCE_CONTINUED)
    return ThreadDecision(None, ThreadRule.REFERENCE_CLOSED, previous_id=brief.id)


def _by_provider_thread(
    known: Mapping[ConversationId, ConversationBrief], facts: ThreadFacts
) -> ThreadDecision | None:
    """Rule 1, second half: the newest conversation of that thread, an open one first."""
    if not facts.provider_thread:
        return None
    holders = [
        _merge_root(known, brief)
        for brief in _newest_first(known.values())
        if (touch := brief.touch_on(facts.channel_id)) is not None
        and facts.provider_thread in touch.provider_threads
    ]
    if not holders:
        return None
    for brief in holders:
        if not brief.closed_at_instant(facts.at):
            return ThreadDecision(brief.id, ThreadRule.PROVIDER_THREAD)
    return ThreadDecision(None, ThreadRule.PROVIDER_THREAD_CLOSED, previous_id=holders[0].id)


def _by_customer(briefs: Sequence[ConversationBrief], facts: ThreadFacts) -> ThreadDecision:
    """Rules 2, 3 and 4, and for 4 what stood in the way."""
    own = [
        brief
        for brief in _newest_first(briefs)
        if brief.merged_into is None and brief.customer_id == facts.customer_id
    ]
    live = [brief for brief in own if not brief.closed_at_instant(facts.at)]
    for rule, fits in (
        (ThreadRule.SAME_CHANNEL, _on_same_row),
        (ThreadRule.OTHER_CHANNEL, _on_other_row),
    ):
        for brief in live:
            if fits(brief, facts) and not _other_subject(brief, facts):
                return ThreadDecision(brief.id, rule)
    closed = [brief for brief in own if brief.closed_at_instant(facts.at)]
    for fits in (_on_same_row, _on_other_row):
        for brief in closed:
            if fits(brief, facts) and not _other_subject(brief, facts):
                return ThreadDecision(None, ThreadRule.AFTER_CLOSED, previous_id=brief.id)
    return ThreadDecision(None, _obstacle(live, facts))


def _obstacle(live: Sequence[ConversationBrief], facts: ThreadFacts) -> ThreadRule:
    """Say why none of the live conversations was joined: for the person who wonders."""
    if any(_on_same_row(brief, facts) or _on_other_row(brief, facts) for brief in live):
        return ThreadRule.OTHER_SUBJECT
    if any(_touched_elsewhere(brief, facts, heed_marks=False) for brief in live):
        return ThreadRule.SEPARATE
    return ThreadRule.NEW


def _on_same_row(brief: ConversationBrief, facts: ThreadFacts) -> bool:
    return brief.touch_on(facts.channel_id) is not None


def _on_other_row(brief: ConversationBrief, facts: ThreadFacts) -> bool:
    return _touched_elsewhere(brief, facts, heed_marks=True)


def _touched_elsewhere(brief: ConversationBrief, facts: ThreadFacts, *, heed_marks: bool) -> bool:
    """Tell whether another channel row carried it within 72 h; the mark works both ways."""
    if heed_marks and facts.separate:
        return False
    return any(
        touch.channel_id != facts.channel_id
        and facts.at - touch.touched_at <= OTHER_CHANNEL_WINDOW
        and not (heed_marks and touch.separate)
        for touch in brief.touches
    )


def _other_subject(brief: ConversationBrief, facts: ThreadFacts) -> bool:
    """Tell whether the mail is about something else. Without a subject on either side it is not."""
    return (
        facts.is_mail
        and bool(brief.mail_subject)
        and bool(facts.subject_key)
        and brief.mail_subject != facts.subject_key
    )


def _newest_first(briefs: Iterable[ConversationBrief]) -> list[ConversationBrief]:
    return sorted(briefs, key=lambda brief: (brief.last_touched_at, brief.id), reverse=True)


def _merge_root(
    known: Mapping[ConversationId, ConversationBrief], brief: ConversationBrief
) -> ConversationBrief:
    """Follow merge pointers as far as the candidates reach; a ring of them is left again."""
    seen = {brief.id}
    while brief.merged_into is not None and brief.merged_into not in seen:
        into = known.get(brief.merged_into)
        if into is None:
            break
        seen.add(into.id)
        brief = into
    return brief


def _ancestors(
    known: Mapping[ConversationId, ConversationBrief], brief: ConversationBrief
) -> set[ConversationId]:
    """Return the conversations this one goes on from, as far as the candidates reach."""
    found: set[ConversationId] = set()
    previous = brief.previous_id
    while previous is not None and previous not in found:
        found.add(previous)
        before = known.get(previous)
        previous = before.previous_id if before is not None else None
    return found


# --- subjects ---------------------------------------------------------------------------------
# Answer and forward marks of mail programs, sought when spaces are gone and case is folded.
_MARKS = (
    "re|res|fwd?|aw|wg|antw|antwort|sv|vs|vl|vb|tr|rv|enc|ref|réf|rép|rif|odp|pd|ynt|ilt|doorst"
    "|ответ|отв|пересл|απ|σχετ|πρθ|返信|転送|답장|전달"
    "|答复|答覆|回复|回覆|回信|转发|轉發|转寄|轉寄|自动回复|自動回覆"
)
_PREFIX = re.compile(rf"\A(?:{_MARKS})(?:[\[(^]?\d{{1,3}}[\])]?)?:")
_TAG_BEFORE = re.compile(r"\A(?:\[[^\[\]]*\]|【[^【】]*】)")
_TAG_AFTER = re.compile(r"(?:\[[^\[\]]*\]|【[^【】]*】|\((?:fwd?|re)\))\Z")
_BRACKETS = dict.fromkeys(map(ord, "[](){}<>【】「」『』《》〈〉〔〕“”\"'‘’"))


def subject_key(subject: str | None) -> str:
    """Return the normal form in which two subjects of one thread are equal; empty without one.

    Full-width and half-width, case and white space do not count; answer and forward marks of the
    common mail programs go, in any number; so do tags in square brackets before and after
    (`[External]`, `【重要】`, our own `[#10482]`) and every other bracket and quotation mark. A
    subject that is nothing but a tag is kept without its brackets.
    """
    folded = unicodedata.normalize("NFKC", (subject or "")[:1000]).casefold()
    text = "".join(
        c for c in folded if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf")
    )
    unmarked = _until_stable(text, lambda part: _PREFIX.sub("", part))
    bare = _until_stable(
        unmarked, lambda part: _TAG_AFTER.sub("", _TAG_BEFORE.sub("", _PREFIX.sub("", part)))
    )
    return (bare.translate(_BRACKETS) or unmarked.translate(_BRACKETS))[:500]


def _until_stable(text: str, shorten: Callable[[str], str]) -> str:
    while (shorter := shorten(text)) != text:
        text = shorter
    return text
