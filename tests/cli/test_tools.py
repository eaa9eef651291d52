"""`hub normalize` for every kind of payload, and `hub rules`: nothing runs, nothing is stored."""

import json
import tomllib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from hub import adapters
from hub.cli.canonical import CHANNEL, read_payload
from hub.cli.main import app
from hub.cli.scaffold import write_channel
from hub.model.errors import BadInput
from tests.adapters.case_files import CHANNEL_ID, differences, read_cases, request_of
from tests.adapters.test_quality import SCALE
from tests.conftest import ROOT

run = CliRunner()
RULES = str(ROOT / "config" / "rules.yaml")
OPEN = "2026-11-24T10:00:00+08:00"


def said(*arguments: str, code: int = 0, stdin: bytes | None = None) -> str:
    result = run.invoke(app, list(arguments), input=stdin)
    assert result.exit_code == code, result.output
    return result.output


PLAIN = [
    case
    for kind in ("twilio_sms", "telegram", "slack", "webchat")
    for case in read_cases(kind, "in")
    # With another configuration other things come out; these say what the payload itself says.
    if "config" not in case.data
    and not case.data["expect"].get("error")
    and case.data["expect"].get("items")
]


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.id)
def test_payloads_come_out_as_the_adapter_reads_them(case):
    request = request_of(case)
    found = read_payload(
        adapters.manifest(case.kind),
        request.body,
        action=request.action,
        query=request.query,
        received_at=request.received_at,
    )
    expected = json.dumps(case.data["expect"]["items"]).replace(f'"{CHANNEL_ID}"', f'"{CHANNEL}"')
    assert differences(json.loads(expected), found["items"]) == []
    json.dumps(found)


def test_the_command_prints_items(tmp_path):
    update = {
        "update_id": 1,
        "message": {
            "message_id": 7,
            "date": 1763800000,
            "chat": {"id": 5, "type": "private"},
            "from": {"id": 5, "is_bot": False, "first_name": "Wei"},
            "text": "你好",
        },
    }
    found = json.loads(said("normalize", "telegram", stdin=json.dumps(update).encode()))
    assert [item["content"]["text"] for item in found["items"]] == ["你好"]
    assert "ignored" not in found
    (tmp_path / "status").write_text("MessageSid=SM" + "a" * 32 + "&MessageStatus=delivered")
    told = said("normalize", "twilio_sms", str(tmp_path / "status"), "--action", "status")
    assert json.loads(told)["items"][0]["state"] == "delivered"
    passed_over = json.loads(said("normalize", "telegram", stdin=b'{"update_id": 1, "poll": {}}'))
    assert passed_over["items"] == []
    assert passed_over["ignored"]


@pytest.mark.parametrize("kind", ["twilio_sms", "telegram", "slack", "webchat"])
def test_what_cannot_be_read_ends_in_one_line(kind):
    told = said("normalize", kind, stdin=b"\xff\x00[", code=2)
    assert told.startswith(f"hub: {kind}: payload_invalid")


def explained(message: object, at: str = OPEN, file: str = RULES) -> dict[str, object]:
    told = said("rules", "explain", file, "--message", json.dumps(message), "--at", at, "--json")
    found = json.loads(told)
    assert isinstance(found, dict)
    return found


def test_every_rule_says_why():
    found = explained({"case.type": "complaint", "case.severity": 3, "channel": {"kind": "email"}})
    assert (found["rule"], found["queue"], found["sla"]) == ("complaint", "complaints", "complaint")
    rules = {rule["rule"]: rule for rule in found["rules"]}  # type: ignore[attr-defined]
    assert rules["to-a-person"]["verdict"] == "enriched"
    assert rules["vip-emergency"]["verdict"] == "passed"
    results = {one["says"]: one["result"] for one in rules["vip-emergency"]["conditions"]}
    assert results["case.severity = 1"] == "false"
    assert results["customer.level in ['diamond', 'gold']"] == "unknown"
    assert rules["default"]["verdict"] == "not_reached"


def test_a_text_is_read_as_the_hub_reads_it():
    found = explained({"message.text": "Give me a real person"})
    facts = found["facts"]
    assert facts["message.asks_for_person"] is True  # type: ignore[index]
    assert facts["message.language"] == "en"  # type: ignore[index]
    told = said("rules", "explain", RULES, "--message", '{"message.text": "转人工"}')
    assert "message.asks_for_person" in told
    assert "default: queue front_line" in told


def test_calendars_beside_the_file_count(tmp_path):
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "office.yaml").write_text(
        "{name: office, zone: Asia/Shanghai, weekly: {tuesday: ['09:00-18:00']}}"
    )
    file = tmp_path / "rules.yaml"
    route = "steps: [{at: 0, tiers: [1]}]"
    file.write_text(f"""
version: 1
rules:
  - id: open
    when: {{rules: [{{field: time.open, operator: '=', value: office}}]}}
    route: {{queue: day, {route}}}
  - id: elsewhere
    when: {{rules: [{{field: time.open, operator: '=', value: other}}]}}
    route: {{queue: day, {route}}}
  - {{id: default, when: always, route: {{queue: night, {route}}}}}
""")
    assert explained({}, OPEN, str(file))["queue"] == "day"
    closed = explained({}, "2026-11-24T20:00:00+08:00", str(file))
    assert closed["queue"] == "night"
    elsewhere = closed["rules"][1]  # type: ignore[index]
    assert elsewhere["conditions"][0]["result"] == "unknown"
    (tmp_path / "calendars" / "office.yaml").write_text("{name: office}")
    assert "calendar_invalid" in said("rules", "check", str(file), code=2)


def test_mistakes_are_named(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("""
version: 1
rules:
  - id: a
    when: {rules: [{field: customer.shoe, operator: '=', value: 1}]}
    route: {queue: q, steps: [{at: 0, tiers: [1]}]}
""")
    told = said("rules", "check", str(bad), code=1)
    assert "rules[0].when.rules[0].field: unknown_field" in told
    assert "no_default" in told
    assert "unknown_field" in said("rules", "explain", str(bad), "--message", "{}", code=1)
    for message, reason in (
        ("[]", "message_not_an_object"),
        ("{", "no JSON"),
        ('{"customer.shoe": 1}', "unknown_field"),
    ):
        assert reason in said("rules", "explain", RULES, "--message", message, code=2)
    for at in ("noon", "2026-11-24T20:00:00"):
        said("rules", "explain", RULES, "--message", "{}", "--at", at, code=2)


def test_a_kind_whose_configuration_is_unusual_is_refused():
    manifest = adapters.manifest("webchat")

    class Odd(manifest.config):  # type: ignore[name-defined,misc]
        number: int

    with pytest.raises(BadInput) as caught:
        read_payload(replace(manifest, config=Odd), b"{}", received_at=datetime.now(UTC))
    assert caught.value.code == "kind_not_readable"


def test_a_new_channel_starts_on_the_quality_scale_with_a_harness(tmp_path):
    assert write_channel(tmp_path, "my_net") is not None
    told = tomllib.loads((tmp_path / "hub/adapters/my_net/quality.toml").read_text())
    assert {level: tuple(rules) for level, rules in told.items()} == dict(SCALE)
    space: dict[str, object] = {"__name__": "harness"}
    exec((tmp_path / "tests/adapters/my_net/harness.py").read_text(), space)
    assert {"CONFIG", "SECRETS", "REPLAY_WINDOW_S", "sign", "forge"} <= set(space)
