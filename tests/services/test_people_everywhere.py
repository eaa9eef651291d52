"""People, access, queues, the desk and idempotency, on SQLite and PostgreSQL alike."""

import asyncio
from dataclasses import asdict

import pytest

from hub.model.errors import Conflict, NotAuthenticated, NotFound, VersionMismatch
from hub.model.ids import new_id
from hub.model.visibility import Role, Scope
from hub.services import (
    access,
    condition,
    desk,
    keys,
    once,
    organisation,
    people,
    queues,
    sessions,
    tokens,
)
from hub.store.queries import attachments
from tests.api.conftest import open_deps
from tests.store.conftest import any_url, postgres_url, sqlite_template, sqlite_url

__all__ = ["any_url", "postgres_url", "sqlite_template", "sqlite_url"]


@pytest.fixture
async def deps(any_url, tmp_path):
    made = await open_deps(any_url, tmp_path)
    assert await organisation.seed(made)
    assert not await organisation.seed(made)
    yield made
    await made.db.close()


async def add(deps, name: str, *roles: Role) -> dict:
    fields = people.AgentFields(f"{name}@example.com", name, roles=frozenset(roles or {Role.AGENT}))
    return await people.create_agent(deps, fields, actor="test")


async def test_a_person_comes_works_and_goes(deps):
    assert await people.administrators_without_password(deps) == ""
    ann = await add(deps, "ann", Role.ADMINISTRATOR, Role.SUPERVISOR)
    assert await people.administrators_without_password(deps) == ann["id"]
    link = await sessions.make_link(deps, ann["id"], sessions.SET_PASSWORD)
    secret = link.partition("#")[2]
    made = await sessions.use_password_link(deps, secret, "a good password", ip="1")
    assert await people.administrators_without_password(deps) is None
    with pytest.raises(NotFound):
        await sessions.use_password_link(deps, secret, "a good password", ip="1")
    login = await access.session_login(deps, made.token)
    assert login is not None
    assert login.viewer.unit_queue_ids
    assert len(await sessions.list_sessions(deps, ann["id"])) == 1
    with pytest.raises(NotAuthenticated):
        await sessions.log_in(deps, "ann@example.com", "wrong", ip="1")
    await sessions.change_password(
        deps, ann["id"], "a good password", "another password", session_id=made.id, ip="1"
    )
    fields = people.agent_fields(ann, {"active": False})
    with pytest.raises(Conflict, match="last_administrator"):
        await people.change_agent(deps, ann["id"], fields, if_version=1, actor="x")
    mia = await add(deps, "mia")
    skill = await queues.add_skill(deps, "billing", actor="x")
    fields = people.agent_fields(mia, {"skills": {skill["id"]: 3}, "active": False})
    gone = await people.change_agent(deps, mia["id"], fields, if_version=1, actor="x")
    assert (gone["skills"], bool(gone["active"])) == ({skill["id"]: 3}, False)
    await queues.drop_skill(deps, skill["id"], actor="x")
    await sessions.log_out(deps, ann["id"], made.id, actor=ann["id"])
    assert await access.session_login(deps, made.token) is None
    assert {row["id"] for row in await people.list_agents(deps)} == {ann["id"], mia["id"]}
    assert await sessions.prune(deps) == 0


async def test_queues_units_and_tokens(deps):
    mia = await add(deps, "mia")
    root = (await organisation.list_units(deps))[0]
    north = await organisation.add_unit(deps, "North", root["id"], actor="x")
    await organisation.rename_unit(deps, north["id"], "South", actor="x")
    fields = queues.QueueFields("Refunds", north["id"], {"discipline": "fifo"})
    queue = await queues.create_queue(deps, fields, actor="x")
    with pytest.raises(Conflict, match="name_taken"):
        await queues.create_queue(deps, fields, actor="x")
    member = queues.Member(mia["id"], tier=2, delay_s=1.5)
    changed = await queues.set_members(deps, queue["id"], [member], if_version=1, actor="x")
    seen = {k: changed["members"][0][k] for k in asdict(member)}
    assert {**seen, "auto_accept": bool(seen["auto_accept"])} == asdict(member)
    with pytest.raises(VersionMismatch):
        await queues.change_queue(deps, queue["id"], fields, if_version=1, actor="x")
    assert (await access.find_viewer(deps, mia["id"])).queue_ids == {queue["id"]}
    assert len(await queues.list_queues(deps)) == 2
    row, secret = await tokens.create_token(
        deps, "crm", frozenset({Scope.READ}), (queue["id"],), None, actor="x"
    )
    login = await access.token_login(deps, secret)
    assert login is not None
    assert login.csrf is None
    assert login.viewer.queue_ids == {queue["id"]}
    assert await access.token_login(deps, "") is None
    await tokens.revoke_token(deps, row["id"], actor="x")
    assert await access.token_login(deps, secret) is None
    found = await organisation.organisation_row(deps)
    change = organisation.OrganisationChange("Acme", "Asia/Shanghai", "zh-CN", {"region": "CN"})
    await organisation.change_organisation(deps, change, if_version=found["version"], actor="x")
    assert (await organisation.load_organisation(deps)).zone == "Asia/Shanghai"


async def test_the_desk(deps):
    ann = await add(deps, "ann", Role.ADMINISTRATOR)
    viewer = await access.find_viewer(deps, ann["id"])
    tag = await desk.add_tag(deps, "vip", "#ffffff", actor="x")
    await desk.change_tag(deps, tag["id"], "VIP", None, if_version=1, actor="x")
    with pytest.raises(VersionMismatch):
        await desk.change_tag(deps, tag["id"], "VIP", None, if_version=1, actor="x")
    assert (await desk.list_tags(deps))[0]["name"] == "VIP"
    await desk.drop_tag(deps, tag["id"], actor="x")
    fields = desk.CannedFields("hi", "Hi", {"en": "Hi"}, None, personal=False)
    made = await desk.add_canned(deps, fields, viewer)
    await desk.change_canned(deps, made["id"], fields, viewer, if_version=1)
    assert len(await desk.list_canned(deps, viewer)) == 1
    await desk.drop_canned(deps, made["id"], viewer)


async def test_one_claim_wins_on_any_database(deps):
    key = once.Key("a", "POST /x", new_id())

    async def attempt() -> str:
        stored = await once.claim(deps, key, "h")
        if stored is not None:
            return "replayed"
        await asyncio.sleep(0)
        await once.keep(deps, key, '{"made": 1}')
        return "made"

    found = await asyncio.gather(*(attempt() for _ in range(8)))
    assert sorted(found) == ["made"] + ["replayed"] * 7
    with pytest.raises(Conflict, match="client_id_reused"):
        await once.claim(deps, key, "other")
    assert await once.prune(deps) == 0


async def test_the_store_says_its_time_and_seals_anew(deps):
    await condition.ping(deps)
    off_s = (await condition.store_clock(deps) - deps.clock.now()).total_seconds()
    assert abs(off_s) < 5
    assert await keys.reseal(deps) == {}
    assert await deps.db.read(lambda tx: attachments.with_message(tx, new_id())) is None
    assert await deps.db.read(lambda tx: attachments.by_token(tx, "x", 1)) is None
