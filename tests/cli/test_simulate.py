"""`hub simulate`: a table, JSON, variants, and mistakes with their place."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from hub.cli.main import app

SCENARIO = {
    "name": "monday", "hours": 0.5, "agents": 2, "wrapup_s": 0,
    "streams": [
        {"name": "calls", "class": "voice", "per_half_hour": [20], "handle_s": 120,
         "patience_s": 200},
    ],
}  # fmt: skip


def run(tmp_path, tree, *options: str):
    file = tmp_path / "scenario.yaml"
    file.write_text(yaml.safe_dump(tree))
    return CliRunner().invoke(app, ["simulate", str(file), "--seeds", "2", *options])


def test_variants_as_json(tmp_path) -> None:
    result = run(tmp_path, SCENARIO, "--json", "--agents", "1", "--agents", "3")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    few, many = (one["streams"]["calls"] for one in found["reports"])
    assert few["arrivals"] == many["arrivals"]
    assert few["mean_wait_s"]["mean"] > many["mean_wait_s"]["mean"]
    assert found["agents_needed"]["calls"] == [3]


def test_a_table(tmp_path) -> None:
    result = run(tmp_path, SCENARIO, "--discipline", "fifo")
    assert result.exit_code == 0, result.output
    assert "monday fifo (2 seeds" in result.stdout
    assert "calls" in result.stdout


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"streams": []}, "streams"),
        ({"agents": [{"name": "ann", "queues": {"nowhere": 1}}]}, "agents"),
        ({"rules": [{"id": "x", "when": "always", "route": {"queue": "nowhere", "steps":
            [{"at": 0, "tiers": [1]}]}}]}, "rules[0].route.queue"),
    ],
)  # fmt: skip
def test_mistakes_have_their_place(tmp_path, change, place) -> None:
    result = run(tmp_path, {**SCENARIO, **change})
    assert result.exit_code == 2
    assert place in result.stderr
