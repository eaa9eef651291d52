"""The command line, with and without a hub that runs."""

import json
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from hub.cli.main import app
from hub.cli.scaffold import write_channel
from hub.settings import load_settings, secret_keys
from tests.app.test_serve import Process
from tests.conftest import ROOT

run = CliRunner()


@pytest.fixture
def alone(tmp_path, monkeypatch) -> Path:
    """A folder of its own with no hub in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "d"))
    return tmp_path


def said(*arguments: str, code: int = 0, stdin: bytes | None = None) -> str:
    result = run.invoke(app, list(arguments), input=stdin)
    assert result.exit_code == code, result.output
    return result.output


def test_commands_open_the_hub_when_none_runs(alone):
    text = said("admin", "create", "ann@example.com")
    assert "/link/set-password#" in text
    assert "/link/set-password#" in said("admin", "create", "ann@example.com")
    assert "revision" in said("migrate")
    report = said("doctor")
    assert "BAD" not in report
    for part in ("settings", "key", "database", "redis", "disk", "clock", "channel"):
        assert f"ok   {part}" in report
    assert "channel_not_found" in said("probe", "nothing", code=2)
    assert "intake_not_found" in said("replay", "x", code=2)


def test_doctor_says_what_to_do(alone, monkeypatch):
    said("migrate")
    monkeypatch.setenv("HUB_REDIS_URL", "redis://127.0.0.1:1/0")
    report = said("doctor", code=1)
    assert "BAD  redis" in report
    assert "HUB_REDIS_URL" in report


def test_a_new_key_is_put_first_and_the_old_one_kept(alone):
    said("admin", "create", "ann@example.com")
    before = secret_keys(load_settings())
    assert "sealed" in said("admin", "rotate-key")
    after = secret_keys(load_settings())
    assert after[1:] == before
    assert after[0] not in before
    assert "BAD" not in said("doctor")


def test_settings_are_refused_in_one_line(alone, monkeypatch):
    monkeypatch.setenv("HUB_WRONG", "1")
    assert "HUB_WRONG" in said("doctor", code=2)


def test_a_mail_is_normalised_from_stdin_and_file(alone):
    mail = b"From: Li <li@example.com>\r\nTo: a@b.c\r\nSubject: Hi\r\n\r\nHello\r\n"
    found = json.loads(said("normalize", "email", stdin=mail))
    assert (found["subject"], found["from_email"]) == ("Hi", "li@example.com")
    (alone / "m.eml").write_bytes(mail)
    assert json.loads(said("normalize", "email", "m.eml")) == found
    assert "unknown kind" in said("normalize", "fax", code=2)
    assert "no file" in said("normalize", "email", "none.eml", code=2)


def test_rules_are_checked(alone):
    assert "no mistake" in said("rules", "check", str(ROOT / "config" / "rules.yaml"))
    (alone / "bad.yaml").write_text("rules: [{when: 1}]")
    assert "rules" in said("rules", "check", "bad.yaml", code=1)
    (alone / "broken.yaml").write_text("a: [")
    assert "cannot be read" in said("rules", "check", "broken.yaml", code=2)


def test_a_new_channel_is_a_folder_that_imports(tmp_path):
    made = write_channel(tmp_path, "my_net")
    assert made is not None
    assert write_channel(tmp_path, "my_net") is None
    for path in made:
        if path.suffix == ".py":
            compile(path.read_text(), str(path), "exec")
    space: dict[str, object] = {"__name__": "adapter"}
    exec((tmp_path / "hub/adapters/my_net/adapter.py").read_text(), space)
    assert space["MANIFEST"].kind == "my_net"  # type: ignore[attr-defined]
    assert "lower case" in said("new-channel", "../x", code=2)


async def test_commands_ask_the_hub_that_runs(tmp_path, monkeypatch):
    process = Process(tmp_path)
    await process.start("serve")
    try:
        await process.line("works once")
        socket = tmp_path / "data" / "hub.sock"
        assert socket.stat().st_mode & 0o077 == 0
        other = Process(tmp_path, HUB_PORT=str(process.port))
        await other.start("admin", "create", "ola@example.com")
        secret = (await other.line("#(\\S+)"))[1]
        await other.end()
        async with aiohttp.ClientSession() as http:
            answer = await http.post(
                f"{process.url}/api/v1/links/password",
                json={"secret": secret, "password": "a good password"},
            )
            assert answer.status == 201
        rotate = Process(tmp_path)
        await rotate.start("admin", "rotate-key")
        await rotate.line("stop the hub first")
        await rotate.end()
    finally:
        assert await process.end() == 0
    assert not socket.exists()
