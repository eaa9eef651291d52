"""Identity: what links by itself, what is only suggested, and that a claim never wins anything."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.address import Address, Assurance, IdentityKind
from hub.model.ids import CustomerId, IdentityId
from hub.unify.identity import (
    Claim,
    IdentityDecision,
    IdentityFacts,
    IdentityRule,
    KnownIdentity,
    Lookalike,
    Reason,
    addresses_to_load,
    decide_identity,
    resolve_root,
    unconfirmed,
)
from hub.unify.suggestions import SCORES, name_key

R = IdentityRule
K = IdentityKind
A = Assurance
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(days=9)
MAIL = Address(K.EMAIL, "li@example.cn")
MAIL2 = Address(K.EMAIL, "other@example.cn")
PHONE = Address(K.PHONE, "+8613812341234")
CODE = Address(K.SHORT_CODE, "10086", "CN")
TELEGRAM = Address(K.TELEGRAM, "42")
WEB = Address(K.WEB, "visitor", "chan")
ACCOUNT = Address(K.WEB, "account:7", "chan")


def c(name: str) -> CustomerId:
    return CustomerId(name)


def i(name: str) -> IdentityId:
    return IdentityId(name)


def row(customer: str, address: Address, *, verified: bool = True, **more: object) -> KnownIdentity:
    made = KnownIdentity(
        i(f"i-{customer}-{address.kind}"), c(customer), address, BEFORE if verified else None
    )
    return replace(made, **more)  # type: ignore[arg-type]


def facts(sender: Address, assurance: Assurance = A.NETWORK, *claims: Claim, **more: object):
    return replace(IdentityFacts(sender, NOW, assurance, claims), **more)  # type: ignore[arg-type]


def signed(address: Address) -> Claim:
    return Claim(address, A.VERIFIED)


def reasons(decision: IdentityDecision) -> dict[str, set[Reason]]:
    return {one.customer_id: set(one.reasons) for one in decision.suggestions}


@pytest.mark.parametrize("sender", [PHONE, CODE, TELEGRAM, WEB])
def test_an_address_the_network_vouches_for_is_its_customer(sender: Address) -> None:
    decision = decide_identity([row("a", sender)], facts(sender))
    assert decision == IdentityDecision(
        c("a"),
        R.KNOWN,
        sender,
        i(f"i-a-{sender.kind}"),
        candidate=sender in (PHONE, CODE),
    )


def test_a_new_address_makes_a_new_customer() -> None:
    assert decide_identity([], facts(PHONE)) == IdentityDecision(None, R.NEW, PHONE)
    assert decide_identity([], facts(MAIL, A.VERIFIED)) == IdentityDecision(None, R.NEW, MAIL)


def test_a_confirmed_mail_is_no_candidate() -> None:
    assert not decide_identity([row("a", MAIL)], facts(MAIL, A.VERIFIED)).candidate


def test_merged_customers_resolve_to_their_root() -> None:
    merged = {c("a"): c("b"), c("b"): c("d")}
    decision = decide_identity([row("a", PHONE)], facts(PHONE), merged_into=merged)
    assert decision.customer_id == "d"


def test_a_mail_not_confirmed_touches_nobodys_record() -> None:
    decision = decide_identity([row("a", MAIL)], facts(MAIL, A.CLAIMED))
    assert decision.customer_id is None
    assert decision.rule is R.NOT_CONFIRMED
    assert decision.address == unconfirmed(MAIL) != MAIL
    assert not decision.confirmed
    assert not decision.verified
    assert reasons(decision) == {"a": {Reason.NOT_CONFIRMED}}
    again = decide_identity(
        [row("a", MAIL), row("x", unconfirmed(MAIL), verified=False)], facts(MAIL, A.CLAIMED)
    )
    assert (again.customer_id, again.identity_id) == (c("x"), i("i-x-email"))
    assert reasons(again) == {"a": {Reason.NOT_CONFIRMED}}


def test_whoever_only_claimed_an_address_never_gets_its_holders_talk() -> None:
    """Attack 11: an unverified row is taken over by the real holder, its customer suggested."""
    claimed = row("attacker", MAIL, verified=False)
    decision = decide_identity([claimed], facts(MAIL, A.VERIFIED))
    assert (decision.customer_id, decision.rule) == (None, R.RECLAIMED)
    assert (decision.identity_id, decision.move) == (claimed.id, (claimed.id,))
    assert reasons(decision) == {"attacker": {Reason.CLAIMED_BEFORE}}


def test_a_number_given_to_somebody_else_starts_anew() -> None:
    gone = row("a", PHONE, valid_until=BEFORE)
    decision = decide_identity([gone], facts(PHONE))
    assert (decision.customer_id, decision.rule, decision.move) == (None, R.RECLAIMED, (gone.id,))
    assert reasons(decision) == {"a": {Reason.FORMERLY}}
    assert decide_identity([row("a", PHONE, valid_until=NOW)], facts(PHONE)).customer_id == "a"


def test_answering_our_reference_confirms_the_address_it_went_to() -> None:
    shadow = row("x", unconfirmed(MAIL), verified=False)
    asked = facts(MAIL, A.VERIFIED, referenced_customer_id=c("x0"))
    decision = decide_identity([shadow], asked, merged_into={c("x0"): c("x")})
    assert (decision.customer_id, decision.rule) == (c("x"), R.ANSWERED_REFERENCE)
    assert (decision.identity_id, decision.address) == (shadow.id, MAIL)
    # a checked mail from that address without the reference proves nothing about the earlier ones
    decision = decide_identity([shadow], facts(MAIL, A.VERIFIED))
    assert (decision.customer_id, decision.rule) == (None, R.NEW)
    assert reasons(decision) == {"x": {Reason.CLAIMED_BEFORE}}


def test_a_colleague_who_answers_is_only_suggested() -> None:
    decision = decide_identity([], facts(MAIL2, A.VERIFIED, referenced_customer_id=c("a")))
    assert (decision.customer_id, decision.rule) == (None, R.NEW)
    assert reasons(decision) == {"a": {Reason.ANSWERED_REFERENCE}}


def test_a_signed_identity_finds_the_customer_and_brings_its_addresses() -> None:
    decision = decide_identity(
        [row("a", MAIL)], facts(WEB, A.NETWORK, signed(PHONE), signed(MAIL), signed(ACCOUNT))
    )
    assert (decision.customer_id, decision.rule, decision.identity_id) == (c("a"), R.SIGNED, None)
    assert decision.link == (ACCOUNT, PHONE)
    assert decision.suggestions == ()


def test_a_signed_identity_of_nobody_known_makes_one_customer_with_all_of_it() -> None:
    decision = decide_identity([], facts(WEB, A.VERIFIED, signed(MAIL), signed(WEB), signed(PHONE)))
    assert decision == IdentityDecision(None, R.NEW, WEB, link=(MAIL, PHONE))


def test_the_nameless_visitor_who_signs_in_is_absorbed() -> None:
    visitor = row("v", WEB, alone=True)
    decision = decide_identity([visitor, row("a", MAIL)], facts(WEB, A.NETWORK, signed(MAIL)))
    assert (decision.customer_id, decision.rule) == (c("a"), R.SIGNED_ABSORBED)
    assert (decision.absorb, decision.identity_id, decision.move) == (c("v"), visitor.id, ())
    assert decision.suggestions == ()


def test_another_person_at_the_same_browser_is_not_merged() -> None:
    visitor = row("a", WEB)
    decision = decide_identity([visitor, row("b", MAIL)], facts(WEB, A.NETWORK, signed(MAIL)))
    assert (decision.customer_id, decision.rule) == (c("b"), R.SIGNED)
    assert (decision.absorb, decision.identity_id, decision.move) == (
        None,
        visitor.id,
        (visitor.id,),
    )


def test_a_signed_identity_of_two_customers_follows_the_account_first() -> None:
    rows = [row("p", PHONE), row("m", MAIL), row("acc", ACCOUNT)]
    asked = facts(WEB, A.NETWORK, signed(PHONE), signed(MAIL), signed(ACCOUNT))
    decision = decide_identity(rows, asked)
    assert decision.customer_id == "acc"
    assert reasons(decision) == {"m": {Reason.BOTH_VERIFIED}, "p": {Reason.BOTH_VERIFIED}}
    known = decide_identity([*rows, row("acc", WEB)], asked)
    assert (known.customer_id, known.rule) == (c("acc"), R.KNOWN)


def test_a_signed_identity_takes_back_what_others_only_claimed() -> None:
    loose = row("attacker", MAIL, verified=False)
    decision = decide_identity([loose, row("a", WEB)], facts(WEB, A.NETWORK, signed(MAIL)))
    assert (decision.customer_id, decision.rule, decision.move) == (c("a"), R.KNOWN, (loose.id,))
    assert reasons(decision) == {"attacker": {Reason.CLAIMED_BEFORE}}


@pytest.mark.parametrize(
    ("address", "reason"),
    [(MAIL, Reason.CLAIMS_EMAIL), (PHONE, Reason.CLAIMS_PHONE), (TELEGRAM, None)],
)
def test_what_is_only_said_is_only_suggested(address: Address, reason: Reason | None) -> None:
    decision = decide_identity([row("a", address)], facts(WEB, A.NETWORK, Claim(address)))
    assert (decision.customer_id, decision.rule, decision.link) == (None, R.NEW, ())
    assert reasons(decision) == ({"a": {reason}} if reason else {})
    assert decide_identity([], facts(WEB, A.NETWORK, Claim(address))).suggestions == ()


def test_a_visitor_without_any_word_is_still_the_same_visitor() -> None:
    decision = decide_identity([row("v", WEB, verified=False)], facts(WEB, A.CLAIMED))
    assert (decision.customer_id, decision.rule) == (c("v"), R.KNOWN)
    assert not decision.verified
    assert decision.confirmed


def test_names_only_suggest_and_reasons_add_up() -> None:
    decision = decide_identity(
        [row("a", MAIL)],
        facts(WEB, A.NETWORK, Claim(MAIL), name="李 雷", level="gold"),
        lookalikes=[
            Lookalike(c("a"), "李雷", "gold"),
            Lookalike(c("b"), "李雷", "basic"),
            Lookalike(c("b0"), "李雷"),
            Lookalike(c("d"), "韩梅梅", "gold"),
        ],
        merged_into={c("b0"): c("b")},
    )
    assert [(one.customer_id, one.score) for one in decision.suggestions] == [("a", 74), ("b", 20)]
    assert reasons(decision)["a"] == {Reason.CLAIMS_EMAIL, Reason.SAME_NAME_AND_LEVEL}
    nameless = decide_identity([], facts(WEB), lookalikes=[Lookalike(c("a"), "")])
    assert nameless.suggestions == ()


def test_names_meet_in_one_form() -> None:
    assert name_key("Ｌｉ Ｌｅｉ") == name_key("li-lei") == "lilei"
    assert set(SCORES) == set(Reason)


def test_what_the_store_is_asked_for() -> None:
    asked = facts(MAIL, A.VERIFIED, signed(MAIL), Claim(PHONE))
    assert addresses_to_load(asked) == (MAIL, unconfirmed(MAIL), PHONE)


ids = st.sampled_from([c(letter) for letter in "abcdef"])


@given(st.dictionaries(ids, ids, max_size=6), ids)
def test_merge_pointers_always_end(merged: dict[CustomerId, CustomerId], start: CustomerId) -> None:
    root = resolve_root(start, merged)
    assert resolve_root(root, merged) == root
    if start in merged:
        assert resolve_root(merged[start], merged) == root


addresses = st.sampled_from([MAIL, MAIL2, PHONE, TELEGRAM, WEB, ACCOUNT])
rows_st = st.lists(
    st.builds(
        row,
        st.sampled_from("abcd"),
        st.one_of(addresses, st.just(unconfirmed(MAIL))),
        verified=st.booleans(),
        alone=st.booleans(),
        valid_until=st.sampled_from([None, BEFORE, NOW]),
    ),
    max_size=5,
    unique_by=(lambda one: one.address, lambda one: one.id),
)
facts_st = st.builds(
    lambda sender, assurance, claims, answered: facts(
        sender, assurance, *claims, referenced_customer_id=answered
    ),
    addresses,
    st.sampled_from(list(A)),
    st.lists(st.builds(Claim, addresses, st.sampled_from(list(A))), max_size=3),
    st.one_of(st.none(), ids),
)


@settings(max_examples=300)
@given(rows_st, facts_st)
def test_only_verified_identifiers_ever_link(rows: list[KnownIdentity], asked) -> None:
    decision = decide_identity(rows, asked)
    proven = {claim.address for claim in asked.claims if claim.assurance is not A.CLAIMED}
    if asked.assurance is not A.CLAIMED or asked.sender.kind in (K.TELEGRAM, K.WEB):
        proven.add(asked.sender)
    by_id = {one.id: one for one in rows}
    if decision.customer_id is not None and decision.rule not in (
        R.NOT_CONFIRMED,
        R.ANSWERED_REFERENCE,
    ):
        assert any(
            one.customer_id == decision.customer_id and one.address in proven and one.holds(NOW)
            for one in rows
        )
    assert set(decision.link) <= proven
    for moved in decision.move:
        one = by_id[moved]
        assert one.address in proven
        assert not one.holds(NOW) or one.address.kind is K.WEB
    known = {one.customer_id for one in rows} | {asked.referenced_customer_id}
    for suggestion in decision.suggestions:
        assert suggestion.customer_id in known - {decision.customer_id}
        assert 0 < suggestion.score < 100
    # the same people, whatever came in: deciding is repeatable
    assert decide_identity(rows[::-1], asked) == decision
