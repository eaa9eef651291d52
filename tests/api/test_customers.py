"""Customers, moves and search over HTTP: routes, versions, permissions, the export's bytes."""

import io
import zipfile

import pytest

from hub.services import indexing
from hub.store.lease import claim_lease
from tests.api.conftest import House
from tests.api.talk import Person, Town, build_town
from tests.services.test_search import events_after


@pytest.fixture
async def town(house: House) -> Town:
    return await build_town(house)


async def index(town: Town) -> None:
    now = town.deps.clock.now()
    view = await town.deps.db.run(lambda tx: claim_lease(tx, indexing.LEASE, "test", now))
    await indexing.index_events(town.deps, view.epoch, await events_after(town, 0))


async def customer_of(town: Town, conversation: str) -> str:
    row = await town.one("SELECT customer_id FROM conversation WHERE id = :id", id=conversation)
    return str(row[0])


async def version_of(town: Town, conversation: str) -> str:
    found = await town.one("SELECT version FROM conversation WHERE id = :id", id=conversation)
    return f'"{found[0]}"'


async def two(town: Town, ann: Person) -> tuple[str, str]:
    one = await town.write("one", sender="+8613800138001")
    await town.hold(one, handler=ann)
    other = await town.write("two", sender="+8613800138002")
    await town.hold(other, handler=ann)
    return one, other


async def test_a_customer_is_shown_changed_merged_and_parted(town: Town):
    ann, zoe = await town.person("ann"), await town.person("zoe", queues=())
    one, other = await two(town, ann)
    first, second = await customer_of(town, one), await customer_of(town, other)
    answer = await ann.call("GET", f"/customers/{first}")
    tag = answer.headers["ETag"]
    assert (await zoe.code("GET", f"/customers/{first}"))[0] == 404
    assert (await ann.code("PATCH", f"/customers/{first}", {"name": "Ada"}))[0] == 428
    view = await ann.ok("PATCH", f"/customers/{first}", {"name": "Ada"}, If_Match=tag)
    assert view["name"] == "Ada"
    assert (await ann.code("PATCH", f"/customers/{first}", {"name": "B"}, If_Match=tag)) == (
        412,
        "version_mismatch",
    )
    held = {"kind": "phone", "value": "+8613800138002"}
    assert await ann.code("POST", f"/customers/{first}/identities", held) == (409, "identity_held")
    merged = await ann.ok("POST", f"/customers/{second}/merge", {"into": first})
    assert merged["merged_ids"] == [second]
    history = await ann.ok("GET", f"/customers/{second}/conversations")
    assert {c["id"] for c in history["items"]} == {one, other}
    parted = await ann.ok("POST", f"/customers/{second}/unmerge", {})
    assert parted["id"] == second
    identity = parted["identities"][0]["id"]
    out = await ann.ok("POST", f"/identities/{identity}/opt-out", {"opted_out": True})
    assert out["identities"][0]["opted_out_at"] is not None


async def test_talk_is_put_in_order(town: Town):
    ann, zoe = await town.person("ann"), await town.person("zoe", queues=())
    one, other = await two(town, ann)
    (message,) = await town.one("SELECT id FROM message WHERE conversation_id = :id", id=one)
    tag = await version_of(town, one)
    assert (await zoe.code("POST", f"/messages/{message}/move", {}, If_Match=tag))[0] == 404
    refused = await ann.code("POST", f"/messages/{message}/move", {"to": other}, If_Match=tag)
    assert refused == (409, "other_customer")
    moved = await ann.ok("POST", f"/messages/{message}/move", {}, If_Match=tag)
    made = moved["conversation_id"]
    split = await ann.code(
        "POST", f"/conversations/{made}/split", {"from_message": message},
        If_Match=await version_of(town, made),
    )  # fmt: skip
    assert split == (409, "nothing_left")
    tag = await version_of(town, one)
    root = await ann.ok("POST", f"/conversations/{one}/merge", {"into": made}, If_Match=tag)
    assert root["conversation_id"] == made
    tag = await version_of(town, one)
    parted = await ann.ok("POST", f"/conversations/{one}/unmerge", None, If_Match=tag)
    assert parted["conversation_id"] == one
    tag = await version_of(town, other)
    await ann.ok("POST", f"/conversations/{other}/block-sender", {"reason": "x"}, If_Match=tag)
    tag = await version_of(town, other)
    await ann.ok("POST", f"/conversations/{other}/unblock-sender", {}, If_Match=tag)


async def test_search_redaction_export_and_erasure(town: Town):
    ann, sue = await town.person("ann"), await town.person("sue", "supervisor")
    one, _ = await two(town, ann)
    await index(town)
    found = await ann.ok("GET", "/search?q=one&kind=message")
    assert [hit["conversation_id"] for hit in found["items"]] == [one]
    assert (await ann.call("GET", "/search?q=" + "x" * 501)).status == 422
    assert (await ann.code("GET", "/search?q=one&after=zz"))[1] == "cursor_invalid"
    message = found["items"][0]["id"]
    assert (await ann.code("POST", f"/messages/{message}/redact", {"reason": "pan"}))[0] == 403
    await sue.ok("POST", f"/messages/{message}/redact", {"reason": "pan"})
    assert (await ann.ok("GET", "/search?q=one&kind=message"))["items"] == []
    customer = await customer_of(town, one)
    assert (await ann.code("GET", f"/customers/{customer}/export"))[0] == 403
    answer = await sue.call("GET", f"/customers/{customer}/export")
    assert answer.content_type == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(await answer.read())).testzip() is None
    wrong = {"confirm": one, "reason": "asked"}
    assert (await sue.code("POST", f"/customers/{customer}/erase", wrong))[1] == "not_confirmed"
    right = {"confirm": customer, "reason": "asked"}
    gone = await sue.ok("POST", f"/customers/{customer}/erase", right)
    assert (gone["customers"], gone["messages"]) == (1, 2)  # the remark of the redaction too
    assert (await sue.code("GET", f"/customers/{customer}"))[0] == 404
