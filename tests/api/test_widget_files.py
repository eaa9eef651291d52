"""Visitors' files: by kind, content and size; to be saved, never to be run; only their own."""

import time
import zlib
from typing import Any

import pytest
from aiohttp import FormData

from hub.model.ids import new_id
from hub.store.files import new_key
from hub.store.queries.rows import insert_row
from hub.store.tables import Attachment
from tests.api.widget_world import AGENT, Browser, World, world

__all__ = ["world"]

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa75\x81\x84"
    b"\x00\x00\x00\x00IEND\xaeB`\x82"
)
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
HTML = b"<!DOCTYPE html><script>alert(1)</script>"


async def upload(browser: Browser, name: str, data: bytes, part: str = "file") -> Any:
    form = FormData(quote_fields=False)  # as browsers send names
    form.add_field(part, data, filename=name, content_type="image/png")
    return await browser.call("POST", "files", data=form)


async def test_a_file_goes_to_the_agent_and_back(world: World) -> None:
    ada, eve = world.browser(), world.browser()
    for one in (ada, eve):
        await one.open()
        await one.connect()
    answer = await upload(ada, "../\u202ephoto.PNG", PNG)
    assert answer.status == 201, await answer.text()
    kept = await answer.json()
    assert (kept["kind"], kept["filename"], kept["size_bytes"]) == ("image", "photo.PNG", len(PNG))
    await eve.send(
        {"type": "message", "client_id": new_id(), "text": "", "attachments": [kept["id"]]}
    )
    assert (await eve.frame("error"))["code"] == "attachment_not_found"
    ack = await ada.say("see here", attachments=[kept["id"]])
    assert [one["id"] for one in ack["message"]["attachments"]] == [kept["id"]]
    again = await ada.say("see here", attachments=[kept["id"]], client_id=ack["client_id"])
    assert again["outcome"] == "duplicate"
    rows = await world.rows("SELECT message_id, state, channel_id FROM attachment")
    assert rows == [(ack["message"]["id"], "stored", world.shop)]
    fetched = await ada.call("GET", f"files/{kept['id']}")
    assert await fetched.read() == PNG
    assert fetched.headers["Content-Disposition"].startswith("attachment;")
    assert fetched.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in fetched.headers["Content-Security-Policy"]
    for id_ in (kept["id"], new_id(), "x", "..%2f..%2fetc"):
        assert (await eve.call("GET", f"files/{id_}")).status == 404
    no_token = await world.client.get(f"/widget/v1/files/{kept['id']}")
    assert no_token.status == 401


async def test_an_agents_file_is_fetched_by_its_visitor_alone(world: World) -> None:
    ada, eve = world.browser(), world.browser()
    for one in (ada, eve):
        await one.open()
        await one.connect()
    own = (await ada.say("the bill, please"))["message"]
    file_id = await _agents_file(world, "bill.html", "text/html", HTML)
    await world.answer(own["thread"], "here it is", attachments=(file_id,))
    answer = await ada.text("here it is")
    assert answer["attachments"][0]["filename"] == "bill.html"
    fetched = await ada.call("GET", f"files/{file_id}")
    assert await fetched.read() == HTML
    assert fetched.content_type == "application/octet-stream"
    assert (await eve.call("GET", f"files/{file_id}")).status == 404


async def _agents_file(world: World, name: str, content_type: str, data: bytes) -> str:
    key, id_ = new_key(), new_id()
    await world.deps.files.put(key, data)

    def unit(tx: Any) -> None:
        insert_row(tx, Attachment, id=id_, uploaded_by=AGENT, kind="file", filename=name,
                   content_type=content_type, size_bytes=len(data), storage_key=key,
                   state="stored", created_at=1)  # fmt: skip

    await world.deps.db.run(unit)
    return id_


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("virus.exe", b"MZ\x90" + b"\0" * 200, 415, "file_type_refused"),
        ("photo.png", b"MZ\x90" + b"\0" * 200, 415, "file_type_refused"),
        ("photo.png", HTML, 415, "file_type_refused"),
        ("photo.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "file_type_refused"),
        ("drawing.svg", b"<svg/>", 415, "file_type_refused"),
        ("page.html", HTML, 415, "file_type_refused"),
        ("notes.txt", HTML, 415, "file_type_refused"),
        ("notes.txt", b"a\0b", 415, "file_type_refused"),
        ("noextension", PNG, 415, "file_type_refused"),
        ("photo.png.exe", PNG, 415, "file_type_refused"),
        ("photo.png\u200b.exe", PNG, 415, "file_type_refused"),
        ("photo.jpg", PNG, 415, "file_type_refused"),
        ("empty.png", b"", 400, "file_empty"),
        ("big.png", PNG + b"\0" * 2_000_001, 413, "too_large"),
        ("a.pdf", PDF, 201, None),
        ("\u8bf4\u660e.txt", "你好".encode("gb18030"), 201, None),
        ("x" * 4000 + ".png", PNG, 201, None),
    ],
)  # fmt: skip
async def test_kinds_and_sizes(
    world: World, name: str, data: bytes, status: int, code: str | None
) -> None:
    ada = world.browser()
    await ada.open()
    answer = await upload(ada, name, data)
    told = await answer.json()
    assert (answer.status, told.get("code")) == (status, code), told
    rows = await world.rows("SELECT COUNT(*) FROM attachment")
    assert rows == [(1 if status == 201 else 0,)]


async def test_broken_forms_are_refused(world: World) -> None:
    ada = world.browser()
    await ada.open()
    assert (await upload(ada, "a.png", PNG, part="other")).status == 400
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    named = b"--x\r\nContent-Disposition: form-data; name=file; filename=a.png\r\n"
    bomb = named + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"\0" * 5_000_000)
    unnamed = b"--x\r\nContent-Disposition: form-data\r\n\r\nhi\r\n--x--"
    bodies = [b"", b"--x", b"--x\r\n\r\n", unnamed, bomb + b"\r\n--x--"]
    for body in bodies:
        answer = await ada.call("POST", "files", data=body, headers=head)
        assert answer.status in (400, 413, 415), body[:80]
    bare = {"Content-Type": "multipart/form-data"}
    assert (await ada.call("POST", "files", data=b"x", headers=bare)).status == 400
    assert (await ada.call("POST", "files", json={})).status == 415
    assert await world.rows("SELECT COUNT(*) FROM attachment") == [(0,)]


async def test_forms_of_a_million_parts_or_no_gzip_cost_nothing(world: World) -> None:
    ada = world.browser()
    await ada.open()
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    began = time.process_time()
    answer = await ada.call("POST", "files", data=b"--x\r\n\r\n\r\n" * 1_000_000, headers=head)
    assert answer.status in (400, 413)
    assert time.process_time() - began < 3
    packed = {**head, "Content-Encoding": "gzip"}
    answer = await ada.call("POST", "files", data=b"\x1f\x8bnothing", headers=packed)
    assert (answer.status, (await answer.json())["code"]) == (400, "form_invalid")
    assert await world.rows("SELECT COUNT(*) FROM attachment") == [(0,)]
