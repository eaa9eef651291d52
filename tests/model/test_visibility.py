"""Who sees and does what: every role against every way of having to do with a conversation."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model.errors import Conflict, NotAllowed, NotFound
from hub.model.ids import AgentId, QueueId
from hub.model.visibility import (
    ConversationFacts,
    Powers,
    Role,
    Scope,
    Sight,
    Viewer,
    may_administer,
    may_audit,
    may_edit_customers,
    may_note,
    may_reply,
    may_see,
    may_supervise,
    must_take,
    powers_of,
    require_note,
    require_reply,
    require_sight,
    sees_directly,
    sees_numbers,
    sight_of,
)

ME, SHE = AgentId("me"), AgentId("she")
MINE, UNIT, FAR = QueueId("mine"), QueueId("unit"), QueueId("far")


def viewer(*roles: Role, scopes: frozenset[str] = frozenset(), **more: object) -> Viewer:
    made = Viewer(ME, frozenset(roles), frozenset({MINE}), frozenset({MINE, UNIT}), scopes)
    return replace(made, **more)  # type: ignore[arg-type]


AGENT, SUPERVISOR = viewer(Role.AGENT), viewer(Role.SUPERVISOR)
ADMIN, AUDITOR = viewer(Role.ADMINISTRATOR), viewer(Role.AUDITOR)
BOUND = viewer(Role.INTEGRATION, scopes=frozenset({Scope.READ}))
FREE = replace(BOUND, queue_ids=frozenset())
MUTE = viewer(Role.INTEGRATION, scopes=frozenset({Scope.WRITE}))
GONE = viewer(*Role, scopes=frozenset(Scope), active=False)

FACTS = {
    "my queue": ConversationFacts(MINE),
    "my unit's": ConversationFacts(UNIT),
    "far": ConversationFacts(FAR),
    "far, restricted": ConversationFacts(FAR, restricted=True),
    "my queue, restricted": ConversationFacts(MINE, restricted=True),
    "no queue yet": ConversationFacts(),
    "owned": ConversationFacts(FAR, owners=frozenset({ME}), restricted=True),
    "handled": ConversationFacts(FAR, handler=ME, restricted=True),
    "handled lately": ConversationFacts(FAR, handled_recently=frozenset({ME, SHE})),
    "mentioned": ConversationFacts(FAR, mentioned=frozenset({ME}), restricted=True),
    "others'": ConversationFacts(
        FAR, frozenset({SHE}), SHE, frozenset({SHE}), frozenset({SHE}), False
    ),
    "history": ConversationFacts(FAR, sees_another_of_customer=True),
    "history, restricted": ConversationFacts(FAR, restricted=True, sees_another_of_customer=True),
}
OWN = {"owned", "handled", "handled lately", "mentioned"}
SEEN = {
    "agent": (AGENT, {"my queue", "my queue, restricted", "history", *OWN}),
    "supervisor": (
        SUPERVISOR,
        {"my queue", "my unit's", "my queue, restricted", "history", *OWN},
    ),
    "administrator alone": (ADMIN, set[str]()),
    "auditor": (AUDITOR, set(FACTS)),
    "integration bound to queues": (BOUND, {"my queue", "my queue, restricted"}),
    "integration": (FREE, {name for name in FACTS if not FACTS[name].restricted}),
    "integration that may not read": (MUTE, set[str]()),
    "deactivated": (GONE, set[str]()),
    "nobody": (viewer(), set[str]()),
}


@pytest.mark.parametrize("name", SEEN)
def test_who_sees_what(name: str) -> None:
    who, expected = SEEN[name]
    assert {facts for facts in FACTS if may_see(who, FACTS[facts])} == expected


@pytest.mark.parametrize("name", SEEN)
def test_what_is_hidden_does_not_exist_and_readers_only_read(name: str) -> None:
    who, seen = SEEN[name]
    writes = name in ("agent", "supervisor")
    for key, facts in FACTS.items():
        assert may_note(who, facts) is may_reply(who, facts) is (writes and key in seen)
        if key not in seen:
            with pytest.raises(NotFound):
                require_sight(who, facts)
            with pytest.raises(NotFound):
                require_reply(who, facts, take=True)
            with pytest.raises(NotFound):
                require_note(who, facts)
        elif not writes:
            with pytest.raises(NotAllowed):
                require_reply(who, facts, take=True)
            with pytest.raises(NotAllowed):
                require_note(who, facts)
        else:
            require_reply(who, facts, take=True)
            require_note(who, facts)


def test_only_the_handler_replies_unless_they_take_it() -> None:
    require_reply(AGENT, FACTS["handled"], take=False)
    for facts in (FACTS["my queue"], replace(FACTS["my queue"], handler=SHE)):
        assert must_take(AGENT, facts)
        with pytest.raises(Conflict) as caught:
            require_reply(AGENT, facts, take=False)
        assert caught.value.code == "not_handler"
        assert caught.value.params == {"handler": facts.handler}
    both = replace(BOUND, scopes=frozenset({Scope.READ, Scope.WRITE}))
    require_reply(both, replace(FACTS["my queue"], handler=SHE), take=False)


def test_an_agent_who_audits_writes_only_where_agents_may() -> None:
    both = viewer(Role.AGENT, Role.AUDITOR)
    assert {name for name in FACTS if may_reply(both, FACTS[name])} == SEEN["agent"][1]
    with pytest.raises(NotAllowed):
        require_reply(both, FACTS["far"], take=True)


def test_what_roles_may_do_beside_seeing() -> None:
    assert may_supervise(SUPERVISOR, UNIT)
    assert not may_supervise(SUPERVISOR, FAR)
    assert not may_supervise(SUPERVISOR, None)
    assert not may_supervise(AGENT, MINE)
    assert may_administer(ADMIN)
    assert may_administer(viewer(Role.INTEGRATION, scopes=frozenset({Scope.CONFIGURE})))
    assert not may_administer(viewer(Role.SUPERVISOR, scopes=frozenset({Scope.CONFIGURE})))
    assert may_edit_customers(AGENT)
    assert may_edit_customers(viewer(Role.INTEGRATION, scopes=frozenset({Scope.CUSTOMERS})))
    assert not may_edit_customers(AUDITOR)
    assert may_audit(AUDITOR)
    assert not may_audit(ADMIN)
    assert sees_numbers(AGENT)
    assert not sees_numbers(AUDITOR)
    assert sees_numbers(AUDITOR, frozenset({Role.AUDITOR}))


def test_the_deactivated_can_do_nothing() -> None:
    assert sight_of(GONE) == Sight()
    assert sight_of(GONE).blind
    assert powers_of(GONE) == Powers()
    assert not any(
        (
            may_supervise(GONE, UNIT),
            may_administer(GONE),
            may_edit_customers(GONE),
            may_audit(GONE),
            sees_numbers(GONE),
        )
    )


def test_powers_for_the_web_client() -> None:
    both = viewer(Role.AGENT, Role.ADMINISTRATOR)
    assert powers_of(both) == Powers(
        reply=True, note=True, administer=True, queue_ids=frozenset({MINE})
    )
    assert powers_of(SUPERVISOR).supervise
    assert powers_of(AUDITOR).audit
    assert not powers_of(FREE).reply
    assert powers_of(MUTE).reply
    assert sight_of(ADMIN).blind
    assert not sight_of(FREE).blind


agents = st.frozensets(st.sampled_from([ME, SHE]))
queues = st.frozensets(st.sampled_from([MINE, UNIT, FAR]))
facts_st = st.builds(
    ConversationFacts,
    st.sampled_from([None, MINE, UNIT, FAR]),
    agents,
    st.sampled_from([None, ME, SHE]),
    agents,
    agents,
    st.booleans(),
    st.booleans(),
)
viewers = st.builds(
    Viewer,
    st.just(ME),
    st.frozensets(st.sampled_from(list(Role))),
    queues,
    queues,
    st.frozensets(st.sampled_from([scope.value for scope in Scope])),
    st.booleans(),
)


@settings(max_examples=300)
@given(viewers, facts_st, st.sampled_from(list(Role)))
def test_what_holds_for_anybody(who: Viewer, facts: ConversationFacts, more: Role) -> None:
    seen = may_see(who, facts)
    if sees_directly(who, facts):
        assert seen
    if not who.active or sight_of(who).blind:
        assert not seen
    if may_reply(who, facts):
        assert seen
    if seen and facts.restricted:
        assert sees_directly(who, facts)
    # roles add up: one more never hides or forbids anything
    richer = replace(who, roles=who.roles | {more})
    assert may_see(richer, facts) >= seen
    assert may_note(richer, facts) >= may_note(who, facts)
    # and nobody gains by being an administrator
    assert may_see(replace(who, roles=who.roles | {Role.ADMINISTRATOR}), facts) is seen
