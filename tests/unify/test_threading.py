"""Threading: the table of house.md's rules, and what must hold for any set of conversations."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.conversation import ChannelTouch, ConversationBrief, ConversationState
from hub.model.ids import ChannelId, ConversationId, CustomerId
from hub.unify.threading import (
    ThreadDecision,
    ThreadFacts,
    ThreadRule,
    choose_thread,
    subject_key,
)

S = ConversationState
R = ThreadRule
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ME, OTHER = CustomerId("me"), CustomerId("other")
CHAT, MAIL, SMS, SLACK = (ChannelId(name) for name in ("chat", "mail", "sms", "slack"))


def hours(count: float) -> datetime:
    return NOW - timedelta(hours=count)


def talk(
    name: str,
    *touches: tuple[ChannelId, float],
    state: ConversationState = S.OPEN,
    customer: CustomerId = ME,
    subject: str | None = None,
    threads: frozenset[str] = frozenset(),
    separate: bool = False,
    previous: str | None = None,
    merged: str | None = None,
    until: datetime | None = None,
) -> ConversationBrief:
    return ConversationBrief(
        ConversationId(name),
        customer,
        state,
        max(hours(ago) for _, ago in touches),
        tuple(ChannelTouch(row, hours(ago), separate, threads) for row, ago in touches),
        subject_key(subject) if subject is not None else None,
        until,
        ConversationId(previous) if previous else None,
        ConversationId(merged) if merged else None,
    )


def facts(channel: ChannelId, **more: object) -> ThreadFacts:
    base = ThreadFacts(ME, channel, NOW)
    return replace(base, **more)  # type: ignore[arg-type]


def mail(subject: str, **more: object) -> ThreadFacts:
    return facts(MAIL, is_mail=True, subject_key=subject_key(subject), **more)


def joined(name: str, rule: ThreadRule) -> ThreadDecision:
    return ThreadDecision(ConversationId(name), rule)


def new(rule: ThreadRule, previous: str | None = None, suggested: str | None = None):
    return ThreadDecision(
        None,
        rule,
        ConversationId(previous) if previous else None,
        ConversationId(suggested) if suggested else None,
    )


REF = ConversationId("a")
CASES = {
    "a new customer": ([], facts(CHAT, customer_id=None), new(R.NEW)),
    "nobody else's": ([talk("a", (CHAT, 1), customer=OTHER)], facts(CHAT), new(R.NEW)),
    # rule 1
    "reference": (
        [talk("a", (MAIL, 999), subject="old"), talk("b", (MAIL, 1), subject="new")],
        mail("something else", reference_id=REF),
        joined("a", R.REFERENCE),
    ),
    "reference of another customer's": (
        [talk("a", (MAIL, 1), customer=OTHER)],
        mail("x", reference_id=REF),
        joined("a", R.REFERENCE),
    ),
    "reference, resolved and in the window": (
        [talk("a", (MAIL, 1), state=S.RESOLVED, until=NOW)],
        mail("x", reference_id=REF),
        joined("a", R.REFERENCE),
    ),
    "reference, resolved and after the window": (
        [talk("a", (MAIL, 80), state=S.RESOLVED, until=hours(1))],
        mail("x", reference_id=REF),
        new(R.REFERENCE_CLOSED, "a"),
    ),
    "reference, closed": (
        [talk("a", (MAIL, 80), state=S.CLOSED), talk("b", (MAIL, 1))],
        mail("x", reference_id=REF),
        new(R.REFERENCE_CLOSED, "a"),
    ),
    "reference, closed, gone on": (
        [
            talk("a", (MAIL, 80), state=S.CLOSED),
            talk("b", (MAIL, 40), state=S.CLOSED, previous="a"),
            talk("c", (MAIL, 1), previous="b"),
        ],
        mail("x", reference_id=REF),
        joined("c", R.REFERENCE_CONTINUED),
    ),
    "reference, closed, gone on and closed again": (
        [
            talk("a", (MAIL, 80), state=S.CLOSED),
            talk("b", (MAIL, 40), state=S.CLOSED, previous="a"),
        ],
        mail("x", reference_id=REF),
        new(R.REFERENCE_CLOSED, "a"),
    ),
    "reference, merged": (
        [talk("a", (MAIL, 80), merged="b"), talk("b", (MAIL, 40))],
        mail("x", reference_id=REF),
        joined("b", R.REFERENCE),
    ),
    "reference, merged into what is not at hand": (
        [talk("a", (MAIL, 80), merged="z")],
        mail("x", reference_id=REF),
        joined("a", R.REFERENCE),
    ),
    "reference, merged in a ring": (
        [talk("a", (MAIL, 80), merged="b"), talk("b", (MAIL, 80), merged="a")],
        mail("x", reference_id=REF),
        joined("b", R.REFERENCE),
    ),
    "reference to what is gone": (
        [talk("b", (MAIL, 1), subject="x")],
        mail("x", reference_id=REF),
        joined("b", R.SAME_CHANNEL),
    ),
    "a reference confirms by itself": (
        [talk("a", (MAIL, 1))],
        mail("x", reference_id=REF, confirmed=False),
        joined("a", R.REFERENCE),
    ),
    "provider thread of another customer": (
        [talk("a", (SLACK, 99), customer=OTHER, threads=frozenset({"t1"})), talk("b", (SLACK, 1))],
        facts(SLACK, provider_thread="t1"),
        joined("a", R.PROVIDER_THREAD),
    ),
    "provider thread, an open one before a newer closed one": (
        [
            talk("a", (SLACK, 9), threads=frozenset({"t1"})),
            talk("b", (SLACK, 1), threads=frozenset({"t1"}), state=S.CLOSED),
        ],
        facts(SLACK, provider_thread="t1"),
        joined("a", R.PROVIDER_THREAD),
    ),
    "provider thread, closed": (
        [
            talk("a", (SLACK, 9), threads=frozenset({"t1"}), state=S.CLOSED),
            talk("b", (SLACK, 1), threads=frozenset({"t2"})),
        ],
        facts(SLACK, provider_thread="t1"),
        new(R.PROVIDER_THREAD_CLOSED, "a"),
    ),
    "the same thread id on another row is another thread": (
        [talk("a", (CHAT, 99), threads=frozenset({"t1"}))],
        facts(SLACK, provider_thread="t1"),
        new(R.NEW),
    ),
    # rule 2
    "same row, however long ago": (
        [talk("a", (SMS, 999), state=S.WAITING)],
        facts(SMS),
        joined("a", R.SAME_CHANNEL),
    ),
    "same row, the newest": (
        [talk("a", (SMS, 9)), talk("b", (SMS, 5)), talk("c", (SMS, 7))],
        facts(SMS),
        joined("b", R.SAME_CHANNEL),
    ),
    "same row goes before a newer other row": (
        [talk("a", (SMS, 9)), talk("b", (CHAT, 1))],
        facts(SMS),
        joined("a", R.SAME_CHANNEL),
    ),
    "same row though separate": (
        [talk("a", (SMS, 9), separate=True)],
        facts(SMS, separate=True),
        joined("a", R.SAME_CHANNEL),
    ),
    "snoozed and resolved take it": (
        [talk("a", (SMS, 9), state=S.RESOLVED, until=NOW)],
        facts(SMS),
        joined("a", R.SAME_CHANNEL),
    ),
    "mail of the same subject": (
        [talk("a", (MAIL, 9), subject="Router"), talk("b", (MAIL, 1), subject="Bill")],
        mail("回复: RE：[External] router "),
        joined("a", R.SAME_CHANNEL),
    ),
    "mail without a subject": (
        [talk("a", (MAIL, 9), subject="Router")],
        mail(""),
        joined("a", R.SAME_CHANNEL),
    ),
    "mail after a mail without a subject": (
        [talk("a", (MAIL, 9), subject="")],
        mail("Router"),
        joined("a", R.SAME_CHANNEL),
    ),
    "mail of another subject": (
        [talk("a", (MAIL, 9), subject="Router")],
        mail("Bill"),
        new(R.OTHER_SUBJECT),
    ),
    "merged ones do not count": ([talk("a", (SMS, 9), merged="b")], facts(SMS), new(R.NEW)),
    # rule 3
    "other row within 72 h": (
        [talk("a", (CHAT, 72))],
        facts(SMS),
        joined("a", R.OTHER_CHANNEL),
    ),
    "other row after 72 h": ([talk("a", (CHAT, 72.01))], facts(SMS), new(R.NEW)),
    "first mail after a chat": (
        [talk("a", (CHAT, 1))],
        mail("Router"),
        joined("a", R.OTHER_CHANNEL),
    ),
    "other mail row, other subject": (
        [talk("a", (CHAT, 1), (ChannelId("mail2"), 2), subject="Router")],
        mail("Bill"),
        new(R.OTHER_SUBJECT),
    ),
    "chat joins a mail's conversation whatever its subject": (
        [talk("a", (MAIL, 1), subject="Router")],
        facts(CHAT),
        joined("a", R.OTHER_CHANNEL),
    ),
    "separate row keeps to itself": (
        [talk("a", (CHAT, 1))],
        facts(SMS, separate=True),
        new(R.SEPARATE),
    ),
    "and nothing joins what stands on it": (
        [talk("a", (CHAT, 1), separate=True)],
        facts(SMS),
        new(R.SEPARATE),
    ),
    # rule 4
    "after a closed one": (
        [talk("a", (SMS, 999), state=S.CLOSED), talk("b", (SMS, 9999), state=S.CLOSED)],
        facts(SMS),
        new(R.AFTER_CLOSED, "a"),
    ),
    "after a closed one on another row": (
        [talk("a", (CHAT, 9), state=S.CLOSED)],
        facts(SMS),
        new(R.AFTER_CLOSED, "a"),
    ),
    "long after a closed one on another row": (
        [talk("a", (CHAT, 99), state=S.CLOSED)],
        facts(SMS),
        new(R.NEW),
    ),
    # not confirmed
    "not confirmed stands alone": (
        [talk("a", (MAIL, 1), subject="Router")],
        mail("Router", confirmed=False),
        new(R.NOT_CONFIRMED, suggested="a"),
    ),
    "not confirmed, nothing to join": ([], mail("x", confirmed=False), new(R.NOT_CONFIRMED)),
}


@pytest.mark.parametrize("name", CASES)
def test_rules(name: str) -> None:
    candidates, asked, expected = CASES[name]
    assert choose_thread(candidates, asked) == expected
    assert choose_thread(candidates[::-1], asked) == expected


@pytest.mark.parametrize(
    "subject",
    [
        "Order 55 is late",
        "RE: Order 55 is late",
        "Re[2]: Fwd: order  55 is late",
        "回复：转发: Order 55 is late",
        "答复: [EXTERNAL] Re: Order 55 is late",
        "AW: WG: Order 55 is late [#10482]",
        "【重要】Order 55 is late (fwd)",
        "Ｒｅ： Ｏｒｄｅｒ 55 is late",
        "RE^3: Antwort: 自动回复: 返信: Order 55 is late",
        "AW (2): Ответ: Order 55 is late",
        "Re: “Order 55” is late",
        "\u200bOrder 55 is\r\n late",
    ],
)
def test_subjects_of_one_thread(subject: str) -> None:
    assert subject_key(subject) == "order55islate"


def test_subjects_that_are_nothing_but_marks() -> None:
    assert subject_key(None) == subject_key("  ") == subject_key("[]") == ""
    assert subject_key("【订单咨询】") == "订单咨询"
    assert subject_key("Re: 回复：") == ""
    assert subject_key("Invoice (March)") != subject_key("Invoice (April)")
    assert subject_key("Reply to you") == "replytoyou"


@settings(max_examples=150)
@given(st.text(alphabet="re:fwd[]【】()回复 A１\u200b", max_size=60))
def test_answering_never_changes_a_subject(subject: str) -> None:
    for mark in ("Re: ", "回复：", "Fwd: RE: "):
        assert subject_key(mark + subject) == subject_key(subject)


def test_long_subjects_are_read_quickly() -> None:
    for hostile in ("re:" * 5000, "[" * 5000, "[a]" * 5000, "re[1]:" * 5000 + "x"):
        assert len(subject_key(hostile)) <= 500


names = st.sampled_from(["a", "b", "c", "d", "e"])
briefs = st.lists(
    st.builds(
        talk,
        names,
        st.tuples(st.sampled_from([CHAT, MAIL, SMS]), st.floats(0, 200)),
        state=st.sampled_from(list(S)),
        customer=st.sampled_from([ME, OTHER]),
        subject=st.sampled_from([None, "", "x", "y"]),
        threads=st.sampled_from([frozenset(), frozenset({"t"})]),
        separate=st.booleans(),
        previous=st.one_of(st.none(), names),
        merged=st.one_of(st.none(), st.none(), names),
    ),
    max_size=5,
    unique_by=lambda brief: brief.id,
)
asked_facts = st.builds(
    ThreadFacts,
    st.sampled_from([ME, None]),
    st.sampled_from([CHAT, MAIL, SMS]),
    st.just(NOW),
    separate=st.booleans(),
    reference_id=st.sampled_from([None, None, REF]),
    provider_thread=st.sampled_from(["", "t"]),
    is_mail=st.booleans(),
    subject_key=st.sampled_from(["", "x", "y"]),
    confirmed=st.booleans(),
)


@settings(max_examples=300)
@given(briefs, asked_facts, st.randoms(use_true_random=False))
def test_what_holds_for_any_conversations(candidates, asked, shuffler) -> None:
    decision = choose_thread(candidates, asked)
    mixed = list(candidates)
    shuffler.shuffle(mixed)
    assert choose_thread(mixed, asked) == decision
    by_id = {brief.id: brief for brief in candidates}
    if decision.conversation_id is not None:
        chosen = by_id[decision.conversation_id]
        assert not chosen.closed_at_instant(NOW)
        assert decision.previous_id is None
        if decision.rule in (R.SAME_CHANNEL, R.OTHER_CHANNEL):
            assert asked.confirmed
            assert chosen.customer_id == asked.customer_id
            assert chosen.merged_into is None
    elif decision.previous_id is not None:
        assert by_id[decision.previous_id].closed_at_instant(NOW)
    if not asked.confirmed and not asked.reference_id and not asked.provider_thread:
        assert decision.conversation_id is None
