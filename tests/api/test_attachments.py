"""Files: kept as what they are, given so that nothing runs, by visibility or by a link."""

import secrets

import pytest

from hub.api import attachments, session
from hub.api.attachments import add_media, disposition
from hub.model.clock import to_micros
from hub.model.ids import new_id
from hub.model.visibility import Role
from hub.services.access import fingerprint
from hub.services.attachments import prune
from hub.store.queries.rows import insert_row
from hub.store.tables import MediaToken
from tests.api.conftest import make_person

ROOMS = [session.ROUTES, attachments.ROUTES]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63"
    "000100000500010d0a2db40000000049454e44ae426082"
)
SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
)


@pytest.fixture
async def mia(seeded):
    return await make_person(seeded, "mia", rooms=ROOMS)


async def put(person, name: str, data: bytes, **headers: str):
    sent = {"X-CSRF-Token": person.csrf, "Content-Type": "text/html", **headers}
    return await person.client.post(
        "/api/v1/attachments", params={"filename": name}, data=data, headers=sent
    )


@pytest.mark.parametrize(
    ("name", "data", "kind", "shown"),
    [
        ("a.png", PNG, "image", "inline"),
        ("a.html", b"<html><script>alert(1)</script></html>", "file", "attachment"),
        ("a.svg", SVG, "file", "attachment"),
        ("a.png.svg", SVG, "file", "attachment"),
        ("notes.txt", "您好".encode(), "file", "attachment"),
        ("x", b"\0\1\2", "file", "attachment"),
    ],
)
async def test_a_file_comes_back_harmless(mia, name, data, kind, shown):
    answer = await put(mia, name, data)
    made = await answer.json()
    assert answer.status == 201, made
    assert (made["kind"], made["size_bytes"]) == (kind, len(data))
    given = await mia.client.get(f"/api/v1/attachments/{made['id']}")
    assert await given.read() == data
    assert given.headers["Content-Disposition"].startswith(shown)
    assert given.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in given.headers["Content-Security-Policy"]
    assert ("image/png" if shown == "inline" else "application/octet-stream") == given.content_type


async def test_an_upload_is_its_uploaders_until_it_is_sent(seeded, mia):
    made = await (await put(mia, "a.png", PNG)).json()
    for roles in ((Role.AGENT,), (Role.SUPERVISOR,), (Role.ADMINISTRATOR,), (Role.AUDITOR,)):
        other = await make_person(seeded, roles[0].value, *roles, rooms=ROOMS)
        assert (await other.call("GET", f"/attachments/{made['id']}")).status == 404
        if roles[0] in {Role.ADMINISTRATOR, Role.AUDITOR}:
            assert (await put(other, "a.png", PNG)).status == 403
    assert (await mia.call("GET", f"/attachments/{new_id()}")).status == 404


async def test_limits_and_names(seeded, mia):
    assert (await (await put(mia, "a", b"")).json())["code"] == "file_empty"
    seeded.deps.max_upload_bytes = 1000
    assert (await put(mia, "a", b"x" * 1001)).status == 413
    assert (await put(mia, "a\0b", b"x")).status == 422
    assert (await put(mia, "a", b"x", **{"X-CSRF-Token": "no"})).status == 403
    for wild in ("../../etc/passwd", "CON", "a" * 4000, "‮gpj.exe", 'a"; filename="b.html'):
        made = await (await put(mia, wild, b"x")).json()
        assert "/" not in made["filename"]
        assert "‮" not in made["filename"]
        given = await mia.client.get(f"/api/v1/attachments/{made['id']}")
        assert given.status == 200


def test_no_name_breaks_out_of_the_header():
    text = disposition("attachment", 'a"; filename=b\r\nX: y')
    assert "\r" not in text
    assert text.count('"') == 2


async def test_a_link_gives_one_file_for_its_time(seeded, mia):
    client = await seeded.serve(ROOMS, [add_media])
    made = await (await put(mia, "a.png", PNG)).json()
    now = to_micros(seeded.deps.clock.now())
    good, over = secrets.token_urlsafe(32), secrets.token_urlsafe(32)

    def unit(tx):
        for token, until in ((good, now + 60_000_000), (over, now - 1)):
            insert_row(
                tx, MediaToken, token_hash=fingerprint(token), attachment_id=made["id"],
                expires_at=until,
            )  # fmt: skip

    await seeded.deps.db.run(unit)
    given = await client.get(f"/media/{good}")
    assert (given.status, await given.read(), given.content_type) == (200, PNG, "image/png")
    for wrong in (over, "x", fingerprint(good), made["id"]):
        assert (await client.get(f"/media/{wrong}")).status == 404
    assert await prune(seeded.deps) == 1
