"""Settings: read in order, refused by name, the key made once."""

import stat
from pathlib import Path
from typing import Any

import pytest

from hub.model.errors import SettingsInvalid
from hub.settings import Settings, load_settings, secret_keys

ROOT = Path(__file__).resolve().parents[2]
KEY = "k" * 31 + "1"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HUB_{name.upper()}", raising=False)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hub.toml"
    path.write_text(text)
    return path


def refusal(**options) -> dict[str, Any]:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(**options)
    return caught.value.params


def test_the_example_loads_and_says_the_defaults():
    found = load_settings(ROOT / "config" / "hub.toml")
    assert found.model_dump() == Settings().model_dump()
    text = (ROOT / "config" / "hub.toml").read_text()
    for name in Settings.model_fields:
        assert f"{name} = " in text, f"{name} is not documented"


def test_every_example_of_the_file_is_allowed(tmp_path):
    text = (ROOT / "config" / "hub.toml").read_text()
    lines = [
        line[2:] if line.startswith("# ") and " = " in line else line for line in text.splitlines()
    ]
    found = load_settings(written(tmp_path, "\n".join(lines)))
    assert found.url == "https://desk.example.com"
    assert len(found.secret_key) == 2


def test_the_environment_wins_over_the_file_and_options_over_both(tmp_path, monkeypatch):
    path = written(tmp_path, 'port = 1\nhost = "127.0.0.2"\nlog_level = "error"')
    monkeypatch.setenv("HUB_PORT", "2")
    monkeypatch.setenv("HUB_HOST", "127.0.0.3")
    found = load_settings(path, host="127.0.0.4")
    assert (found.port, found.host, found.log_level) == (2, "127.0.0.4", "error")
    assert found.url == "http://127.0.0.4:2"


def test_unknown_keys_are_named_where_they_stand(tmp_path, monkeypatch):
    path = written(tmp_path, "prot = 8080")
    assert refusal(file=path) == {
        "file": str(path), "key": "prot", "reason": "there is no such setting",
    }  # fmt: skip
    monkeypatch.setenv("HUB_TEST_LONG", "1")
    load_settings()
    monkeypatch.setenv("HUB_DATABSE_URL", "x")
    assert refusal()["key"] == "HUB_DATABSE_URL"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "many", "integer"),
        ("PORT", "70000", "65535"),
        ("DATABASE_URL", "mysql://x", "sqlite:///FILE"),
        ("REDIS_URL", "http://x", "redis://"),
        ("PUBLIC_URL", "desk.example.com", "https://HOST"),
        ("PUBLIC_URL", "https://desk.example.com/hub", "whole host"),
        ("PUBLIC_URL", "https://a:b@desk.example.com", "whole host"),
        ("SECRET_KEY", "short", "32"),
        ("LOG_LEVEL", "loud", "debug"),
        ("MAX_UPLOAD_MB", "0", "1"),
    ],
)
def test_a_wrong_value_is_refused_with_key_and_reason(monkeypatch, name, value, says):
    monkeypatch.setenv(f"HUB_{name}", value)
    params = refusal()
    assert (params["file"], params["key"]) == ("environment", f"HUB_{name}")
    assert says in str(params["reason"])


def test_a_named_file_must_exist_and_be_toml(tmp_path):
    assert refusal(file=tmp_path / "none.toml")["reason"] == "there is no such file"
    assert refusal(file=written(tmp_path, "port ="))["file"] == str(tmp_path / "hub.toml")


def test_http_needs_loopback_or_a_word(monkeypatch):
    monkeypatch.setenv("HUB_PUBLIC_URL", "http://desk.example.com")
    assert "HUB_ALLOW_HTTP" in str(refusal()["reason"])
    monkeypatch.setenv("HUB_ALLOW_HTTP", "true")
    assert load_settings().url == "http://desk.example.com"
    monkeypatch.delenv("HUB_ALLOW_HTTP")
    monkeypatch.delenv("HUB_PUBLIC_URL")
    monkeypatch.setenv("HUB_HOST", "0.0.0.0")
    assert "HUB_PUBLIC_URL" in str(refusal()["reason"])


def test_the_key_is_made_once_and_only_on_sqlite(tmp_path, monkeypatch):
    settings = load_settings(data_dir=tmp_path / "data")
    made = secret_keys(settings)
    assert secret_keys(settings) == made
    path = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text(f"{KEY}\n{path.read_text()}")
    assert secret_keys(settings) == [KEY.encode(), *made]
    path.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="chmod"):
        secret_keys(settings)
    monkeypatch.setenv("HUB_SECRET_KEY", f"{KEY}, {'o' * 32}")
    assert secret_keys(load_settings()) == [KEY.encode(), b"o" * 32]
    monkeypatch.delenv("HUB_SECRET_KEY")
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql://hub@127.0.0.1/hub")
    with pytest.raises(SettingsInvalid, match="HUB_SECRET_KEY"):
        secret_keys(load_settings())


def test_keys_are_not_shown():
    settings = Settings(secret_key=(KEY,))  # type: ignore[arg-type]
    assert KEY not in repr(settings)
